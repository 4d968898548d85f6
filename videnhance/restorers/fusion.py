"""Fusion: the restorer that takes what a frame lacks from its neighbours, and invents nothing.

Each neighbour of the same tracklet is registered to the centre crop by optical flow and joins a
weighted mean; its weight falls, place by place, with its disagreement, and one that cannot be
registered takes no part. If the source was enlarged a lot, the structure of the result is then
mildly sharpened.

The result depends on the window alone. There is no recursion, so segment borders show no seam.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.errors import UsageError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.choice import NEARLY
from videnhance.imaging.frames import Array, FloatArray
from videnhance.imaging.optical_flow import (
    enlarge,
    flow_between,
    flow_finder,
    flow_luma,
    pull,
    shrink,
)
from videnhance.restorers.registration import registered
from videnhance.stopwatch import Stopwatch

# Variances are in squared 8-bit steps. "Measured" means: on clips shrunk by 1, 2 and 4, with noise
# of sigma 4 to 10 and H.264 of crf 23 to 34, crops of 256, compared with the clean crops.
# LivePortrait d0, video-retalking 1, TPS driving, child_512, woman_far and webcam_man were used to
# choose values, other clips to check them. "Native" crops are not enlarged.

_FLOW_SIDE, _FLOW_SIDE_LOW = 256, 128
"""Flow is computed on luma of 3/4 of the crop's side and at most 256, or of 128 if the face's side
has no more source pixels than that. Measured, crops of 256: 192 gives +0.03 to +0.08 dB over 128 on
native crops and 0.01 on enlarged ones; 256 another 0.00 to 0.03."""

_CELLS = 64
"""Disagreement and weights are on a grid of this many cells a side. Measured: as good as full
resolution with a Gaussian of one cell (4 px of a crop of 256)."""

_FLOOR_NATIVE, _FLOOR_LOW, _FLOOR_HIGH = 2.0, 1.0, 36.0
"""The smallest disagreement that counts as noise: FLOOR_NATIVE if a face's side has `_NATIVE_SIDE`
source pixels, growing with the area of a source pixel for smaller faces, within LOW..HIGH. H.264
skips blocks, which then agree exactly, so without a floor little would be fused; a large floor lets
misregistered detail of native crops in. Measured, crf 23: 36 for all gives +0.48 dB at x4 but -0.55
on native crops; 3 for all gives +0.34 and +0.01."""
_NATIVE_SIDE = 256.0
_CEILING = 256.0
"""The largest disagreement that counts as noise: that of noise of sigma 16 to 20 in the source.
More means another picture, even if the window's other frames show nothing else."""

_BESIDE = 2.0
"""The noise is at most this multiple of what the adjacent frames show. Measured, woman_far (a
dancer) at full size, crf 23: -0.03 dB and flicker 1.000 without this limit, +0.01 and 0.996 with 2;
1 costs other clips up to 0.36 dB."""

_FALL = 1.0
"""How fast weight falls: exp(-excess / (FALL * noise)). 0.7 to 1.5 measure within 0.05 dB; smaller
values remove bad blocks in fast motion."""
_FLOW_ERROR = 1.0
"""Expected error of the flow, in 1/256 of the crop's side. Times the picture's gradient it gives an
error variance that lowers weights as in an inverse-variance mean; without it native crops would
lose most at their edges. Measured: 1 instead of 0.5 gives +0.06 dB there and -0.05 on enlarged
noise."""

_SHARPEN = 0.5
"""Largest share of the luma detail that is added once more. Measured with `_SHARPEN_CORE`: +0.1 dB
for faces of less than 128 source pixels, SSIM unchanged; without it, or on larger faces, worse."""
_SHARPEN_SIGMA = 0.7
"""Sigma of that detail, in source pixels; 1 and 1.5 gain less and spoil 4 times as many blocks."""
_SHARPEN_NONE, _SHARPEN_FULL = 2.0, 4.0
"""Sharpening starts if a face's side is 1 / NONE of `_NATIVE_SIDE` and is full at 1 / FULL."""
_SHARPEN_CORE = 30.0
"""Detail of this variance is sharpened by half: flat skin, where noise shows, has 0 to 7, the
features of an enlarged face 10 to 100."""

_HALF_ZOOM = 4.0
"""From this zoom on, crops are fused at half size, which still has 2 pixels per source pixel; from
3 on, measured, 0.08 dB would be lost."""

_LARGE, _REACH_LARGE = 512, 2
"""Crops fused at LARGE or more use only REACH_LARGE neighbours on each side: the face is large, and
a third neighbour gains 0.05 dB (measured on four native clips) for a third of the time."""

_MEMORY_BYTES = 256 * 2**20
"""Cache between windows: a face in a frame takes 0.4 to 2.5 MB, and a window has 7 frames."""

_STEPS = 255.0  # 8-bit steps in 0..1


@dataclass(frozen=True)
class _Planes:
    """One crop, prepared for fusion: luma (W, W), chroma (W / 2, W / 2, 2), float32 8-bit steps."""

    luma: FloatArray
    chroma: FloatArray


@dataclass(frozen=True)
class _Neighbour:
    """Another frame, registered to the centre: by how many frames it is later, and how far it may
    take part, above 0 to 1."""

    step: int
    planes: _Planes
    part: float


@dataclass(frozen=True)
class Fused:
    """A fused crop, and what it was made of.

    `crop`: as `Fusion.restore` returns it. `luma`: the luma of the centre (key 0) and of its
    neighbours (key: how many frames later), registered to the centre, (W, W) float32 8-bit steps;
    W is the crop's side or half of it.
    """

    crop: FloatArray
    luma: Mapping[int, FloatArray]


class _Memory:
    """A cache of results by key, limited in bytes; drops the least recently used."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._entries: OrderedDict[Hashable, tuple[Array, ...]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], tuple[Array, ...]]) -> tuple[Array, ...]:
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        made = make()
        self._entries[key] = made
        self._held += sum(array.nbytes for array in made)
        while self._held > self._limit and len(self._entries) > 1:
            _, dropped = self._entries.popitem(last=False)
            self._held -= sum(array.nbytes for array in dropped)
        return made


class Fusion:
    """Registers each crop with up to `radius` neighbours on each side and fuses them.

    Use one object per video: its cache is keyed by tracklet id and frame index.
    """

    name = "fusion"
    batch = 1
    invents = False

    def __init__(self, radius: int = 3, watch: Stopwatch | None = None) -> None:
        """`watch` counts the stages "register" and "fuse". Raises UsageError."""
        if radius < 0:
            raise UsageError(f"fusion: radius {radius} is negative: give 0 or more neighbours")
        self.radius = radius
        self._watch = watch or Stopwatch()
        self._flow_finder = flow_finder()
        self._memory = _Memory(_MEMORY_BYTES)

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """The fused centre crop of each window, (S, S, 3) float32 RGB, nominally 0..1: values
        beyond white, which limited-range video can hold, are kept."""
        return [self.fuse(window).crop for window in windows]

    def fuse(self, window: CropWindow) -> Fused:
        """The centre crop as `restore` returns it, and what it was made of."""
        with self._watch.stage("fuse"):
            return self._fused(window)

    def _fused(self, window: CropWindow) -> Fused:
        crop = window.crops[window.centre]
        side = crop.shape[0]
        # Noise, codec and detail scale with source pixels, whatever the crop's size.
        enlarged = window.zoom * _NATIVE_SIDE / side
        work = side // 2 if window.zoom >= _HALF_ZOOM * (1.0 - NEARLY) else side
        zoom = window.zoom * work / side

        centre = self._planes(window, window.centre, work)
        with self._watch.stage("register"):
            others = self._neighbours(window, work)
        floor = min(max(_FLOOR_NATIVE * enlarged**2, _FLOOR_LOW), _FLOOR_HIGH)
        luma, chroma, fused = _weighted_mean(centre, others, floor)
        ramp = (enlarged - _SHARPEN_NONE) / (_SHARPEN_FULL - _SHARPEN_NONE)
        if ramp > 0.0:
            luma = luma + _detail(luma, zoom) * enlarge(min(ramp, 1.0) * fused, work)

        # Only the change is added to the crop, which so keeps detail the work size cannot hold.
        y = (luma - centre.luma) * np.float32(1.0 / _STEPS)
        # OpenCV's float chroma is centred on 0.5.
        cr, cb = cv2.split(enlarge((chroma - centre.chroma) / np.float32(_STEPS) + 0.5, work))
        change = np.asarray(cv2.cvtColor(cv2.merge([y, cr, cb]), cv2.COLOR_YCrCb2RGB), np.float32)
        shown = {one.step: _between(centre.luma, one.planes.luma, one.part) for one in others}
        fine = np.asarray(crop + enlarge(change, side), np.float32)
        return Fused(fine, {0: centre.luma, **shown})

    def _planes(self, window: CropWindow, k: int, work: int) -> _Planes:
        crop = window.crops[k]

        def make() -> tuple[Array, ...]:
            full = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb)
            luma = shrink(np.asarray(cv2.extractChannel(full, 0), np.float32), work)
            half = shrink(np.asarray(full, np.float32), work // 2)
            return luma * np.float32(_STEPS), half[..., 1:] * np.float32(_STEPS)

        key = ("planes", window.tracklet, window.frames[k], len(crop), work)
        luma, chroma = self._memory.get(key, make)
        return _Planes(np.asarray(luma, np.float32), np.asarray(chroma, np.float32))

    def _neighbours(self, window: CropWindow, work: int) -> list[_Neighbour]:
        """The neighbours within the radius that could be registered: the later ones, then the
        earlier ones, the nearest first. Flow is chained from frame to frame; a frame that could not
        be registered is skipped."""
        centre = self._planes(window, window.centre, work)
        source_side = len(window.crops[window.centre]) / window.zoom
        reach = min(self.radius, _REACH_LARGE) if work >= _LARGE else self.radius
        found = []
        for direction in (1, -1):
            last, flow_to_last = window.centre, None
            for distance in range(1, reach + 1):
                k = window.centre + direction * distance
                if not 0 <= k < len(window.crops):
                    break
                onward = self._flow(window, last, k, work)
                flow = onward if flow_to_last is None else flow_to_last + pull(onward, flow_to_last)
                there = self._planes(window, k, work)
                luma = pull(there.luma, flow)
                part = registered(luma, centre.luma, source_side)
                if part > 0.0:
                    last, flow_to_last = k, flow
                    planes = _Planes(luma, pull(there.chroma, flow))
                    found.append(_Neighbour(k - window.centre, planes, part))
        return found

    def _flow(self, window: CropWindow, k: int, other: int, work: int) -> FloatArray:
        """Flow from crop k to its neighbour, in units of the crop's side."""
        size = len(window.crops[k])
        side = min(size * 3 // 4, _FLOW_SIDE)
        if size * (1.0 - NEARLY) <= _FLOW_SIDE_LOW * window.zoom:
            side = min(side, _FLOW_SIDE_LOW)

        def make() -> tuple[Array, ...]:
            here = self._flow_luma(window, k, work, side)
            there = self._flow_luma(window, other, work, side)
            return (flow_between(self._flow_finder, here, there),)

        frames = window.frames[k], window.frames[other]
        key = ("flow", window.tracklet, *frames, work, side)
        return np.asarray(self._memory.get(key, make)[0], np.float32)

    def _flow_luma(self, window: CropWindow, k: int, work: int, side: int) -> Array:
        """Lightly blurred luma, uint8, of the crop before fusion: fused crops make flow drift."""

        def make() -> tuple[Array, ...]:
            return (flow_luma(self._planes(window, k, work).luma, side),)

        key = ("luma", window.tracklet, window.frames[k], work, side)
        return self._memory.get(key, make)[0]


def _weighted_mean(
    centre: _Planes, others: Sequence[_Neighbour], floor: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The fusion itself.

    Returns fused luma and chroma, and the share of a frame's own noise that was averaged away,
    0..1, per cell (C, C): 0 where every neighbour was rejected."""
    if not others:
        return centre.luma, centre.chroma, np.zeros((_CELLS, _CELLS), np.float32)
    unlike = [_disagreement(other.planes, centre) for other in others]
    parts = [other.part for other in others]
    # The median: the minimum over the neighbours would be 0 wherever blocks were skipped.
    usual = _median(unlike, parts)
    # In fast motion distant neighbours register badly, which is not noise: use the adjacent ones.
    adjacent = [k for k, other in enumerate(others) if abs(other.step) == 1] or [
        *range(len(others))
    ]
    beside = _median([unlike[k] for k in adjacent], [parts[k] for k in adjacent])
    noise = min(max(min(usual, _BESIDE * beside), floor), _CEILING)
    doubt = noise / (noise + _edge_variance(centre.luma))
    total = np.ones((_CELLS, _CELLS), np.float32)
    luma, chroma = centre.luma.copy(), centre.chroma.copy()
    for other, disagreement in zip(others, unlike, strict=True):
        weight = doubt * np.exp(np.minimum(noise - disagreement, 0.0) / (_FALL * noise))
        weight *= np.float32(other.part)
        total += weight
        cv2.accumulateProduct(enlarge(weight, len(luma)), other.planes.luma, luma)
        chroma += enlarge(weight, len(chroma))[..., None] * other.planes.chroma
    luma /= enlarge(total, len(luma))
    chroma /= enlarge(total, len(chroma))[..., None]
    return luma, chroma, 1.0 - 1.0 / total


def _between(one: FloatArray, other: FloatArray, part: float) -> FloatArray:
    return other if part == 1.0 else one + np.float32(part) * (other - one)


def _median(cells: Sequence[FloatArray], parts: Sequence[float]) -> float:
    """The median of all cells (C, C), each weighted by its neighbour's part."""
    if all(part == 1.0 for part in parts):
        return float(np.median(np.stack(cells)))
    values = np.stack(cells).reshape(len(cells), -1)
    weights = np.broadcast_to(np.array(parts)[:, None], values.shape).ravel()
    order = np.argsort(values, axis=None, kind="stable")
    weights = weights[order]
    return float(
        np.interp(0.5, (np.cumsum(weights) - weights / 2) / weights.sum(), values.ravel()[order])
    )


def _disagreement(one: _Planes, other: _Planes) -> FloatArray:
    """Squared difference of luma and chroma, per cell."""
    luma, chroma = one.luma - other.luma, one.chroma - other.chroma
    colour = shrink(chroma * chroma, _CELLS)
    return _soften(shrink(luma * luma, _CELLS) + colour[..., 0] + colour[..., 1])


def _edge_variance(luma: FloatArray) -> FloatArray:
    """The error variance that the flow's own error causes in this picture, per cell."""
    soft = cv2.GaussianBlur(luma, (0, 0), len(luma) / 256.0)
    error = _FLOW_ERROR * len(luma) / 256.0
    x = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=error / 8.0)
    y = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=error / 8.0)
    return _cells(np.asarray(x * x + y * y, np.float32))


def _detail(luma: FloatArray, zoom: float) -> FloatArray:
    """What full sharpening adds: fine luma where it is structure, little where it is noise."""
    fine = luma - cv2.GaussianBlur(luma, (0, 0), _SHARPEN_SIGMA * zoom)
    variance = _cells(np.asarray(fine * fine, np.float32))
    gain = _SHARPEN * variance / (variance + _SHARPEN_CORE)
    return np.asarray(fine * enlarge(gain, len(luma)), np.float32)


def _cells(image: FloatArray) -> FloatArray:
    """Mean around each cell of the coarse grid, (W, W) -> (C, C)."""
    return _soften(shrink(image, _CELLS))


def _soften(cells: FloatArray) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), 1.0), np.float32)
