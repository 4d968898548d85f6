"""The label that every frame of an AI-restored video carries: light text on a dark bar, in a
corner, drawn into the frame's own planes.

The bar hides what is beneath it, so the text is legible on any picture, and no sample outside its
rectangle changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from videnhance.imaging.affine import bounds, compose, invert, scaling, translation, warp, zoom_of
from videnhance.imaging.color import (
    color_planes,
    frame_to_plane,
    rgb_to_samples,
    samples_to_rgb,
)
from videnhance.imaging.compositing import Box, overlap
from videnhance.imaging.frames import Array, FloatArray, Frame, Matrix, PixelLayout
from videnhance.imaging.lettering import LEAST, fitted, line_height, text_width, write
from videnhance.settings.evidence import CORNERS

_BAR = 0.06
"""Level of the bar, 0..1."""
_WHITE = {16: 0.58, 18: 0.75}
"""Signal levels of HDR's reference white by transfer (ITU-T H.273): PQ, HLG (ITU-R BT.2408)."""
_PAD = 0.6
"""Heights of a capital between the text and the bar's border, and between the bar and the picture's
border."""

Drawn: TypeAlias = tuple[tuple[slice, slice, Array], ...]
"""For each plane: rows and columns, and the samples that they get."""


@dataclass(frozen=True)
class Label:
    """What is written, how large, and where."""

    text: str
    size: float
    """Height of capitals in percent of the picture's shorter side; LEAST pixels at least."""
    corner: str
    """One of settings.evidence.CORNERS."""
    white: float = 0.92
    """Signal level of the text, 0..1."""

    def on(self, frame: Frame, upright_to_frame: Matrix, keep_out: Sequence[Box] = ()) -> Frame:
        """The frame with the label; everything outside its `box` is the frame's own."""
        shapes = tuple(plane.shape for plane in frame.planes)
        drawn = _drawn(self, frame.layout, shapes, tuple(upright_to_frame.ravel()), tuple(keep_out))
        planes = list(frame.planes)
        for k, (rows, columns, samples) in enumerate(drawn):
            planes[k] = np.array(planes[k])
            planes[k][rows, columns] = samples
        return Frame(frame.index, frame.pts, tuple(planes), frame.layout)

    def box(
        self, size: tuple[int, int], upright_to_frame: Matrix, keep_out: Sequence[Box] = ()
    ) -> Box:
        """x0, y0, x1, y1 in pixels of a frame of `size` (height, width), whole numbers: outside, no
        sample changes. Subsampled chroma is outside where no pixel that it stands for is inside."""
        return _laid_out(self, size, upright_to_frame, keep_out).box


def reference_white(transfer: int) -> float:
    """The signal level of white that does not dazzle, by H.273's number of the transfer."""
    return _WHITE.get(transfer, Label.white)


@dataclass(frozen=True)
class _Bar:
    levels: FloatArray
    """(H, W) 0..1: the bar with its text, upright."""
    to_frame: Matrix
    """From its pixels to those of the frame."""
    box: Box


def _laid_out(
    label: Label, size: tuple[int, int], upright_to_frame: Matrix, keep_out: Sequence[Box]
) -> _Bar:
    # Upright, in pixels as large as the frame's.
    zoom = zoom_of(upright_to_frame)
    to_frame = compose(upright_to_frame, scaling(1.0 / zoom))
    x0, y0, x1, y1 = bounds(invert(to_frame), size)
    wide, high = max(round(x1 - x0), 1), max(round(y1 - y0), 1)
    capital = max(min(wide, high) * label.size / 100.0, float(LEAST))
    pad = max(round(capital * _PAD), 2)
    lines, capital = fitted(label.text, wide - 4 * pad, capital)
    text = max(text_width(line, capital) for line in lines)
    # Even, so that it begins and ends with samples of subsampled chroma.
    width, height = _even(text + 2 * pad), _even(len(lines) * line_height(capital) + pad)
    picture = np.zeros((height, width, 3), np.uint8)
    for k, line in enumerate(lines):
        write(picture, line, (pad, pad + k * line_height(capital)), capital, (255, 255, 255))
    levels = _BAR + (label.white - _BAR) * picture[..., 0].astype(np.float32) / np.float32(255)
    ends = {"left": pad, "right": wide - pad - width, "top": pad, "bottom": high - pad - height}
    places = []
    first = CORNERS.index(label.corner)
    for corner in (*CORNERS[first:], *CORNERS[:first]):
        top, left = (max(ends[side] // 2 * 2, 0) for side in corner.split("-"))
        affine = compose(to_frame, translation(left, top))
        places.append((affine, _box(bounds(affine, (height, width)), size)))
    free = (one for one in places if not any(overlap(one[1], zone) for zone in keep_out))
    affine, box = next(free, places[0])
    return _Bar(np.asarray(levels, np.float32), affine, box)


def _even(number: float) -> int:
    return round(number) + round(number) % 2


def _box(box: Box, size: tuple[int, int]) -> Box:
    """In whole pixels of the frame, not beyond it."""
    x0, y0 = (max(np.floor(value + 1e-6), 0.0) for value in box[:2])
    x1, y1 = (min(np.ceil(v - 1e-6), most) for v, most in zip(box[2:], size[::-1], strict=True))
    return float(x0), float(y0), float(x1), float(y1)


@lru_cache(maxsize=8)
def _drawn(
    label: Label,
    layout: PixelLayout,
    shapes: tuple[tuple[int, int], ...],
    upright_to_frame: tuple[float, ...],
    keep_out: tuple[Box, ...],
) -> Drawn:
    bar = _laid_out(label, shapes[0], np.array(upright_to_frame).reshape(2, 3), keep_out)
    # What neutral grey of a level is in samples: dark + level * span, by plane.
    linear, offset = rgb_to_samples(layout), samples_to_rgb(layout)[:, -1]
    dark, span = -linear @ offset, linear @ np.ones(3)
    top = (1 << layout.depth) - 1
    drawn = []
    for k, shape in enumerate(shapes):
        x, y = layout.chroma_shift if k in (1, 2) and layout.kind == "yuv" else (0, 0)
        left, upper, right, lower = bar.box
        rows = slice(int(upper) >> y, min(-(-int(lower) >> y), shape[0]))
        columns = slice(int(left) >> x, min(-(-int(right) >> x), shape[1]))
        size = rows.stop - rows.start, columns.stop - columns.start
        if k < color_planes(layout):
            to_plane = compose(frame_to_plane(layout, k), bar.to_frame)
            to_bar = compose(invert(to_plane), translation(columns.start, rows.start))
            levels = np.clip(warp(bar.levels, to_bar, size), 0.0, 1.0)
            samples = np.clip(np.rint(dark[k] + span[k] * levels), 0, top)
        else:  # alpha: nothing shows through
            samples = np.full(size, float(top))
        drawn.append((rows, columns, samples.astype(np.uint8 if layout.depth == 8 else np.uint16)))
    return tuple(drawn)
