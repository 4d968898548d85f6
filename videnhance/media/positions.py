"""Positions in a video as users write them, and the frames they mean.

A position is a time or a frame number: "12.5" (seconds), "1:30.5" or "00:01:30.500" ([hh:]mm:ss),
"120f" (frame 120). Times count from the first frame of the video, frames from 0.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction

from videnhance.errors import UsageError
from videnhance.media.timeline import Timeline

TOLERANCE = Fraction(1, 2000)
"""Seconds by which a frame may miss a position and still be meant by it. Players, logs and this
program print times in whole milliseconds, so a frame at 1/30 s is asked for as 0.033: less than
half a millisecond before the frame. Frames closer to each other than that can be named by number.
"""

_FRAME = re.compile(r"([0-9]{1,12})f")
# Limited to as many digits as anyone needs: Python refuses, or takes long over, very long numbers.
_TIME = re.compile(r"(?:(?:([0-9]{1,6}):)?([0-9]{1,8}):)?([0-9]{1,10}(?:\.[0-9]{1,30})?)")


@dataclass(frozen=True)
class Position:
    """A place in a video; exactly one of the two is set."""

    seconds: Fraction | None = None
    """Since the first frame, 0 or more."""
    frame: int | None = None
    """Counted from 0."""


def parse_position(option: str, text: str) -> Position:
    """The position that `text` means; raises UsageError, naming `option` and what it takes.

    Minutes or seconds after a larger field are below 60; "90:00" is an hour and a half. Decimals
    are exact: "0.04" is 1/25 s.
    """
    if found := _FRAME.fullmatch(text):
        return Position(frame=int(found[1]))
    if found := _TIME.fullmatch(text):
        hours, minutes = int(found[1] or 0), int(found[2] or 0)
        seconds = Fraction(found[3])
        if not (found[2] and seconds >= 60) and not (found[1] and minutes >= 60):
            return Position(seconds=3600 * hours + 60 * minutes + seconds)
    raise UsageError(
        f"{option} {text!r}: is no position; write seconds (12.5), minutes or hours (1:30.5, "
        "0:01:30.5) or a frame number (120f)"
    )


def span_of(timeline: Timeline, start: str | None, end: str | None) -> tuple[int, int]:
    """The frames start..stop (half-open) between two positions, given by `--start` and `--end`.

    A time means the first frame shown at or after it, within TOLERANCE. None is the video's
    beginning or end; an end beyond the video is the video's end.

    Raises UsageError for text that is not a position, a start beyond the last frame, and an empty
    range.
    """
    frames = len(timeline)
    first = 0 if start is None else _first_from(timeline, parse_position("--start", start))
    stop = frames if end is None else _first_from(timeline, parse_position("--end", end))
    if first >= frames:
        raise UsageError(f"--start {start}: no frame begins there or later; {_length(timeline)}")
    if stop <= first:
        asked = [f"--start {start}"] if start is not None else []
        raise UsageError(
            f"{' '.join([*asked, f'--end {end}'])}: no frame lies in this range; name a later "
            f"--end; {_length(timeline)}"
        )
    return first, min(stop, frames)


def frame_at(timeline: Timeline, option: str, text: str) -> int:
    """The frame shown at a position: the last one that begins at or before it, within TOLERANCE.

    Raises UsageError for text that is not a position, and for a position beyond the end.
    """
    position = parse_position(option, text)
    last = len(timeline) - 1
    if position.frame is not None and position.frame <= last:
        return position.frame
    if position.seconds is not None and position.seconds < _seconds(timeline):
        ticks = (position.seconds + TOLERANCE) / timeline.time_base
        return bisect_right(timeline.pts, timeline.pts[0] + ticks) - 1
    raise UsageError(f"{option} {text}: is beyond the end; {_length(timeline)}")


def _first_from(timeline: Timeline, position: Position) -> int:
    """The first frame at or after a position; the number of frames if there is none."""
    if position.frame is not None:
        return position.frame
    assert position.seconds is not None
    ticks = (position.seconds - TOLERANCE) / timeline.time_base
    return bisect_left(timeline.pts, timeline.pts[0] + ticks)


def _seconds(timeline: Timeline) -> Fraction:
    end = timeline.pts[-1] + timeline.last_duration
    return (end - timeline.pts[0]) * timeline.time_base


def _length(timeline: Timeline) -> str:
    return f"the video has {len(timeline)} frames and lasts {float(_seconds(timeline)):.3f} s"
