"""The contact sheet: every person's best moments, original beside result. Pictures only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videnhance.imaging.affine import compose, invert, scaling, translation
from videnhance.imaging.affine import place as place_points
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.frames import Frame, Matrix
from videnhance.imaging.lettering import Picture, fitted, line_height, text_width, write
from videnhance.show.compare import shown_at

AROUND = 1.2
"""Side of what is shown of a face, in sides of its crop (4.1 distances between the eyes): the head
and a little of what is around it."""
CELL = 256
"""Pixels of a cell's side, about."""
_MOST = 1.5 * CELL
"""A cell's side may grow to this, rather than show an enlarged result smaller than it is."""

_TITLE, _HEADER, _LABEL = 14.0, 12.0, 9.0
"""Heights of capitals in pixels."""
_MARGIN, _BETWEEN, _PAIR = 24, 20, 2
"""Pixels around the sheet, between moments, between original and result."""
_PAPER, _INK, _FAINT = (32, 32, 32), (240, 240, 240), (170, 170, 170)
_LEAST_WIDTH = 720


@dataclass(frozen=True)
class Place:
    """What is shown of a picture: a square of whole source pixels, and how much it is enlarged."""

    left: int
    top: int
    side: int
    factor: float
    """Pixels of the sheet per pixel of the source; a whole number unless the square is large."""

    @property
    def cell(self) -> int:
        """Side of the square on the sheet."""
        return max(round(self.side * self.factor), 1)


@dataclass(frozen=True)
class Moment:
    """One face at one time; `before` and `after` show the same place at the same size."""

    frame: int
    seconds: float
    eyes: float
    """Pixels between the eyes in the source."""
    factor: float
    before: Picture
    after: Picture


@dataclass(frozen=True)
class Row:
    """The moments of one track, in order of time."""

    track: int
    moments: tuple[Moment, ...]
    note: str = ""
    """What is to be said of the track."""
    person: int | None = None
    """Whose face it may be."""

    @property
    def heading(self) -> str:
        return f"track {self.track}" + (f", person {self.person}" if self.person else "")


def place_of(x: float, y: float, largest: float, scale: int) -> Place:
    """The square around a face whose landmarks have their middle at x, y.

    Its size and the enlargement follow `largest`, the side of the largest crop shown of the same
    track, so that the cells of a row compare. `scale` is the result's: a cell is not shown smaller
    than that while it is of reasonable size.
    """
    side = max(round(AROUND * largest), 1)
    factor = float(max(round(CELL / side), 1))
    if factor < scale:
        factor = float(scale)
    if side * factor > _MOST:
        factor = _MOST / side
    return Place(round(x - side / 2), round(y - side / 2), side, factor)


def cell(frame: Frame, upright: Matrix, place: Place, scale: int = 1) -> Picture:
    """What a frame shows at a place; bicubic. Beyond the picture's edges there is black.

    `upright` takes the frame's coded pixels to its upright picture, which is `scale` times the
    source's size.
    """
    side = place.cell
    to_source = compose(translation(place.left, place.top), scaling(place.side / side))
    to_frame = compose(invert(upright), compose(scaling(float(scale)), to_source))
    seen = sample_rgb(frame, to_frame, (side, side)) * 255
    rows, columns = np.mgrid[:side, :side] + 0.5
    at = place_points(np.stack([columns, rows], axis=-1), to_frame)
    outside = (at < 0).any(axis=-1) | (at > [frame.width, frame.height]).any(axis=-1)
    seen[outside] = 0
    return np.asarray(np.clip(np.rint(seen), 0, 255).astype(np.uint8))


def contact_sheet(
    title: str,
    lines: Sequence[str],
    rows: Sequence[Row],
    columns: tuple[str, str],
    left_out: int = 0,
) -> Picture:
    """The sheet: a title, lines below it, then a block for each row.

    `columns` names original and result. `left_out` tracks are only counted.
    """
    blocks = [_block(row, columns) for row in rows]
    width = max([_LEAST_WIDTH, *(block.shape[1] for block in blocks)])
    parts = [_text(title, width, _TITLE, _INK)]
    parts += [_text(line, width, _LABEL, _INK) for line in lines]
    for row, block in zip(rows, blocks, strict=True):
        parts += [_blank(_BETWEEN, width), _text(row.heading, width, _HEADER, _INK)]
        if row.note:
            parts.append(_text(row.note, width, _LABEL, _INK))
        parts.append(_widened(block, width))
    if not rows:
        parts += [_blank(_BETWEEN, width), _text("no face was found", width, _HEADER, _INK)]
    if left_out:
        more = f"and {left_out} more {'track' if left_out == 1 else 'tracks'}"
        parts += [_blank(_BETWEEN, width), _text(more, width, _HEADER, _INK)]
    inner = np.vstack(parts)
    sheet = _blank(inner.shape[0] + 2 * _MARGIN, width + 2 * _MARGIN)
    sheet[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = inner
    return sheet


def _block(row: Row, columns: tuple[str, str]) -> Picture:
    """The moments of a row side by side, each with its lines of text."""
    drawn = [_pair(moment, columns) for moment in row.moments]
    height = max(pair.shape[0] for pair in drawn)
    parts: list[Picture] = []
    for pair in drawn:
        if parts:
            parts.append(_blank(height, _BETWEEN))
        parts.append(np.vstack([pair, _blank(height - pair.shape[0], pair.shape[1])]))
    return np.hstack(parts)


def _pair(moment: Moment, columns: tuple[str, str]) -> Picture:
    height, width = moment.before.shape[:2]
    names = [_text(name, width, _LABEL, _FAINT) for name in columns]
    top = max(name.shape[0] for name in names)
    halves = [
        np.vstack([name, _blank(top - name.shape[0], width), picture])
        for name, picture in zip(names, (moment.before, moment.after), strict=True)
    ]
    both = np.hstack([halves[0], _blank(top + height, _PAIR), halves[1]])
    facts = (
        f"{shown_at(moment.seconds)}, frame {moment.frame}",
        f"{moment.eyes:.0f} px between the eyes, shown {_times(moment.factor)}",
    )
    below = [_text(fact, both.shape[1], _LABEL, _INK) for fact in facts]
    return np.vstack([both, _blank(6, both.shape[1]), *below])


def _times(factor: float) -> str:
    return f"x{factor:.0f}" if factor == round(factor) else f"x{factor:.2f}"


def _text(text: str, width: int, capital: float, ink: tuple[int, int, int]) -> Picture:
    """Text on paper, wrapped to the width; a word too long for it is cut."""
    lines, _ = fitted(text, width, capital)
    kept = [_cut(line, width, capital) for line in lines]
    row = line_height(capital)
    strip = _blank(row * max(len(kept), 1), width)
    for k, line in enumerate(kept):
        write(strip, line, (0, k * row), capital, ink)
    return strip


def _cut(line: str, width: int, capital: float) -> str:
    """The line with its middle left out where it is wider than `width`."""
    keep = len(line)
    shown = line
    while keep > 2 and text_width(shown, capital) > width:
        keep -= 1
        shown = f"{line[: (keep + 1) // 2]}..{line[len(line) - keep // 2 :]}"
    return shown


def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _widened(picture: Picture, width: int) -> Picture:
    return np.hstack([picture, _blank(picture.shape[0], width - picture.shape[1])])
