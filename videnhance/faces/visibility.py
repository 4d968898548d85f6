"""How much of a face can be seen, by geometry alone: parts may lie outside the picture or behind
another face.

A detector still finds a face of which a quarter is left, but what would be restored is then mostly
hair or border. Of two faces that overlap the larger is the nearer one; it hides the other with its
whole head, hair included. Measured with a head pasted over a face in 24 places: where the face
behind is still detected, the share covered is found within 0.05 if the head in front is 1.2 times
as large or more; at 1.05 times it is found up to 0.18 too small. At the picture's edge landmarks
are pulled inwards: of three faces 0.67 inside, 0.69 to 0.71 are found; 0.50 as 0.58 to 0.62; with
0.33 inside two of them are no longer detected.

Limitations: of two faces of equal size neither counts as hidden, as either may be in front. A
large face on a screen or a poster counts as being in front of a small one. What hides a face and is
not a face itself is not known here (see gate.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import TEMPLATE, Poses
from videnhance.faces.tracklets import Tracklet
from videnhance.imaging.compositing import ellipse_mask

Values = npt.NDArray[np.float64]
_Points = npt.NDArray[np.complex128]
"""Places as x + iy."""

_GRID = 16
"""Rows and columns of the grid of points at which a face is tested."""
_NEARER = 1.0, 1.15
"""Size of another face, in sizes of this one, above which it may be in front and at which it is
taken to be: measured sizes jitter by a few hundredths."""
_HEAD_CENTRE, _HEAD_RADII = (0.5, 0.49), (0.36, 0.49)
"""The ellipse around a head with its hair, in units of the crop."""
_EDGE = 0.05
"""Half the width, in radii, of the soft border of the hiding ellipse, so that shares change
continuously."""


@dataclass(frozen=True)
class Visible:
    """One face in consecutive frames from `start` on, as shares (n,) of its area, 0..1: `inside`
    the picture, and `covered` (a part of `inside`) by faces in front."""

    start: int
    inside: Values
    covered: Values

    def of(self, frames: range) -> tuple[Values, Values]:
        """(inside, covered) in some of its frames."""
        part = slice(frames.start - self.start, frames.stop - self.start)
        return self.inside[part], self.covered[part]

    @property
    def shares(self) -> Values:
        """(n,) how much of the face can be seen, 0..1."""
        return self.inside - self.covered


def visible_in(
    frames: range,
    tracklets: Sequence[Tracklet],
    everyone: Sequence[Tracklet],
    picture: tuple[int, int],
) -> dict[int, Visible]:
    """How much of each tracklet can be seen, by id, in the `frames` that it has.

    `everyone`: all tracks that may be in front, including the tracklets themselves. `picture`:
    width and height of the upright picture.
    """
    found = {}
    for one in tracklets:
        first, stop = max(frames.start, one.start), min(frames.stop, one.stop)
        if first >= stop:
            continue
        poses = one.poses[first - one.start : stop - one.start]
        points = _place(_POINTS, poses)
        inside = _inside(points, poses, picture)
        clear = np.ones_like(inside)
        for other in everyone:
            low, high = max(first, other.start), min(stop, other.stop)
            if other.id == one.id or low >= high:
                continue
            rows = slice(low - first, high - first)
            there = other.poses[low - other.start : high - other.start]
            clear[rows] *= 1.0 - _hidden(points[rows], poses[rows], there)
        found[one.id] = Visible(first, inside @ _WEIGHTS, (inside * (1.0 - clear)) @ _WEIGHTS)
    return found


def seen_at_once(poses: Poses, picture: tuple[int, int]) -> Values:
    """How much can be seen of each face (n, 4) of one frame, (n,) in 0..1; `picture` as above."""
    points = _place(_POINTS, poses)
    clear = _inside(points, poses, picture)
    for other in poses:  # no face is larger than itself, so none hides itself
        clear *= 1.0 - _hidden(points, poses, np.broadcast_to(other, poses.shape))
    return np.asarray(clear @ _WEIGHTS)


def _face() -> tuple[_Points, Values]:
    """Points (p,) of the template's unit square that are face, and their weights, which sum to 1:
    those of the mask a face is painted with."""
    weights = ellipse_mask(_GRID).astype(np.float64)
    y, x = (np.mgrid[:_GRID, :_GRID] + 0.5) / _GRID
    seen = weights > 0
    return (x + 1j * y)[seen], weights[seen] / weights.sum()


_POINTS, _WEIGHTS = _face()
_MIDDLE = complex(*TEMPLATE.mean(axis=0))


def _place(unit: _Points, poses: Poses) -> _Points:
    """Points (p,) of the unit square in the picture, by poses (n, 4): (n, p)."""
    turn = np.exp(poses[:, 2] + 1j * poses[:, 3])[:, None]
    return np.asarray(turn * (unit - _MIDDLE) + (poses[:, 0] + 1j * poses[:, 1])[:, None])


def _inside(points: _Points, poses: Poses, picture: tuple[int, int]) -> Values:
    """How much of the grid cell around each point (n, p) lies in the picture, 0..1."""
    cell = (np.exp(poses[:, 2]) / _GRID)[:, None]
    share = np.ones(points.shape)
    for along, length in ((points.real, picture[0]), (points.imag, picture[1])):
        for depth in (along, length - along):
            share *= np.clip(depth / cell + 0.5, 0.0, 1.0)
    return share


def _hidden(points: _Points, poses: Poses, others: Poses) -> Values:
    """How far another face, `others` (n, 4) in the same frames, hides each point (n, p), 0..1."""
    larger = np.exp(others[:, 2] - poses[:, 2])
    front = np.clip((larger - _NEARER[0]) / (_NEARER[1] - _NEARER[0]), 0.0, 1.0)
    if not front.any():
        return np.zeros(points.shape)
    turn = np.exp(others[:, 2] + 1j * others[:, 3])[:, None]
    unit = (points - (others[:, 0] + 1j * others[:, 1])[:, None]) / turn + _MIDDLE
    radius = np.hypot(
        (unit.real - _HEAD_CENTRE[0]) / _HEAD_RADII[0],
        (unit.imag - _HEAD_CENTRE[1]) / _HEAD_RADII[1],
    )
    within = np.clip((1.0 + _EDGE - radius) / (2 * _EDGE), 0.0, 1.0)
    return np.asarray(front[:, None] * within)
