"""A portrait held to its reference frame: what that frame shows and the portrait lacks.

Other frames may show a mouth or an eye a little otherwise and still count; together they outvote
the one frame that the portrait is of. So the portrait is seen as the camera would have seen it and
compared with the reference's own samples. What of the difference noise alone explains is left out;
the rest is given back: an empirical Wiener filter of the difference, in bands of frequency, place
by place (Wiener's gain with local variances, as J. S. Lee, "Digital image enhancement and noise
filtering by use of local statistics", IEEE PAMI 2 (1980)). Nothing is added that the reference does
not hold, and where all frames agree with it, nothing at all.
"""

from __future__ import annotations

import cv2
import numpy as np

from videnhance.imaging.affine import compose, warp
from videnhance.imaging.color import frame_to_plane
from videnhance.imaging.frames import FloatArray, Matrix
from videnhance.portraits.accumulation import Placed, read
from videnhance.portraits.patches import Patch, grid_scale
from videnhance.portraits.superres import through

_BANDS = 0.8, 1.6, 3.2
"""Sigmas in samples between the bands. Measured, dB over bicubic, not coded: of four talking people
0.1 to 1.3 gained, of a dancer 0.2; coded with a quantizer of 25 to 33, 0 to 0.25."""
_AROUND = 2.5
"""Sigma of the window in which a band's variance is measured, in the band's own sigma."""
_ROUNDS = 2
"""What is given back is blurred by the camera again, so a second round gives what is left: 0.1 dB;
four gain 0.02 more."""


def held_to(
    picture: FloatArray,
    reference: Patch,
    plane: int,
    samples: Placed,
    noise: float,
    response: tuple[FloatArray, FloatArray],
    side: int,
) -> FloatArray:
    """The picture (N, N) of a plane, with what the reference's `samples` of that plane show beyond
    it; all in 8-bit steps. `noise`: of the samples, a variance. `response`: of a sample, in cells
    of the picture. `side`: of the square in source pixels."""
    cells = len(picture)
    to_plane = _to_plane(reference, plane, cells / side)
    for _ in range(_ROUNDS):
        seen = read(through(picture, response), samples.at, side)
        lacking = np.where(samples.inside, samples.values - seen, np.float32(0))
        shown = significant(np.asarray(lacking, np.float32), noise)
        picture = picture + warp(shown, to_plane, (cells, cells))
    return np.asarray(picture, np.float32)


def plane_of(patch: Patch, plane: int, side: int, cells: int) -> FloatArray:
    """(cells, cells) of a plane in the square of `side` pixels, in 8-bit steps."""
    shown = warp(patch.frame.planes[plane], _to_plane(patch, plane, cells / side), (cells, cells))
    return np.asarray(shown * np.float32(1.0 / (1 << (patch.frame.layout.depth - 8))), np.float32)


def _to_plane(patch: Patch, plane: int, scale: float) -> Matrix:
    """From the square, in cells of so many a pixel, to the samples of a plane."""
    to_frame = compose(patch.from_square, grid_scale(scale))
    return compose(frame_to_plane(patch.frame.layout, plane), to_frame)


def significant(difference: FloatArray, noise: float) -> FloatArray:
    """What of a difference (h, w) is more than white noise of this variance."""
    rest, kept, before = difference, np.zeros_like(difference), 0.0
    for sigma in (*_BANDS, 0.0):
        low = _blurred(rest, np.sqrt(sigma**2 - before**2)) if sigma else np.zeros_like(rest)
        band = rest - low
        wide = _AROUND * max(sigma or before, 1.0)
        found = _blurred(band * band, wide)
        expected = np.float32(noise * _passed(before, sigma))
        kept += band * np.maximum(1 - expected / np.maximum(found, np.float32(1e-6)), 0)
        rest, before = low, sigma
    return np.asarray(kept, np.float32)


def _passed(before: float, sigma: float) -> float:
    """Share of the variance of white noise that is in the band between two Gaussians; a sigma of 0
    after others means: all that is left."""
    spot = np.zeros((41, 41), np.float32)
    spot[20, 20] = 1.0
    first = _blurred(spot, before) if before else spot
    second = _blurred(spot, sigma) if sigma else np.zeros_like(spot)
    return float(((first - second) ** 2).sum())


def _blurred(picture: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(sigma)), np.float32)
