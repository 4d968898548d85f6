"""A job: its steps in order, in a directory of its own, the output by one rename.

The directory (directory/folder.py) outlives whatever stops the job; the same request goes on in it.
It stands beside the output unless another is named, and is removed when the output is in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, update_wrapper
from pathlib import Path
from typing import TypeVar

from videnhance.callbacks import Progress, never, silent
from videnhance.errors import JobError
from videnhance.files import written
from videnhance.job.directory.entering import entered
from videnhance.job.directory.finished import is_finished
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.machine import unlike
from videnhance.job.directory.record import read_record
from videnhance.job.every import run_every
from videnhance.job.evidence.keep import keep_record
from videnhance.job.job import Job
from videnhance.job.monitor import Monitor
from videnhance.job.request import JobRequest, path_of
from videnhance.job.retry import after_damage
from videnhance.job.steps.crew import Crew
from videnhance.job.steps.detect import detect
from videnhance.job.steps.divide import divide
from videnhance.job.steps.drift import hold_drift
from videnhance.job.steps.invention import save_inventions
from videnhance.job.steps.made_by import note_workers
from videnhance.job.steps.mux import mux, refuse_changed_source, require_target
from videnhance.job.steps.plan import plan
from videnhance.job.steps.portraits import RECORD, make_portraits, save_portraits
from videnhance.job.steps.render import load_networks, recall_fates, render
from videnhance.job.steps.stills import save_best_moments
from videnhance.job.steps.track import (
    choose_persons,
    copy_tracks_file,
    deliver_tracks,
    recall,
    track,
)
from videnhance.job.summary import Summary, summarize
from videnhance.media.check.frames import Check
from videnhance.media.repair.examination import Examination
from videnhance.media.repair.recording import examination_in
from videnhance.media.writing.codecs import completed
from videnhance.restorers import AUTO, ai_forbidden_by, without_ai
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.settings.reading import EVERY

Step = Callable[[Job], Job]
T = TypeVar("T")


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
    origins: Mapping[str, str] | None = None,
    crew: Crew | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Enhance the faces of a video and write the result to `output` (.mkv without suffix).

    The source is only read. `output` appears whole, when all is done, or not at all. Stopped at
    any point, the same call goes on where it was: finished work is kept in `job_dir` (beside the
    output unless given; removed at the end unless `keep_job`). A job begun with other settings is
    refused, unless `restart`: then its files that still fit are used.

    `tracks` names a tracks.json to render from instead of looking for faces. `stop` is asked
    whenever work can be put down without losing any; then Stopped is raised. Without `identify` the
    source's content is not hashed first, for a job that nobody will go on with. `origins` says in
    the record where settings come from, by name; those it lacks are the caller's, or defaults.
    `crew`: who computes segments, such as a RayCrew; by default threads of this process do.

    Raises a VidenhanceError (see errors.py) whose message is one line: the file, the cause and the
    cure. Its `job` names the directory where finished work was kept, if there is some.
    """
    request = JobRequest(
        Path(source),
        completed(Path(output)),
        settings,
        overwrite=overwrite,
        job_dir=path_of(job_dir),
        keep_job=keep_job,
        restart=restart,
        tracks=path_of(tracks),
        identify=identify,
        origins=origins or {},
    )
    return run(request, Monitor(progress, stop), crew)


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
    request = JobRequest(
        Path(source),
        Path(output),
        settings,
        kind="detect",
        overwrite=overwrite,
        job_dir=path_of(job_dir),
        keep_job=keep_job,
        restart=restart,
    )
    return run(request, Monitor(progress, stop))


def make_portraits_of(
    source: Path | str,
    folder: Path | str,
    settings: Settings = DEFAULTS,
    *,
    overwrite: bool = False,
    job_dir: Path | str | None = None,
    keep_job: bool = False,
    restart: bool = False,
    tracks: Path | str | None = None,
    origins: Mapping[str, str] | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Make one picture of each person, integrated from all frames that show them alike.

    A job as `enhance` is, with the same arguments. The folder gets a PNG of 16 bits for each
    portrait, what it is compared with, a sheet (PNG and PDF), and the record portraits.json, last.
    """
    request = JobRequest(
        Path(source),
        Path(folder) / RECORD,
        settings,
        kind="portrait",
        overwrite=overwrite,
        job_dir=path_of(job_dir),
        keep_job=keep_job,
        restart=restart,
        tracks=path_of(tracks),
        origins=origins or {},
    )
    return run(request, Monitor(progress, stop))


def resume(
    job_dir: Path | str,
    *,
    crew: Crew | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Go on with a job from its directory alone; raises JobError where it is none."""
    directory = JobDirectory(Path(job_dir))
    request = JobRequest.recorded(read_record(directory.record), directory)
    return run(request, Monitor(progress, stop), crew)


def run(request: JobRequest, monitor: Monitor, crew: Crew | None = None) -> Summary:
    """Do a job; once more, with all of its source examined, where that turns out to be damaged.
    `crew` computes its segments, if that is not to be done in here.

    Raises as `enhance` does.
    """
    if request.settings.source.stream == EVERY:
        return run_every(request, monitor, partial(run, crew=crew))

    def attempt(again: JobRequest, examined: Examination | None) -> Summary:
        return run_once(again, monitor.anew(), examined, crew)

    return known_damage_first(request, monitor, attempt)


def known_damage_first(
    request: JobRequest, monitor: Monitor, attempt: Callable[[JobRequest, Examination | None], T]
) -> T:
    """What `attempt` returns, which is given the request and what is known of the source's damage;
    raises what it does."""
    known = None if request.restart else _known_damage(request.directory)

    def attempted(examined: Examination | None) -> T:
        # Work that was begun before the damage was known begins anew.
        is_news = examined is not None and examined != known
        return attempt(replace(request, restart=True) if is_news else request, examined)

    return after_damage(attempted, request.source, request.settings.source, monitor, known)


def run_once(
    request: JobRequest,
    monitor: Monitor,
    examined: Examination | None = None,
    crew: Crew | None = None,
) -> Summary:
    """Do a job, of whose source `examined` is known; raises DamagedError where that is not enough,
    else as `enhance`."""
    finished = not request.restart and is_finished(request.directory, request.output)
    with begun(request, monitor, examined, finished=finished) as job:
        for step in steps_of(job.request, finished=finished, crew=crew):
            job = step(job)
        summary = summarize(job)
        if not request.keep_job:
            request.directory.remove()
    return summary


@contextmanager
def begun(
    request: JobRequest, monitor: Monitor, examined: Examination | None, *, finished: bool = False
) -> Iterator[Job]:
    """The job of a request, planned and in its directory, which is held meanwhile; `finished`: its
    output is in place. Raises as `run_once` does."""
    request = _without_ai(request, monitor)
    request.refuse_inside()
    job = plan(request, monitor, examined, is_finished=finished)
    folder = request.directory.folder
    with entered(folder, job.make_record, restart=request.restart) as (_, record):
        job = replace(job, entered=record)
        yield job if finished else on_this_machine(job)


def _without_ai(request: JobRequest, monitor: Monitor) -> JobRequest:
    """The request as it may be done where networks must not restore, which is noted; raises
    UsageError."""
    settings, order = without_ai(request.settings), ai_forbidden_by(request.settings)
    if order and request.kind != "detect":
        auto = "auto is fusion, " if request.settings.restore.restorer == AUTO else ""
        finds = "" if request.tracks is not None else "; the detector is one, and only finds faces"
        monitor.notes.append(f"{order}: {auto}no network restores or enlarges anything{finds}")
    return replace(request, settings=settings)


def steps_of(request: JobRequest, *, finished: bool, crew: Crew | None = None) -> tuple[Step, ...]:
    """What is done after planning, in order; `finished`: the output is in place."""
    finds = (_by(crew, detect), note_workers, track)
    if request.kind == "detect":
        return finds if finished else (*finds, refuse_changed_source, deliver_tracks)
    find_faces = finds if request.tracks is None else (copy_tracks_file,)
    if request.kind == "portrait":
        making = (make_portraits,) if finished else (refuse_changed_source, make_portraits)
        return (*find_faces, choose_persons, *making, keep_record)
    if finished:
        return (
            load_networks,
            recall_finished,
            choose_persons,
            save_best_moments,
            save_inventions,
            save_portraits,
            keep_record,
        )
    return (
        load_networks,
        require_target,
        *find_faces,
        choose_persons,
        divide,
        hold_drift,
        _by(crew, render),
        note_workers,
        refuse_changed_source,
        mux,
        save_best_moments,
        save_inventions,
        save_portraits,
        keep_record,
    )


def _by(crew: Crew | None, step: Callable[..., Job]) -> Step:
    """The step, whose segments that crew computes."""
    return update_wrapper(partial(step, crew=crew), step)


def on_this_machine(job: Job) -> Job:
    """With a record that names this machine, too; it is told where it is unlike others in it."""
    here = job.machine
    if here not in job.record.machines:
        job = replace(job, entered=job.record.also_on([here]))
        with written(job.directory.record) as part:
            job.record.write(part)
    others = [text for there in job.record.machines if (text := unlike(there, here))]
    if others:
        job.monitor.notes.append(
            f"part of this job was done on an unlike machine ({others[0]}): frames made there can "
            "differ in their last digits from what this one makes"
        )
    return job


def recall_finished(job: Job) -> Job:
    """With the tracks, the faces' fates and the check of an output that is in place."""
    job.monitor.believed["render"] = job.scope.stop - job.scope.start
    check = job.record.check
    job = recall_fates(recall(job))
    return replace(job, check=Check.from_json(check) if check is not None else None)


def _known_damage(directory: JobDirectory) -> Examination | None:
    """What the job of this directory found when it examined its source; None where it did not."""
    try:
        return examination_in(read_record(directory.record).document.get("condition"))
    except JobError:
        return None
