"""A face as it went in, as it came out, and where what came out is a guess."""

from __future__ import annotations

import cv2
import numpy as np

from videnhance.imaging.frames import Array
from videnhance.imaging.lettering import Picture
from videnhance.render.invention import Spread
from videnhance.show.compare import captioned

FULL = 64
"""Levels of 255 at which the map is brightest."""
_GAP = 2
"""White pixels between pictures."""


def map_of(spread: Spread) -> Picture:
    """(N, N, 3): black where all variations agree, bright where they spread by FULL levels."""
    levels = np.clip(np.rint(spread.spread * (255 * 255 / FULL)), 0, 255).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    return np.asarray(colors[..., ::-1], np.uint8)


def shown(spread: Spread, count: int, restorer: str) -> Picture:
    """The three side by side, of one size, under a line that says what they are."""
    one, other = (
        np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
        for picture in (spread.before, spread.after)
    )
    gap = np.full((len(one), _GAP, 3), 255, np.uint8)
    whole = np.hstack([one, gap, other, gap, map_of(spread)])
    text = (
        f"as recorded; AI ({restorer}); how far {count} variations of that spread, from black, 0, "
        f"to white, {FULL} of 255 levels"
    )
    (picture,) = captioned((whole,), (text, ""))
    return picture


def map_in(picture: Array) -> Array:
    """The map in such a picture, which may have been written to a file and read again."""
    side = (picture.shape[1] - 2 * _GAP) // 3
    return picture[-side:, -side:]
