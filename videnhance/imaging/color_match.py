"""A restored face takes on the colours of the recording it came from, and grey stays grey."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.frames import FloatArray

Vector = npt.NDArray[np.float64]

CELLS = 32
"""Colours are compared on a grid of this many cells a side: the detail a restorer adds, and the
source's noise, are not colours to be matched."""
_LEAST = (2.0 / 255.0) ** 2
"""Added to every variance of colours: below some two 8-bit steps a spread is noise and codec, and
no reason to stretch or squeeze."""
_STRETCH = 2.0
"""No colour axis is stretched or squeezed more than so many times."""

_SPREAD_CELLS = 8
"""Cells a side for the spread of colours. Measured: noise of 6 levels on grey, after H.264, spreads
by 0.6 with 8, 1.2 with 16 and 1.8 with 32; colours spread over 0.9 times as much with 8 as with 32.
"""
GREY = 1.5
"""`chroma_spread` under which a track is grey. Medians of tracks: 12 in colour 2.3 (corridor and
CCTV) to 14; the same in grey with noise of 3 to 10 levels on the chroma, H.264 of crf 18 to 34, at
most 1.1. Colour in a scene as dark as a third of a poor camera's comes out as grey, too, and so
keeps just the colours it has."""


def match_color(
    restored: FloatArray, source: FloatArray, mask: FloatArray | None, grey: bool
) -> FloatArray:
    """`restored` with the mean and covariance of the colours of `source`, (S, S, 3) float32 RGB.

    `restored`, `source`: (S, S, 3) float32 RGB, nominally 0..1; nothing is clipped. `mask` (S, S)
    float32 weighs where colours are compared, None everywhere alike. It is one affine map of
    colours for the whole crop, so detail stays; of all that match, the one that moves colours
    least: the linear Monge-Kantorovich map (Pitie & Kokaram, "The linear Monge-Kantorovitch linear
    colour mapping for example-based colour transfer", CVMP 2007), in gamma-coded RGB, where values
    beyond 0..1 need no care. Where the colours of one of both hardly vary it only shifts.

    `grey`: all three channels get the same change of BT.601 luma from the source, so that a source
    whose channels are equal stays exactly so, and one with a tint keeps it.
    """
    affine = color_map(_cells(restored), _cells(source), mask)
    matched = np.asarray(cv2.transform(restored, affine), np.float32)
    if not grey:
        return matched
    luma = cv2.cvtColor(matched - source, cv2.COLOR_RGB2GRAY)
    return np.asarray(source + np.asarray(luma, np.float32)[..., None], np.float32)


def color_map(restored: FloatArray, source: FloatArray, mask: FloatArray | None) -> Vector:
    """The affine map of colours that `match_color` applies, (3, 4), the last column the offset.

    `restored`, `source`: (CELLS, CELLS, 3) float32 RGB, the means of the crops' cells.
    """
    weights = np.ones((CELLS, CELLS)) if mask is None else _cells(mask).astype(np.float64)
    weights /= max(float(weights.sum()), 1e-9)
    middle, spread = _statistics(restored, weights)
    wanted, wanted_spread = _statistics(source, weights)
    change = _transport(spread, wanted_spread)
    return np.column_stack([change, wanted - change @ middle])


def chroma_spread(crop: FloatArray) -> float:
    """How much the colours of a crop differ from each other, in 8-bit steps of chroma, 0 and up.

    `crop`: (S, S, 3) float32 RGB 0..1. The standard deviation of BT.601 chroma (Cb and Cr together)
    over cells of 1/8 of the side, so that a codec's chroma noise averages out; one tint over all,
    as infrared often has it, is no spread.
    """
    cells = cv2.cvtColor(_cells(crop, _SPREAD_CELLS), cv2.COLOR_RGB2YCrCb)[..., 1:]
    return float(255.0 * np.sqrt(np.var(cells, axis=(0, 1)).sum()))


def is_grey(values: Sequence[float]) -> bool:
    """Whether a track is grey, by `chroma_spread` of some of its crops: their median decides.

    False where there is none.
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
    """(3, 3) symmetric T with T spread T = wanted, its eigenvalues kept within the stretch."""
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
