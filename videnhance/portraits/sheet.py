"""The sheet of portraits: a row for each, everything at one size, and what carries it in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from time import gmtime

import cv2
import numpy as np
from PIL import Image

from videnhance.imaging.frames import Array
from videnhance.imaging.lettering import Picture, fitted, line_height, write

CELL = 288
"""Side of a picture on the sheet, in its pixels."""
_TITLE, _HEADER, _LABEL = 14.0, 12.0, 9.0
"""Heights of capitals in pixels."""
_MARGIN, _GAP = 24, 8
_PAPER, _INK = 255, (0, 0, 0)
_ROWS = 3
"""Persons on a page of the PDF."""
_RESOLUTION = 150.0
"""Pixels of an inch of the page."""
_MADE = gmtime(946684800)
"""The PDF's own date, so that the same portraits give the same bytes: 1 January 2000."""


@dataclass(frozen=True)
class SheetRow:
    """One person: a heading, pictures with their labels, and lines below."""

    heading: str
    cells: tuple[tuple[str, Array], ...]
    """(label, picture), left to right; pictures are (N, N, 3) RGB, uint8 or uint16. One smaller
    than a cell is shown by its own pixels, as squares."""
    lines: tuple[str, ...]


def sheet_pages(title: str, lines: Sequence[str], rows: Sequence[SheetRow]) -> list[Picture]:
    """The sheet, some rows to a page; all pages are of one width. Without rows it is one page."""
    columns = max([len(row.cells) for row in rows], default=3)
    width = columns * CELL + (columns - 1) * _GAP
    pages = []
    for first in range(0, max(len(rows), 1), _ROWS):
        parts = [_text(title, width, _TITLE), *(_text(line, width, _LABEL) for line in lines)]
        for row in rows[first : first + _ROWS]:
            parts += [
                _blank(20, width),
                _text(row.heading, width, _HEADER),
                _row(row, width),
                _blank(6, width),
            ]
            parts += [_text(line, width, _LABEL) for line in row.lines]
        pages.append(_framed(np.vstack(parts)))
    return pages


def whole_sheet(pages: Sequence[Picture]) -> Picture:
    """All pages below each other."""
    return np.vstack(list(pages))


def pdf_of(pages: Sequence[Picture], title: str) -> bytes:
    """The pages as a PDF; the same pages give the same bytes."""
    images = [Image.fromarray(page) for page in pages]
    content = BytesIO()
    images[0].save(
        content,
        "PDF",
        save_all=True,
        append_images=images[1:],
        resolution=_RESOLUTION,
        quality=95,
        title=title,
        producer="videnhance",
        creationDate=_MADE,
        modDate=_MADE,
    )
    return content.getvalue()


def as_cell(picture: Array) -> Picture:
    """(CELL, CELL, 3) uint8 of a picture (N, N, 3) uint8 or uint16: a smaller one by its own
    pixels, a larger one by the mean of what each pixel covers."""
    levels = picture.astype(np.float32) / (257.0 if picture.dtype == np.uint16 else 1.0)
    method = cv2.INTER_AREA if len(picture) >= CELL else cv2.INTER_NEAREST
    shown = cv2.resize(levels, (CELL, CELL), interpolation=method)
    return np.asarray(np.clip(np.rint(shown), 0, 255).astype(np.uint8))


def _row(row: SheetRow, width: int) -> Picture:
    columns: list[Picture] = []
    labels = [_text(label, CELL, _LABEL) for label, _ in row.cells]
    tall = max(len(label) for label in labels)
    for label, (_, picture) in zip(labels, row.cells, strict=True):
        if columns:
            columns.append(_blank(tall + CELL, _GAP))
        columns.append(np.vstack([label, _blank(tall - len(label), CELL), as_cell(picture)]))
    whole = np.hstack(columns)
    return np.hstack([whole, _blank(len(whole), width - whole.shape[1])])


def _text(text: str, width: int, capital: float) -> Picture:
    lines, size = fitted(text, width, capital)
    strip = _blank(line_height(capital) * max(len(lines), 1), width)
    for k, line in enumerate(lines):
        write(strip, line, (0, k * line_height(capital)), min(size, capital), _INK)
    return strip


def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _framed(inner: Picture) -> Picture:
    page = _blank(inner.shape[0] + 2 * _MARGIN, inner.shape[1] + 2 * _MARGIN)
    page[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = inner
    return page
