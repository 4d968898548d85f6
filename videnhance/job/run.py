"""A job: the four steps in order, in a directory of its own, the output by one rename.

The directory (folder.py) outlives whatever stops the job; the same call goes on in it. It stands
beside the output unless told otherwise, and is removed when the output is in place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from videnhance.errors import UsageError
from videnhance.faces.track_file import read_tracks, write_tracks
from videnhance.faces.tracking import choose
from videnhance.faces.tracklets import Tracks
from videnhance.files import put_in_place
from videnhance.job.directory.fingerprints import tracks_fingerprint
from videnhance.job.directory.folder import JobDirectory, default_folder, entered
from videnhance.job.directory.record import Record, read_record
from videnhance.job.monitor import Progress, Run, never, silent
from videnhance.job.plan import Scope, check_output, make_plan, make_scope
from videnhance.job.request import Given, Request, read_given, refuse_inside
from videnhance.job.retry import sound_job
from videnhance.job.steps.deliver import (
    deliver,
    deliver_stills,
    frame_files,
    is_finished,
    note_finished,
    require_room_for,
    require_stills,
)
from videnhance.job.steps.segments import detect_all, render_all, track_all
from videnhance.job.summary import Summary, method_of, summarize
from videnhance.media.check.frames import Check
from videnhance.media.reading.coding import coding_of
from videnhance.media.reading.source import probe
from videnhance.media.repair.examination import Examination
from videnhance.media.writing.codecs import completed
from videnhance.models.loader import Equipment
from videnhance.render.networks import looking_weights, make_kits, rendering_weights
from videnhance.restorers import is_learned
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.show.stills import Made


def enhance(
    source: Path | str,
    output: Path | str,
    settings: Settings = DEFAULTS,
    *,
    overwrite: bool = False,
    job_dir: Path | str | None = None,
    keep_job: bool = False,
    restart: bool = False,
    tracks: Path | str | None = None,
    identify: bool = True,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Enhance the faces of a video and write the result to `output` (.mkv without suffix).

    The source is only read. `output` appears whole, when all is done, or not at all. Stopped at any
    point, the same call goes on: finished work is kept in `job_dir` (beside the output unless
    given; removed at the end unless `keep_job`). A job begun with other settings is refused,
    unless `restart`, which uses its files that still fit.

    `tracks` names a tracks.json to render from instead of looking for faces. `stop` is asked
    whenever work can be put down without losing any; then Stopped is raised. Without `identify` the
    source's content is not hashed first, for a job that nobody will go on with.

    Raises a VidenhanceError (see errors.py): one line with the file, the cause and the cure. Its
    `job` names the directory where finished work was kept, if there is some.
    """
    source, output = Path(source), completed(Path(output))
    folder = Path(job_dir) if job_dir is not None else default_folder(output)
    began = time.monotonic()

    def attempt(examined: Examination | None, anew: bool) -> Summary:
        return enhance_as(
            source,
            output,
            settings,
            examined,
            overwrite=overwrite,
            folder=folder,
            keep_job=keep_job,
            restart=anew,
            tracks=tracks,
            identify=identify,
            run=Run(progress, stop, began),
        )

    record = JobDirectory(folder).record
    return sound_job(attempt, source, settings, Run(progress, stop), record, restart)


def enhance_as(
    source: Path,
    output: Path,
    settings: Settings,
    examined: Examination | None,
    *,
    overwrite: bool,
    folder: Path,
    keep_job: bool,
    restart: bool,
    tracks: Path | str | None,
    identify: bool,
    run: Run,
) -> Summary:
    """As `enhance`, of a source of which so much is known; DamagedError where it is not enough."""
    refuse_inside(JobDirectory(folder), source, output, tracks)
    ready = is_finished(JobDirectory(folder), output) and not restart
    with run.step("plan"):
        plan = make_plan(
            source,
            output,
            settings,
            overwrite=overwrite or ready,
            progress=lambda packets: run.tell("plan", packets, 0),
            examined=examined,
        )
    scope = plan.scope
    run.notes.extend(scope.clip.notes)
    equipment = _equipment(scope, run, restoring=True, detecting=tracks is None)
    given = read_given(Path(tracks), scope) if tracks is not None else None
    request = Request(scope, output, plan, overwrite, keep_job, given, run, equipment, identify)
    ours = overwrite or JobDirectory(folder).record.exists()
    require_stills(plan, ours=ours)
    with entered(folder, request.record, restart=restart) as (job, record):
        equipment.batches.update(job.found_batches())
        kits = make_kits(equipment)
        job.keep_batches(equipment.batches)
        if ready:
            run.believed["render"] = scope.stop - scope.start
            found = read_tracks(job.tracks, scope.clip)
            before = record.check
            check = Check.from_json(before) if before is not None else None
        else:
            # Another process may have ended this very job while the lock was waited for.
            check_output(source, output, overwrite=overwrite)
            require_room_for(plan, job.folder)
            found = _find_tracks(scope, equipment, job, record, given, run)
        found = choose(found, settings.part.only, settings.part.skip)
        models = {name: used.sha256 for name, used in equipment.obtained.items()}
        made = Made(*method_of(settings, kits[0].restorer), models)
        if not ready:
            pictures = frame_files(plan, made, ours=ours)
            with run.step("render"):
                files = render_all(plan, found, kits, job, record, run, pictures)
            request.refuse_changed_source()
            with run.step("mux"):
                check = deliver(plan, files, job, record, made, run, overwrite=overwrite)
        deliver_stills(plan, found, made, run)
        kept = folder if keep_job else None
        summary = summarize(
            output,
            scope,
            found,
            kits[0].restorer,
            run,
            kept,
            plan.copying.dropped,
            given=given is not None,
            check=check,
        )
        if not keep_job:
            job.remove()
    return summary


def detect_tracks(
    source: Path | str,
    output: Path | str,
    settings: Settings = DEFAULTS,
    *,
    overwrite: bool = False,
    job_dir: Path | str | None = None,
    keep_job: bool = False,
    restart: bool = False,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Find and follow the faces of a video, and write their tracks to `output`, a tracks.json.

    A job as `enhance` is, with the same arguments, that ends after tracking.
    """
    source, output = Path(source), Path(output)
    folder = Path(job_dir) if job_dir is not None else default_folder(output)
    began = time.monotonic()

    def attempt(examined: Examination | None, anew: bool) -> Summary:
        return _detect_as(
            source,
            output,
            settings,
            examined,
            overwrite=overwrite,
            folder=folder,
            keep_job=keep_job,
            restart=anew,
            run=Run(progress, stop, began),
        )

    record = JobDirectory(folder).record
    return sound_job(attempt, source, settings, Run(progress, stop), record, restart)


def _detect_as(
    source: Path,
    output: Path,
    settings: Settings,
    examined: Examination | None,
    *,
    overwrite: bool,
    folder: Path,
    keep_job: bool,
    restart: bool,
    run: Run,
) -> Summary:
    refuse_inside(JobDirectory(folder), source, output, None)
    ready = is_finished(JobDirectory(folder), output) and not restart
    with run.step("plan"):
        if output.suffix.lower() != ".json":
            raise UsageError(f"{output}: tracks are written as JSON; name it with .json")
        info = probe(source)
        check_output(source, output, overwrite=overwrite or ready)
        scope = make_scope(info, settings, lambda packets: run.tell("plan", packets, 0), examined)
        run.notes.extend(scope.clip.notes)
    equipment = _equipment(scope, run, restoring=False, detecting=True)
    request = Request(scope, output, None, overwrite, keep_job, None, run, equipment)
    with entered(folder, request.record, restart=restart) as (job, record):
        found = _find_tracks(scope, equipment, job, record, None, run)
        if not ready:
            request.refuse_changed_source()
            part = output.with_name(f".{output.name}.part")
            try:
                write_tracks(part, found, scope.clip)
                note_finished(job, part, output, overwrite)
                put_in_place(part, output)
            finally:
                part.unlink(missing_ok=True)
        kept = folder if keep_job else None
        summary = summarize(output, scope, found, None, run, kept)
        if not keep_job:
            job.remove()
    return summary


def resume(
    job_dir: Path | str,
    *,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Go on with a job from its directory alone; raises JobError where it is none."""
    job = JobDirectory(Path(job_dir))
    record = read_record(job.record)
    if record.kind == "detect":
        return detect_tracks(
            record.source,
            record.output,
            record.settings,
            overwrite=record.overwrite,
            job_dir=job.folder,
            keep_job=record.keep_job,
            progress=progress,
            stop=stop,
        )
    return enhance(
        record.source,
        record.output,
        record.settings,
        overwrite=record.overwrite,
        job_dir=job.folder,
        keep_job=record.keep_job,
        tracks=record.tracks if record.tracks is None or not job.tracks.exists() else job.tracks,
        progress=progress,
        stop=stop,
    )


def _equipment(scope: Scope, run: Run, *, restoring: bool, detecting: bool) -> Equipment:
    """With all weights that will be asked for: what cannot be had is known before the work."""
    equipment = Equipment(
        wish := scope.settings,
        device=wish.compute.devices[0],
        progress=run.tell,
        tell=run.notes.append,
        stop=run.stop,
    )
    if restoring and is_learned(wish.restore.restorer):
        found = scope.clip.recorded  # as recorded: a picture for each field would halve the bits
        equipment = replace(equipment, coding=coding_of(found.info, found.timeline))
    names = rendering_weights(wish) if restoring else []
    for name in names + (looking_weights(wish) if detecting else []):
        equipment.weights(name)
    return equipment


def _find_tracks(
    scope: Scope,
    equipment: Equipment,
    job: JobDirectory,
    record: Record,
    given: Given | None,
    run: Run,
) -> Tracks:
    """The tracks of the job's tracks.json, which is made first where there is none."""
    if given is None:
        with run.step("detect"):
            detections = detect_all(scope, equipment, job, record, run)
    with run.step("track"):
        run.pause()
        if given is not None:
            _put(job.tracks, given.content)
        elif not job.tracks_fit(tracks_fingerprint(record)):
            _make_tracks(scope, job, record, detections)
        return read_tracks(job.tracks, scope.clip)


def _make_tracks(scope: Scope, job: JobDirectory, record: Record, detections: list[Path]) -> None:
    """Put tracks.json in place; raises JobError where another one is there."""
    new = job.tracks.with_name(job.tracks.name + ".new")
    try:
        # Named as when the job began, whatever the source is called now.
        write_tracks(new, track_all(scope, detections), scope.clip, record.source.name)
        if not job.tracks.exists():
            put_in_place(new, job.tracks)
        elif new.read_bytes() != job.tracks.read_bytes():
            raise job.edited()
    finally:
        new.unlink(missing_ok=True)
    _put(job.tracks_note, job.note_of_tracks(tracks_fingerprint(record)))


def _put(path: Path, content: bytes) -> None:
    """Write a small file whole; raises OSError or OutputError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
