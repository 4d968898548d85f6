"""A restorer whose result is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray


@dataclass
class Darken:
    """Takes the same from all of a crop; `by` is a share of white."""

    by: float
    name: str = "darken"
    radius: int = 1
    batch: int = 1
    invents: bool = False

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        return [window.crops[window.centre] - np.float32(self.by) for window in windows]
