"""Timelines: when frames are shown, and the segments in which they are processed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Entry:
    """A packet at which decoding can start."""

    packet: int
    """Its number among the file's video packets, from 0."""
    index: int
    """The first frame shown from here on."""
    isolated: bool
    """Whether there is damage between here and the next entry. This part is then decoded alone, so
    that the result does not depend on where decoding began."""
    place: int = -1
    """The packet's byte offset in the file; -1 if the container does not say."""
    size: int = 0
    """The packet's size in bytes."""
    time: int | None = None
    """The packet's time in the file, in ticks of the stream."""


@dataclass(frozen=True)
class Decoding:
    """Which packet each frame comes from, for sources whose packets' times do not show it."""

    packets: tuple[int, ...]
    """The packet of every frame, in the order shown."""
    entries: tuple[Entry, ...]
    """Sorted by packet, and so by index."""

    @property
    def is_intact(self) -> bool:
        """Whether there is no damage anywhere."""
        return not any(entry.isolated for entry in self.entries)


@dataclass(frozen=True)
class Timeline:
    """When every frame is shown: pts strictly increasing, in units of time_base."""

    time_base: Fraction
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    """Frame indices at which decoding can start."""
    last_duration: int
    """How long the last frame is shown, in time_base units."""

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self, index: int) -> float:
        """When a frame is shown, in seconds since the first frame, whose pts need not be 0."""
        return float((self.pts[index] - self.pts[0]) * self.time_base)

    def index_of(self, pts: int) -> int | None:
        """The frame shown at exactly this pts; None if there is none."""
        at = bisect_left(self.pts, pts)
        return at if at < len(self.pts) and self.pts[at] == pts else None

    def duration_of(self, index: int) -> int:
        """How long a frame is shown, in time_base units."""
        if index + 1 < len(self.pts):
            return self.pts[index + 1] - self.pts[index]
        return self.last_duration

    def end_of(self, index: int) -> float:
        """When a frame ends, in seconds since the first frame."""
        return self.seconds(index) + float(self.duration_of(index) * self.time_base)

    def keyframe_before(self, index: int) -> int:
        """The last frame at or before `index` at which decoding can start."""
        at = bisect_right(self.keyframes, index) - 1
        return self.keyframes[at] if at >= 0 else 0

    def part(self, start: int, stop: int) -> Timeline:
        """The timeline of frames start..stop (half-open, at least one), counted from 0; pts stay.

        If none of them is a keyframe, the first counts as one.
        """
        return Timeline(
            time_base=self.time_base,
            pts=self.pts[start:stop],
            keyframes=tuple(k - start for k in self.keyframes if start <= k < stop) or (0,),
            last_duration=self.duration_of(stop - 1),
        )


@dataclass(frozen=True)
class RecordedTimeline(Timeline):
    """The timeline of a video as stored in its file, one frame for each decoded picture.

    Only this type can be used for decoding and seeking. A timeline with a frame for each field is a
    plain Timeline, which functions that open the file do not accept.
    """

    decoding: Decoding | None = None
    """None if the pts of a packet identifies its frame."""

    def fields(self) -> Timeline:
        """The timeline with a frame for each field: twice as many, the second of each pair halfway
        to the next frame, in half the time base."""
        nexts = [*self.pts[1:], self.pts[-1] + self.last_duration]
        return Timeline(
            time_base=self.time_base / 2,
            pts=tuple(
                t
                for one, other in zip(self.pts, nexts, strict=True)
                for t in (2 * one, one + other)
            ),
            keyframes=tuple(2 * k for k in self.keyframes),
            last_duration=self.last_duration,
        )


@dataclass(frozen=True)
class Segment:
    """Frames start..stop (half-open): the unit of work and of resuming."""

    index: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.index:05d}"

    def __len__(self) -> int:
        return self.stop - self.start


def segments_of(start: int, stop: int, length: int) -> tuple[Segment, ...]:
    """Split frames start..stop (half-open) into segments of `length` frames, numbered from 0.

    Borders are multiples of `length`, so that a range and the whole video share the segments
    within the range. A first or last segment shorter than half of `length` joins its neighbour.
    """
    borders = [start, *range((start // length + 1) * length, stop, length)]
    if len(borders) > 1 and borders[1] - start < length // 2:
        del borders[1]
    if len(borders) > 1 and stop - borders[-1] < length // 2:
        borders.pop()
    return tuple(
        Segment(k, first, after)
        for k, (first, after) in enumerate(zip(borders, [*borders[1:], stop], strict=True))
    )


LONGEST = (1 << 31) - 1
"""Most ticks for which a frame may be shown: the limit of FFmpeg's MP4 muxer, which also writes the
segments."""


def apart(segments: Sequence[Segment], timeline: Timeline) -> tuple[Segment, ...]:
    """The segments, split where two frames are further apart than LONGEST."""
    borders = {segment.start for segment in segments}
    steps = np.diff(np.array(timeline.pts[segments[0].start : segments[-1].stop], np.int64))
    borders |= {segments[0].start + int(k) + 1 for k in np.flatnonzero(steps > LONGEST)}
    starts = sorted(borders)
    return tuple(
        Segment(k, first, after)
        for k, (first, after) in enumerate(
            zip(starts, [*starts[1:], segments[-1].stop], strict=True)
        )
    )
