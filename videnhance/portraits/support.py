"""Whether a portrait is supported: how much signal carries each pixel, and whether motion brought
samples between the source's pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videnhance.imaging.frames import FloatArray
from videnhance.portraits.registration import Registered

LEAST_FRAMES = 5
"""A portrait of fewer good frames is not made: it would show no more than the best of them."""
LEAST_LIKENESS = 0.85
"""Correlation with the reference from which a registered frame counts as good. Measured on two
clips x4 down: at least 0.99 (crf 28: 0.98)."""
MOST_MISSED = 1.0
"""Largest error of registration, in source pixels: how far flow forth and back misses its place,
the median over the face. Frames that miss more are left out."""
_STILL = 0.9
"""Length of the mean of unit vectors at the places' parts of a pixel, from which a face counts as
not moved: parts that lie within 0.07 of a pixel of each other. Evenly spread ones give 0."""
_POINTS = (0.35, 0.5, 0.65)
"""Where in the square that is looked at, as shares of its side."""


def is_still(frames: Sequence[Registered], side: int) -> bool:
    """Whether all frames show the face at the same part of a pixel, as a poster before a camera
    that does not move: there is then no more detail in many frames than in one."""
    if len(frames) < 2:
        return True
    points = np.array([[x * side, y * side] for x in _POINTS for y in _POINTS])
    # The flow's mean: in flat skin single flows are noise, which would pass for motion.
    places = [
        (points + one.flow.mean(axis=(0, 1))) @ one.matrix[:, :2].T + one.matrix[:, 2]
        for one in frames
    ]
    turned = np.exp(2j * np.pi * np.stack(places))
    lengths = np.abs(turned.mean(axis=0))
    return bool(np.median(lengths[..., 0]) > _STILL and np.median(lengths[..., 1]) > _STILL)


def support_picture(support: FloatArray, most: float) -> FloatArray:
    """The support map as a picture (N, N, 3) float32 RGB 0..1, of `support` (N, N) in frames.

    From black (none) over violet and orange to white (`most` frames), as glowing iron: brighter is
    carried by more.
    """
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    colors = np.array(
        [[0, 0, 0], [0.32, 0.07, 0.43], [0.73, 0.21, 0.33], [0.98, 0.56, 0.04], [0.99, 1, 0.85]]
    )
    share = np.clip(support / max(most, 1.0), 0.0, 1.0)
    return np.stack([np.interp(share, stops, c) for c in colors.T], axis=-1).astype(np.float32)
