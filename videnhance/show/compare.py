"""Two pictures of the same moment as one, each with its label burned in. Pictures only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from videnhance.imaging.lettering import LEAST, Picture, fitted, line_height, text_width, write
from videnhance.restorers import is_learned

Pixels = TypeVar("Pixels", npt.NDArray[np.uint8], npt.NDArray[np.uint16])
Layout = Literal["side", "stack", "wipe"]
LAYOUTS: dict[str, Layout] = {name: name for name in get_args(Layout)}
"""Original left of the result, above it, or left of a line that moves over one picture."""

SWING = 0.35
"""How far the wipe's line moves from the middle, as a share of the width."""
SWING_SECONDS = 4.0
"""How long the line takes to swing to both sides and back: slow enough to follow with the eyes."""

_SHARE = 1 / 40
"""A capital's height as a share of the picture's."""
_BAR = (24, 24, 24)
_GAP = 2
"""Pixels of black between two pictures."""


def labels_of(restorer: str, invents: bool) -> tuple[str, str]:
    """What is written at original and result; a picture that is passed on says what it is."""
    if invents:
        return "original", f"AI ({restorer}): an estimate, not evidence"
    if restorer == "identity":
        return "original", "identity: no face restored"
    if is_learned(restorer):
        return "original", f"{restorer}: own frames, corrected by a learned estimate"
    return "original", f"{restorer}: from the clip's own frames"


def compose(
    before: Picture,
    after: Picture,
    layout: Layout,
    labels: tuple[str, str] = ("", ""),
    phase: float = 0.0,
) -> Picture:
    """Original and result, of one size, as one picture.

    The labels stand in a bar above their picture and hide nothing of it: recorders write the time
    into its corners. `phase` is the time in swings of the wipe (0 and every half: the line in the
    middle). Raises ValueError where the sizes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"pictures of one size are compared, not {before.shape} and {after.shape}")
    height, width = before.shape[:2]
    if layout == "wipe":
        # Each at the edge of its own side, which the line never reaches.
        bars = _bars(labels, (width // 2, width - width // 2), height, outward=True)
        return np.vstack([np.hstack(bars), _wiped(before, after, wipe_border(width, phase))])
    bars = _bars(labels, (width, width), height)
    one, other = np.vstack([bars[0], before]), np.vstack([bars[1], after])
    if layout == "stack":
        return np.vstack([one, np.zeros((_GAP, width, 3), np.uint8), other])
    return np.hstack([one, np.zeros((one.shape[0], _GAP, 3), np.uint8), other])


def captioned(pictures: Sequence[Pixels], texts: tuple[str, str]) -> list[Pixels]:
    """One or two pictures, (H, W, 3) RGB of one height, each under a bar with its text; the bars
    are as high as each other."""
    width, height = pictures[0].shape[1], pictures[0].shape[0]
    bars = _bars(texts, (width, pictures[-1].shape[1]), height)
    unit = 257 if pictures[0].dtype == np.uint16 else 1
    return [
        np.vstack([bar.astype(picture.dtype) * picture.dtype.type(unit), picture])
        for picture, bar in zip(pictures, bars, strict=False)
    ]


def _wiped(before: Picture, after: Picture, border: int) -> Picture:
    """The original left of column `border`, the result from there on, a white line between."""
    both: Picture = after.copy()
    both[:, :border] = before[:, :border]
    line = max(round(both.shape[0] / 360), 1)
    left = max(border - line // 2, 0)
    both[:, left : left + line] = 255
    return both


def wipe_border(width: int, phase: float) -> int:
    """The first column that shows the result, in a picture `width` wide."""
    return round(width * (0.5 + SWING * math.sin(2 * math.pi * phase)))


def _bars(
    texts: tuple[str, str], widths: tuple[int, int], height: int, *, outward: bool = False
) -> list[Picture]:
    """Two bars of one height, each with its text, for a picture `height` pixels high.

    A text is wrapped to its bar, and made smaller only where a single word needs it. `outward`:
    the second one's stands at its right.
    """
    capital = capital_for(height)
    pad = max(round(capital * 0.6), 2)
    fits = [fitted(t, w - 2 * pad, capital) for t, w in zip(texts, widths, strict=True)]
    tall = max(len(lines) * line_height(size) for lines, size in fits)
    bars = []
    for number, ((lines, size), width) in enumerate(zip(fits, widths, strict=True)):
        bar = np.full((tall + pad if tall else 0, width, 3), _BAR, np.uint8)
        for k, line in enumerate(lines):
            free = width - 2 * pad - text_width(line, size)
            left = pad + (free if outward and number == 1 else 0)
            write(bar, line, (left, pad + k * line_height(size)), size)
        bars.append(bar)
    return bars


def capital_for(height: int) -> float:
    """Height of a label's capitals for a picture `height` pixels high."""
    return max(height * _SHARE, float(LEAST))


def shown_at(seconds: float) -> str:
    """A time as people read it: 0:12.345, 1:02:03.000."""
    sign, whole = ("-" if seconds < 0 else ""), round(abs(seconds) * 1000)
    minutes, thousandths = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{clock}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"
