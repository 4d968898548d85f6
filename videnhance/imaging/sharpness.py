"""How sharp the edges of a face are."""

from __future__ import annotations

import cv2
import numpy as np

from videnhance.imaging.frames import FloatArray

_ANALYSED = 64
"""Side in pixels at which a crop is measured: 16 pixels between the eyes."""
_FINE, _COARSE = 1.2, 2.4
"""Sigma, in pixels of that crop, of the two blurs that are compared. They are wide because of
noise: with noise of 10 levels, on a face of 22 pixels between the eyes, a blur of 3.6 measures as
3.2; with sigmas of 0.8 and 1.6 a blur of 3.3 measures as 2.3."""
_EDGES = 0.92
"""Quantile of the gradient above which a pixel counts as an edge: there noise matters least."""
_INSIDE = 0.28, 0.80
"""First and last row and column, as shares of the crop's side, that are measured: brows to
mouth."""
_FLAT = 1.0
"""Squared gradient (Sobel's scale, levels 0..255) below which there is nothing to measure."""


def sharpness(crop: FloatArray, zoom: float) -> float:
    """Sharpness of an aligned face's edges, 0..1, independent of its size, contrast and light.

    `crop`: (S, S, 3) float32 RGB 0..1; `zoom`: crop pixels per source pixel. The result is the
    reciprocal of the blur of the face's edges: a sigma in pixels of a crop with 16 pixels between
    the eyes, or in source pixels if the face is smaller, so that small does not count as blurred.

    A step edge blurred by s, then blurred again by a and by b, has gradients in the ratio
    R = sqrt(s^2 + b^2) / sqrt(s^2 + a^2), so s^2 = (b^2 - R^2 a^2) / (R^2 - 1): Zhuo & Sim,
    "Defocus map estimation from a single image", Pattern Recognition 44 (2011), here for the mean
    over the strongest edges. Strong noise makes a small blurred face measure too sharp: a blur of
    4.5 with noise of 20 levels, at 22 pixels between the eyes, measures as 3.0.
    """
    return luma_sharpness(
        np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.float32), len(crop) / zoom
    )


def luma_sharpness(luma: FloatArray, source_side: float) -> float:
    """`sharpness` of a crop's BT.601 luma, (S, S) float32 0..1, whose side is `source_side` pixels
    in the source."""
    side = max(min(_ANALYSED, round(source_side)), 16)
    luma = luma * np.float32(255.0)
    luma = np.asarray(cv2.resize(luma, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    inside = slice(round(side * _INSIDE[0]), round(side * _INSIDE[1]))
    fine, coarse = (_squared_gradient(luma, sigma)[inside, inside] for sigma in (_FINE, _COARSE))
    edges = coarse >= np.quantile(coarse, _EDGES)
    ratio = float(fine[edges].mean() / (coarse[edges].mean() + _FLAT))
    # At the ratio of a perfect step, (b / a)^2, s is 0.
    left = _COARSE**2 - ratio * _FINE**2
    return min(float(np.sqrt(max(ratio - 1.0, 0.0) / max(left, 1e-6))), 1.0)


def _squared_gradient(luma: FloatArray, sigma: float) -> FloatArray:
    soft = cv2.GaussianBlur(luma, (0, 0), sigma)
    x, y = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    return np.asarray(x * x + y * y, np.float32)
