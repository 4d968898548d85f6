"""Frames that are kept: what comes is the same, and is decoded once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from videnhance.imaging.frames import Frame
from videnhance.media.reading.decoding import layout_of
from videnhance.media.reading.kept import KeptFrames

GRAY, DEEP = ("gray", False), ("gray16le", False)


class Reading:
    """Frames of a given height, and how many of them were read."""

    def __init__(self, height: int = 16) -> None:
        self.read, self._height = 0, height
        self._layout = layout_of("gray", full_range=True, matrix=1)

    def frames(self, start: int, stop: int) -> Iterator[Frame]:
        for index in range(start, stop):
            self.read += 1
            plane = np.full((self._height, 1024), index, np.uint8)
            yield Frame(index, 10 * index, (plane,), self._layout)


def indices(
    kept: KeptFrames, of: Reading, start: int, stop: int, form: tuple[str, bool]
) -> list[int]:
    found = kept.reading(start, stop, form, lambda: of.frames(start, stop))
    return [frame.index for frame in found]


def test_what_was_read_around_the_middle_is_not_read_again() -> None:
    kept, of = KeptFrames(50), Reading()
    assert indices(kept, of, 0, 100, GRAY) == list(range(100))
    assert indices(kept, of, 42, 59, GRAY) == list(range(42, 59))
    assert indices(kept, of, 50, 51, GRAY) == [50]
    assert of.read == 100
    assert indices(kept, of, 41, 51, GRAY) == list(range(41, 51))
    assert of.read == 110


def test_another_format_is_read_anew() -> None:
    kept, of = KeptFrames(5), Reading()
    indices(kept, of, 5, 6, GRAY)
    indices(kept, of, 5, 6, DEEP)
    indices(kept, of, 5, 6, ("gray", True))
    assert of.read == 3


def test_few_large_pictures_are_kept() -> None:
    kept, of = KeptFrames(5), Reading(height=16 * 1024)  # 16 MiB each: one on each side
    assert indices(kept, of, 0, 10, GRAY) == list(range(10))
    assert indices(kept, of, 4, 7, GRAY) == [4, 5, 6]
    assert of.read == 10
    assert indices(kept, of, 3, 7, GRAY) == [3, 4, 5, 6]
    assert of.read == 14
