"""Views: which frames of a track show a face from the same side, with the same expression.

A portrait integrates frames of one view only: flow can bring a mouth back by a pixel, but it cannot
open it, nor show the other cheek.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videnhance.imaging.choice import first_of_best

Features = npt.NDArray[np.float64]

NAMES = "turned aside", "tilted up or down", "mouth's width", "mouth's distance"
_NEAR = np.array([0.12, 0.12, 0.15, 0.15])
"""How far frames of a view may differ from its reference in each feature, in distances between the
eyes. The nose tip stands 0.45 of these before the face, so 0.12 is 15 degrees; landmarks of a small
face are no surer than 0.05."""
_SCALES = 0.67, 1.5
"""Smallest and largest face in a view, as shares of the reference's: the samples of a face much
smaller than that hold nothing of its detail."""
_LOOKED_AT = 2000
"""Most frames of a track that are compared with each other: those of the most worth."""
_TIE = 0.02
"""Share by which two values may differ and still count as equal, so that the earlier is taken."""


@dataclass(frozen=True)
class View:
    """Rows of a track that show the face alike."""

    reference: int
    """The row that all others are registered to."""
    rows: tuple[int, ...]
    """All rows, the reference among them, in order of time."""


def features(landmarks: npt.NDArray[np.floating]) -> Features:
    """What landmarks (n, 5, 2) tell of pose and expression, (n, 4), see NAMES.

    In the face's own axes, from the eyes' middle to each eye and to the mouth's middle, so that
    size, place and tilt of the head do not count.
    """
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    across, down = points[:, 1] - points[:, 0], mouth - eyes
    apart = np.maximum(np.hypot(*across.T), 1e-6)
    nose = points[:, 2] - eyes
    area = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    area = np.where(np.abs(area) > 1e-6, area, 1e-6)
    aside = (nose[:, 0] * down[:, 1] - nose[:, 1] * down[:, 0]) / area
    along = (across[:, 0] * nose[:, 1] - across[:, 1] * nose[:, 0]) / area
    length = np.hypot(*down.T) / apart
    width = np.hypot(*(points[:, 4] - points[:, 3]).T) / apart
    return np.stack([aside, along * length, width, length], axis=-1)


def views(
    landmarks: npt.NDArray[np.floating],
    sides: npt.NDArray[np.floating],
    worth: npt.NDArray[np.floating],
    count: int,
    most: int,
) -> list[View]:
    """Up to `count` views of a track, the best first.

    `landmarks` (n, 5, 2); `sides` (n,), of the crops; `worth` (n,), how well each frame shows the
    face, 0 for those that must not be used. The reference is the frame whose own worth, times the
    root of what its view holds, is greatest. Of a view only the `most` frames are taken that are
    worth most for their nearness to it.
    """
    rows = np.sort(np.argsort(-np.asarray(worth, np.float64), kind="stable")[:_LOOKED_AT])
    found, sides, worth = features(landmarks)[rows], np.asarray(sides)[rows], worth[rows]
    left = np.asarray(worth, np.float64) > 0
    chosen: list[View] = []
    while len(chosen) < count and left.any():
        near = _nearness(found, sides) * left[None, :] * left[:, None]
        value = np.asarray(worth) * np.sqrt((near * np.asarray(worth)[None, :]).sum(axis=1))
        candidates = np.flatnonzero(left)
        best = int(candidates[first_of_best(value[candidates].tolist(), share=_TIE)])
        alike = np.flatnonzero(near[best] > 0)
        order = np.argsort(-(near[best] * worth)[alike], kind="stable")[:most]
        taken = sorted({best, *alike[order].tolist()})
        chosen.append(View(int(rows[best]), tuple(int(rows[k]) for k in taken)))
        left[alike] = left[best] = False
    return chosen


def _nearness(found: Features, sides: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(n, n): how alike frames are, 0 for those of different views, 1 for equal ones."""
    near = np.ones((len(found), len(found)))
    for feature, limit in zip(found.T, _NEAR, strict=True):
        apart = np.abs(feature[:, None] - feature[None, :]) / limit
        near *= np.where(apart <= 1.0, 1.0 - 0.5 * apart, 0.0)
    size = np.asarray(sides, np.float64)
    ratio = size[None, :] / size[:, None]
    return near * ((ratio >= _SCALES[0]) & (ratio <= _SCALES[1]))
