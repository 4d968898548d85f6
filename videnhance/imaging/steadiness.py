"""Steadying the texture that a restorer invents differently in every frame.

What the restorer added to each crop of a short window is warped to the centre crop along the motion
of the face, and averaged. Place by place, a neighbour counts less where its face, or what was added
to it, disagrees with the centre's.

"Added" means the restored crop minus the broad shapes of the crop that went in, not minus the crop
itself: a restorer also removes noise, and averaging that removal over frames would put most of the
centre's own noise back.

The result depends on the window alone. There is no recursion, so segment borders show no seam.
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
"""Useful number of neighbours on each side. Independent texture in five equal frames flickers a
fifth as much (`steady`); each further frame registers worse and costs as much again."""

FLOW_SIDE = 128
"""Side in pixels of the luma that flow is computed on, and at which chroma is steadied: the eye
sees flicker of chroma less, and a crop of 512 costs a third less than with chroma at 256."""
BROAD_SIDE, BROAD_BLUR = 16, 0.7
"""Broad shapes are the crop at this side, blurred by this sigma in its pixels, enlarged again."""
CELLS = 64
"""Disagreement and weights are on a grid of this many cells a side."""

SEEN_BLUR = 1.5
"""Sigma, in pixels of the flow's luma, by which crops are blurred before they are compared, so that
noise does not count."""
SEEN_LIMITS = 1.0, 32.0
"""Smallest and largest disagreement of the crops that counts as noise of the source. After that
blur, luma noise of sigma 12 in a source enlarged four times disagrees by about the larger."""
ADDED_LIMITS = 16.0, 800.0
"""The same for what was added: two independent textures of sigma 3, or 20, disagree by this much.
More counts as another face, even if the window shows nothing else."""
FREE = 2.0
"""Weight begins to fall at this multiple of the usual disagreement. A cell sees independent texture
at only about seven places, so by chance its disagreement varies by half."""

STEPS = 255.0  # 8-bit steps in 0..1


@dataclass(frozen=True)
class Prepared:
    """One frame of a track, prepared for `steady`: what its crop shows, and what was added to it.

    `after`: the restored crop, (S, S, 3) float32 RGB. `shown`: the crop that went in, blurred,
    (F, F, 3) float32 YCrCb; `flow`: its luma for optical flow, (F, F) uint8. `luma` (S, S) and
    `chroma` (F, F, 2): what the restorer added, float32, on the scale where white is 1. F is
    FLOW_SIDE.
    """

    after: FloatArray
    shown: FloatArray
    flow: Array
    luma: FloatArray
    chroma: FloatArray


def prepare(crop: FloatArray, restored: FloatArray) -> Prepared:
    """Prepare one frame, once for all the windows it is part of.

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
    return Prepared(
        restored, shown, flow_luma(grey, FLOW_SIDE), luma, np.asarray(chroma, np.float32)
    )


def steady(window: Sequence[Prepared], centre: int, amount: float) -> FloatArray:
    """The restored centre crop with its texture averaged over the window, (S, S, 3) float32 RGB.

    `window`: consecutive frames, all of one size; `centre` indexes the one to return. `amount` 0..1
    blends: 0 returns its restored crop unchanged, 1 the full mean. If all N frames weigh the same,
    amount a reduces the change of independent texture from frame to frame to hypot(1 - a, a / N),
    as consecutive means share all but one frame at each end. Broad shapes and colours that follow
    the source stay those of the centre frame.
    """
    here = window[centre]
    if amount <= 0.0 or len(window) < 2:
        return here.after
    finder, side = flow_finder(), len(here.after)
    pulled, seen, differ = [], [], []
    for other in (*window[:centre], *window[centre + 1 :]):
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
    # OpenCV's float chroma is centred on 0.5. Convert to RGB while it is small: that is cheaper.
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
    """Mean squared difference around each cell, in squared 8-bit steps; channels are summed."""
    difference = one - other
    difference *= difference
    squared = shrink(difference, CELLS)
    cells = squared if squared.ndim == 2 else np.ascontiguousarray(squared.sum(axis=2))
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), 1.0) * np.float32(STEPS**2), np.float32)


def _excess(disagreement: FloatArray, usual: float) -> FloatArray:
    return np.asarray(np.maximum(disagreement / usual - FREE, 0.0), np.float32)


def _usual(disagreements: Sequence[FloatArray], limits: tuple[float, float]) -> float:
    """The median disagreement, within limits: what counts as noise rather than as a change."""
    return min(max(float(np.median(np.stack(disagreements))), limits[0]), limits[1])
