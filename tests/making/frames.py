"""Frames with nothing on them, for what goes by their number."""

from __future__ import annotations

import numpy as np

from videnhance.imaging.frames import Frame, PixelLayout

GRAY = PixelLayout("gray", "gray", 8, (0, 0), False, (0.299, 0.114))


def blank(index: int) -> Frame:
    return Frame(index, index, (np.zeros((2, 2), np.uint8),), GRAY)
