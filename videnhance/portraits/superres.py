"""Multi-frame super-resolution: the picture that, seen through the camera's sampling, gives back
all samples best, by regularised least squares.

S. Farsiu, M. D. Robinson, M. Elad, P. Milanfar, "Fast and robust multiframe super resolution", IEEE
TIP 13 (2004): a data term on the sums of `accumulation`, and bilateral total variation. The
camera's sampling is the pixel's square aperture and a Gaussian blur of optics and registration.
Solved by half-quadratic steps with a separable majoriser, accelerated after Nesterov.
"""

from __future__ import annotations

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
) -> FloatArray:
    """The picture (N, N) float32 in 8-bit steps.

    `weight`, `mean`: (N, N), the sums; weights are inverse variances in squared steps. `start`: the
    picture to begin with. `response`: of a sample, in cells (`aperture`).
    """
    shifts = [
        (dx, dy, _SMOOTH * _DECAY ** (abs(dx) + abs(dy)))
        for dx in range(_REACH + 1)
        for dy in range(-_REACH, _REACH + 1)
        if dx > 0 or dy > 0
    ]
    bound = through(weight, response)
    picture: FloatArray = start.copy()
    ahead: FloatArray = picture
    pace = 1.0
    for _ in range(_ITERATIONS):
        slope = through(weight * (through(ahead, response) - mean), response)
        total = bound.copy()
        for dx, dy, strength in shifts:
            here, there = _pairs(ahead.shape, dx, dy)
            apart = ahead[here] - ahead[there]
            pull = strength / np.sqrt(apart * apart + np.float32(_SHARP**2))
            force = pull * apart
            slope[here] += force
            slope[there] -= force
            total[here] += 2 * pull
            total[there] += 2 * pull
        new = ahead - slope / (total + np.float32(1e-6))
        following = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead = new + np.float32((pace - 1) / following) * (new - picture)
        picture, pace = new, following
    return np.asarray(picture, np.float32)


def _pairs(
    shape: tuple[int, ...], dx: int, dy: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    height, width = shape[:2]
    rows = slice(max(-dy, 0), height - max(dy, 0)), slice(max(dy, 0), height + min(dy, 0))
    columns = slice(0, width - dx), slice(dx, width)
    return (rows[0], columns[0]), (rows[1], columns[1])


def filled(weight: FloatArray, mean: FloatArray, sigma: float) -> FloatArray:
    """The normalised convolution of the sums: each cell's mean with those around it."""
    share = cv2.GaussianBlur(weight, (0, 0), sigma)
    value = cv2.GaussianBlur(weight * mean, (0, 0), sigma)
    return np.asarray(value / np.maximum(share, 1e-9), np.float32)
