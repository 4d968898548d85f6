"""An independent witness of when the source's frames are shown.

Reading, work and check share one reader, so a time that it makes up would agree with itself. The
witness reads the source again by other rules: of AVI the bytes of its index; of everything else
only the times that the container stores, without FFmpeg's parsers and the times that it infers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.error
from av.container import InputContainer

from videnhance.errors import CheckError
from videnhance.media.check.avi_index import begins_of
from videnhance.media.names import as_file, lone
from videnhance.media.reading.joined import Joined, joined_in, part_opened
from videnhance.media.reading.parts import Part
from videnhance.media.reading.pictures import DEMUXER
from videnhance.media.repair.recording import Recording

_AS_STORED = 0x10 | 0x20
"""AVFMT_FLAG_NOFILLIN | AVFMT_FLAG_NOPARSE (libavformat/avformat.h)."""
_GENPTS = 0x1
_REPAIRED = {"rate", "times", "lost", "damaged", "hidden", "cut off", "codec", "unread"}
"""Kinds of findings after which times are not those of the file, or packets are not frames."""


def confirm_times(output: Path, recording: Recording, until: Fraction | None = None) -> int:
    """Compare the times of a recording with the witness's; returns the number of times compared.

    It is 0 if there is nothing to compare: the file stores no times, or they had to be repaired.
    `until`: second from which on the file's frames are not asked for. Raises CheckError if a frame
    is shown half a frame or more from where the file has it.
    """
    info, timeline = recording.info, recording.timeline
    if info.container == DEMUXER or any(f.kind in _REPAIRED for f in recording.findings):
        return 0
    stored = _stored(info.path, info.container, info.stream)
    stored = [time for time in stored if until is None or time < until]
    # An index that does not list the frames that are there is damaged itself, and no witness.
    if not stored or (info.container == "avi" and len(stored) != len(timeline)):
        return 0
    shown = [ticks * timeline.time_base for ticks in timeline.pts]
    end = timeline.pts[-1] + timeline.last_duration
    half = (end - timeline.pts[0]) * timeline.time_base / len(shown) / 2
    # Where frames share a packet (MPEG-PS), only some have a stored time.
    asked, among = (shown, stored) if len(stored) >= len(shown) else (stored, shown)
    pairs = chain(((time, among) for time in asked), ((stored[k], shown) for k in (0, -1)))
    for time, others in pairs:
        nearest = _nearest(others, time)
        if abs(nearest - time) >= half:
            raise CheckError(
                f"{output}: a frame is shown at {float(time):.6f} s, but the file has it at "
                f"{float(nearest):.6f} s"
            )
    return len(asked)


def _stored(path: Path, container: str, stream: int) -> list[Fraction]:
    """The seconds of the video that the file itself holds, sorted."""
    if container == "avi":
        return sorted((begins_of(path) or {}).get(stream, ()))
    found: list[Fraction] = []
    try:
        parts = joined_in(path)
        for part, begin in zip(parts.parts, parts.begins, strict=True):
            # PyAV fails at the end of a file in which a stream appeared midway.
            with suppress(IndexError), lone(path) as name, _opened(name, parts, part) as source:
                moved = begin - Fraction(source.start_time or 0, 1_000_000) if parts.seconds else 0
                source.flags = (source.flags & ~_GENPTS) | _AS_STORED
                for packet in source.demux():
                    own = packet.stream_index == stream and packet.size and not packet.is_discard
                    if own and packet.pts is not None:
                        found.append(packet.pts * Fraction(packet.time_base) + moved)
    except av.error.FFmpegError:
        return []
    return sorted(found)


def _opened(name: Path, parts: Joined, part: Part) -> InputContainer:
    one = part_opened(name, part) if parts.rest or parts.seconds else None
    return one or av.open(as_file(name), metadata_errors="replace")


def _nearest(times: Sequence[Fraction], time: Fraction) -> Fraction:
    at = bisect_left(times, time)
    return min(times[max(at - 1, 0) : at + 1], key=lambda other: abs(other - time))
