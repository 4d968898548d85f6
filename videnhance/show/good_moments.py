"""Good moments of each track, chosen by the tracks alone: no picture is read for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import Tracklet
from videnhance.faces.visibility import visible_in
from videnhance.media.timeline import Timeline
from videnhance.show.moments import best_moments, face_scores, rows_seen

_APART = 0.5
"""Seconds between two moments, if the track is long enough for that."""


def good_moments(
    timeline: Timeline,
    tracklets: Sequence[Tracklet],
    everyone: Sequence[Tracklet],
    picture: tuple[int, int],
    count: int,
    least: float,
    span: tuple[int, int] | None = None,
) -> dict[int, tuple[int, ...]]:
    """Up to `count` frames of each track, by id, in which its face is large, frontal and whole.

    Only of faces with at least `least` pixels between the eyes: none of a track without such.
    `everyone`: all tracks that may be in front; `picture`: width and height, upright. `span`: the
    frames to choose from, half-open; without it, all.
    """
    first, stop = span or (0, len(timeline))
    visible = visible_in(range(len(timeline)), tracklets, everyone, picture)
    found = {}
    for track in tracklets:
        large = eye_distance(track.poses) >= least
        large[: max(first - track.start, 0)] = False
        large[max(stop - track.start, 0) :] = False
        rows = np.flatnonzero(rows_seen(track.scores) & large)
        sure = np.nan_to_num(track.scores[rows], nan=1.0)
        worth = face_scores(track.landmarks[rows], sure, visible[track.id].shares[rows])
        values = dict(zip((track.start + rows).tolist(), worth.tolist(), strict=True))
        begin, end = max(track.start, first), min(track.stop, stop) - 1
        length = timeline.seconds(end) - timeline.seconds(begin) if begin <= end else 0.0
        found[track.id] = best_moments(timeline, values, count, min(_APART, length / count))
    return found
