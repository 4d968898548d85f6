"""What a finished job did, and how long its steps took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videnhance.faces.tracklets import Tracks
from videnhance.job.monitor import Run
from videnhance.job.plan import Scope
from videnhance.media.check.frames import Check
from videnhance.restorers import Restorer
from videnhance.settings.groups import Settings

ESTIMATE = "Enhanced faces are estimates: compare them with the original before you rely on them."


@dataclass(frozen=True)
class Summary:
    """What a finished job did."""

    output: Path
    frames: int
    """Of the output; its first is frame `start` of the source."""
    start: int
    all_frames: int
    """Of the whole source."""
    looked: int
    """Frames that the detect step went through: the range and its run-up."""
    frames_with_faces: int
    faces: int
    """Restored crops: one per face and frame."""
    tracks: int
    believed: int
    """Frames that an earlier run had finished."""
    seconds: float
    """Wall time of this run."""
    steps: dict[str, float]
    """Wall time of this run by step, in seconds."""
    detector: str | None
    """None where the tracks came from a file."""
    restorer: str | None
    """With the upscaler, where that is a network; None where the job ends with the tracks."""
    invents: bool
    """Whether the restorer or the upscaler can show what the clip does not hold."""
    notes: tuple[str, ...]
    """What could not be kept, and what was noticed, one sentence each."""
    job: Path | None
    """The job's directory, where it was kept."""
    check: Check | None = None
    """What was found equal in the output; None where the job ends with the tracks."""


def method_of(settings: Settings, restorer: Restorer) -> tuple[str, bool]:
    """What frames are made with, by name, and whether that can show what the clip does not hold."""
    upscaler = settings.output.upscaler
    if upscaler == "lanczos":
        return restorer.name, restorer.invents
    return f"{restorer.name} + {upscaler}", True


def summarize(
    output: Path,
    scope: Scope,
    tracks: Tracks,
    restorer: Restorer | None,
    run: Run,
    job: Path | None,
    notes: tuple[str, ...] = (),
    *,
    given: bool = False,
    check: Check | None = None,
) -> Summary:
    """The summary of a job that is done; `notes` come before the run's own.

    `given`: the tracks came from a file, no detector looked.
    """
    name, invents = method_of(scope.settings, restorer) if restorer else (None, False)
    spans = [
        range(max(t.start, scope.start), min(t.stop, scope.stop))
        for t in tracks.tracklets
        if t.start < scope.stop and scope.start < t.stop
    ]
    covered = np.zeros(len(scope.clip.timeline), bool)
    for span in spans:
        covered[span.start : span.stop] = True
    return Summary(
        output=output,
        frames=scope.stop - scope.start,
        start=scope.start,
        all_frames=len(scope.clip.timeline),
        looked=sum(len(segment) for segment in scope.looks),
        frames_with_faces=int(covered.sum()),
        faces=sum(len(span) for span in spans),
        tracks=len(spans),
        believed=run.believed.get("detect" if restorer is None else "render", 0),
        seconds=time.monotonic() - run.began,
        steps=run.seconds,
        detector=None if given else scope.settings.detect.detector,
        restorer=name,
        invents=invents,
        notes=(*scope.clip.recorded.notes, *notes, *run.notes, *(check.lost if check else ())),
        job=job,
        check=check,
    )
