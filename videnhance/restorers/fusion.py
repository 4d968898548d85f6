"""Fusion: the restorer that takes what a frame lacks from its neighbours, and invents nothing.

Each neighbour of the same tracklet is registered to the centre crop by optical flow and joins a
weighted mean; its weight falls, place by place, with its disagreement, and one that cannot be
registered takes no part. If the source was enlarged a lot, the structure of the result is then
mildly sharpened.

The result depends on the window alone. There is no recursion, so segment borders show no seam.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from videnhance.errors import UsageError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.buffers import Buffers
from videnhance.imaging.choice import NEARLY
from videnhance.imaging.frames import LUMA, Array, FloatArray
from videnhance.imaging.optical_flow import (
    chained,
    enlarge,
    flow_between,
    flow_finder,
    flow_luma,
    places,
    pull,
    pulled,
    shrink,
)
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.media.reading.quantizers import h264_variance
from videnhance.restorers.averaging import Neighbour, Planes, sharpen, weighted_mean
from videnhance.restorers.registration import registered
from videnhance.stopwatch import Stopwatch

_FLOW_SIDE, _FLOW_SIDE_LOW = 192, 128
"""Flow is computed on luma of 3/4 of the crop's side and at most 192, or of 128 if the face's side
has no more source pixels than that. Measured on native crops of 256 and 512: 128 everywhere loses
up to 0.06 dB in MJPEG, and 256 gains at most 0.01 for four times the cost."""

_FLOOR_NATIVE, _FLOOR_LOW, _FLOOR_HIGH = 2.0, 1.0, 36.0
"""The smallest disagreement that counts as noise: FLOOR_NATIVE if a face's side has `_NATIVE_SIDE`
source pixels, growing with the area of a source pixel for smaller faces, within LOW..HIGH. H.264
skips blocks, which then agree exactly, so without a floor little would be fused; a large floor lets
misregistered detail of native crops in. Measured, crf 23: 36 for all gives +0.48 dB at x4 but -0.55
on native crops; 3 for all gives +0.34 and +0.01."""
_NATIVE_SIDE = 256.0
_ROUNDED = 4.0
"""The floor is at most this multiple of what rounding to H.264's quantizer leaves: finely coded
frames hardly differ by their coding, and what differs is motion. Measured at crf 12, not made
smaller: a webcam -0.04 dB instead of -0.6, a corridor -0.5 instead of -1.4; from crf 20 on nothing
changes. 8 leaves the webcam at -0.26. Faces of 14 pixels between the eyes made from sharp ones lose
0.1 of 0.1 to 0.3 dB at crf 8 and 12, larger ones nothing."""
_SHARPEN_SIGMA = 0.7
"""Sigma of the detail that is sharpened, in source pixels; 1 and 1.5 gain less and spoil 4 times as
many blocks."""
_SHARPEN_NONE, _SHARPEN_FULL = 2.0, 4.0
"""Sharpening starts if a face's side is 1 / NONE of `_NATIVE_SIDE` and is full at 1 / FULL."""

_HALF_ZOOM = 4.0
"""From this zoom on, crops are fused at half size, which still has 2 pixels per source pixel; from
3 on, measured, 0.08 dB would be lost."""

_LARGE, _REACH_LARGE = 320, 2
"""Crops fused at LARGE or more use only REACH_LARGE neighbours on each side: the face is large, and
a third neighbour gains 0.05 dB (measured on four native clips) for a third of the time."""

_MEMORY_BYTES = 256 * 2**20
"""Cache between windows: a face in a frame takes 0.2 to 1.9 MB, and a window has 7 frames."""

_COARSE = 2
"""How many times smaller the planes of chroma are than that of luma. 4 would save a tenth of the
time and lose 0.01 to 0.06 dB on native crops of MJPEG."""
_SMALL = 64
"""Side of the luma by which it is judged whether a neighbour could be registered."""
_STEPS = 255.0  # 8-bit steps in 0..1
_CR, _CB = 0.713, 0.564
"""The factors of R - Y and B - Y in YCrCb, ITU-R BT.601."""
_FROM_RGB = _STEPS * np.array(
    [LUMA, _CR * (np.array([1.0, 0.0, 0.0]) - LUMA), _CB * (np.array([0.0, 0.0, 1.0]) - LUMA)]
)
_TO_RGB = np.linalg.inv(_FROM_RGB)


@dataclass(frozen=True)
class Fused:
    """A fused crop, and what it was made of.

    `crop`: as `Fusion.restore` returns it. `luma`: the luma of the centre (key 0) and of its
    neighbours (key: how many frames later), registered to the centre, (W, W) float32 8-bit steps;
    W is the crop's side or half of it.
    """

    crop: FloatArray
    luma: Mapping[int, FloatArray]


class _Key(NamedTuple):
    """Of a result: what it is, of which tracklet and frame, and all else that it depends on."""

    what: str
    tracklet: int
    frame: int
    of: tuple[int, ...]


class _Memory:
    """A cache of results by key, limited in bytes; drops the least recently used."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._entries: OrderedDict[_Key, tuple[Array, ...]] = OrderedDict()

    def get(self, key: _Key, make: Callable[[], tuple[Array, ...]]) -> tuple[Array, ...]:
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

    def forget(self, tracklet: int, before: int) -> None:
        """Drop what is known of a tracklet's frames before `before`."""
        gone = [key for key in self._entries if key.tracklet == tracklet and key.frame < before]
        for key in gone:
            self._held -= sum(array.nbytes for array in self._entries.pop(key))


class Fusion:
    """Registers each crop with up to `radius` neighbours on each side and fuses them.

    Use one object per video: its cache is keyed by tracklet id and frame index. Only one thread may
    use an object at a time.
    """

    name = "fusion"
    batch = 1
    invents = False

    def __init__(
        self,
        radius: int = 3,
        coding: Coding = UNKNOWN_CODING,
        watch: Stopwatch | None = None,
    ) -> None:
        """`coding`: how the video was coded; `watch` counts the stages "register" and "fuse".
        Raises UsageError."""
        if radius < 0:
            raise UsageError(f"fusion: radius {radius} is negative: give 0 or more neighbours")
        self.radius = radius
        self._most_floor = _FLOOR_HIGH
        if coding.quantizer is not None:
            self._most_floor = max(_ROUNDED * h264_variance(coding.quantizer), _FLOOR_LOW)
        self._watch = watch or Stopwatch()
        self._flow_finder = flow_finder()
        self._memory = _Memory(_MEMORY_BYTES)
        self._buffers = Buffers()

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """The fused centre crop of each window, (S, S, 3) float32 RGB, nominally 0..1: values
        beyond white, which limited-range video can hold, are kept."""
        restored = []
        for window in windows:
            with self._watch.stage("fuse"):
                restored.append(self._fused(window)[0])
        return restored

    def fuse(self, window: CropWindow) -> Fused:
        """The centre crop as `restore` returns it, and what it was made of."""
        with self._watch.stage("fuse"):
            crop, centre, others = self._fused(window)
            shown = {one.step: _between(centre.luma, one.planes.luma, one.part) for one in others}
            return Fused(crop, {0: centre.luma, **shown})

    def _fused(self, window: CropWindow) -> tuple[FloatArray, Planes, list[Neighbour]]:
        """The fused crop, the planes of the centre, and its neighbours, which are in buffers."""
        crop, buffers = window.crops[window.centre], self._buffers
        side = len(crop)
        # Noise, codec and detail scale with source pixels, whatever the crop's size.
        enlarged = window.zoom * _NATIVE_SIDE / side
        work = side // 2 if window.zoom >= _HALF_ZOOM * (1.0 - NEARLY) else side
        zoom = window.zoom * work / side

        self._memory.forget(window.tracklet, window.frames[0])
        centre, _ = self._planes(window, window.centre, work)
        with self._watch.stage("register"):
            others = self._neighbours(window, work)
        floor = min(max(_FLOOR_NATIVE * enlarged**2, _FLOOR_LOW), _FLOOR_HIGH, self._most_floor)
        mean, share = weighted_mean(centre, others, floor, buffers)
        ramp = (enlarged - _SHARPEN_NONE) / (_SHARPEN_FULL - _SHARPEN_NONE)
        if ramp > 0.0:
            sharpen(mean.luma, _SHARPEN_SIGMA * zoom, min(ramp, 1.0) * share, buffers)

        # Only the change is added to the crop, which so keeps detail the work size cannot hold.
        pairs = ((mean.luma, centre.luma), *zip(mean.chroma, centre.chroma, strict=True))
        change = []
        for k, (new, old) in enumerate(pairs):
            cv2.subtract(new, old, new)
            change.append(enlarge(new, side, buffers(f"change {k}", (side, side))))
        merged = buffers("change", crop.shape)
        cv2.merge(change, merged)
        fine = cv2.transform(merged, _TO_RGB)
        return np.asarray(cv2.add(fine, crop, fine), np.float32), centre, others

    def _planes(self, window: CropWindow, k: int, work: int) -> tuple[Planes, FloatArray]:
        """The planes of crop k, and its luma on a small grid."""
        crop = window.crops[k]

        def make() -> tuple[Array, ...]:
            side = work // _COARSE
            first = cv2.transform(crop, _FROM_RGB[:1])
            luma = shrink(np.asarray(first, np.float32), work)
            plane, chroma = (
                self._buffers("plane", crop.shape[:2]),
                np.empty((2, side, side), np.float32),
            )
            for row, target in zip(_FROM_RGB[1:], chroma, strict=True):
                cv2.transform(crop, row[None], plane)
                shrink(plane, side, target)
            return luma, chroma, shrink(luma, _SMALL)

        key = _Key("planes", window.tracklet, window.frames[k], (len(crop), work))
        luma, chroma, small = (np.asarray(each, np.float32) for each in self._memory.get(key, make))
        return Planes(luma, chroma), small

    def _neighbours(self, window: CropWindow, work: int) -> list[Neighbour]:
        """The neighbours within the radius that could be registered: the later ones, then the
        earlier ones, the nearest first. Flow is chained from frame to frame; a frame that could not
        be registered is skipped."""
        _, small = self._planes(window, window.centre, work)
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
                flow = onward if flow_to_last is None else chained(flow_to_last, onward)
                there, seen = self._planes(window, k, work)
                part = registered(pull(seen, flow), small, source_side)
                if part > 0.0:
                    last, flow_to_last = k, flow
                    step = k - window.centre
                    found.append(Neighbour(step, self._pulled(there, flow, step), part))
        return found

    def _pulled(self, planes: Planes, flow: FloatArray, step: int) -> Planes:
        """The planes registered along the flow, in buffers."""
        taken = []
        for name, stack in (("luma", planes.luma[None]), ("chroma", planes.chroma)):
            shape = stack.shape[1:]
            where = places(
                flow, len(stack[0]), (self._buffers("x", shape), self._buffers("y", shape))
            )
            target = self._buffers(f"{name} {step}", stack.shape)
            for plane, into in zip(stack, target, strict=True):
                pulled(plane, where, into)
            taken.append(target)
        return Planes(taken[0][0], taken[1])

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

        to = window.frames[other]
        key = _Key("flow", window.tracklet, window.frames[k], (to, work, side))
        return np.asarray(self._memory.get(key, make)[0], np.float32)

    def _flow_luma(self, window: CropWindow, k: int, work: int, side: int) -> Array:
        """Lightly blurred luma, uint8, of the crop before fusion: fused crops make flow drift."""

        def make() -> tuple[Array, ...]:
            return (flow_luma(self._planes(window, k, work)[0].luma, side),)

        key = _Key("luma", window.tracklet, window.frames[k], (work, side))
        return self._memory.get(key, make)[0]


def _between(one: FloatArray, other: FloatArray, part: float) -> FloatArray:
    return np.array(other if part == 1.0 else one + np.float32(part) * (other - one), np.float32)
