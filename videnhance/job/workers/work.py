"""`videnhance work`: any number of processes do a job together, each segment by one at a time.

They share the job's directory and nothing else. A worker takes what is to be done next by a claim
(directory/claims.py): a segment to look for faces in; when all detections are there, the tracks,
which one worker makes; a segment to render. What is done is known from the finished files alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.errors import Stopped, UsageError, VidenhanceError
from videnhance.job.directory.claims import Claim, beating
from videnhance.job.directory.entering import joined
from videnhance.job.directory.fingerprints import tracks_fingerprint
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.made_by import MadeBy
from videnhance.job.directory.record import read_record
from videnhance.job.directory.seal import read_seal
from videnhance.job.job import Job
from videnhance.job.monitor import Monitor
from videnhance.job.steps.detect import detection_files
from videnhance.job.steps.divide import divide
from videnhance.job.steps.drift import hold_drift
from videnhance.job.steps.render import rendered_files
from videnhance.job.steps.segments import SegmentFile
from videnhance.job.steps.track import choose_persons, copy_tracks_file, recall, track
from videnhance.job.workers.like import common_of, opened
from videnhance.job.workers.paths import PathMap
from videnhance.job.workers.place import Workplace, worker_name

_LOOK = 1.0
"""Seconds after which a worker that waits for others looks again."""


@dataclass(frozen=True)
class _Unit:
    """What one worker does at a time."""

    step: str
    file: SegmentFile | None = None
    """None for the tracks."""

    @property
    def what(self) -> str:
        """As claims name it."""
        return f"{self.step} {self.file.segment.index}" if self.file is not None else self.step

    @property
    def frames(self) -> int:
        return len(self.file.segment) if self.file is not None else 0


class _Lost(Exception):
    """Another worker has taken the claim over: what is in hand is not needed any more."""


@dataclass
class Worked:
    """What a worker did."""

    worker: str
    made: list[MadeBy] = field(default_factory=list)
    """The record of each segment that it made."""
    seconds: float = 0.0
    left: int = 0
    """Segments that are still to be made, as far as is known by now."""
    tracked: bool = False
    """Whether the tracks are known."""

    @property
    def frames(self) -> int:
        return sum(one.frames for one in self.made)


def work(
    job_dir: Path | str,
    *,
    segment: int | None = None,
    maps: Sequence[PathMap] = (),
    mixed_workers: bool = False,
    progress: Progress = silent,
    stop: Stop = never,
) -> Worked:
    """Work on the job of a directory that `plan_job` prepared, until no segment is left.

    With `segment`, only on that one, counted from 0: its detections, and, where all others are
    there by then, its frames; nothing is waited for. `maps`: where its source is here.
    `mixed_workers`: also where this machine gives other bits in the last digits; that is recorded.

    Raises JobError where it must not work here, Stopped, and what the work raises.
    """
    directory, monitor = JobDirectory(Path(job_dir)), Monitor(progress, stop)
    read_record(directory.record)  # says what is wrong with the folder, if it is none of a job
    with joined(directory):
        job, unlike = opened(directory, monitor, maps, mixed=mixed_workers)
        worker = _Worker(job, unlike)
        try:
            return worker.one(segment) if segment is not None else worker.all()
        except VidenhanceError as error:
            if not isinstance(error, Stopped):
                directory.note_failure(f"{worker.did.worker}: {error}")
            error.job = directory.folder
            raise


class _Worker:
    def __init__(self, job: Job, unlike: str) -> None:
        self.place = Workplace(job, unlike)
        self.directory, self.monitor = job.directory, job.monitor
        self.did = Worked(worker_name())
        self._began, self._frames = time.monotonic(), 0
        self._long_side = int(common_of(self.directory)["long_side"])
        self._detections = [] if is_tracked(job) else detection_files(job)
        self._rendered: list[SegmentFile] | None = None
        """Known once the tracks are."""

    def all(self) -> Worked:
        """Do whatever is left, beside others."""
        while left := self._left():
            self.monitor.pause()
            taken = self.directory.claims.names()
            free = [unit for unit in left if unit.what not in taken]
            first = hash(self.did.worker) % max(len(free), 1)  # not all at the same one
            # What others have is asked for too: they may be gone.
            if not any(self._try(unit) for unit in (*free[first:], *free[:first])) and not any(
                self._try(unit) for unit in left if unit not in free
            ):
                time.sleep(_LOOK)
        return self._done()

    def one(self, number: int) -> Worked:
        """Do what can be done now of one segment."""
        record = read_record(self.directory.record)
        count = max(len(record.detect_segments), len(record.segments))
        if not 0 <= number < count:
            raise UsageError(
                f"--segment {number}: this job has {count} segments; give one from 0 to {count - 1}"
            )
        for step in ("detect", "track", "render"):
            for unit in self._left():
                if unit.step == step and (unit.file is None or unit.file.segment.index == number):
                    self._try(unit)
        return self._done()

    def _done(self) -> Worked:
        self.did.seconds = time.monotonic() - self._began
        self.did.left = sum(unit.file is not None for unit in self._left())
        self.did.tracked = not self._detections
        return self.did

    def _left(self) -> list[_Unit]:
        """What is to be done next, by anybody."""
        self._detections = [file for file in self._detections if not _is_sealed(file)]
        if self._detections:
            return [_Unit("detect", file) for file in self._detections]
        if self._rendered is None:
            if not is_divided(self.place.job):
                return [_Unit("track")]
            self._rendered = []
            if self.place.job.planned is not None:
                self.place.at(divided(self.place.with_networks(), anew=False))
                self._rendered = rendered_files(self.place.job)
        self._rendered = [file for file in self._rendered if not _is_sealed(file)]
        return [_Unit("render", file) for file in self._rendered]

    def _try(self, unit: _Unit) -> bool:
        """Do it, unless somebody else is at it."""
        claim = self.directory.claims.take(unit.what, unit.frames)
        if claim is None:
            return False
        with beating(claim):
            # It may have been done just before the claim was ours.
            if unit.file is not None and not _is_sealed(unit.file):
                self._make(unit.step, unit.file, claim)
            elif unit.file is None and not is_divided(self.place.job):
                divided(self.place.with_networks())
        return True

    def _make(self, step: str, file: SegmentFile, claim: Claim) -> None:
        def tell() -> None:
            if claim.lost.is_set():
                raise _Lost
            claim.one()
            self._frames += 1
            self.monitor.progress(step, self._frames, 0)

        try:
            if step == "detect":
                made = self.place.detect(file, self._long_side, tell)
            else:
                made = self.place.render(file, tell)
        except _Lost:
            return
        self.did.made.append(made)


def is_tracked(job: Job) -> bool:
    """Whether the tracks are there, as this job makes them or was given them."""
    if job.record.tracks is not None:
        return job.directory.tracks_are(job.record)
    return job.directory.tracks_fit(tracks_fingerprint(job.record))


def is_divided(job: Job) -> bool:
    """Whether it is known what is to be rendered, if anything is."""
    if not is_tracked(job):
        return False
    return job.planned is None or read_record(job.directory.record).document["mark"] is not None


def divided(job: Job, *, anew: bool = True) -> Job:
    """The job with its tracks, and with what is rendered of it; found out `anew` and recorded, or
    as it is recorded already. Only one process at a time may do it anew."""
    job = replace(job, entered=read_record(job.directory.record))
    if not anew:
        job = choose_persons(recall(job))
        kept = job.record.document.get("ceilings") or {}
        plan = replace(job.plan, segments=job.record.segments)
        ceilings = {int(key): float(value) for key, value in kept.items()}
        return replace(job, planned=plan, ceilings=ceilings, segments=())
    if job.tracks_file is not None:
        job = copy_tracks_file(job)
    else:
        job = track(replace(job, detections=tuple(f.path for f in detection_files(job))))
    job = choose_persons(job)
    if job.planned is None:
        return job
    job = hold_drift(job)
    if job.ceilings:
        kept_as = {str(key): value for key, value in job.ceilings.items()}
        job = replace(job, entered=job.record.noted(ceilings=kept_as))
    return divide(job)


def _is_sealed(file: SegmentFile) -> bool:
    """Whether the file is there by its seal; its content is compared by `finish_job`."""
    found = read_seal(file.path)
    return found is not None and found.fingerprint == file.fingerprint
