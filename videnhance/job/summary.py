"""What a finished job did, and how long its steps took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from videnhance.identity.drift import Drift
from videnhance.job.directory.machine import machine_text
from videnhance.job.directory.record import Record
from videnhance.job.job import Job, method_of
from videnhance.media.check.frames import Check
from videnhance.media.writing.marks import INVENTED
from videnhance.render.outcome import LeftAlone

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
    """One per face and frame: those of the tracks that were chosen, in the output's frames."""
    tracks: int
    believed: int
    """Frames that an earlier run had finished."""
    seconds: float
    """Wall time of this run."""
    steps: dict[str, float]
    """Wall time of this run by step, in seconds."""
    stages: dict[str, float]
    """What rendering spent in each of its STAGES (render/stages.py), in seconds of wall time summed
    over its threads, which work side by side; empty where this run rendered nothing."""
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
    made_on: tuple[str, ...] = ()
    """The machines that worked on it and the versions used, a line each: the last digits of the
    result depend on them. The same bits are promised on one machine only."""
    gainless: tuple[int, ...] = ()
    """Ids of the tracks that the restorer changed by less than a viewer can see (render/outcome.py
    has the measure): they are as good as it makes them."""
    left_alone: Mapping[int, LeftAlone] = field(default_factory=dict)
    """By id, the tracks of whose faces some, or all, were left as recorded, and why."""
    portraits: tuple[str, ...] = ()
    """What was made of each person, or why nothing was, one line each."""
    check: Check | None = None
    """What was found equal in the output; None where the job ends with the tracks."""
    written_by: tuple[str, ...] = ()
    """What the source says of the software that wrote it (media.reading.software.hint)."""
    restored: int | None = None
    """How many of the faces were restored: others were left as recorded. None where that is not
    known, as the job had ended before."""
    video: int | None = None
    """Index of the video stream in its source, where every one of several was enhanced."""
    others: tuple[Summary, ...] = ()
    """Those of the videos enhanced before this one, if several were."""
    invention: Mapping[int, float] = field(default_factory=dict)
    """By track id, the share of the restored detail that is a guess (render/invention.py), where
    that was asked for."""
    label: str | None = None
    """What is written into every frame of the output; None where nothing is."""
    mark: str | None = None
    """What the output's metadata says of it: IPTC's term (media/writing/marks.py)."""
    chosen: bool = False
    """Whether only some tracks were chosen: then the numbers of faces and tracks are theirs."""
    persons: int | None = None
    """How many persons the tracks seem to be of; None where nobody was told from another."""
    drifts: Mapping[int, Drift] = field(default_factory=dict)
    """By track id, how far its restored faces drift from their sources, where it was measured."""
    details: tuple[str, ...] = ()
    """What was measured on the way, a line each, for `--verbose`."""

    @property
    def marked(self) -> str:
        """How the output says that it shows what was not recorded; empty where it does not."""
        if self.mark != INVENTED:
            return ""
        label = "no label in its frames"
        if self.label is not None:
            label = f'"{self.label}" in a corner of every frame'
        return f"{label}; its metadata say {self.mark} (IPTC)"


def summarize(job: Job) -> Summary:
    """The summary of a job that is done."""
    scope, monitor, check = job.scope, job.monitor, job.check
    name, invents = method_of(job.settings, job.restorer) if job.restorer else (None, False)
    label = job.label if job.restorer else None
    spans = [
        range(max(t.start, scope.start), min(t.stop, scope.stop))
        for t in job.tracks.tracklets
        if t.start < scope.stop and scope.start < t.stop
    ]
    persons = {
        t.person
        for t in job.tracks.tracklets
        if t.person is not None and t.start < scope.stop and scope.start < t.stop
    }
    covered = np.zeros(len(scope.clip.timeline), bool)
    for span in spans:
        covered[span.start : span.stop] = True
    return Summary(
        output=job.request.output,
        frames=scope.stop - scope.start,
        start=scope.start,
        all_frames=len(scope.clip.timeline),
        looked=sum(len(segment) for segment in scope.detect_segments),
        frames_with_faces=int(covered.sum()),
        faces=sum(len(span) for span in spans),
        tracks=len(spans),
        believed=monitor.believed.get("detect" if job.planned is None else "render", 0),
        seconds=time.monotonic() - monitor.began,
        steps=monitor.seconds,
        stages=job.loader.watch.seconds,
        detector=None if job.tracks_file is not None else job.settings.detect.detector,
        restorer=name,
        invents=invents,
        notes=(
            *scope.clip.recorded.notes,
            *(job.planned.copying.dropped if job.planned is not None else ()),
            *(job.planned.copying.beside if job.planned is not None else ()),
            *monitor.notes,
            *(check.lost if check else ()),
        ),
        job=job.directory.folder if job.request.keep_job else None,
        made_on=(*map(machine_text, job.record.machines), _versions(job.record)),
        gainless=job.gainless,
        left_alone=job.left_alone,
        portraits=job.portraits,
        check=check,
        written_by=scope.clip.info.written_by,
        restored=job.restored,
        invention=job.invention,
        label=label.text if label is not None else None,
        mark=job.mark.strongest if job.restorer else None,
        chosen=job.settings.part.persons,
        persons=len(persons) or None,
        drifts=job.drifts,
        details=tuple(monitor.details),
    )


def _versions(record: Record) -> str:
    return ", ".join(f"{name} {number}" for name, number in record.document["versions"].items())
