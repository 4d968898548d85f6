"""The origin of a source's clock: what it reads at the output's time 0."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av

from videnhance.media.clip import Clip
from videnhance.media.names import as_file
from videnhance.media.reading.source import open_source
from videnhance.media.sound.cutting import Window
from videnhance.media.sound.packets import timed_streams

_FINE = Fraction(1, 1000)
"""Seconds: an output may begin so much later than 0, where that spares rounding."""
_DATES = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
"""A clock that reads seconds since 1970 between these shows the date. Hours of uptime, and the 26.5
hours of MPEG's clock, are far from that."""
_HOLDS_DATES = ("mp4", "mov", "matroska", "webm")
_SAID = Fraction(1, 1000)
"""Seconds from which on an origin is spoken of."""


def from_first(clip: Clip, copied: Collection[int]) -> Fraction:
    """The second of the source's clock at which the first of its pictures and sounds begins: what
    the clock reads there (the date, hours of uptime) is no content. `copied`: the streams that the
    output gets besides.

    It is a whole number of ticks of all their clocks, so that nothing is rounded when times are
    moved by it. It is 0 for a source that begins at 0 or below.
    """
    timeline = clip.timeline
    begins, tick = [timeline.pts[0] * timeline.time_base], timeline.time_base
    with open_source(clip.info) as source:
        others = timed_streams({s.index: s for s in source.streams if s.index in copied})
        for stream in others.values():
            if stream.type not in ("video", "audio") or stream.start_time is None:
                continue
            unit = Fraction(stream.time_base or 1)
            begins.append(stream.start_time * unit)
            both = _common_multiple(tick, unit)
            tick = both if both <= _FINE else tick
    return max(math.floor(min(begins) / tick), 0) * tick


def _common_multiple(one: Fraction, other: Fraction) -> Fraction:
    return Fraction(
        math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator)
    )


def with_origin(window: Window, begin: Fraction, *, keep: bool) -> Window:
    """The window with its origin: `begin`, where the source begins (`from_first`), or 0 to `keep`
    the times of its clock. A range begins at 0 by itself."""
    if keep and window.start is not None and window.start > 0:
        return replace(window, origin=Fraction(0))
    return replace(window, origin=begin) if begin and not keep and window.start is None else window


def date_of(origin: Fraction) -> datetime | None:
    """The date, if a clock that reads so many seconds shows one."""
    first, last = (Fraction(int(date.timestamp())) for date in _DATES)
    if not first <= origin < last:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(origin * 1_000_000))


def creation_time(muxer: str, origin: Fraction) -> dict[str, str]:
    """The metadata by which the container says when the output's time 0 was; empty if it was no
    date, or the container has no place for it."""
    date = date_of(origin)
    if date is None or muxer not in _HOLDS_DATES:
        return {}
    return {"creation_time": date.isoformat(timespec="microseconds").replace("+00:00", "Z")}


def sentences(part: Path, suffix: str, window: Window, begin: Fraction) -> tuple[str, ...]:
    """What was done about an origin other than 0, for the summary: none, or one sentence.

    `part`: the written file. `begin`: where the source's clock begins.
    """
    origin = window.moved
    if origin < 0 and window.start is None:
        return (
            f"{suffix} has no times before 0, where its source begins: picture and sound are "
            f"{float(-origin):.3f} s later, together",
        )
    if min(begin, origin) < _SAID:
        return ()
    date = date_of(origin)
    read, told = f"{float(origin):.3f} s", ""
    if date is not None:
        read = f"{date.isoformat(' ', 'milliseconds')[:23]} (taken as UTC)"
        with av.open(as_file(part)) as output:
            there = output.metadata.get("creation_time", "")
        # MP4 and MOV have whole seconds.
        if there[:19] == date.isoformat()[:19]:
            told = ", which says so as its creation time"
    cure = "" if suffix == ".avi" else "; --keep-origin keeps its times"
    return (f"the source's clock reads {read} at the output's time 0{told}{cure}",)
