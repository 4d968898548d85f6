"""Texture that a restorer makes up anew in every frame, held still from frame to frame.

What the restorer added to each crop of a short window is carried to the centre crop along the
motion of the faces themselves, and averaged. A neighbour counts less, place by place, where its
face or what was added to it disagrees with the centre's.

What was added is counted from the broad shapes of the crop that went in, not from the crop itself:
a restorer also takes noise away, and averaging that removal over frames would put most of the
centre's own noise back.

The result is a function of the window alone: no recursion, so a segment's border shows no seam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.frames import Array, FloatArray
from videnhance.registration import enlarge, flow_between, flow_finder, flow_luma, pull, shrink

# Variances are in squared 8-bit steps.

RADIUS = 2
"""Neighbours on each side worth giving. Independent texture in five equal frames flickers a fifth
as much (`steady`); each further frame is registered worse and costs as much again."""

_SIDE = 128
"""Flow is sought on luma of this side, and chroma is steadied at it: the eye sees its flicker less
and a crop of 512 costs a third less than with chroma of 256."""
_BROAD_SIDE = 16
"""Broad shapes are the crop at this side, enlarged again."""
_CELLS = 64
"""Disagreement and weights live on a grid of this many cells a side."""

_SEEN_BLUR = 1.5
"""Sigma, in pixels of the flow's luma, of the crops that are compared: noise should not count."""
_SEEN_FLOOR, _SEEN_CEILING = 1.0, 32.0
"""The least and most disagreement of the crops that is taken for the source's noise: after that
blur, luma noise of sigma 12 in a source enlarged four times disagrees by about so much."""
_ADDED_FLOOR, _ADDED_CEILING = 16.0, 800.0
"""The same for what was added: two independent textures of sigma 3 and 20 disagree by so much.
More is taken for another face, even where it is all that the window shows."""
_FREE = 2.0
"""Weight begins to fall at so many times what is usual: around a cell, independent texture is seen
at some seven places only, by whose chance its disagreement spreads by half."""

_STEPS = 255.0  # 8-bit steps in 0..1


def steady(
    crops: Sequence[FloatArray], restored: Sequence[FloatArray], centre: int, amount: float
) -> FloatArray:
    """The restored centre crop with its texture averaged over the window, (S, S, 3) float32 RGB.

    `crops`: the (S, S, 3) float32 RGB crops, nominally 0..1, that went into the restorer, of
    consecutive frames; `restored`: what came out, of the same sizes. `centre` indexes the frame
    wanted. `amount` 0..1 blends: 0 returns `restored[centre]` itself, 1 the full mean. Where all N
    frames weigh the same, independent texture changes from frame to frame by hypot(1 - a, a / N)
    times as much with amount a, as consecutive means share all but one frame at each end.
    Broad shapes and colours, where they follow the source, stay the centre frame's.
    """
    own = restored[centre]
    if amount <= 0.0 or len(crops) < 2:
        return own
    finder = flow_finder()
    faces = [_face(crop) for crop in crops]
    textures = [_texture(after, face) for after, face in zip(restored, faces, strict=True)]
    here, added, side = faces[centre], textures[centre], len(own)

    pulled, seen, differ = [], [], []
    for k, (face, texture) in enumerate(zip(faces, textures, strict=True)):
        if k == centre:
            continue
        flow = flow_between(finder, here.flow, face.flow)
        other = _Texture(pull(texture.luma, flow), pull(texture.chroma, flow))
        pulled.append(other)
        seen.append(_disagreement(pull(face.shown, flow), here.shown))
        differ.append(_disagreement(other.luma, added.luma))

    noise = _usual(seen, _SEEN_FLOOR, _SEEN_CEILING)
    usual = _usual(differ, _ADDED_FLOOR, _ADDED_CEILING)
    total = np.ones((_CELLS, _CELLS), np.float32)
    luma, chroma = added.luma.copy(), added.chroma.copy()
    for other, unlike, apart in zip(pulled, seen, differ, strict=True):
        weight = np.exp(-_excess(unlike, noise) - _excess(apart, usual))
        total += weight
        cv2.accumulateProduct(other.luma, enlarge(weight, side), luma)
        chroma += other.chroma * enlarge(weight, len(chroma))[..., None]
    luma /= enlarge(total, side)
    chroma /= enlarge(total, len(chroma))[..., None]
    luma -= added.luma
    chroma -= added.chroma
    # OpenCV's chroma is centred on 0.5 in floats. Colour is put together while it is small.
    y = np.zeros(chroma.shape[:2], np.float32)
    hue = cv2.cvtColor(np.dstack([y, chroma + np.float32(0.5)]), cv2.COLOR_YCrCb2RGB)
    change = enlarge(np.asarray(hue, np.float32), side)
    change += luma[..., None]
    change *= np.float32(amount)
    change += own
    return change


@dataclass(frozen=True)
class _Face:
    """What a crop showed: blurred YCrCb (F, F, 3) float32 0..1, luma as flow is sought on (F, F)
    uint8, and the broad shapes (C, C, 3) float32 YCrCb 0..1."""

    shown: FloatArray
    flow: Array
    broad: FloatArray


@dataclass(frozen=True)
class _Texture:
    """What was added to a crop: luma (S, S), chroma (F, F, 2), float32 in units of 0..1."""

    luma: FloatArray
    chroma: FloatArray


def _face(crop: FloatArray) -> _Face:
    small = _ycc(shrink(crop, _SIDE))
    luma = np.ascontiguousarray(small[..., 0]) * np.float32(_STEPS)
    broad = cv2.GaussianBlur(shrink(small, _BROAD_SIDE), (0, 0), 0.7)
    cells = cv2.resize(broad, (_CELLS, _CELLS), interpolation=cv2.INTER_CUBIC)
    shown = np.asarray(cv2.GaussianBlur(small, (0, 0), _SEEN_BLUR), np.float32)
    return _Face(shown, flow_luma(luma, _SIDE), np.asarray(cells, np.float32))


def _texture(after: FloatArray, face: _Face) -> _Texture:
    """What the restorer added to the broad shapes of a face."""
    side = len(after)
    luma = np.asarray(cv2.cvtColor(after, cv2.COLOR_RGB2GRAY), np.float32)
    luma -= enlarge(np.ascontiguousarray(face.broad[..., 0]), side)
    chroma = _ycc(shrink(after, _SIDE))[..., 1:]
    broad = enlarge(np.ascontiguousarray(face.broad[..., 1:]), _SIDE)
    return _Texture(luma, np.asarray(chroma - broad, np.float32))


def _ycc(image: FloatArray) -> FloatArray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.float32)


def _disagreement(one: FloatArray, other: FloatArray) -> FloatArray:
    """Mean squared difference around each cell, of (W, W), or the sum of (W, W, C)."""
    difference = one - other
    difference *= difference
    squared = shrink(difference, _CELLS)
    cells = squared if squared.ndim == 2 else np.ascontiguousarray(squared.sum(axis=2))
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), 1.0) * np.float32(_STEPS**2), np.float32)


def _excess(disagreement: FloatArray, usual: float) -> FloatArray:
    return np.asarray(np.maximum(disagreement / usual - _FREE, 0.0), np.float32)


def _usual(disagreements: Sequence[FloatArray], floor: float, ceiling: float) -> float:
    """What most places show, taken for noise rather than for a change."""
    return min(max(float(np.median(np.stack(disagreements))), floor), ceiling)
