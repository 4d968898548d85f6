"""Both ends of a job that workers do: `videnhance plan` before them, `videnhance finish` after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from videnhance import detectors
from videnhance.callbacks import Progress, never, silent
from videnhance.errors import UsageError
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.record import read_record
from videnhance.job.job import Job
from videnhance.job.monitor import Monitor
from videnhance.job.request import JobRequest, path_of
from videnhance.job.run import begun, known_damage_first, resume
from videnhance.job.steps.detect import survey
from videnhance.job.steps.mux import require_target
from videnhance.job.steps.render import load_networks
from videnhance.job.summary import Summary
from videnhance.job.workers.like import limit_threads, save_common, use_threads
from videnhance.job.workers.work import divided, is_tracked
from videnhance.media.repair.examination import Examination
from videnhance.media.writing.codecs import completed
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.settings.reading import EVERY


@dataclass(frozen=True)
class Ahead:
    """What lies ahead of the workers of a job."""

    job: Path
    """The job's directory."""
    detect: int
    """Segments in which faces are looked for; 0 where the tracks are given."""
    render: int
    """Segments that are rendered; fewer, once it is known which frames are copied."""
    frames: int
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""

    @property
    def segments(self) -> int:
        """How many `work --segment N` are needed: N counts from 0."""
        return max(self.detect, self.render)


def plan_job(
    source: Path | str,
    output: Path | str,
    settings: Settings = DEFAULTS,
    *,
    overwrite: bool = False,
    job_dir: Path | str | None = None,
    keep_job: bool = False,
    restart: bool = False,
    tracks: Path | str | None = None,
    origins: Mapping[str, str] | None = None,
    worker_cpus: int = 0,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Ahead:
    """Prepare a job for workers: decide all that is decided once, and compute nothing else.

    With the arguments of `enhance`, which goes on with it as well as `finish_job` does.
    `worker_cpus`: threads of each worker; 0: as many as this process would use. Raises as `enhance`
    does.
    """
    if settings.source.stream == EVERY:
        raise UsageError(
            f"--stream {EVERY}: is a job for each video; name the number of one, and plan each"
        )
    request = JobRequest(
        Path(source),
        completed(Path(output)),
        settings,
        overwrite=overwrite,
        job_dir=path_of(job_dir),
        keep_job=keep_job,
        restart=restart,
        tracks=path_of(tracks),
        origins=origins or {},
    )
    if worker_cpus:
        limit_threads(worker_cpus)
    monitor = Monitor(progress, stop)

    def attempt(request: JobRequest, examined: Examination | None) -> Ahead:
        with begun(request, monitor.anew(), examined) as job:
            return _prepared(job)

    return known_damage_first(request, monitor, attempt)


def finish_job(
    job_dir: Path | str, *, progress: Progress = silent, stop: Callable[[], bool] = never
) -> Summary:
    """Make the output of a job that workers did; what they left undone is done first.

    Raises JobError where workers are still at it, else as `enhance`.
    """
    machines = read_record(JobDirectory(Path(job_dir)).record).machines
    if machines:
        use_threads(machines[0])
    return resume(job_dir, progress=progress, stop=stop)


def _prepared(job: Job) -> Ahead:
    job = require_target(job)
    long_side = job.settings.detect.long_side or 0
    if job.tracks_file is None and not long_side and not is_tracked(job):
        long_side = survey(job.scope, detectors.create(job.loader))
    save_common(job, long_side)
    if job.tracks_file is not None or is_tracked(job):
        divided(load_networks(job))
    return Ahead(
        job=job.directory.folder,
        detect=len(job.record.detect_segments),
        render=len(job.record.segments),
        frames=job.scope.stop - job.scope.start,
        notes=(*job.scope.clip.recorded.notes, *job.monitor.notes),
    )
