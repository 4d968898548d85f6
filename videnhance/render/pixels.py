"""Where the pixels of frames and crops are worked on: in memory, or on a GPU (gpu.OnDevice).

Rendering (stages.py) asks for every touch of a pixel here, so that a frame that was brought to a
GPU is cut, restored, matched, steadied and painted there, by the same stages in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from videnhance.imaging import steadiness
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.color_match import match_color
from videnhance.imaging.compositing import Box, Patch, ellipse_mask, paint
from videnhance.imaging.frames import Crop, Frame, Matrix
from videnhance.imaging.sharpness import sharpness


class Pixels(Protocol):
    """What rendering does with pixels; crops are of the kind that `sample` gives."""

    def bring(self, frame: Frame) -> Frame:
        """The same frame, where its faces can be cut out and painted."""
        ...

    def sample(self, frame: Frame, crop_to_frame: Matrix, side: int) -> Crop:
        """A face cut out, (side, side, 3), as color.sample_rgb."""
        ...

    def sharpness(self, crop: Crop, zoom: float) -> float:
        """As gate.sharpness."""
        ...

    def look(self, crop: Crop, restored: Crop) -> Any:
        """As steadiness.look; for `steady` alone."""
        ...

    def steady(self, looks: Sequence[Any], centre: int, amount: float) -> Crop:
        """As steadiness.steady."""
        ...

    def match_color(self, restored: Crop, source: Crop, grey: bool) -> Crop:
        """As color_match.match_color, compared where a face's ellipse is."""
        ...

    def paint(self, frame: Frame, patches: Sequence[Patch], keep_out: Sequence[Box]) -> Frame:
        """The frame with the patches, its planes in memory, as compositing.paint."""
        ...


class InMemory:
    """By OpenCV; crops are NumPy arrays."""

    def bring(self, frame: Frame) -> Frame:
        return frame

    def sample(self, frame: Frame, crop_to_frame: Matrix, side: int) -> Crop:
        return sample_rgb(frame, crop_to_frame, (side, side))

    def sharpness(self, crop: Crop, zoom: float) -> float:
        return sharpness(crop, zoom)

    def look(self, crop: Crop, restored: Crop) -> steadiness.Look:
        return steadiness.look(crop, restored)

    def steady(self, looks: Sequence[steadiness.Look], centre: int, amount: float) -> Crop:
        return steadiness.steady(looks, centre, amount)

    def match_color(self, restored: Crop, source: Crop, grey: bool) -> Crop:
        return match_color(restored, source, ellipse_mask(len(restored)), grey)

    def paint(self, frame: Frame, patches: Sequence[Patch], keep_out: Sequence[Box]) -> Frame:
        return paint(frame, patches, keep_out)


IN_MEMORY: Pixels = InMemory()
"""It holds nothing, so one serves all."""
