"""How noisy the samples of a patch are: what its own pixels show, and what its quantizer says."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.imaging.frames import FloatArray
from videnhance.media.info import VideoInfo
from videnhance.media.reading.quantizers import coded_variance, h264_variance
from videnhance.media.timeline import RecordedTimeline

LEAST = 5.0
"""Variance, in squared 8-bit steps, below which nothing counts as less noisy: rounding, and the
little that registration misses everywhere. Measured on two clips x4 down, noise 3: 2 gives +2.48
and +2.88 dB, 5 +2.58 and +2.96, 16 +2.33 and +2.77."""
_UNTOLD = 28.0
"""H.264's quantizer that a lossy coder counts as that does not tell its own."""
_LOSSLESS = {"ffv1", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "png", "gif", "v210"}
_WINDOW, _FLATTEST, _UNBIASED = 3.0, 0.25, 1.2
"""Noise is measured in windows of this sigma; this share of them is flatter than what counts; of
pure noise they show this much too little."""
_SOFT, _DETAIL = 0.7, 2.0
"""Detail that coding can lose is this many times the square of the mean slope of the picture, per
pixel and direction, behind a blur of this sigma."""
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


@dataclass(frozen=True)
class CodingNoise:
    """What coding leaves of a sample: `variance` in squared 8-bit steps, 0 for lossless video, and
    whether the bitstream tells it."""

    variance: float
    told: bool


def coding_noise(info: VideoInfo, timeline: RecordedTimeline) -> CodingNoise:
    """From the quantizers of the bitstream; where it does not tell them, that of a recording of
    middling quality."""
    if info.codec in _LOSSLESS:
        return CodingNoise(0.0, told=True)
    variance = coded_variance(info, timeline)
    if variance is None:
        return CodingNoise(h264_variance(_UNTOLD), told=False)
    return CodingNoise(variance, told=True)


def left_by_coding(luma: FloatArray, told: float) -> float:
    """The variance that coding leaves of a picture (h, w) in 8-bit steps, where its quantizer alone
    would tell `told`: no more than the detail there is to be lost.

    Measured on seven clips in H.264 and MJPEG, the squared error of samples in a face: 0.4 to 1.2
    of what this says for most, but 2.5 for a small dancer in H.264, whose frames repeat old blocks.
    """
    if told <= 0.0:
        return 0.0
    soft = cv2.GaussianBlur(luma, (0, 0), _SOFT)
    slope = (abs(np.diff(soft, axis=0)).mean() + abs(np.diff(soft, axis=1)).mean()) / 2
    detail = _DETAIL * float(slope) ** 2
    return told * detail / (told + detail)
