"""An independent witness of when the source's frames are shown.

Reading, work and check share one reader, so a time that it makes up would agree with itself. The
witness reads the source again by other rules: of AVI the bytes of its index; of everything else
only the times that the container stores, without FFmpeg's parsers and the times that it infers.

Of a range it reads the file's first frames, which show whether all are moved, and those of the
range. What it holds are whole ticks, eight bytes a frame.
"""

from __future__ import annotations

import math
from array import array
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from videnhance.errors import CheckError
from videnhance.media.info import VideoInfo
from videnhance.media.names import as_file, lone
from videnhance.media.reading.fields import Fields
from videnhance.media.reading.joined import Joined, joined_in, part_opened
from videnhance.media.reading.parts import Part
from videnhance.media.reading.pictures import DEMUXER
from videnhance.media.reading.recoding import raw_format, shown
from videnhance.media.repair.avi_index import AviIndex, index_of
from videnhance.media.repair.recording import Recording
from videnhance.media.repair.timing import WINDOW
from videnhance.media.timeline import RecordedTimeline, Timeline

_AS_STORED = 0x10 | 0x20
"""AVFMT_FLAG_NOFILLIN | AVFMT_FLAG_NOPARSE (libavformat/avformat.h)."""
_GENPTS = 0x1
_REPAIRED = {"rate", "times", "lost", "damaged", "hidden", "cut off", "codec", "unread"}
"""Kinds of findings after which times are not those of the file, or packets are not frames."""
_FIRST = 4 * WINDOW
"""How many of the file's first frames are looked at, whatever the range."""

Times = npt.NDArray[np.int64]
"""Ticks since the recording's first frame, rising."""


class Span(NamedTuple):
    """Frames start..stop (half-open) of a recording."""

    start: int
    stop: int


def confirm_times(
    output: Path, recording: Recording, span: Span | None = None, until: Fraction | None = None
) -> int:
    """Compare the times of a recording with the witness's; returns the number of times compared.

    It is 0 if there is nothing to compare: the file stores no times, or they had to be repaired.
    `span`: the frames that are asked for; None is all. `until`: second from which on the file's
    frames are not asked for. Raises CheckError if a frame is shown half a frame or more from where
    the file has it.
    """
    info, timeline = recording.info, recording.timeline
    if info.container == DEMUXER or any(f.kind in _REPAIRED for f in recording.findings):
        return 0
    index = index_of(info.path, info.stream) if info.container == "avi" else None
    # An index that does not list the frames that are there is damaged itself, and no witness.
    if info.container == "avi" and not _is_sound(index, len(timeline)):
        return 0
    clock = _clock(timeline, info.time_base if index is None else index.tick)
    whole = Span(0, len(timeline))
    span = whole if span is None else span
    first = Span(0, min(_FIRST, len(timeline)))
    compared = 0
    for part in (whole,) if span == whole else (whole if index is not None else first, span):
        asked = _asked(timeline, clock, part, until)
        stored = _from_index(index, clock) if index is not None else _stored(info, clock, asked)
        compared = _compare(output, asked, stored, clock)
    return compared


def _is_sound(index: AviIndex | None, frames: int) -> bool:
    return index is not None and index.is_there and len(index.numbers) == frames


class _Clock(NamedTuple):
    """A tick in which the timeline's times and the file's are whole numbers, from `first` on."""

    tick: Fraction
    first: Fraction
    """Second of the first frame."""
    shown: int
    """Ticks in one of the timeline's."""
    stored: int
    """Ticks in one of the file's."""

    def since_first(self, time: int) -> int:
        """From the file's ticks."""
        return time * self.stored - int(self.first / self.tick)


def _clock(timeline: Timeline, file: Fraction) -> _Clock:
    base = timeline.time_base
    tick = Fraction(1, math.lcm(base.denominator, file.denominator))
    return _Clock(tick, timeline.pts[0] * base, int(base / tick), int(file / tick))


class _Asked(NamedTuple):
    """The frames that are asked for."""

    own: Times
    near: Times
    """The same, and some before and after them: a time that is stored beside them may belong to
    one of these."""
    half: int
    """Half an average frame in ticks, rounded up."""
    entry: int | None
    """Time, in the timeline's ticks, from which the file is read; None is its beginning."""
    is_first: bool
    is_last: bool
    """Whether nothing may be stored before or after them."""
    limit: int | None
    """From when on nothing counts."""


def _asked(timeline: RecordedTimeline, clock: _Clock, span: Span, until: Fraction | None) -> _Asked:
    begin, end = max(span.start - WINDOW, 0), min(span.stop + WINDOW, len(timeline))
    first, last = timeline.pts[0], timeline.pts[-1] + timeline.last_duration
    ticks = ((time - first) * clock.shown for time in timeline.pts[begin:end])
    near = np.fromiter(ticks, np.int64, end - begin)
    return _Asked(
        own=near[span.start - begin : span.stop - begin],
        near=near,
        half=max(-(-(last - first) * clock.shown // (2 * len(timeline))), 1),
        entry=timeline.pts[timeline.keyframe_before(begin)] if begin else None,
        is_first=begin == 0,
        is_last=end == len(timeline),
        limit=None if until is None else math.ceil((until - clock.first) / clock.tick),
    )


def _compare(output: Path, asked: _Asked, stored: Times, clock: _Clock) -> int:
    """The number of times compared; raises CheckError."""
    own, near, half = asked.own, asked.near, asked.half
    after = None if asked.is_last else int(near[-1]) + half
    limits = [time for time in (after, asked.limit) if time is not None]
    stored = stored[: np.searchsorted(stored, min(limits))] if limits else stored
    if not asked.is_first:
        stored = stored[np.searchsorted(stored, near[0] - half) :]
    if not len(stored):
        return 0
    first, after = np.searchsorted(stored, (own[0] - half, own[-1] + half))
    within = stored[first:after]
    if len(within) == len(own):
        _refuse_apart(output, clock, half, own, within)
    elif len(within) > len(own):
        _refuse_apart(output, clock, half, own, _nearest(stored, own))
    else:  # where frames share a packet (MPEG-PS), only some have a stored time
        _refuse_apart(output, clock, half, _nearest(near, within), within)
    ends = stored[[0] * asked.is_first + [-1] * asked.is_last]
    _refuse_apart(output, clock, half, _nearest(near, ends), ends)
    return min(len(own), len(within))


def _nearest(times: Times, to: Times) -> Times:
    after = np.minimum(np.searchsorted(times, to), len(times) - 1)
    one, other = times[np.maximum(after - 1, 0)], times[after]
    return np.where(np.abs(one - to) <= np.abs(other - to), one, other)


def _refuse_apart(output: Path, clock: _Clock, half: int, shown: Times, stored: Times) -> None:
    """Raises CheckError if a time shown is half a frame or more from the one stored."""
    far = np.flatnonzero(np.abs(shown - stored) >= half)
    if len(far):
        at, there = (float(clock.first + int(t[far[0]]) * clock.tick) for t in (shown, stored))
        raise CheckError(
            f"{output}: a frame is shown at {at:.6f} s, but the file has it at {there:.6f} s"
        )


def _from_index(index: AviIndex, clock: _Clock) -> Times:
    return index.numbers * clock.stored - int(clock.first / clock.tick)


def _stored(info: VideoInfo, clock: _Clock, asked: _Asked) -> Times:
    """The times of the video that the file itself holds, sorted, as far as they are asked for."""
    end = None if asked.is_last else int(asked.near[-1]) + asked.half
    found: array[int] = array("q")
    try:
        if asked.entry is not None:
            found = _read(info, clock, asked.entry, end)
        # Not every container can seek so that the frame sought follows.
        if asked.entry is None or not found or min(found) > asked.near[0] + asked.half:
            found = _read(info, clock, None, end)
    except (av.error.FFmpegError, OverflowError):
        return np.zeros(0, np.int64)
    return np.sort(np.frombuffer(found, np.int64)) if found else np.zeros(0, np.int64)


def _read(info: VideoInfo, clock: _Clock, entry: int | None, end: int | None) -> array[int]:
    """The times from `entry` on, until so many are later than `end` that no other can follow."""
    found, later = array("q"), 0
    joined = joined_in(info.path)
    for part, begin in zip(joined.parts, joined.begins, strict=True):
        with (
            ExitStack() as stack,
            lone(info.path) as name,
            _opened(info, name, joined, part, stack) as source,
            suppress(IndexError),  # at the end of a file in which a stream appeared midway
        ):
            first = source.start_time or 0
            moved = begin - Fraction(first, 1_000_000) if joined.seconds else Fraction(0)
            source.flags = (source.flags & ~_GENPTS) | _AS_STORED
            is_second_field = Fields(cast(VideoStream, source.streams[info.stream]))
            if entry is not None and not joined.seconds:
                source.seek(entry, stream=source.streams[info.stream])
            for packet in source.demux():
                own = packet.stream_index == info.stream and packet.size and not packet.is_discard
                if own and not is_second_field(packet) and packet.pts is not None:
                    found.append(clock.since_first(packet.pts) + round(moved / clock.tick))
                    later += end is not None and found[-1] > end
                    if later > WINDOW:
                        return found
    return found


def _opened(
    info: VideoInfo, name: Path, joined: Joined, part: Part, stack: ExitStack
) -> InputContainer:
    if info.read_as is not None:
        form = raw_format(info.path, info.read_as)
        return av.open(
            stack.enter_context(shown(info.path, info.read_as)),
            "r",
            format=form,
            metadata_errors="replace",
        )
    if joined.rest or joined.seconds:
        return part_opened(name, part)
    return av.open(as_file(name), metadata_errors="replace")
