"""How far a job is: read from its directory, whether it is being worked on or not.

Nothing is written and nothing is decoded: a finished file is counted by its seal, which is compared
with its content only when the job goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from videnhance.job.directory.claims import Claimed
from videnhance.job.directory.entering import holder
from videnhance.job.directory.fingerprints import detect_fingerprint
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.record import Record, read_record
from videnhance.job.directory.seal import read_seal
from videnhance.media.timeline import Segment


@dataclass(frozen=True)
class StepStatus:
    """One step: done and total segments and frames, and the wall time its finished files took."""

    name: str
    segments_done: int
    segments: int
    frames_done: int
    frames: int
    seconds: float

    @property
    def frames_per_second(self) -> float | None:
        return self.frames_done / self.seconds if self.frames_done and self.seconds else None

    @property
    def seconds_left(self) -> float | None:
        """None while nothing is known of the step's speed."""
        if self.frames_done == self.frames:
            return 0.0
        pace = self.frames_per_second
        return (self.frames - self.frames_done) / pace if pace else None


@dataclass(frozen=True)
class Status:
    """A job as its directory tells it."""

    folder: Path
    kind: str
    """enhance or detect."""
    source: Path
    output: Path
    process: int | None
    """The process that works on it now, alone."""
    finished: bool
    """The output is in place; the directory was kept."""
    steps: tuple[StepStatus, ...]
    tracked: bool
    """Whether tracks.json is there."""
    failures: tuple[str, ...]
    """What went wrong so far, oldest first, with date and time."""
    workers: tuple[Claimed, ...] = ()
    """Who works on which segment now, where several share the job."""

    @property
    def seconds_left(self) -> float | None:
        """For the steps that are costly, shared among those at work; None while one of the steps
        has no speed yet."""
        parts = [step.seconds_left for step in self.steps]
        known = [part for part in parts if part is not None]
        return sum(known) / max(len(self.workers), 1) if len(known) == len(parts) else None


def read_status(job_dir: Path | str) -> Status:
    """Raises JobError where the directory is no job's."""
    job = JobDirectory(Path(job_dir))
    record = read_record(job.record)
    steps = []
    if record.tracks is None:
        files = (
            (s, job.detections(s), detect_fingerprint(record, s)) for s in record.detect_segments
        )
        steps.append(_step("detect", files))
    if record.kind == "enhance":
        steps.append(_step("render", _rendered(job, record)))
    return Status(
        folder=job.folder,
        kind=record.kind,
        source=record.source,
        output=record.output,
        process=holder(job),
        finished=job.finished.exists() and record.output.exists(),
        steps=tuple(steps),
        tracked=job.tracks.exists(),
        failures=tuple(_failures(job)),
        workers=tuple(job.claims.at_work()),
    )


def _rendered(job: JobDirectory, record: Record) -> Iterable[tuple[Segment, Path, str | None]]:
    form = record.segment_format
    for segment in record.segments:
        # Until there are tracks, what lies there is of other settings (--restart).
        path = job.segment(segment, form) if job.tracks.exists() else job.folder / "none"
        yield segment, path, None


def _step(name: str, files: Iterable[tuple[Segment, Path, str | None]]) -> StepStatus:
    segments_done = segments = frames_done = frames = 0
    seconds = 0.0
    for segment, path, fingerprint in files:
        segments += 1
        frames += len(segment)
        found = read_seal(path)
        if found is None or (fingerprint is not None and found.fingerprint != fingerprint):
            continue
        segments_done += 1
        frames_done += len(segment)
        seconds += found.seconds
    return StepStatus(name, segments_done, segments, frames_done, frames, seconds)


def _failures(job: JobDirectory) -> Iterable[str]:
    try:
        lines = job.failures.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
            yield f"{entry['when']} {entry['error']}"
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a disk that was full
