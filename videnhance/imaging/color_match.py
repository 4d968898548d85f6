"""Colour matching: a restored face gets the colours of its source crop, and grey stays grey."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.frames import FloatArray

Vector = npt.NDArray[np.float64]

CELLS = 32
"""Colours are compared on a grid of this many cells a side, so that neither the detail a restorer
adds nor the source's noise counts as colour."""
_LEAST = (2.0 / 255.0) ** 2
"""Added to every variance of colours: a spread below about two 8-bit steps is noise and codec
error, and no reason to stretch or squeeze."""
_STRETCH = 2.0
"""The largest factor by which a colour axis is stretched or squeezed."""

_SPREAD_CELLS = 8
"""Cells a side for `chroma_spread`. Measured: noise of 6 levels on grey, after H.264, spreads by
0.6 with 8 cells, 1.2 with 16 and 1.8 with 32; real colours keep more than 0.9 of their spread with
8 cells compared to 32."""
GREY = 1.5
"""A track is grey if its `chroma_spread` is below this. Median per track: 2.3 (corridor and CCTV)
to 14 for 12 tracks in colour; at most 1.1 for the same tracks turned grey, with noise of 3 to 10
levels on the chroma and H.264 of crf 18 to 34. Colour in a scene a third as bright as a poor
camera's also counts as grey, and so simply keeps the colours it has."""


def match_color(
    restored: FloatArray, source: FloatArray, mask: FloatArray | None, grey: bool
) -> FloatArray:
    """`restored` with the mean and covariance of the colours of `source`, (S, S, 3) float32 RGB.

    `restored`, `source`: (S, S, 3) float32 RGB, nominally 0..1; nothing is clipped. `mask` (S, S)
    float32 weighs where colours are compared; None weighs every place the same.

    The whole crop gets one affine map of colours, so detail stays. Of all maps that match, it is
    the one that moves colours least: the linear Monge-Kantorovich map (Pitie & Kokaram, "The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer", CVMP 2007), in
    gamma-coded RGB, where values outside 0..1 need no special care. If the colours of either crop
    hardly vary, it only shifts.

    `grey`: all three channels get the same change, the one of BT.601 luma. A source whose channels
    are equal then stays exactly so, and a tinted one keeps its tint.
    """
    affine = color_map(_cells(restored), _cells(source), mask)
    matched = np.asarray(cv2.transform(restored, affine), np.float32)
    if not grey:
        return matched
    luma = cv2.cvtColor(matched - source, cv2.COLOR_RGB2GRAY)
    return np.asarray(source + np.asarray(luma, np.float32)[..., None], np.float32)


def color_map(restored: FloatArray, source: FloatArray, mask: FloatArray | None) -> Vector:
    """The affine map of colours that `match_color` applies, (3, 4), last column the offset.

    `restored`, `source`: (CELLS, CELLS, 3) float32 RGB, the mean of each cell of the crops.
    """
    weights = np.ones((CELLS, CELLS)) if mask is None else _cells(mask).astype(np.float64)
    weights /= max(float(weights.sum()), 1e-9)
    middle, spread = _statistics(restored, weights)
    wanted, wanted_spread = _statistics(source, weights)
    change = _transport(spread, wanted_spread)
    return np.column_stack([change, wanted - change @ middle])


def chroma_spread(crop: FloatArray) -> float:
    """How much the colours within a crop differ, in 8-bit steps of chroma, from 0 up.

    `crop`: (S, S, 3) float32 RGB 0..1. The standard deviation of BT.601 chroma (Cb and Cr together)
    over cells of 1/8 of the side, so that a codec's chroma noise averages out. A uniform tint, as
    infrared often has, gives 0.
    """
    cells = cv2.cvtColor(_cells(crop, _SPREAD_CELLS), cv2.COLOR_RGB2YCrCb)[..., 1:]
    return float(255.0 * np.sqrt(np.var(cells, axis=(0, 1)).sum()))


def is_grey(values: Sequence[float]) -> bool:
    """Whether a track is grey: whether the median `chroma_spread` of some of its crops is low.

    False if there are no values.
    """
    return len(values) > 0 and float(np.median(values)) < GREY


def _statistics(cells: FloatArray, weights: Vector) -> tuple[Vector, Vector]:
    """Mean (3,) and regularised covariance (3, 3) of the colours of cells."""
    colours = cells.reshape(-1, 3).astype(np.float64)
    share = weights.reshape(-1, 1)
    middle = (share * colours).sum(axis=0)
    off = colours - middle
    return middle, off.T @ (share * off) + _LEAST * np.eye(3)


def _transport(spread: Vector, wanted: Vector) -> Vector:
    """(3, 3) symmetric T with T spread T = wanted, its eigenvalues limited by _STRETCH."""
    root = _power(spread, 0.5)
    back = _power(spread, -0.5)
    change = back @ _power(root @ wanted @ root, 0.5) @ back
    values, vectors = np.linalg.eigh((change + change.T) / 2)
    return np.asarray((vectors * np.clip(values, 1 / _STRETCH, _STRETCH)) @ vectors.T)


def _power(matrix: Vector, exponent: float) -> Vector:
    """A power of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def _cells(image: FloatArray, side: int = CELLS) -> FloatArray:
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
