"""Stillness: where pictures show something that was not there when the detector looked last.

Pictures are compared in whole numbers, so that every machine decides alike.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.color import upright_rgb
from videnhance.imaging.frames import Frame, Matrix

Coarse = npt.NDArray[np.uint8]
"""A picture of cells: (H // CELL, W // CELL) uint8, mean luma (G for RGB formats) of each."""

CELL, WINDOW = 4, 4
"""Pixels of the source in a cell, and cells in a window, along each side. The smallest face that is
restored (`--min-eyes`) is about a window wide."""
LEVELS, NOISES, MOST = 2.5, 1.5, 6.0
"""Two pictures are alike where no window has changed by more than LEVELS + NOISES x the median of
all windows, and by no more than MOST: mean difference of its cells, in levels of 255.

The median is the noise, of the sensor and of keyframes, of a picture that stands still. Measured on
300 pairs of an empty passage at night (scripts/bench_empty.py; sensor noise of 6 levels, H.264 at
crf 26), the largest window lies below NOISES x the median plus 2.4. MOST is for light that changes
everywhere. In eight clips of people 0.5 to 98 % of the windows of pictures 0.1 s or more apart lie
far above: half of all pairs differ by 20 to 160 levels where they differ most."""

GLIMPSES, MARGIN = (128, 256), 16
"""Sides of the pictures, in the detector's pixels, in which it is shown only what changed; and the
least number of pixels around that. There is also half as much around it as it is long itself."""
_LEAST_GAIN = 3
"""Such a picture is not made if it is more than one in so many of the frame's pixels."""
_EVEN = 16
"""Pixels by which it is placed, so that all planes are cut alike."""


class Part(NamedTuple):
    """A rectangle of coded pixels, half-open."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def longest(self) -> int:
        return max(self.right - self.left, self.bottom - self.top)


def coarse(frame: Frame) -> Coarse:
    """The frame in cells; what does not fill one, at the right and the bottom, is left out."""
    plane = frame.planes[0]
    height, width = (max(n // CELL, 1) for n in plane.shape)
    whole = np.ascontiguousarray(plane[: height * CELL, : width * CELL])
    cells = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cells >> (frame.layout.depth - 8), np.uint8)


def changed(one: Coarse, other: Coarse) -> Part | None:
    """The part of the picture in which two pictures differ by more than noise; None: nowhere.

    Both are of the same size.
    """
    away = cv2.absdiff(one, other)
    sums = cv2.boxFilter(away, cv2.CV_16U, (WINDOW, WINDOW), normalize=False)
    noise = int(np.partition(sums, sums.size // 2, None)[sums.size // 2])
    cells = WINDOW * WINDOW
    rows, columns = np.nonzero(sums > min(LEVELS * cells + NOISES * noise, MOST * cells))
    if not len(rows):
        return None
    before, after = WINDOW // 2, WINDOW - WINDOW // 2
    return Part(
        int(max(columns.min() - before, 0)) * CELL,
        int(max(rows.min() - before, 0)) * CELL,
        int(columns.max() + after) * CELL,
        int(rows.max() + after) * CELL,
    )


def glimpse(
    frame: Frame, part: Part, upright: Matrix, shrink: float
) -> npt.NDArray[np.uint8] | None:
    """A small picture of the part and what is around it, upright, as a detector sees it, RGB; None
    if that would be much of the frame.

    `upright`: affine from coded to upright pixels; `shrink`: the detector's pixels for one of
    those. There are few sizes, which a network may have to be prepared for.
    """
    for side in GLIMPSES:
        span = -(-round(side / shrink) // _EVEN) * _EVEN
        around = max(MARGIN / shrink, 0.5 * part.longest)
        if part.longest + 2 * around > span or span > min(frame.width, frame.height):
            continue
        if span * span * _LEAST_GAIN > frame.width * frame.height:
            continue
        x = _begin(part.left + part.right, span, frame.width)
        y = _begin(part.top + part.bottom, span, frame.height)
        planes = []
        for k, plane in enumerate(frame.planes):
            across, down = frame.layout.chroma_shift if k in (1, 2) else (0, 0)
            rows = slice(y >> down, (y + span) >> down)
            planes.append(plane[rows, x >> across : (x + span) >> across])
        linear = upright[:, :2]
        corners = np.array([[0, 0], [span, 0], [0, span], [span, span]]) @ linear.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        width, height = np.maximum(np.rint((high - low) * shrink), 1).astype(int)
        piece = Frame(frame.index, frame.pts, tuple(planes), frame.layout)
        return upright_rgb(piece, np.column_stack([linear, -low]), (int(height), int(width)))
    return None


def _begin(twice_middle: int, span: int, length: int) -> int:
    """Where a stretch of `span` begins, so that it lies around a middle, within 0..length."""
    begin = min(max((twice_middle - span) // 2, 0), length - span)
    return begin // _EVEN * _EVEN
