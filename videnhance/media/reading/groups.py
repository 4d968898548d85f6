"""Groups of pictures of an H.264 source that can be taken out of it as they are.

Such a group begins with an IDR picture and goes on to the next one: nothing in it refers to a
picture outside, and nothing outside to one in it. Its frames follow each other in the clip. A group
that begins with any other keyframe (an open group, or a recovery point) is none: pictures of it are
predicted from the group before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from av.packet import Packet

from videnhance.media.info import VideoInfo
from videnhance.media.reading.h264 import (
    DELIMITER,
    IDR,
    PPS,
    SLICE,
    SPS,
    H264Error,
    Header,
    kind_of,
    units_of,
    with_lengths,
)
from videnhance.media.reading.source import open_source, packets_of, video_stream
from videnhance.media.timeline import RecordedTimeline

_UNDERSTOOD = {SLICE, IDR, 6, SPS, PPS, DELIMITER, 10, 11, 12}
"""Types of units that are known to be fit for copying: besides those named in h264.py, remarks
(SEI), ends and filling."""
_BESIDE = {SPS, PPS, DELIMITER}
"""What MP4 and Matroska keep beside the packets, or do without."""


class Group(NamedTuple):
    """Frames start..stop (half-open): one group of pictures, or several on end."""

    start: int
    stop: int
    ahead: int
    """Ticks by which decoding runs ahead: the n-th packet's frame may be shown that much earlier
    than the n-th frame."""

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Untouched:
    """The frames of a source that an output gets as they are."""

    header: Header
    """The source's parameter sets."""
    runs: tuple[Group, ...]

    def __len__(self) -> int:
        """The number of frames."""
        return sum(map(len, self.runs))


@dataclass
class _Open:
    """A group of which packets are still being read."""

    pts: list[int] = field(default_factory=list)
    fits: bool = True

    def closed(self, timeline: RecordedTimeline) -> Group | None:
        """None where its frames cannot be copied."""
        if not self.fits or not self.pts:
            return None
        start = timeline.index_of(self.pts[0])
        if start is None:
            return None
        shown = timeline.pts[start : start + len(self.pts)]
        if tuple(sorted(self.pts)) != shown:
            return None
        ahead = max(then - own for then, own in zip(shown, self.pts, strict=True))
        return Group(start, start + len(self.pts), ahead)


def header_of(info: VideoInfo) -> Header:
    """The parameter sets of an H.264 source. Raises InputError, H264Error."""
    with open_source(info.path) as container:
        return Header.of(video_stream(container, info.path, info.stream).codec_context.extradata)


def closed_groups(info: VideoInfo, timeline: RecordedTimeline, header: Header) -> tuple[Group, ...]:
    """The groups of an undamaged H.264 source that can be copied, in order; its packets are read.

    None after a packet that brings other parameter sets than the `header`. Raises InputError.
    """
    groups: list[Group] = []
    with open_source(info.path) as container:
        current = _Open(fits=False)
        for packet in packets_of(container, video_stream(container, info.path, info.stream)):
            try:
                units = units_of(bytes(packet), header.length)
            except H264Error:
                units = []
            kinds = {kind_of(unit) for unit in units}
            if any(kind_of(u) in (SPS, PPS) and not header.holds(u) for u in units):
                current.fits = False
                break
            if IDR in kinds:
                groups += [g for g in [current.closed(timeline)] if g]
                current = _Open()
            current.fits &= kinds <= _UNDERSTOOD and (SLICE in kinds) != (IDR in kinds)
            current.fits &= not (packet.is_corrupt or packet.is_discard or packet.pts is None)
            current.pts.append(packet.pts or 0)
        groups += [g for g in [current.closed(timeline)] if g]
    return tuple(groups)


def copied_packets(
    info: VideoInfo, timeline: RecordedTimeline, header: Header, runs: Sequence[Group]
) -> Iterator[tuple[int, Packet[Any]]]:
    """(frame index, packet) of these runs, in the order of the file: the source's data, with the
    length of each unit in four bytes. Raises InputError."""
    for index, packet in source_packets(info, timeline, runs):
        data = bytes(packet)
        units = units_of(data, header.length)
        if header.length != 4:
            data = with_lengths(unit for unit in units if kind_of(unit) not in _BESIDE)
        copy: Packet[Any] = Packet(data)
        copy.is_keyframe = any(kind_of(unit) == IDR for unit in units)
        yield index, copy


def source_packets(
    info: VideoInfo, timeline: RecordedTimeline, runs: Sequence[Group]
) -> Iterator[tuple[int, Packet[Any]]]:
    """(frame index, packet) of these runs as the source has them, in its order."""
    left = iter(runs)
    run = next(left, None)
    if run is None:
        return
    taken = 0
    with open_source(info.path) as container:
        for packet in packets_of(container, video_stream(container, info.path, info.stream)):
            index = timeline.index_of(packet.pts) if packet.pts is not None else None
            if index is None or not run.start <= index < run.stop:
                continue
            yield index, packet
            taken += 1
            if taken == len(run):
                run, taken = next(left, None), 0
                if run is None:
                    return
