"""Multi-frame super-resolution: the picture that, seen through the camera's sampling, gives back
all samples best, by regularised least squares.

S. Farsiu, M. D. Robinson, M. Elad, P. Milanfar, "Fast and robust multiframe super resolution", IEEE
TIP 13 (2004): a data term on the sums of `accumulation`, and bilateral total variation. The
camera's sampling is the pixel's square aperture and a Gaussian blur of optics and registration.
Solved by half-quadratic steps with a separable majoriser, accelerated after Nesterov.
"""

from __future__ import annotations

from concurrent.futures import Executor

import cv2
import numpy as np

from videnhance.imaging.frames import FloatArray

_ITERATIONS = 18
"""Fewer blur, more also sharpen what registration missed: 60 measure 0.1 to 0.7 dB lower than
30."""
_SMOOTH = 0.08
"""Strength of the regulariser, against inverse variances in squared 8-bit steps."""
_REACH, _DECAY = 2, 0.6
"""Bilateral total variation: differences over shifts of up to REACH cells, weighted by
DECAY^|shift|."""
_SHIFTS = [
    (dx, dy, _SMOOTH * _DECAY ** (abs(dx) + abs(dy)))
    for dx in range(_REACH + 1)
    for dy in range(-_REACH, _REACH + 1)
    if dx > 0 or dy > 0
]
_LITTLE = 1e-6
"""Weight that counts as none: a hundredth of what a single sample has two cells away."""
_BAND = 1 << 16
"""Cells that are worked on at once: what a processor's cache holds."""
_SHARP = 5.0
"""8-bit steps up to which a difference counts squared: those of noise, not of edges."""


def aperture(width: float, blur: float) -> FloatArray:
    """The 1-D response of a sample `width` cells wide behind a Gaussian of sigma `blur` cells, in
    cells; (n,) float32, n odd, sum 1."""
    reach = int(np.ceil(width / 2 + 3 * blur + 0.5))
    fine = 16
    x = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    box = (np.abs(x) <= width / 2).astype(np.float64)
    if blur > 0:
        kernel = np.exp(-0.5 * (x / blur) ** 2)
        box = np.convolve(box, kernel / kernel.sum(), "same")
    taps = box.reshape(2 * reach + 1, fine).sum(axis=1)
    return np.asarray(taps / taps.sum(), np.float32)


def through(picture: FloatArray, response: tuple[FloatArray, FloatArray]) -> FloatArray:
    """The picture behind a separable response (across, down)."""
    return np.asarray(
        cv2.sepFilter2D(picture, cv2.CV_32F, *response, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def solve(
    weight: FloatArray,
    mean: FloatArray,
    start: FloatArray,
    response: tuple[FloatArray, FloatArray],
    pool: Executor,
) -> FloatArray:
    """The picture (N, N) float32 in 8-bit steps.

    `weight`, `mean`: (N, N), the sums; weights are inverse variances in squared steps. `start`: the
    picture to begin with. `response`: of a sample, in cells (`aperture`). `pool`: threads for bands
    of it; the result does not depend on how many there are.
    """
    bound = through(weight, response)
    picture: FloatArray = start.copy()
    ahead: FloatArray = picture
    pace = 1.0
    rows = max(_BAND // max(len(start), 1), 8 * _REACH)
    bands = [(top, min(top + rows, len(start))) for top in range(0, len(start), rows)]
    for _ in range(_ITERATIONS):
        slope = through(weight * (through(ahead, response) - mean), response)
        following = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead_of, onward = ahead, np.float32((pace - 1) / following)
        new, next_ahead = np.empty_like(picture), np.empty_like(picture)

        def step(
            band: tuple[int, int],
            ahead: FloatArray = ahead_of,
            slope: FloatArray = slope,
            picture: FloatArray = picture,
            new: FloatArray = new,
            next_ahead: FloatArray = next_ahead,
            onward: np.float32 = onward,
        ) -> None:
            here = slice(*band)
            force, bend = _smoothing(ahead, *band)
            new[here] = ahead[here] - (slope[here] + force) / (bound[here] + bend)
            next_ahead[here] = new[here] + onward * (new[here] - picture[here])

        list(pool.map(step, bands))
        picture, ahead, pace = new, next_ahead, following
    return np.asarray(picture, np.float32)


def _smoothing(picture: FloatArray, top: int, bottom: int) -> tuple[FloatArray, FloatArray]:
    """The regulariser's slope, and a bound of its curvature, on the rows top..bottom."""
    first, last = max(top - _REACH, 0), min(bottom + _REACH, len(picture))
    part = picture[first:last]
    slope, total = np.zeros_like(part), np.full_like(part, 1e-6)
    for dx, dy, strength in _SHIFTS:
        here, there = _pairs(part.shape, dx, dy)
        apart = part[here] - part[there]
        pull = apart * apart
        pull += np.float32(_SHARP**2)
        np.sqrt(pull, out=pull)
        np.divide(np.float32(strength), pull, out=pull)
        apart *= pull
        slope[here] += apart
        slope[there] -= apart
        pull *= np.float32(2)
        total[here] += pull
        total[there] += pull
    inner = slice(top - first, bottom - first)
    return slope[inner], total[inner]


def _pairs(
    shape: tuple[int, ...], dx: int, dy: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    height, width = shape[:2]
    rows = slice(max(-dy, 0), height - max(dy, 0)), slice(max(dy, 0), height + min(dy, 0))
    columns = slice(0, width - dx), slice(dx, width)
    return (rows[0], columns[0]), (rows[1], columns[1])


def filled(weight: FloatArray, mean: FloatArray, sigma: float, elsewhere: FloatArray) -> FloatArray:
    """The normalised convolution of the sums: each cell's mean with those around it, and what is
    `elsewhere` (N, N) where nothing fell, as beyond the frame's edge."""
    share = cv2.GaussianBlur(weight, (0, 0), sigma)
    value = cv2.GaussianBlur(weight * mean, (0, 0), sigma)
    little = np.float32(_LITTLE)
    return np.asarray((value + little * elsewhere) / (share + little), np.float32)
