"""Between track and render: frames that no face is painted on are left to be copied, whole groups
of pictures at a time, and the rest is divided into segments anew.

What is copied follows from the source, the tracks and the settings alone, so a job that goes on
divides alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from videnhance.files import written
from videnhance.imaging.compositing import frame_boxes
from videnhance.imaging.label import Label
from videnhance.job.job import Job
from videnhance.media.reading.groups import Untouched, closed_groups
from videnhance.media.writing.untouched import divided
from videnhance.render.stages import upright_to_output

_MOSTLY = 0.5
"""Share of frames with a face from which on nobody expects any to be copied."""


def divide(job: Job) -> Job:
    """With the segments that are rendered, and the frames that are copied; both recorded."""
    plan, scope = job.plan, job.scope
    why = plan.not_copied
    label = job.label
    if plan.copyable is not None and label is not None:
        why = f'every frame carries the label "{label.text}" (--no-label leaves it out)'
    elif plan.copyable is not None:
        job.monitor.pause()
        recorded = scope.clip.recorded
        groups = closed_groups(recorded.info, recorded.timeline, plan.copyable.header)
        taken = [range(t.start, t.stop) for t in job.tracks.tracklets]
        segments, runs = divided(plan.segments, groups, taken)
        untouched = Untouched(plan.copyable.header, runs) if runs else None
        plan = replace(plan, segments=segments, untouched=untouched)
        painted = np.zeros(len(scope.clip.timeline), bool)
        for frames in taken:
            painted[frames.start : frames.stop] = True
        if not runs and painted[scope.start : scope.stop].mean() < _MOSTLY:
            why = "none of its groups of pictures is closed and without a face"
    if why:
        job.monitor.notes.append(f"frames without faces are encoded again, not copied: {why}")
    copied = plan.untouched.runs if plan.untouched is not None else ()
    record = job.record.divided(plan.segments, [(run.start, run.stop) for run in copied])
    record = record.noted(mark={**job.mark.as_json(), "label": _as_json(job, label)})
    if record != job.record:
        with written(job.directory.record) as part:
            record.write(part)
    return replace(job, planned=plan, entered=record)


def _as_json(job: Job, label: Label | None) -> dict[str, Any] | None:
    """The label and where it is: the rectangle, in pixels of the output as it is coded, in which
    frames are not the source's although no face is there."""
    if label is None:
        return None
    encoding = job.plan.encoding
    affine = upright_to_output(job.scope.clip.info.upright, job.settings.output.scale)
    zones = frame_boxes(job.tracks.zones, affine)
    box = label.box((encoding.height, encoding.width), affine, zones)
    return {"text": label.text, "box": [int(value) for value in box]}
