"""Sums over frames on the fine grid: each source sample falls, unresampled, where it belongs.

The frames' whole contribution to the least squares is two pictures for each plane: how much weight
fell into each cell, and the weighted mean of the samples there (Elad & Hel-Or, "A fast
super-resolution reconstruction algorithm for pure translational motion and common space-invariant
blur", IEEE TIP 2001; Farsiu et al. 2004 call it shift-and-add). So memory does not grow with the
number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.affine import compose, invert, place
from videnhance.imaging.color import frame_to_plane
from videnhance.imaging.frames import FloatArray, PixelLayout
from videnhance.portraits.patches import Patch
from videnhance.portraits.registration import Registered

_ROUNDS = 3
"""Fixed-point rounds by which a flow is inverted: its slope is small, so each gains a digit."""


@dataclass(frozen=True)
class Placed:
    """The samples of one plane of a patch, and where in the square they lie.

    `values`: (h, w) float32 in 8-bit steps; `at`: (h, w, 2) float32, x and y in pixels of the
    square; `inside`: (h, w) bool, whether that is within it.
    """

    values: FloatArray
    at: FloatArray
    inside: npt.NDArray[np.bool_]


def placed(patch: Patch, found: Registered, plane: int, side: int) -> Placed:
    """The samples of a plane, at their exact places."""
    samples = patch.frame.planes[plane]
    y, x = np.indices(samples.shape, np.float64)
    centres = np.stack([x, y], axis=-1) + 0.5
    layout = patch.frame.layout
    to_square = compose(invert(found.matrix), invert(frame_to_plane(layout, plane)))
    affine = place(centres, to_square).astype(np.float32)
    at = affine
    for _ in range(_ROUNDS):
        at = affine - read(found.flow, at, side)
    inside = np.asarray(((at >= 0) & (at < side)).all(axis=-1))
    step = np.float32(1.0 / (1 << (layout.depth - 8)))
    return Placed(samples.astype(np.float32) * step, np.asarray(at, np.float32), inside)


def read(picture: FloatArray, at: FloatArray, side: int) -> FloatArray:
    """A picture of the square, (N, N) or (N, N, 2) float32, linear at `at` (h, w, 2), in pixels of
    the square."""
    to = at * np.float32(len(picture) / side) - np.float32(0.5)
    seen = cv2.remap(picture, to, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)


class Sums:
    """Weights and weighted values, on a square grid of `cells` a side."""

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self._weight = np.zeros(cells * cells)
        self._value = np.zeros(cells * cells)

    def add(self, samples: Placed, values: FloatArray, weights: FloatArray, side: int) -> None:
        """Add the samples within the square, as `values` and with their weights, both (h, w)."""
        inside = samples.inside
        at = (samples.at[inside] * np.float32(self.cells / side)).astype(np.int32)
        at = np.minimum(at, self.cells - 1)
        cell, weight = at[:, 1] * self.cells + at[:, 0], weights[inside].astype(np.float64)
        self._weight += np.bincount(cell, weight, self.cells**2)
        self._value += np.bincount(cell, weight * values[inside], self.cells**2)

    def means(self) -> tuple[FloatArray, FloatArray]:
        """Weight and mean of each cell, (cells, cells) float32; a mean is 0 where nothing fell."""
        mean = self._value / np.where(self._weight > 0, self._weight, 1.0)
        shape = self.cells, self.cells
        return self._weight.reshape(shape).astype(np.float32), mean.reshape(shape).astype(
            np.float32
        )


def apertures(layout: PixelLayout, plane: int) -> npt.NDArray[np.float64]:
    """Width and height of a plane's sample, in pixels."""
    if plane in (1, 2) and layout.kind == "yuv":
        x, y = layout.chroma_shift
        return np.array([2.0**x, 2.0**y])
    return np.ones(2)
