"""Decoded frames around one, kept for whoever asks for them again.

A frame alone is read several times, to find its face, to restore it and to show it, and each time
all that it is predicted from is decoded: with one keyframe, everything before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from videnhance.imaging.frames import Frame

_AROUND = 8
"""Frames kept on each side: the most that a restorer's windows and guards reach to."""
_MOST_BYTES = 64 * 2**20
"""Held at most in each pixel format, so fewer of large pictures."""


@dataclass(frozen=True)
class KeptFrames:
    """Several readings of one file may share it, one after another."""

    middle: int
    """Recorded frame around which frames are kept."""
    _held: dict[tuple[str, bool], dict[int, Frame]] = field(default_factory=dict)

    def reading(
        self, start: int, stop: int, form: tuple[str, bool], read: Callable[[], Iterator[Frame]]
    ) -> Iterator[Frame]:
        """Frames start..stop (half-open): those kept, if all of them are, else those of `read`.

        `form`: pixel format, and whether full range becomes limited.
        """
        held = self._held.setdefault(form, {})
        wanted = range(start, stop)
        if all(index in held for index in wanted):
            yield from [held[index] for index in wanted]
            return
        for frame in read():
            size = sum(plane.nbytes for plane in frame.planes)
            if abs(frame.index - self.middle) <= min(_AROUND, (_MOST_BYTES // size - 1) // 2):
                held[frame.index] = frame
            yield frame
