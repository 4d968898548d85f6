"""How much each sample of a frame counts: the inverse of its variance.

In that count the frame's noise, what its quantizer leaves, and, place by place, its disagreement
with the reference beyond that noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from videnhance.imaging.affine import compose
from videnhance.imaging.color import color_planes
from videnhance.imaging.frames import FloatArray
from videnhance.portraits.accumulation import Placed, placed, read
from videnhance.portraits.noise import own_noise
from videnhance.portraits.patches import Patch, grid_scale
from videnhance.portraits.registration import (
    Registered,
    Registrar,
    luma_of,
    widely_blurred,
    working_side,
)

# "Measured": clips of talking people, x4 down, noise 3, 60 to 80 frames of one track, dB over
# bicubic of the reference.
_EXPECTED = 1.6
"""Disagreement with the reference, in variances of the noise, that noise alone explains: the
frame's own and the interpolated reference's."""
_DISTRUST = 0.4
"""How much of what is beyond that counts as variance of the sample."""
_OUT = 8.0
"""Variances of noise beyond which a sample is of something else: its weight falls to nothing."""
_WINDOW = 3.0
"""Sigma in source pixels of the window in which disagreement is measured; 2 and 4 gain less."""
_KNOWN, _GAIN = 1.0, 4.0
"""Sigma in source pixels of the blur before disagreement is measured, and what it is multiplied by,
since that blur averages noise away. What a reference enlarged from its own pixels cannot hold, its
aliasing, must not count as disagreement: it is just what many frames can resolve. Measured on a
star target: 0.50 cycles a pixel come back without this blur, 0.65 with it; on clips the same."""
_LIGHT = 0.1
"""Sigma, in sides of the square, of the part of the disagreement that is light: it is taken from
the frame, as light that changes is no detail."""
_KEY = 1.4
"""A keyframe is coded anew; the frames after it repeat much of it, in skipped blocks all. Measured
on five clips in H.264: the squared error of a keyframe is 0.63 to 0.9 of other frames'."""


@dataclass(frozen=True)
class Weighed:
    """What a patch contributes: for each plane its samples, their values without changes of light,
    and their weights."""

    patch: Patch
    found: Registered
    noise: float
    planes: tuple[tuple[Placed, FloatArray, FloatArray], ...]

    def told(self) -> Weighed:
        """Without what takes memory."""
        flow = self.found.flow.mean(axis=(0, 1), keepdims=True)
        found = replace(self.found, flow=flow, trust=np.zeros((1, 1), np.float32))
        return replace(self, found=found, planes=())


class Weigher:
    """Registers patches to the reference and weighs their samples."""

    def __init__(self, chief: Patch, side: int, floor: float, keys: bool) -> None:
        """`floor`: the least noise. `keys`: whether keyframes count more."""
        self._chief, self._side, self._floor, self._keys = chief, side, floor, keys
        self._shown = luma_of_square(chief, side, working_side(side))
        self._registrar = Registrar(self._shown, side)

    def weigh(self, patch: Patch) -> Weighed:
        """Safe to call from several threads."""
        found = self._registrar.register(patch)
        samples, away, light = self._compared(patch, found)
        inside = samples.inside.astype(np.float32)
        noise = max(own_noise(samples.values), self._floor)
        if patch is self._chief:
            weights = inside / np.float32(noise)
        else:
            known = _blurred(away - light, _KNOWN)
            apart = _blurred(inside * known**2, _WINDOW) * np.float32(_GAIN)
            beyond = np.maximum(apart - np.float32(_EXPECTED * noise), 0)
            out = np.float32(_OUT * noise)
            weights = read(found.trust, samples.at, self._side) / (noise + _DISTRUST * beyond)
            weights *= np.exp(-np.maximum(beyond - out, 0) / out)
        if patch.key and self._keys:
            weights = weights * np.float32(_KEY)
        weights = np.asarray(weights, np.float32)
        planes = [(samples, samples.values - light, weights)]
        for number in range(1, color_planes(patch.frame.layout)):
            others = placed(patch, found, number, self._side)
            size = others.values.shape[1], others.values.shape[0]
            shrunk = np.asarray(cv2.resize(weights, size, interpolation=cv2.INTER_AREA))
            planes.append((others, others.values, shrunk))
        return Weighed(patch, found, noise, tuple(planes))

    def _compared(self, patch: Patch, found: Registered) -> tuple[Placed, FloatArray, FloatArray]:
        """The luma's samples, by how much they differ from the reference, and what of that is
        light."""
        samples = placed(patch, found, 0, self._side)
        inside = samples.inside.astype(np.float32)
        away = inside * (samples.values - read(self._shown, samples.at, self._side))
        wide = _LIGHT * self._side
        share = np.maximum(widely_blurred(inside, wide), np.float32(0.05))
        light = widely_blurred(away, wide) / share
        return samples, np.asarray(away, np.float32), np.asarray(light, np.float32)


def _blurred(picture: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def luma_of_square(patch: Patch, side: int, cells: int) -> FloatArray:
    """(cells, cells) luma of the square in its own patch, 8-bit steps."""
    return luma_of(patch.frame, compose(patch.from_square, grid_scale(cells / side)), cells)
