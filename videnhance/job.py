"""A job: the four steps in order, in a directory of its own, the output by one rename.

The directory (jobdir.py) outlives whatever stops the job; the same call goes on in it. It stands
beside the output unless told otherwise, and is removed when the output is in place.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from videnhance import restorers
from videnhance.errors import InputError, JobError, UsageError
from videnhance.faces import Tracks
from videnhance.jobdir import JobDirectory, default_folder, entered
from videnhance.output import deliver, is_finished, note_finished, require_room_for
from videnhance.plan import Plan, Scope, check_output, make_plan, make_scope
from videnhance.record import Record, make_record, read_record, tracks_fingerprint
from videnhance.settings import Settings
from videnhance.steps import Progress, Run, detect_all, never, render_all, silent, track_all
from videnhance.summary import Summary, summarize
from videnhance.trackfile import read_tracks, write_tracks
from videnhance.tracking import choose
from videnhance.video.seal import sha256_of
from videnhance.video.source import probe
from videnhance.video.writer import put_in_place

DEFAULTS = Settings()


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
    """Enhance the faces of a video and write the result to `output`.

    The source is only read. `output` appears whole, when all is done, or not at all. Stopped at
    any point, the same call goes on where it was: finished work is kept in `job_dir` (beside the
    output unless given; removed at the end unless `keep_job`). A job begun with other settings is
    refused, unless `restart`: then its files that still fit are used.

    `tracks` names a tracks.json to render from instead of looking for faces. `stop` is asked
    whenever work can be put down without losing any; then Stopped is raised. Without `identify` the
    source's content is not hashed first, for a job that nobody will go on with.

    Raises a VidenhanceError (see errors.py) whose message is one line: the file, the cause and the
    cure. Its `job` names the directory where finished work was kept, if there is some.
    """
    run = Run(progress, stop)
    source, output = Path(source), Path(output)
    folder = Path(job_dir) if job_dir is not None else default_folder(output)
    _refuse_inside(JobDirectory(folder), source, output, tracks)
    ready = is_finished(JobDirectory(folder), output) and not restart
    with run.step("plan"):
        plan = make_plan(
            source,
            output,
            settings,
            overwrite=overwrite or ready,
            progress=lambda packets: run.tell("plan", packets, 0),
        )
    scope = plan.scope
    restorer = restorers.create(settings.restore.restorer)
    given = _read_given(Path(tracks), scope) if tracks is not None else None
    request = _Request(scope, output, plan, overwrite, keep_job, given, run, identify)
    with entered(folder, request.record, restart=restart) as (job, record):
        if ready:
            run.believed["render"] = scope.stop - scope.start
            found = read_tracks(job.tracks, scope.source, scope.timeline)
        else:
            # Another process may have ended this very job while the lock was waited for.
            check_output(source, output, overwrite=overwrite)
            require_room_for(plan, job.folder)
            found = _find_tracks(scope, job, record, given, run)
        found = choose(found, settings.part.only, settings.part.skip)
        if not ready:
            with run.step("render"):
                files = render_all(plan, found, restorer, job, record, run)
            request.refuse_changed_source()
            with run.step("mux"):
                deliver(plan, files, job, run, overwrite=overwrite)
        kept = folder if keep_job else None
        summary = summarize(
            output,
            scope,
            found,
            restorer,
            run,
            kept,
            plan.copying.dropped,
            given=given is not None,
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
    run = Run(progress, stop)
    source, output = Path(source), Path(output)
    folder = Path(job_dir) if job_dir is not None else default_folder(output)
    _refuse_inside(JobDirectory(folder), source, output, None)
    ready = is_finished(JobDirectory(folder), output) and not restart
    with run.step("plan"):
        settings.check()
        if output.suffix.lower() != ".json":
            raise UsageError(f"{output}: tracks are written as JSON; name it with .json")
        info = probe(source)
        check_output(source, output, overwrite=overwrite or ready)
        scope = make_scope(info, settings, lambda packets: run.tell("plan", packets, 0))
    request = _Request(scope, output, None, overwrite, keep_job, None, run)
    with entered(folder, request.record, restart=restart) as (job, record):
        found = _find_tracks(scope, job, record, None, run)
        if not ready:
            request.refuse_changed_source()
            part = output.with_name(f".{output.name}.part")
            try:
                write_tracks(part, found, scope.source, scope.timeline)
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


@dataclass(frozen=True)
class _Given:
    """A tracks file named by the user."""

    path: Path
    content: bytes
    sha256: str


class _Request:
    """What is asked for now, to be compared with what a job directory holds."""

    def __init__(
        self,
        scope: Scope,
        output: Path,
        plan: Plan | None,
        overwrite: bool,
        keep_job: bool,
        given: _Given | None,
        run: Run,
        identify: bool = True,
    ) -> None:
        self._scope, self._output, self._plan = scope, output, plan
        self._overwrite, self._keep_job, self._given, self._run = overwrite, keep_job, given, run
        self._identify = identify
        self._source = scope.source.path
        self._before = self._source.stat()

    def record(self, complete: bool) -> Record:
        """The record of this job; the source's content is read only for a `complete` one."""
        size = self._before.st_size

        def tell(done: int) -> None:
            self._run.tell("hash", done, size)

        return make_record(
            self._scope,
            self._output,
            self._plan,
            overwrite=self._overwrite,
            keep_job=self._keep_job,
            source_sha256=(
                sha256_of(self._source, progress=tell) if complete and self._identify else None
            ),
            tracks=(self._given.path, self._given.sha256) if self._given else None,
        )

    def refuse_changed_source(self) -> None:
        """Raises InputError where the source was written to since the job began."""
        try:
            now = self._source.stat()
        except OSError as error:
            raise InputError(
                f"{self._source}: is gone since the work began ({error.strerror}); put it back "
                "under this name, then go on"
            ) from error
        if (now.st_size, now.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns):
            raise InputError(
                f"{self._source}: was changed while it was worked on; wait until it is complete, "
                "then begin again with --restart"
            )


def _refuse_inside(
    job: JobDirectory, source: Path, output: Path, tracks: Path | str | None
) -> None:
    """Raises JobError where a file of the user's lies in the directory that the job removes."""
    files = {"the input": source, "the output": output}
    # resume() names the copy that a job keeps of the tracks it was given.
    if tracks is not None and not (Path(tracks) == job.tracks and job.keeps_given_tracks()):
        files["--tracks"] = Path(tracks)
    folder = Path(os.path.realpath(job.folder))
    for name, path in files.items():
        if Path(os.path.realpath(path)).is_relative_to(folder):
            raise JobError(
                f"{path}: {name} lies in the job's own directory {job.folder}; "
                "name another --job-dir"
            )


def _read_given(path: Path, scope: Scope) -> _Given:
    """Raises InputError where the file is no tracks file of this video."""
    choose(
        read_tracks(path, scope.source, scope.timeline),
        scope.settings.part.only,
        scope.settings.part.skip,
    )
    content = path.read_bytes()
    return _Given(path, content, hashlib.sha256(content).hexdigest())


def _find_tracks(
    scope: Scope, job: JobDirectory, record: Record, given: _Given | None, run: Run
) -> Tracks:
    """The tracks of the job's tracks.json, which is made first where there is none."""
    if given is None:
        with run.step("detect"):
            detections = detect_all(scope, job, record, run)
    with run.step("track"):
        run.pause()
        if given is not None:
            _put(job.tracks, given.content)
        elif not job.tracks_fit(tracks_fingerprint(record)):
            _make_tracks(scope, job, record, detections)
        return read_tracks(job.tracks, scope.source, scope.timeline)


def _make_tracks(scope: Scope, job: JobDirectory, record: Record, detections: list[Path]) -> None:
    """Put tracks.json in place; raises JobError where another one is there."""
    new = job.tracks.with_name(job.tracks.name + ".new")
    try:
        # Named as when the job began, wherever the source lies now.
        info = replace(scope.source, path=record.source)
        write_tracks(new, track_all(scope, detections), info, scope.timeline)
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
