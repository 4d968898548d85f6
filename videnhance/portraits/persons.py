"""From a clip and its tracks to portraits: which frames, then the frames themselves, twice read.

The first reading, of all tracks at once, measures how well each frame shows each face. The second,
of one track at a time, cuts out the samples of the frames that were chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import Tracklet
from videnhance.faces.visibility import visible_in
from videnhance.media.clip import Clip
from videnhance.portraits.integrate import Integrated, Refusal, integrate
from videnhance.portraits.patches import Patch, Square, cut, square_to_frame
from videnhance.portraits.support import LEAST_FRAMES
from videnhance.portraits.views import View, views
from videnhance.show.moments import seen_scores

MOST_FRAMES = 200
"""Frames of a view that are integrated: the best. It bounds memory and time."""
_MEMORY = 256 << 20
"""Bytes of samples that are held: a large face takes fewer frames, and needs fewer."""

Worths = npt.NDArray[np.float64]
Span = tuple[int, int]
"""Frames start..stop, half-open."""


@dataclass(frozen=True)
class Wish:
    """What kind of portraits are asked for."""

    scale: int = 2
    """Pixels of the portrait per source pixel: 2, 3 or 4."""
    views: int = 1
    """Most portraits of a track."""


@dataclass(frozen=True)
class Portrait:
    """One view of a track, and what was made of it."""

    track: int
    number: int
    """Of the view, from 1."""
    frame: int
    """The reference: the best single frame of the view."""
    frames: tuple[int, ...]
    """All frames of the view that were looked at."""
    square: Square
    """What is shown of the reference frame."""
    eyes: float
    """Pixels between the eyes in the reference frame."""
    made: Integrated | Refusal


def worths(
    clip: Clip,
    tracklets: Sequence[Tracklet],
    everyone: Sequence[Tracklet],
    span: Span,
    tell: Callable[[], None],
) -> dict[int, Worths]:
    """How well each frame of each track shows the face, by id, (n,): 0 outside the span.

    `everyone`: all tracks, which may be in front. `tell` is called for every frame read.
    """
    found = {track.id: np.zeros(len(track)) for track in tracklets}
    visible = visible_in(range(*span), tracklets, everyone, clip.info.upright_size)
    sure = {track.id: _sureness(track) for track in tracklets}
    for start, stop in _stretches(tracklets, span):
        for frame in clip.frames(start, stop):
            for track in tracklets:
                row = frame.index - track.start
                if 0 <= row < len(track):
                    score = sure[track.id][[row]]
                    share = visible[track.id].shares[[frame.index - visible[track.id].start]]
                    marks = track.landmarks[[row]]
                    (worth,) = seen_scores(frame, clip.info.upright, marks, score, share)
                    found[track.id][row] = float(worth)
            tell()
    return found


def frames_to_read(tracklets: Sequence[Tracklet], span: Span) -> int:
    """How often `worths` calls `tell`."""
    return sum(stop - start for start, stop in _stretches(tracklets, span))


def views_of(track: Tracklet, worth: Worths, count: int) -> list[View]:
    """The views of a track, the best first."""
    sides = np.exp(track.poses[:, 2])
    found = views(track.landmarks, sides, worth, count, MOST_FRAMES)
    return [_within_memory(view, float(sides[view.reference]), worth) for view in found]


def portrait(
    clip: Clip,
    track: Tracklet,
    view: View,
    number: int,
    wish: Wish,
    coded: float = 0.0,
    tell: Callable[[], None] = lambda: None,
) -> Portrait:
    """The portrait of one view. `coded`: the variance of `noise.coding_noise`. `tell` is called for
    every frame of it, once or more.

    Raises InputError, and DamagedError for damage that is not known yet.
    """
    pose = track.poses[view.reference]
    square = Square.around(pose)
    frames = tuple(track.start + row for row in view.rows)
    known = Portrait(
        track.id,
        number,
        track.start + view.reference,
        frames,
        square,
        float(eye_distance(pose[None])[0]),
        Refusal(""),
    )
    if len(frames) < LEAST_FRAMES:
        return replace(known, made=_too_few(track, view))
    patches: list[Patch] = []
    keys, upright, reference = set(clip.timeline.keyframes), clip.info.upright, 0
    wanted = set(frames)
    for frame in clip.frames(frames[0], frames[-1] + 1):
        tell()
        if frame.index not in wanted:
            continue
        there = square_to_frame(square, pose, track.poses[frame.index - track.start], upright)
        patch = cut(frame, there, square, key=frame.index in keys)
        if patch is not None:
            if frame.index == known.frame:
                reference = len(patches)
            patches.append(patch)
    made = integrate(patches, reference, square.side, wish.scale, coded, tell)
    return replace(known, made=made)


def steps_of(view: View) -> int:
    """About how often `portrait` calls `tell`."""
    return view.rows[-1] - view.rows[0] + 1 + len(view.rows)


def _sureness(track: Tracklet) -> npt.NDArray[np.float64]:
    """The detector's scores (n,), between detections those of their neighbours: only some frames
    are looked at, and registration sees for itself which of the others show the face."""
    rows = np.flatnonzero(track.observed)
    if not len(rows):
        return np.ones(len(track))
    return np.asarray(np.interp(np.arange(len(track)), rows, track.scores[rows]))


def _too_few(track: Tracklet, view: View) -> Refusal:
    if len(track) < LEAST_FRAMES:
        reason = f"the track has {len(track)} frame{'s' * (len(track) > 1)}"
    else:
        reason = f"only {len(view.rows)} of {len(track)} frames show the face as the best one does"
    return Refusal(
        f"{reason}; {LEAST_FRAMES} are needed", tuple(track.start + r for r in view.rows)
    )


def _within_memory(view: View, side: float, worth: Worths) -> View:
    """The view with no more frames than can be held, the best."""
    most = max(int(_MEMORY / (6.0 * (side * 1.5) ** 2)), LEAST_FRAMES)
    if len(view.rows) <= most:
        return view
    order = sorted(view.rows, key=lambda row: (row != view.reference, -worth[row], row))
    return View(view.reference, tuple(sorted(order[:most])))


def _stretches(tracklets: Sequence[Tracklet], span: Span) -> list[Span]:
    """The parts of the span in which there is a track, in order."""
    found: list[Span] = []
    for track in sorted(tracklets, key=lambda t: t.start):
        start, stop = max(track.start, span[0]), min(track.stop, span[1])
        if start >= stop:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        else:
            found.append((start, stop))
    return found


def signal_of(made: Integrated) -> Mapping[str, float]:
    """The support within the portrait, in frames: least, median and most of the face's middle."""
    side = len(made.support)
    middle = made.support[side // 4 : -side // 4, side // 4 : -side // 4]
    return {
        "least": float(np.quantile(middle, 0.05)),
        "median": float(np.median(middle)),
        "most": float(np.quantile(middle, 0.95)),
    }
