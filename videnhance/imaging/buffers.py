"""Arrays for intermediate results, used again instead of allocated anew.

Fresh memory is handed out by the system page by page, filled with zeros: for a picture that takes
longer than most arithmetic on it.
"""

from __future__ import annotations

import numpy as np

from videnhance.imaging.frames import FloatArray


class Buffers:
    """Keeps one float32 array for each name and shape. What it holds is that of the last use, so
    nothing in it may be handed on. Only one thread may use an object at a time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[int, ...]], FloatArray] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        key = name, shape
        if key not in self._kept:
            self._kept[key] = np.empty(shape, np.float32)
        return self._kept[key]
