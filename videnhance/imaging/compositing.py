"""Painting restored faces into a frame: what changes is added, what does not is not touched.

A restorer's crop is never pasted itself. What is pasted is its difference from the crop that went
in, weighted by a feathered mask: where a restorer changed nothing, and everywhere outside the
mask, the frame keeps the very samples it was decoded to, and no detail is lost to resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from videnhance.imaging.affine import (
    bounds,
    compose,
    invert,
    place,
    scaling,
    translation,
    warp,
    zoom_of,
)
from videnhance.imaging.choice import best_first
from videnhance.imaging.color import color_planes, frame_to_plane, rgb_to_samples
from videnhance.imaging.frames import Array, Crop, FloatArray, Frame, Matrix, Zone

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in continuous pixels of a frame or samples of a plane."""

MASK_CENTRE = (0.5, 0.52)
MASK_RADII = (0.42, 0.47)
MASK_FEATHER = 0.3
"""The ellipse around an aligned face from hairline to chin, in units of the crop's side; the
feather is the outer share of the radius over which the mask falls from 1 to 0."""
ALIKE = 0.02
"""Share by which two faces may differ in size and count as equally near."""
BOX_FEATHER = 0.08
"""Share of the crop's side over which the box mask falls from 1 to 0 at each border."""


@dataclass(frozen=True)
class Patch:
    """One restored face, ready to be painted.

    `before`, `after`: (S, S, 3) float32 RGB 0..1, the crop as it went into the restorer and as it
    came out; NumPy arrays for `paint`. `crop_to_frame`: affine to the pixels of the frame to be
    painted. `strength` 0..1 scales the change. `mask` (S, S) float32: where to paint; None means
    the ellipse.
    """

    tracklet: int
    before: Crop
    after: Crop
    crop_to_frame: Matrix
    strength: float
    mask: Crop | None = None


@lru_cache(maxsize=8)
def ellipse_mask(size: int) -> FloatArray:
    """(size, size) float32: 1 over the face, falling smoothly to 0 before the crop's border."""
    line = (np.arange(size) + 0.5) / size
    x = (line[None, :] - MASK_CENTRE[0]) / MASK_RADII[0]
    y = (line[:, None] - MASK_CENTRE[1]) / MASK_RADII[1]
    depth = np.clip((1.0 - np.hypot(x, y)) / MASK_FEATHER, 0.0, 1.0)
    mask = (depth * depth * (3.0 - 2.0 * depth)).astype(np.float32)
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=8)
def _within_ellipse(size: int) -> tuple[slice, slice]:
    """The rows and columns of a crop outside which the ellipse is 0, and at least one more on each
    side; in steps of 16, so that halving them takes the same samples together as in the whole
    crop."""
    mask = ellipse_mask(size)
    inside = [np.nonzero(mask.any(axis=axis))[0] for axis in (1, 0)]
    rows, columns = (
        slice(max(int(k[0]) - 1, 0) // 16 * 16, min(-(-(int(k[-1]) + 2) // 16) * 16, size))
        for k in inside
    )
    return rows, columns


@lru_cache(maxsize=8)
def box_mask(size: int) -> FloatArray:
    """(size, size) float32: 1 over the crop, falling smoothly to 0 at its border."""
    line = (np.arange(size) + 0.5) / size
    depth = np.clip(np.minimum(line, 1.0 - line) / BOX_FEATHER, 0.0, 1.0)
    side = depth * depth * (3.0 - 2.0 * depth)
    mask = np.outer(side, side).astype(np.float32)
    mask.flags.writeable = False
    return mask


def frame_boxes(zones: Sequence[Zone], upright_to_frame: Matrix) -> tuple[Box, ...]:
    """The boxes around zones of the upright picture, in pixels of the frame to be painted.

    For a frame turned by quarters, mirrored, stretched or enlarged, the box is exactly the zone.
    """
    return tuple(
        _around(((z.x0, z.y0), (z.x1, z.y0), (z.x0, z.y1), (z.x1, z.y1)), upright_to_frame)
        for z in zones
    )


def paint(frame: Frame, patches: Sequence[Patch], keep_out: Sequence[Box] = ()) -> Frame:
    """The frame with all patches blended in; samples outside every mask stay bit-equal.

    So does every sample, of any plane, that touches a box of `keep_out` (continuous pixels of the
    frame). A sample of subsampled chroma covers all the pixels it stands for.

    Larger faces are nearer, so they are painted over smaller ones; of sizes that are ALIKE the
    larger id is the upper one. Where masks overlap, the upper face takes over by its mask's weight,
    so no change is added twice.
    """
    if not patches:
        return frame
    colors = color_planes(frame.layout)
    top = float((1 << frame.layout.depth) - 1)
    to_samples = rgb_to_samples(frame.layout)
    painted = [np.array(plane) for plane in frame.planes[:colors]]
    for patch, below in layered(patches):
        size = patch.before.shape[0]
        place = ellipse_mask(size) if patch.mask is None else patch.mask
        part = _within_ellipse(size) if place is ellipse_mask(size) else (slice(None), slice(None))
        mask = cv2.multiply(place[part], np.array([patch.strength]))
        difference = cv2.subtract(patch.after[part], patch.before[part])
        corner = translation(part[1].start or 0, part[0].start or 0)
        to_frame = compose(patch.crop_to_frame, corner)
        for k in range(colors):
            spot = _spot(frame, k, to_frame, mask.shape)
            if spot is not None:
                change = cv2.transform(difference, to_samples[k : k + 1])
                cv2.multiply(change, mask, change)
                cover = mask if below else None
                _paint_plane(painted[k], frame.planes[k], change, cover, spot, top)
    keep(painted, frame, keep_out)
    return Frame(frame.index, frame.pts, (*painted, *frame.planes[colors:]), frame.layout)


def change_of(patch: Patch) -> float:
    """By how much the restorer changed a face: the mean absolute difference of red, green and blue
    where the mask is over one half, in levels of 255. The patch's strength does not count."""
    mask = ellipse_mask(len(patch.before)) if patch.mask is None else patch.mask
    inside = np.asarray(mask > 0.5, np.uint8)
    samples = 3 * max(cv2.countNonZero(inside), 1)
    return 255.0 * float(cv2.norm(patch.after, patch.before, cv2.NORM_L1, inside)) / samples


@dataclass(frozen=True)
class Spot:
    """The rectangle of a plane that a patch can reach."""

    rows: slice
    columns: slice
    to_crop: Matrix
    """Affine from the rectangle's samples to the crop."""

    @property
    def size(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def layered(patches: Sequence[Patch]) -> list[tuple[Patch, bool]]:
    """The patches in painting order, each with whether it may overlap one painted before it."""
    named = sorted(patches, key=lambda p: -p.tracklet)
    # Of all that is left the largest is the topmost. Sizes that cross by noise swap no two faces.
    sizes = [zoom_of(p.crop_to_frame) * len(p.before) for p in named]
    ordered = [named[k] for k in best_first(sizes, share=ALIKE)][::-1]
    boxes = [bounds(p.crop_to_frame, p.before.shape[:2]) for p in ordered]
    return [
        (patch, any(overlap(boxes[k], other) for other in boxes[:k]))
        for k, patch in enumerate(ordered)
    ]


def spot_on(frame: Frame, plane: int, patch: Patch) -> Spot | None:
    """Where a patch lies on a plane of the frame; None if it lies outside."""
    return _spot(frame, plane, patch.crop_to_frame, patch.before.shape[:2])


def _spot(frame: Frame, plane: int, crop_to_frame: Matrix, shape: tuple[int, ...]) -> Spot | None:
    to_plane = compose(frame_to_plane(frame.layout, plane), crop_to_frame)
    box = bounds(to_plane, (shape[0], shape[1]))
    rows, columns = _window(box, frame.planes[plane].shape)
    if rows.start == rows.stop or columns.start == columns.stop:
        return None
    return Spot(rows, columns, compose(invert(to_plane), translation(columns.start, rows.start)))


def keep(painted: Sequence[Array], frame: Frame, keep_out: Sequence[Box]) -> None:
    """Put the frame's own samples within `keep_out` back into the painted planes, in place."""
    for x0, y0, x1, y1 in keep_out:
        for k, plane in enumerate(painted):
            to_plane = frame_to_plane(frame.layout, k)
            window = _window(_around(((x0, y0), (x1, y1)), to_plane), plane.shape)
            plane[window] = frame.planes[k][window]


def _paint_plane(
    painted: Array,
    source: Array,
    change: FloatArray,
    mask: FloatArray | None,
    spot: Spot,
    top: float,
) -> None:
    """Add one face's change to its rectangle of a plane, in place. `mask`: given only if it may
    overlap faces painted before."""
    window = spot.rows, spot.columns
    to_change = spot.to_crop
    while zoom_of(to_change) >= 2.0 and min(change.shape) >= 16:
        # The blur of `warp` is then half as wide on a quarter of the samples.
        size = change.shape[1] // 2, change.shape[0] // 2
        to_change = compose(
            scaling(size[0] / change.shape[1], size[1] / change.shape[0]), to_change
        )
        change = np.asarray(cv2.resize(change, size, interpolation=cv2.INTER_AREA), np.float32)
    added = warp(change, to_change, spot.size, border=cv2.BORDER_CONSTANT)
    base = source[window].astype(np.float32)
    if mask is not None:
        # base + (painted - base) (1 - mask): faces already there give way to the one on top.
        cover = np.clip(warp(mask, spot.to_crop, spot.size, border=cv2.BORDER_CONSTANT), 0.0, 1.0)
        base += (painted[window].astype(np.float32) - base) * (1.0 - cover)
    painted[window] = np.clip(np.rint(base + added), 0.0, top).astype(painted.dtype)


def _around(points: Sequence[tuple[float, float]], affine: Matrix) -> Box:
    """The box around points mapped by an affine."""
    taken = place(np.array(points), affine)
    (x0, y0), (x1, y1) = taken.min(axis=0), taken.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _window(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a plane that touch a box; empty if it lies outside."""
    x0, y0, x1, y1 = box
    return _span(y0, y1, shape[0]), _span(x0, x1, shape[1])


def _span(low: float, high: float, length: int) -> slice:
    start = max(int(np.floor(low)), 0)
    return slice(start, max(min(int(np.ceil(high)), length), start))


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes have a part in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
