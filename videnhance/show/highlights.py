"""Finding the best of a real video: a range to show, and each person's best moments in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videnhance import detectors
from videnhance.faces.alignment import eye_distance, fit_poses
from videnhance.faces.detection import look_at
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracking import choose
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.faces.visibility import Visible, seen_at_once, visible_in
from videnhance.imaging.choice import best_first, reaches
from videnhance.media.clip import Clip
from videnhance.media.positions import span_of
from videnhance.models.loader import Loader
from videnhance.settings.groups import Settings
from videnhance.show.moments import (
    TIE,
    best_moments,
    best_span,
    face_scores,
    frame_value,
    frames_to_look_at,
    rows_seen,
    runs,
    seen_scores,
    span_around,
)
from videnhance.show.sheet import Place, place_of

LOOK_SIZE = 1280
"""Longest side of the pictures in which the best moment is looked for: faces that need more are
not the best ones."""
APART = 0.5
"""Seconds between a track's best moments."""

Span = tuple[int, int]
"""Frames start..stop, half-open."""


@dataclass(frozen=True)
class Sighting:
    """A track at one of its best moments, and what to show of that frame."""

    track: int
    place: Place
    eyes: float
    """Pixels between the eyes in the source."""


def range_to_show(
    clip: Clip,
    settings: Settings,
    seconds: float,
    tracks: Path | None,
    tell: Callable[[int, int], None],
) -> tuple[Span, tuple[str, ...]]:
    """The range of `settings.part`, or else the best `seconds`; and notes for the user.

    Where only one end of a range is given, `seconds` from there. Else the faces of the tracks file
    are compared where one is given, or those found in a few frames: `tell` gets (done, total) of
    these. Raises what reading and detecting do.
    """
    timeline, part = clip.timeline, settings.part
    if part.start is not None or part.end is not None:
        start, stop = span_of(timeline, part.start, part.end)
        if part.end is None:
            stop = min(stop, start + _length(clip, start, seconds))
        elif part.start is None:
            start = max(start, stop - _length(clip, stop - 1, seconds))
        return (start, stop), ()
    if tracks is not None:
        found = choose(read_tracks(tracks, clip), part)
        values, where = _values_of_tracks(clip, found), f"in {tracks.name}"
    else:
        values = _values_seen(clip, settings, tell)
        where = f"in the {len(values)} frames looked at"
    span = best_span(timeline, values, seconds)
    if span is not None:
        return span, ()
    middle = span_around(timeline, len(timeline) // 2, seconds)
    return middle, (f"there is no face {where}: this is the middle of the video",)


def _length(clip: Clip, index: int, seconds: float) -> int:
    """Frames that `seconds` are, around frame `index`."""
    start, stop = span_around(clip.timeline, index, seconds)
    return stop - start


def _values_of_tracks(clip: Clip, tracks: Tracks) -> dict[int, float]:
    values = np.zeros(len(clip.timeline))
    visible = _visible(clip, tracks.tracklets, tracks.everyone, (0, len(values)))
    for track in tracks.tracklets:
        rows = np.flatnonzero(rows_seen(track.scores))
        sure = np.nan_to_num(track.scores[rows], nan=1.0)
        shares = visible[track.id].shares[rows]
        values[track.start + rows] += face_scores(track.landmarks[rows], sure, shares) ** 2
    return dict(enumerate(values.tolist()))


def _values_seen(
    clip: Clip, settings: Settings, tell: Callable[[int, int], None]
) -> dict[int, float]:
    """What a few frames spread over the video are worth."""
    info, wish = clip.info, settings.detect
    wanted = frames_to_look_at(clip.timeline, info.width * info.height)
    detector = detectors.create(Loader(settings))
    values: dict[int, float] = {}
    tell(0, len(wanted))
    for run in runs(clip.timeline, wanted):
        for frame in clip.recorded_frames(run[0], run[-1] + 1):
            if frame.index not in run:
                continue
            size = wish.long_side or LOOK_SIZE
            (faces,) = look_at([frame], detector, info.upright, info.upright_size, size)
            poses = fit_poses(faces.landmarks)
            shares = seen_at_once(poses, info.upright_size)
            large = reaches(eye_distance(poses), settings.track.min_eyes)
            faces, shares = faces[large], shares[large]
            scores = seen_scores(frame, info.upright, faces.landmarks, faces.scores, shares)
            values[frame.index] = frame_value(scores)
            tell(len(values), len(wanted))
    return values


def largest_tracks(
    tracks: Tracks, span: Span, count: int, last: Collection[int] = ()
) -> tuple[tuple[Tracklet, ...], int]:
    """The `count` largest faces of a range, the largest first, and how many more there are.

    Of faces as good as equally large (TIE) the one with the smaller id is first. Those with the ids
    `last` come after the others.
    """

    def size(track: Tracklet) -> float:
        rows = _rows_within(track, span)
        return float(np.exp(track.poses[rows, 2]).mean())

    within = [t for t in tracks.tracklets if t.start < span[1] and span[0] < t.stop]
    within.sort(key=lambda t: t.id)
    order = best_first([size(t) for t in within], share=TIE)
    order.sort(key=lambda k: within[k].id in last)
    return tuple(within[k] for k in order[:count]), max(len(within) - count, 0)


def sightings(
    clip: Clip,
    tracklets: Sequence[Tracklet],
    span: Span,
    *,
    everyone: Sequence[Tracklet],
    count: int,
    ease: float,
    scale: int,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, list[Sighting]]:
    """Up to `count` of each track's best moments in a range, by frame; decodes the range once.

    Moments at which the result is not yet, or no longer, at its full strength (`ease`, seconds)
    are taken only where there are no others. `everyone`: all tracks that may hide one of these.
    `scale` is the result's. `tell` gets (done, total) of the frames.
    """
    visible = _visible(clip, tracklets, everyone, span)
    rows = {track.id: _rows_to_show(clip, track, span, ease) for track in tracklets}
    values: dict[int, dict[int, float]] = {track.id: {} for track in tracklets}
    for frame in clip.recorded_frames(*span):
        for track in tracklets:
            row = frame.index - track.start
            if row in rows[track.id]:
                score = np.nan_to_num(track.scores[[row]], nan=1.0)
                share = visible[track.id].shares[[frame.index - visible[track.id].start]]
                marks = track.landmarks[[row]]
                (value,) = seen_scores(frame, clip.info.upright, marks, score, share)
                values[track.id][frame.index] = float(value)
        tell(frame.index + 1 - span[0], span[1] - span[0])
    found: dict[int, list[Sighting]] = {}
    for track in tracklets:
        chosen = best_moments(clip.timeline, values[track.id], count, APART)
        poses = {index: track.poses[index - track.start] for index in chosen}
        largest = max((float(np.exp(pose[2])) for pose in poses.values()), default=0.0)
        for index, pose in poses.items():
            place = place_of(float(pose[0]), float(pose[1]), largest, scale)
            eyes = float(eye_distance(pose[None])[0])
            found.setdefault(index, []).append(Sighting(track.id, place, eyes))
    return found


def _visible(
    clip: Clip, tracklets: Sequence[Tracklet], everyone: Sequence[Tracklet], span: Span
) -> dict[int, Visible]:
    return visible_in(range(*span), tracklets, everyone, clip.info.upright_size)


def _rows_within(track: Tracklet, span: Span) -> slice:
    return slice(max(span[0] - track.start, 0), min(span[1], track.stop) - track.start)


def _rows_to_show(clip: Clip, track: Tracklet, span: Span, ease: float) -> frozenset[int]:
    """Rows of a track in the range: seen by the detector, and at full strength, if there are."""
    within = _rows_within(track, span)
    rows = np.arange(within.start, within.stop)
    rows = rows[rows_seen(track.scores[within])]
    times = np.array([clip.timeline.seconds(track.start + int(row)) for row in rows])
    full = np.ones(len(rows), bool)
    if not track.opens_shot:
        full &= times >= clip.timeline.seconds(track.start) + ease
    if not track.closes_shot:
        full &= times <= clip.timeline.seconds(track.stop - 1) - ease
    return frozenset((rows[full] if full.any() else rows).tolist())
