"""The tracks of a job, with what became of each face, as the columns of a record."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videnhance.evidence.columns import Track, runs_of
from videnhance.faces.alignment import template_to_frame
from videnhance.faces.tracklets import Tracklet
from videnhance.imaging.affine import place
from videnhance.job.job import Job
from videnhance.render.fates import Fate

_UNKNOWN = Fate(None)


def columns_of(job: Job) -> tuple[Track, ...]:
    """Those seen in the range, by first frame and id; places to 0.01 pixel, turns to 1e-4."""
    span = range(job.scope.start, job.scope.stop)
    seen = [
        (track, chosen)
        for tracks, chosen in ((job.tracks.tracklets, True), (job.tracks.others, False))
        for track in tracks
        if track.start < span.stop and span.start < track.stop
    ]
    seen.sort(key=lambda one: (one[0].start, one[0].id))
    return tuple(_track(job, track, span, chosen) for track, chosen in seen)


def _track(job: Job, track: Tracklet, span: range, chosen: bool) -> Track:
    frames = range(max(track.start, span.start), min(track.stop, span.stop))
    rows = slice(frames.start - track.start, frames.stop - track.start)
    poses, scores = track.poses[rows], track.scores[rows]
    middle = np.array([[0.5, 0.5]])
    middles = np.array([place(middle, template_to_frame(pose))[0] for pose in poses])
    left = Fate() if not chosen else _UNKNOWN
    fates = [job.fates.faces.get((track.id, frame), left) for frame in frames]
    drift = job.drifts.get(track.id)
    return Track(
        id=track.id,
        start=frames.start,
        chosen=chosen,
        x=_rounded(middles[:, 0], 2),
        y=_rounded(middles[:, 1], 2),
        side=_rounded(np.exp(poses[:, 2]), 2),
        angle=_rounded(poses[:, 3], 4),
        score=tuple(None if np.isnan(s) else round(float(s), 4) for s in scores),
        strength=runs_of(fate.strength for fate in fates),
        reason=runs_of(fate.reason for fate in fates),
        held_back=runs_of(fate.held_back for fate in fates),
        change=runs_of(fate.change for fate in fates),
        person=track.person,
        drift=runs_of(fate.drift for fate in fates),
        drift_median=drift.median if drift is not None else None,
        drift_explained=drift.yardstick if drift is not None else None,
    )


def _rounded(values: npt.NDArray[np.float64], digits: int) -> tuple[float, ...]:
    return tuple((np.round(values, digits) + 0.0).tolist())
