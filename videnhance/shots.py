"""Where one shot ends and the next begins: hard cuts, from the look of two frames in a row.

A pure function of those two frames, so it does not matter how a video is cut into segments.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.frames import Frame

Signature = npt.NDArray[np.float32]
"""The look of a frame: (16, 16) float32, mean luma (G for RGB formats) of each cell, 0..255."""

CELLS = 16
_SHIFT = 1
"""Cells that the picture may have moved, each way, and still count as the same."""
_FLAT = 4.0
"""Variance of cells, in grey levels squared, under which a picture is noise on a flat ground."""

THRESHOLD = 0.06
"""Difference from which two frames are taken for two shots.

Measured on 29 clips (the talking heads of LivePortrait, EchoMimic, video-retalking, LatentSync and
MuseTalk, and Intel's sample videos): 3248 cuts, half of them grey, 368 between scenes alike, and
5369 pairs within a clip: next frames, every third (fast motion), brightness x 1.3 and x 0.7 in one
step, noise of 10 levels, pans of 6 % of the width, GIFs of 12.5 frames a second.
"""


def signature_of(frame: Frame) -> Signature:
    """The signature of a frame. Cost: one area-averaging of its first plane."""
    plane = np.ascontiguousarray(frame.planes[0])
    cells = cv2.resize(plane, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32) / np.float32(1 << (frame.layout.depth - 8))


def is_cut(before: Signature, after: Signature) -> bool:
    """Whether a new shot begins with the later of two frames in a row."""
    return difference(before, after) >= THRESHOLD


def difference(before: Signature, after: Signature) -> float:
    """How unlike two frames are, 0 (alike) to about 1.5.

    The product of two that rarely fail together: how far the pattern is another, whatever its
    place (to one cell), and the root of how far the spread of light and dark is another, whatever
    the exposure. An object that passes changes the first, a change of light the second, a cut
    both.
    """
    inner = slice(_SHIFT, CELLS - _SHIFT)
    steps = range(2 * _SHIFT + 1)
    size = CELLS - 2 * _SHIFT
    alike = max(
        _likeness(before[inner, inner], after[y : y + size, x : x + size])
        for y in steps
        for x in steps
    )
    spread = np.abs(np.sort(_levelled(before)) - np.sort(_levelled(after))).mean()
    return float((1.0 - alike) * np.sqrt(spread))


def _likeness(a: Signature, b: Signature) -> float:
    """Contrast and structure terms of SSIM (Wang et al., IEEE TIP 2004), -1..1, of two patches."""
    a, b = a - a.mean(), b - b.mean()
    return float(((2 * a * b).mean() + _FLAT) / ((a * a + b * b).mean() + _FLAT))


def _levelled(a: Signature) -> npt.NDArray[np.float32]:
    """All cells, (n,), at mean 0 and deviation 1; flat pictures stay near 0."""
    return np.asarray((a - a.mean()) / (a.std() + np.sqrt(_FLAT) * 2)).ravel()
