"""Pixel work for rendering: in memory here, or on a GPU (gpu.OnDevice), behind one interface.

Rendering (stages.py) does all work on pixels through it. A frame that was brought to a GPU is thus
cut, restored, matched, steadied and painted there, by the same stages in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from videnhance.imaging import steadiness
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.color_match import match_color
from videnhance.imaging.compositing import Box, Patch, change_of, ellipse_mask, paint
from videnhance.imaging.frames import Crop, FloatArray, Frame, Matrix
from videnhance.imaging.sharpness import sharpness


class Pixels(Protocol):
    """What rendering does with pixels. Crops are of the type that `sample` returns."""

    def bring(self, frame: Frame) -> Frame:
        """The same frame, brought to where its faces can be cut out and painted."""
        ...

    def sample(self, frame: Frame, crop_to_frame: Matrix, side: int) -> Crop:
        """A face cut out, (side, side, 3), like color.sample_rgb."""
        ...

    def sharpness(self, crop: Crop, zoom: float) -> float:
        """Like imaging.sharpness.sharpness."""
        ...

    def prepare(self, crop: Crop, restored: Crop) -> Any:
        """Like steadiness.prepare; only for `steady`."""
        ...

    def steady(self, window: Sequence[Any], centre: int, amount: float) -> Crop:
        """Like steadiness.steady."""
        ...

    def match_color(self, restored: Crop, source: Crop, grey: bool) -> Crop:
        """Like color_match.match_color, comparing within a face's ellipse."""
        ...

    def change(self, patch: Patch) -> float:
        """Like compositing.change_of."""
        ...

    def fetch(self, crop: Crop) -> FloatArray:
        """The crop in memory."""
        ...

    def paint(self, frame: Frame, patches: Sequence[Patch], keep_out: Sequence[Box]) -> Frame:
        """The frame with the patches painted, its planes in memory, like compositing.paint."""
        ...


class InMemory:
    """Pixel work by OpenCV; crops are NumPy arrays."""

    def bring(self, frame: Frame) -> Frame:
        return frame

    def sample(self, frame: Frame, crop_to_frame: Matrix, side: int) -> Crop:
        return sample_rgb(frame, crop_to_frame, (side, side), quick=True)

    def sharpness(self, crop: Crop, zoom: float) -> float:
        return sharpness(crop, zoom)

    def prepare(self, crop: Crop, restored: Crop) -> steadiness.Prepared:
        return steadiness.prepare(crop, restored)

    def steady(self, window: Sequence[steadiness.Prepared], centre: int, amount: float) -> Crop:
        return steadiness.steady(window, centre, amount)

    def match_color(self, restored: Crop, source: Crop, grey: bool) -> Crop:
        return match_color(restored, source, ellipse_mask(len(restored)), grey)

    def change(self, patch: Patch) -> float:
        return change_of(patch)

    def fetch(self, crop: Crop) -> FloatArray:
        return np.asarray(crop, np.float32)

    def paint(self, frame: Frame, patches: Sequence[Patch], keep_out: Sequence[Box]) -> Frame:
        return paint(frame, patches, keep_out)


IN_MEMORY: Pixels = InMemory()
"""It has no state, so one object serves all threads."""
