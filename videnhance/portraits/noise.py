"""How noisy the samples of a patch are: what its own pixels show, and what its quantizer says."""

from __future__ import annotations

import cv2
import numpy as np

from videnhance.imaging.frames import FloatArray
from videnhance.media.info import Coding

LEAST = 5.0
"""Variance, in squared 8-bit steps, below which nothing counts as less noisy: rounding, and the
little that registration misses everywhere. Measured on two clips x4 down, noise 3: 2 gives +2.48
and +2.88 dB, 5 +2.58 and +2.96, 16 +2.33 and +2.77."""
MOST = 40.0
"""Coding never counts as more: with 76 (a quantizer of 33) portraits become too smooth."""
_UNTOLD = 28.0
"""The quantizer of a lossy coder that does not tell it."""
_LOSSLESS = {"ffv1", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "png", "gif", "v210"}
_WINDOW, _FLATTEST, _UNBIASED = 3.0, 0.25, 1.2
"""Noise is measured in windows of this sigma; this share of them is flatter than what counts; of
pure noise they show this much too little."""
_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def own_noise(samples: FloatArray) -> float:
    """Variance of the noise of a plane (h, w), in squared steps: that of its flattest parts, where
    no texture adds to it.

    The difference operator of J. Immerkaer, "Fast noise variance estimation", CVIU 64 (1996).
    """
    if min(samples.shape) < 8:
        return 0.0
    found = cv2.filter2D(samples, cv2.CV_32F, _DIFFERENCE)[1:-1, 1:-1]
    local = cv2.GaussianBlur(found**2, (0, 0), _WINDOW)
    return float(np.quantile(local, _FLATTEST)) * _UNBIASED / float((_DIFFERENCE**2).sum())


def quantizer_for(coding: Coding, codec: str) -> float | None:
    """H.264's quantizer as far as the bitstream tells it; for other coders one that fits a
    recording of middling quality, and None for lossless ones."""
    if codec in _LOSSLESS:
        return None
    return _UNTOLD if coding.quantizer is None else coding.quantizer


def coded_noise(quantizer: float | None) -> float:
    """Variance that coding with H.264's `quantizer` leaves, in squared steps: that of rounding to
    its step, which doubles with every 6 (ITU-T H.264, 8.5.9), up to MOST. 0 for lossless video."""
    return 0.0 if quantizer is None else min(2.0 ** ((quantizer - 4.0) / 3.0) / 12.0, MOST)
