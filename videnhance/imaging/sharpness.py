"""How sharp the edges of a face are."""

from __future__ import annotations

import cv2
import numpy as np

from videnhance.imaging.frames import FloatArray

_ANALYSED = 64
"""Side of the crop that sharpness is measured on: 16 pixels between the eyes."""
_FINE, _COARSE = 1.2, 2.4
"""Sigma, in its pixels, of the two blurs that are compared. Wide, because of noise: with 10 levels
of it a face of 22 pixels between the eyes comes out blurred by 3.2 for 3.6; with 0.8 and 1.6 by 2.3
for 3.3."""
_EDGES = 0.92
"""Quantile of the gradient from which a pixel is an edge: there noise matters least."""
_INSIDE = 0.28, 0.80
"""Rows and columns of the crop that are face: brows to mouth."""
_FLAT = 1.0
"""Squared gradient, levels 0..255 of Sobel's scale, under which there is nothing to measure."""


def sharpness(crop: FloatArray, zoom: float) -> float:
    """How sharp the edges of an aligned face are, 0..1, whatever its size, contrast and light.

    `crop`: (S, S, 3) float32 RGB 0..1; `zoom`: crop pixels per source pixel. The reciprocal of
    the edges' own blur, as a sigma in pixels of a crop with 16 pixels between the eyes; for a
    smaller face in its source pixels, so that being small does not count as being blurred.

    A step blurred by s has, blurred again by a and by b, gradients in the ratio R of
    sqrt(s^2 + b^2) to sqrt(s^2 + a^2), so s^2 = (b^2 - R^2 a^2) / (R^2 - 1): Zhuo & Sim, "Defocus
    map estimation from a single image", Pattern Recognition 44 (2011), here for the mean over the
    strongest edges. Strong noise on a small blurred face makes it sharper than it is: blur of
    4.5 and noise of 20 levels, 22 pixels between the eyes, measure as 3.0.
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
