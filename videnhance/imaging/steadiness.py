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

from videnhance.imaging.frames import Array, FloatArray
from videnhance.imaging.optical_flow import (
    enlarge,
    flow_between,
    flow_finder,
    flow_luma,
    pull,
    shrink,
)

# Variances are in squared 8-bit steps.

RADIUS = 2
"""Neighbours on each side worth giving. Independent texture in five equal frames flickers a fifth
as much (`steady`); each further frame is registered worse and costs as much again."""

FLOW_SIDE = 128
"""Flow is sought on luma of this side, and chroma is steadied at it: the eye sees its flicker less
and a crop of 512 costs a third less than with chroma of 256."""
BROAD_SIDE, BROAD_BLUR = 16, 0.7
"""Broad shapes are the crop at this side, blurred by this sigma in its pixels, enlarged again."""
CELLS = 64
"""Disagreement and weights live on a grid of this many cells a side."""

SEEN_BLUR = 1.5
"""Sigma, in pixels of the flow's luma, of the crops that are compared: noise should not count."""
SEEN_LIMITS = 1.0, 32.0
"""The least and most disagreement of the crops that is taken for the source's noise: after that
blur, luma noise of sigma 12 in a source enlarged four times disagrees by about so much."""
ADDED_LIMITS = 16.0, 800.0
"""The same for what was added: two independent textures of sigma 3 and 20 disagree by so much.
More is taken for another face, even where it is all that the window shows."""
FREE = 2.0
"""Weight begins to fall at so many times what is usual: around a cell, independent texture is seen
at some seven places only, by whose chance its disagreement spreads by half."""

STEPS = 255.0  # 8-bit steps in 0..1


@dataclass(frozen=True)
class Look:
    """One frame of a track as `steady` compares it: what its crop shows, and what was added to it.

    `after`: the restored crop, (S, S, 3) float32 RGB. `shown`: the crop blurred, (F, F, 3) float32
    YCrCb; `flow`: its luma as flow is sought on, (F, F) uint8. `luma` (S, S) and `chroma`
    (F, F, 2): what the restorer added, float32, in units of 0..1.
    """

    after: FloatArray
    shown: FloatArray
    flow: Array
    luma: FloatArray
    chroma: FloatArray


def look(crop: FloatArray, restored: FloatArray) -> Look:
    """Of one frame, for all the windows it is part of.

    `crop`: (S, S, 3) float32 RGB, nominally 0..1, as it went into the restorer; `restored`: as it
    came out.
    """
    small = _ycc(shrink(crop, FLOW_SIDE))
    grey = np.ascontiguousarray(small[..., 0]) * np.float32(STEPS)
    broad = cv2.GaussianBlur(shrink(small, BROAD_SIDE), (0, 0), BROAD_BLUR)
    cells = cv2.resize(broad, (CELLS, CELLS), interpolation=cv2.INTER_CUBIC)
    shown = np.asarray(cv2.GaussianBlur(small, (0, 0), SEEN_BLUR), np.float32)
    luma = np.asarray(cv2.cvtColor(restored, cv2.COLOR_RGB2GRAY), np.float32)
    luma -= enlarge(np.ascontiguousarray(cells[..., 0]), len(restored))
    chroma = _ycc(shrink(restored, FLOW_SIDE))[..., 1:]
    chroma = chroma - enlarge(np.ascontiguousarray(cells[..., 1:]), FLOW_SIDE)
    return Look(restored, shown, flow_luma(grey, FLOW_SIDE), luma, np.asarray(chroma, np.float32))


def steady(looks: Sequence[Look], centre: int, amount: float) -> FloatArray:
    """The restored centre crop with its texture averaged over the window, (S, S, 3) float32 RGB.

    `looks`: of consecutive frames, all of one size. `centre` indexes the frame wanted. `amount`
    0..1 blends: 0 returns its restored crop itself, 1 the full mean. Where all N frames weigh the
    same, independent texture changes from frame to frame by hypot(1 - a, a / N) times as much with
    amount a, as consecutive means share all but one frame at each end. Broad shapes and colours,
    where they follow the source, stay the centre frame's.
    """
    here = looks[centre]
    if amount <= 0.0 or len(looks) < 2:
        return here.after
    finder, side = flow_finder(), len(here.after)
    pulled, seen, differ = [], [], []
    for other in (*looks[:centre], *looks[centre + 1 :]):
        flow = flow_between(finder, here.flow, other.flow)
        luma, chroma = pull(other.luma, flow), pull(other.chroma, flow)
        pulled.append((luma, chroma))
        seen.append(_disagreement(pull(other.shown, flow), here.shown))
        differ.append(_disagreement(luma, here.luma))

    noise = _usual(seen, SEEN_LIMITS)
    usual = _usual(differ, ADDED_LIMITS)
    total = np.ones((CELLS, CELLS), np.float32)
    luma, chroma = here.luma.copy(), here.chroma.copy()
    for (other_luma, other_chroma), unlike, apart in zip(pulled, seen, differ, strict=True):
        weight = np.exp(-_excess(unlike, noise) - _excess(apart, usual))
        total += weight
        cv2.accumulateProduct(other_luma, enlarge(weight, side), luma)
        chroma += other_chroma * enlarge(weight, len(chroma))[..., None]
    luma /= enlarge(total, side)
    chroma /= enlarge(total, len(chroma))[..., None]
    luma -= here.luma
    chroma -= here.chroma
    # OpenCV's chroma is centred on 0.5 in floats. Colour is put together while it is small.
    y = np.zeros(chroma.shape[:2], np.float32)
    hue = cv2.cvtColor(np.dstack([y, chroma + np.float32(0.5)]), cv2.COLOR_YCrCb2RGB)
    change = enlarge(np.asarray(hue, np.float32), side)
    change += luma[..., None]
    change *= np.float32(amount)
    change += here.after
    return change


def _ycc(image: FloatArray) -> FloatArray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.float32)


def _disagreement(one: FloatArray, other: FloatArray) -> FloatArray:
    """Mean squared difference around each cell, of (W, W), or the sum of (W, W, C)."""
    difference = one - other
    difference *= difference
    squared = shrink(difference, CELLS)
    cells = squared if squared.ndim == 2 else np.ascontiguousarray(squared.sum(axis=2))
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), 1.0) * np.float32(STEPS**2), np.float32)


def _excess(disagreement: FloatArray, usual: float) -> FloatArray:
    return np.asarray(np.maximum(disagreement / usual - FREE, 0.0), np.float32)


def _usual(disagreements: Sequence[FloatArray], limits: tuple[float, float]) -> float:
    """What most places show, taken for noise rather than for a change."""
    return min(max(float(np.median(np.stack(disagreements))), limits[0]), limits[1])
