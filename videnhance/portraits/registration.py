"""Sub-pixel registration of a patch to the reference: track, affine, then dense flow.

The track's landmarks tell where the face is within a pixel or so. An affine is fitted to the
pictures themselves (Lucas & Kanade, "An iterative image registration technique", IJCAI 1981, for
six parameters, with robust weights), then dense flow finds the rest, coarse to fine (DIS: Kroeger
et al., "Fast optical flow using dense inverse search", ECCV 2016, with its variational refinement).
A flow from the patch back to the reference must bring each pixel back to where it was; where it
does not, the pixel counts less.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.affine import compose, invert, warp
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import Array, FloatArray, Frame, Matrix
from videnhance.portraits.patches import Patch, grid_scale

_SIDE = 192
"""Most pixels of the side of the pictures that are registered."""
_FINE = 2.0
"""Their pixels per source pixel, at most."""
_LARGE = 256
"""From this side on, the way back, which only says whether the way forth is to be believed, is
found at half the resolution, which saves a tenth of a frame's time."""
_BLUR = 0.6
"""Sigma in source pixels of the blur before registering: noise and aliasing should not drive it."""
_HIGH = 0.12
"""Sigma, in sides, of what is taken away before: light that changes is no motion."""
_AFFINE_STEPS = 2
_ENDS, _CONTRAST, _MOST_GAIN = (0.02, 0.98), 200.0, 4.0
"""The flow sees 8-bit pictures in which this share of the reference spans at most so many steps; a
dark face is stretched, but no more than its noise can bear."""


@dataclass(frozen=True)
class Registered:
    """Where each pixel of the reference square lies in a patch."""

    matrix: Matrix
    """Affine from the square's pixels to the patch's."""
    flow: FloatArray
    """(W, W, 2) float32, in pixels of the square: what is at q in the square is at
    matrix(q + flow(q)) in the patch."""
    trust: FloatArray
    """(W, W) float32, 0..1: how well forth and back agree."""
    likeness: float
    """Correlation with the reference within the face, after registration, -1..1."""
    missed: float
    """How far flow forth and back misses its place, in source pixels: the median over the face."""


class Registrar:
    """Registers patches to one reference picture."""

    def __init__(self, reference: FloatArray, side: int) -> None:
        """`reference`: (W, W) float32 luma in 8-bit steps of the square, of `side` source pixels;
        W = `working_side(side)`."""
        self.side = side
        self._scale = len(reference) / side
        self._to_square = grid_scale(self._scale)
        self._picture = self._prepared(reference)
        low, high = np.quantile(reference, _ENDS)
        self._gain = np.float32(min(max(_CONTRAST / max(float(high - low), 1.0), 1.0), _MOST_GAIN))
        self._dark = np.float32((low + high) / 2 - 127.5 / self._gain)
        self._own = self._steps(reference)
        self._mask = ellipse_mask(len(reference))
        y, x = np.indices(reference.shape, np.float32)
        self._grid = np.stack([x, y], axis=-1)

    def register(self, patch: Patch) -> Registered:
        """The registration of a patch; safe to call from several threads."""
        matrix = patch.from_square
        for _ in range(_AFFINE_STEPS):
            seen = self._seen(patch.frame, matrix)
            step = self._affine_step(seen)
            matrix = compose(
                matrix, compose(self._to_square, compose(step, invert(self._to_square)))
            )
            if np.abs(step - np.eye(2, 3)).max() < 0.004:
                break
        seen = luma_of(patch.frame, compose(matrix, self._to_square), len(self._picture))
        steps = self._steps(seen)
        # A finder keeps buffers: one for each call, and so for each thread.
        forth = _dense(_flow_finder(0), self._own, steps)
        back = _dense(_flow_finder(int(len(steps) > _LARGE)), steps, self._own)
        returned = forth + _pull(back, self._grid + forth)
        apart = cv2.GaussianBlur((returned**2).sum(axis=-1), (0, 0), _BLUR * self._scale)
        trust = np.exp(-apart / (2 * (_RETURN * self._scale) ** 2)).astype(np.float32)
        found = self._prepared(_pull(seen, self._grid + forth))
        flow = np.asarray(forth * np.float32(1 / self._scale), np.float32)
        missed = float(np.sqrt(np.median(apart[self._mask > 0.5]))) / self._scale
        return Registered(matrix, flow, trust, self._likeness(found), missed)

    def _prepared(self, luma: FloatArray) -> FloatArray:
        soft = cv2.GaussianBlur(luma, (0, 0), max(_BLUR * self._scale, 0.5))
        wide = widely_blurred(soft, _HIGH * len(luma))
        return np.asarray(soft - wide, np.float32)

    def _seen(self, frame: Frame, matrix: Matrix) -> FloatArray:
        side = len(self._picture)
        return self._prepared(luma_of(frame, compose(matrix, self._to_square), side))

    def _affine_step(self, seen: FloatArray) -> Matrix:
        """The affine, in pixels of the registered pictures, that brings what is seen nearer."""
        some = (slice(None, None, 1 + (len(seen) > _LARGE)),) * 2  # of a large one, every other
        x, y = (slope[some] for slope in _gradient(seen))
        away, mask = (self._picture - seen)[some], self._mask[some]
        spread = 1.5 * float(np.median(np.abs(away[mask > 0.5]))) + 0.5
        weight = mask / (1.0 + (away / spread) ** 2)
        middle = (len(seen) - 1) / 2
        u, v = np.moveaxis((self._grid[some] - middle) / middle, -1, 0)
        columns = np.stack([x, y, x * u, x * v, y * u, y * v], axis=-1).reshape(-1, 6)
        normal = columns.T @ (columns * weight.reshape(-1, 1))
        normal += np.eye(6) * 1e-3 * np.trace(normal) / 6
        found = np.linalg.solve(normal, columns.T @ (weight * away).ravel())
        tx, ty, a, b, c, d = found.astype(np.float64)
        linear = np.eye(2) + np.array([[a, b], [c, d]]) / middle
        centre = np.array([middle + 0.5, middle + 0.5])
        moved = centre + np.array([tx, ty])
        return np.column_stack([linear, moved - linear @ centre])

    def _steps(self, luma: FloatArray) -> Array:
        """What flow is found on: 8-bit steps, with the reference's contrast stretched."""
        soft = cv2.GaussianBlur(luma, (0, 0), _BLUR * self._scale)
        stretched = (soft - self._dark) * self._gain + 0.5
        steps: npt.NDArray[np.uint8] = np.clip(stretched, 0.0, 255.0).astype(np.uint8)
        return steps

    def _likeness(self, found: FloatArray) -> float:
        weight = self._mask / self._mask.sum()
        a, b = (p - (weight * p).sum() for p in (found, self._picture))
        one, other, both = ((weight * p).sum() + _FLAT for p in (a * a, b * b, a * b))
        return float(both / np.sqrt(one * other))


_RETURN = 0.35
"""Source pixels by which a pixel may miss its place, forth and back, and still count by 0.6."""
_FLAT = 4.0
"""Variance in squared levels below which there is nothing to tell two pictures apart by."""


def working_side(side: int) -> int:
    """Side of the pictures on which a square of `side` source pixels is registered."""
    return int(min(max(round(side * _FINE), 32), max(_SIDE, min(side, 2 * _SIDE))))


def luma_of(frame: Frame, to_frame: Matrix, side: int) -> FloatArray:
    """(side, side) float32 luma (or green) in 8-bit steps, full scale whatever the range."""
    picture = warp(frame.planes[0], to_frame, (side, side))
    return np.asarray(picture * np.float32(1.0 / (1 << (frame.layout.depth - 8))), np.float32)


def widely_blurred(picture: FloatArray, sigma: float) -> FloatArray:
    """A picture (h, w) behind a Gaussian of many pixels; a large one is made smaller for it."""
    if max(picture.shape) <= _LARGE:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
    size = picture.shape[1], picture.shape[0]
    small = size[0] // 4, size[1] // 4
    coarse = cv2.GaussianBlur(
        cv2.resize(picture, small, interpolation=cv2.INTER_AREA), (0, 0), sigma / 4
    )
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _flow_finder(finest: int) -> cv2.DISOpticalFlow:
    """`finest`: how often the pictures are halved for the last scale.

    Measured on two clips x4 down (noise 3; crf 23), squared error of clean frames registered by
    flow of noisy ones, median over a face, mean over it: preset FAST 16.8, 134; MEDIUM 8.5, 52; at
    full resolution 6.0, 32; with alpha 10 and delta 20 in its refinement 4.8, 22. Least squares in
    Gaussian windows: 8.5, 111."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(finest)
    finder.setVariationalRefinementAlpha(10.0)
    finder.setVariationalRefinementDelta(20.0)
    return finder


def _dense(finder: cv2.DISOpticalFlow, one: Array, other: Array) -> FloatArray:
    """(W, W, 2) in pixels of the pictures: what is at q in `one` is at q + flow in `other`."""
    blank = np.zeros((*one.shape, 2), np.float32)
    return np.asarray(finder.calc(one, other, blank), np.float32)


def _gradient(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    # Scharr's derivative, scaled to levels a pixel.
    x, y = (cv2.Scharr(image, cv2.CV_32F, *order, scale=1 / 32) for order in ((1, 0), (0, 1)))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _pull(image: FloatArray, to: FloatArray) -> FloatArray:
    pulled = cv2.remap(image, to, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(pulled, np.float32)
