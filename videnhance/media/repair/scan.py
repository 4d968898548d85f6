"""What a source's packets say without decoding: when its frames are shown, and what is odd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import av.error
from av.packet import Packet

from videnhance.errors import InputError, TruncatedError
from videnhance.media.info import VideoInfo
from videnhance.media.reading.changes import codec_now
from videnhance.media.reading.fields import Fields
from videnhance.media.reading.source import has_no_times, open_source, packets_of, video_stream
from videnhance.media.reading.stamps import is_by_place
from videnhance.media.repair.avi_index import AviIndex, index_of
from videnhance.media.repair.behind import Behind, behind
from videnhance.media.repair.extent import bytes_missing
from videnhance.media.repair.inferred import (
    WITHOUT_LENGTHS,
    average_rate,
    inferred_below_zero,
    inferred_times,
    last_length,
    usual_step,
)
from videnhance.media.repair.joints import truly_damaged
from videnhance.media.repair.mending import Breaks
from videnhance.media.timeline import RecordedTimeline

_FROM_ZERO = ("matroska,webm", "nut")
TRUNCATION_SLACK = 0.75
"""Seconds by which the packets may end before the declared duration: containers round, and count
the length of the last frame or audio packet differently."""


_ABSURD = 1 << 62
_SHARING = ("mpeg", "mpegts")
"""Containers in which frames may share a packet, and its time."""


class PacketFacts(NamedTuple):
    """One packet of the video, in the order of the file."""

    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    is_corrupt: bool
    is_discard: bool
    """Whether the container's edit list discards it."""
    place: int
    """Its byte offset in the file; -1 if the container does not say."""
    size: int
    is_second_field: bool = False
    """Whether the frame is that of the packet before it (reading/fields.py)."""

    @property
    def time(self) -> int | None:
        return self.pts if self.pts is not None else self.dts


@dataclass(frozen=True)
class Scan:
    """All packets of the video, and what the container declares besides."""

    packets: tuple[PacketFacts, ...]
    has_times: bool
    """False for raw streams."""
    own_rate: Fraction | None
    """Frames a second, if the coded stream itself declares it."""
    end: int
    """Declared end of the stream, in ticks; 0 if there is none."""
    cut_off: str | None
    """How far the file goes, in words, if it ends too early."""
    unread: int
    """Number of reads that failed."""
    changed: tuple[str, int] | None
    """The codec to which the stream changes (reading/changes.py), and how many packets of it are
    left out."""
    broken_sound: tuple[tuple[Fraction, Fraction], ...]
    """Where damaged sound is dropped (mending.py): begin and end, in seconds of the file."""
    in_stored_order: bool = False
    """Whether times are those of frames as they are stored, and only decoding tells in which order
    they are shown."""
    held: int = 0
    """Number of frames that are decoded before the first is shown, if times are of decoding."""
    behind: tuple[Behind, ...] = ()
    """What of the file is not read."""
    listed_end: int = 0
    """Tick at which the last place ends that the index of an AVI lists; 0 if it has none."""

    @property
    def shown(self) -> list[PacketFacts]:
        """The packets that are frames, by what is known without decoding."""
        return [p for p in self.packets if not p.is_discard and not p.is_second_field]

    @property
    def lacking(self) -> int:
        """Number of frames without a time."""
        return sum(p.pts is None for p in self.shown) if self.has_times else len(self.shown)

    @property
    def repeated(self) -> int:
        """Number of frames with the same time as another one."""
        times = [p.pts for p in self.shown if p.pts is not None]
        return len(times) - len(set(times)) if self.has_times else 0

    @property
    def has_good_times(self) -> bool:
        return not self.lacking and not self.repeated

    @property
    def is_plain(self) -> bool:
        """Whether nothing is odd, as far as packets show."""
        broken = (
            self.unread
            or self.broken_sound
            or self.changed
            or any(p.is_corrupt for p in self.packets)
        )
        good = self.has_good_times and not self.in_stored_order
        return good and self.cut_off is None and not broken


def scan(info: VideoInfo, progress: Callable[[int], None] = lambda packets: None) -> Scan:
    """Read all packets; `progress` gets their number. Raises InputError if there are none."""
    found: list[PacketFacts] = []
    placed: set[int] = set()
    end, unread, left, became = 0.0, 0, 0, ""
    last = reached = 0

    def failed() -> None:
        nonlocal unread
        unread += 1

    def changed(packet: Packet[Any]) -> None:
        nonlocal left, became
        if packet.stream_index == stream.index:
            left, became = left + 1, became or codec_now(stream, info.codec)

    with open_source(info) as container:
        stream = video_stream(container, info.path, info.stream)
        breaks, is_second_field = Breaks(container), Fields(stream)
        read = packets_of(container, failed=failed, placed=placed.add, changed=changed)
        for packet in read:
            length = packet.duration or 0
            if packet.pos is not None:
                last, reached = max(last, packet.pos), max(reached, packet.pos + packet.size)
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + length) * packet.time_base))
            if packet.stream_index != stream.index:
                breaks.see(packet)
                continue
            second = is_second_field(packet)
            if second:
                found[-1] = found[-1]._replace(duration=found[-1].duration + length)
            found.append(
                PacketFacts(
                    _possible(packet.pts),
                    _possible(packet.dts),
                    length,
                    packet.is_keyframe,
                    packet.is_corrupt,
                    packet.is_discard,
                    packet.pos if packet.pos is not None else -1,
                    packet.size,
                    second,
                )
            )
            progress(len(found))
        rate = stream.codec_context.framerate
        start = (container.start_time or 0) / 1e6
        declared_end = (stream.start_time or 0) + (stream.duration or 0)
        raw = has_no_times(container)
        waits = stream.index in placed and stream.codec_context.has_b_frames
        by_place = is_by_place(container)
    if not any(not packet.is_discard for packet in found):
        raise InputError(f"{info.path}: its video stream holds no frames; nothing to enhance")
    marked = {k for k, packet in enumerate(found) if packet.is_corrupt}
    if marked and info.container == "mpegts":
        damaged = truly_damaged(info.path, [packet.place for packet in found], marked)
        found = [packet._replace(is_corrupt=k in damaged) for k, packet in enumerate(found)]
    untold: set[int] = set()
    if info.container in _SHARING and any(packet.place < 0 for packet in found):
        untold = inferred_times(info, found)
    elif "matroska" in info.container:
        untold = inferred_below_zero(info, found)
        waits = waits and not untold
    if untold:
        found = [p._replace(pts=None, dts=None) if k in untold else p for k, p in enumerate(found)]
    index = index_of(info.path, info.stream) if info.container == "avi" else None
    listed = _listed(info, found, index)
    if info.container in WITHOUT_LENGTHS and (known := [p.pts for p in found if p.pts is not None]):
        end = max(end, float((max(known) + usual_step(info, sorted(known))) * info.time_base))
    return Scan(
        packets=tuple(found if listed is None else listed),
        has_times=not raw,
        own_rate=Fraction(rate) if rate else None,
        end=declared_end if stream.duration else 0,
        cut_off=_cut_off(info, len(found), end, start, index),
        unread=unread,
        changed=(became, left) if left else None,
        broken_sound=breaks.found,
        in_stored_order=bool(waits or listed),
        held=_held(info) if waits and not by_place else 0,
        behind=behind(info, last, reached),
        listed_end=0 if index is None or index.tick != info.time_base else index.end,
    )


def _possible(time: int | None) -> int | None:
    """The time; None if it is near the end of what FFmpeg can count, as where it goes on from its
    mark for no time at all."""
    return time if time is not None and abs(time) < _ABSURD else None


def _listed(
    info: VideoInfo, found: Sequence[PacketFacts], index: AviIndex | None
) -> list[PacketFacts] | None:
    """The packets of an AVI at the times of its index, if that is whole and has other times: FFmpeg
    counts what it takes for chunks, also in a damaged header. They are then told by number."""
    if index is None or not index.is_there or index.tick != info.time_base:
        return None
    times = index.numbers.tolist()
    if len(times) != len(found) or times == [packet.pts for packet in found]:
        return None
    return [packet._replace(pts=t, dts=t) for packet, t in zip(found, times, strict=True)]


def _held(info: VideoInfo) -> int:
    """Number of frames that the decoder holds before it shows the first."""
    with open_source(info) as container:
        stream = video_stream(container, info.path, info.stream)
        stream.codec_context.thread_type = "NONE"
        for number, packet in enumerate(packets_of(container, stream)):
            with suppress(av.error.FFmpegError):
                if stream.codec_context.decode(packet):
                    return number
    return 0


def oddity(found: Scan) -> str | None:
    """The worst thing that is wrong with a source's packets; None for a plain source."""
    if found.cut_off is not None:
        return f"the file {found.cut_off}: it is probably cut off"
    if not found.has_times:
        return "frames carry no times (pts), as in every raw stream"
    if found.lacking:
        return f"{found.lacking} frames carry no time (pts)"
    if found.repeated:
        return f"{found.repeated} frames repeat another frame's time (pts)"
    if found.changed is not None:
        return f"the video changes to {found.changed[0]} in the middle of the file"
    if found.behind:
        return found.behind[0].text
    whole = replace(found, in_stored_order=False)
    return None if whole.is_plain else "packets are damaged, or cannot be read"


def refuse_odd(info: VideoInfo, found: Scan) -> None:
    """Raises TruncatedError or another InputError if a source is not plain."""
    what = oddity(found)
    if what is not None:
        kind = TruncatedError if found.cut_off is not None else InputError
        raise kind(
            f"{info.path}: {what}; copy it again from its source, or leave --strict out to "
            "enhance it as it is"
        )


def plain_timeline(info: VideoInfo, found: Scan) -> RecordedTimeline:
    """The timeline of a source whose packets all have their own times."""
    decoded_last = found.shown[-1].pts
    shown = sorted(found.shown, key=lambda packet: packet.pts or 0)
    pts = tuple(packet.pts or 0 for packet in shown)
    length = last_length(info, pts, shown[-1].duration)
    if "mov" in info.container and decoded_last != pts[-1]:
        # MP4 stores durations in decoding order: with B-frames, the last packet's belongs to
        # another frame. The end of the track is the end of the frame shown last.
        to_end = found.end - pts[-1]
        if 0 < to_end <= max(packet.duration for packet in shown):
            length = to_end
    if found.listed_end > pts[-1]:  # empty chunks show it on
        length = found.listed_end - pts[-1]
    return RecordedTimeline(
        time_base=info.time_base,
        pts=pts,
        keyframes=tuple(k for k, packet in enumerate(shown) if packet.is_keyframe) or (0,),
        last_duration=length,
    )


def frame_rate(info: VideoInfo, found: Scan) -> Fraction | None:
    """Frames a second, on average; None if nobody knows."""
    if not found.has_times:
        return info.average_rate
    pts = sorted(packet.pts for packet in found.shown if packet.pts is not None)
    known = [(k, p.dts) for k, p in enumerate(found.shown) if p.dts is not None]
    if found.lacking and len(known) > 1:  # as they are spread evenly
        (i, first), (k, last) = known[0], known[-1]
        pts = [first + (last - first) * n // (k - i) for n in range(k - i + 1)]
    return average_rate(info, pts, by_fields=len(found.shown) != len(found.packets))


def _cut_off(
    info: VideoInfo, packets: int, end: float, start: float, index: AviIndex | None
) -> str | None:
    # FFmpeg counts the duration of these from 0, that of other containers from the first frame.
    reached = end if info.container in _FROM_ZERO else end - start
    missing = 0.0 if info.duration is None else info.duration - reached
    if info.container in ("mpegts", "mpeg"):  # they declare none: FFmpeg derives it from the end
        missing = 0.0
    declared = info.declared_frames
    if index is not None and index.end >= declared:
        # AVI declares places. The index tells which of them have a frame: others show the one
        # before it further on, as where a recorder dropped frames.
        if packets >= len(index.numbers):
            return None
        declared = len(index.numbers)
    if declared > packets:
        frame = float(1 / info.average_rate) if info.average_rate else 0.0
        if info.container != "avi" or missing > frame / 2 or bytes_missing(info.path, "avi"):
            return f"holds {packets} of {declared} frames"
    if missing > TRUNCATION_SLACK:
        return f"ends at {reached:.2f} s of {info.duration:.2f} s"
    # Not for AVI: many recorders write a wrong size.
    if info.container != "avi" and (lost := bytes_missing(info.path, info.container)):
        return f"lacks its last {lost} bytes"
    return None
