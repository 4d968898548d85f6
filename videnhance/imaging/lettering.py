"""Text in pictures, by the fonts that come with OpenCV."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

LEAST = 9
"""Pixels of a capital's height below which the font is no longer legible."""
_FONT = cv2.FONT_HERSHEY_DUPLEX
_CAPITAL = 22.0
"""Height in pixels of this font's capitals at scale 1, with the stroke's width."""
_INK = (240, 240, 240)


def fitted(text: str, width: int, capital: float) -> tuple[list[str], float]:
    """The text in lines no wider than `width`, and the height of capitals at which they are."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", capital) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    widest = max((text_width(line, capital) for line in lines), default=0)
    return lines, capital * min(1.0, max(width, 1) / max(widest, 1))


def text_width(text: str, capital: float) -> int:
    (width, _), _ = cv2.getTextSize(plain(text), _FONT, capital / _CAPITAL, _stroke(capital))
    return int(width)


def line_height(capital: float) -> int:
    """From one line of text to the next."""
    return math.ceil(capital * 1.75)


def write(
    picture: Picture,
    text: str,
    corner: tuple[int, int],
    capital: float,
    ink: tuple[int, int, int] = _INK,
) -> None:
    """Draw one line of text into the picture, the top left of its capitals at `corner` (x, y)."""
    at = (corner[0], corner[1] + round(capital))
    stroke = _stroke(capital)
    cv2.putText(picture, plain(text), at, _FONT, capital / _CAPITAL, ink, stroke, cv2.LINE_AA)


def plain(text: str) -> str:
    """The text in the signs that OpenCV's fonts have: printable ASCII; others become ?."""
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)


def _stroke(capital: float) -> int:
    return max(round(capital / 14), 1)
