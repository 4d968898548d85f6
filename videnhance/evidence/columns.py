"""Parts of a record that have an entry for each frame: columns, runs and times.

What is known of a face in each frame stands in columns: one list for each kind of fact, whose
entry k is of the track's frame `start + k`. Values that stay the same for long are runs: pairs of a
value and how often it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, pairwise, repeat
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Times:
    """When frames are shown: the first one's pts, and runs of the differences to the next."""

    time_base: str
    """Seconds of one tick, as a fraction."""
    first: int
    steps: tuple[tuple[int, int], ...]
    """Pairs: a difference in ticks, how often it follows."""

    @staticmethod
    def of(pts: Sequence[int], time_base: object) -> Times:
        """Of at least one frame."""
        steps = runs_of(after - before for before, after in pairwise(pts))
        return Times(str(time_base), pts[0], steps)

    @property
    def pts(self) -> tuple[int, ...]:
        """Of every frame, in ticks."""
        found = [self.first]
        for step in unrolled(self.steps):
            found.append(found[-1] + step)
        return tuple(found)


@dataclass(frozen=True)
class Track:
    """A person in a shot. Entry k of each column is of frame `start + k`.

    The box is the square that the face was cut out of: its middle and side in pixels of the upright
    picture, before any --scale, and its turn. Nothing outside of it is changed.
    """

    id: int
    start: int
    """The first of its frames that is in the range worked on, counted in the whole input."""
    chosen: bool
    """False: left alone, as --only or --skip say."""
    x: tuple[float, ...]
    y: tuple[float, ...]
    side: tuple[float, ...]
    angle: tuple[float, ...]
    """Radians, clockwise."""
    score: tuple[float | None, ...]
    """The detector's, 0..1; null where the face was not looked for, or not found, in the frame."""
    strength: tuple[tuple[float | None, int], ...]
    """Runs: the share of the change that was painted, 0..1. 0: the face is as recorded. null: not
    known, or, as in portraits, nothing was painted."""
    reason: tuple[tuple[str | None, int], ...]
    """Runs: what held the strength back, in the gate's words, or that the restorer failed."""
    held_back: tuple[tuple[float | None, int], ...]
    """Runs: the share of the face's pixels in which the guard held the correction back by more than
    half, as the recording does not support it; null where nothing was corrected."""
    change: tuple[tuple[float | None, int], ...]
    """Runs: by how many of 255 levels the restorer changed the face in the mean; null where it was
    not restored."""
    person: int | None = None
    """Whose face it may be: tracks of one number are taken for one person. A suggestion, by faces
    of this input alone, or by hand; null where nothing was concluded."""

    drift: tuple[tuple[float | None, int], ...] = ()
    """Runs: distance between the embeddings of the recorded face and of what was painted; null
    where it was not measured. No runs: nothing of it is known."""
    drift_median: float | None = None
    """Of the values of drift."""
    drift_explained: float | None = None
    """The yardstick: what the recording itself explains of it. Beyond, the restored face may look
    like somebody else."""

    def __len__(self) -> int:
        return len(self.x)

    @property
    def stop(self) -> int:
        """One past the index of its last frame."""
        return self.start + len(self)

    def box(self, frame: int) -> tuple[float, float, float, float]:
        """The upright box around the square in a frame: x0, y0, x1, y1."""
        k = frame - self.start
        turned = abs(math.cos(self.angle[k])) + abs(math.sin(self.angle[k]))
        half = self.side[k] * turned / 2.0
        return self.x[k] - half, self.y[k] - half, self.x[k] + half, self.y[k] + half


def runs_of(values: Iterable[T]) -> tuple[tuple[T, int], ...]:
    """The runs of equal values: pairs of value and number."""
    return tuple((value, sum(1 for _ in same)) for value, same in groupby(values))


def unrolled(runs: Iterable[tuple[T, int]]) -> Iterable[T]:
    """The values of runs, one by one."""
    return chain.from_iterable(repeat(value, count) for value, count in runs)
