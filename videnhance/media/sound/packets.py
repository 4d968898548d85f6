"""The packets of a source's other streams, with rising times, read as far as a cut needs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from videnhance.media.clip import Clip
from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import open_source
from videnhance.media.repair.mending import mended_packets
from videnhance.media.sound.cutting import (
    Window,
    begin_of,
    lasting,
)
from videnhance.media.sound.pauses import filled

SET_BACK = 0.5
"""Backward jump of an audio time, in seconds, that counts as a clock reset."""
_CLOSELY = Fraction(1, 1000)
"""Seconds between audio packets that had to be moved later: a tick of Matroska."""
RUN_IN = 10
"""Seconds before a cut at which reading starts: containers store sound and picture of the same
moment apart from each other, but by less than that."""


def timed_streams(streams: Mapping[int, Stream]) -> dict[int, Stream]:
    """The streams whose packets have times: no cover pictures and no attachments."""
    return {
        k: s
        for k, s in streams.items()
        if s.type != "attachment" and not s.disposition & Disposition.attached_pic
    }


def source_packets(
    clip: Clip,
    source: InputContainer,
    streams: Mapping[int, Stream],
    window: Window,
    repaired: Callable[[int], None] = lambda stream: None,
    *,
    seamless: bool = False,
    untimed: bool = False,
    silent: Callable[[int, Fraction, Fraction], None] = lambda stream, begin, end: None,
) -> Iterator[tuple[Packet[Any], Fraction | None]]:
    """(packet, second at which it ends, from `lasting`) of these streams, as far as the window
    needs them; if possible, the rest of a long file is not read.

    Times come from `rising`, which reports to `repaired`. `seamless`: the output's container has no
    pauses, so `filled` puts silence into them and reports to `silent`; `untimed`: it has no time
    for the first packet either.
    """
    timed = timed_streams(streams)
    # If the clock was set back, times do not show where to start reading.
    start = window.start if not clip.recorded.clock else None
    if start is not None and _can_enter(clip.info, start, timed.values()):
        _enter(source, start)
    packets = rising(_until_over(clip, source, timed, window, repaired), repaired)
    if seamless:
        packets = filled(clip.rate, packets, silent, window.moved if untimed else None)
    for packet, end in lasting(packets, window.start):
        if packet.stream_index in streams:
            yield packet, end


def rising(
    packets: Iterable[Packet[Any]], repaired: Callable[[int], None] = lambda stream: None
) -> Iterator[Packet[Any]]:
    """The packets, with times that a muxer accepts: the dts of each stream rise.

    An audio packet without a time, or with one that is not after its predecessor's, begins where
    the predecessor ends. Packets that this makes late follow each other closely until they are on
    time again; but if the clock was set back by more than SET_BACK, all later packets are moved by
    as much. Packets of other kinds keep their pts; dts that do not rise follow each other by one
    tick. `repaired` is called with the stream's index for each packet whose time was changed.
    """
    last: dict[int, int] = {}
    ends: dict[int, int] = {}
    moved: dict[int, int] = {}
    declared: dict[int, int] = {}
    for packet in _decoded_in_order(packets):
        index, kind = packet.stream_index, packet.stream.type
        own = packet.dts if packet.dts is not None else packet.pts
        if packet.time_base is None:
            continue
        if kind in ("attachment", "data"):
            yield packet
            continue
        dts = own_time = None if own is None else own + moved.get(index, 0)
        if kind == "audio" and dts is not None and declared.get(index, dts) < dts <= last[index]:
            repaired(index)
            dts = last[index] + max(round(_CLOSELY / packet.time_base), 1)
        elif kind == "audio" and (dts is None or dts <= last.get(index, dts - 1)):
            repaired(index)
            dts = max(ends.get(index, 0), last.get(index, -1) + 1)
            if own is not None and (dts - own - moved.get(index, 0)) * packet.time_base > SET_BACK:
                moved[index] = dts - own
        elif dts is None or dts < last.get(index, dts):
            repaired(index)
            dts = last.get(index, 0)
        if dts != packet.dts:
            if kind == "audio" or packet.pts is None:
                packet.pts = dts
            packet.dts = dts
            packet.pts = max(packet.pts, dts)
        if own_time is not None:
            declared[index] = own_time
        last[index], ends[index] = dts, dts + (packet.duration or 0)
        yield packet


def _decoded_in_order(packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
    """The packets; the first ones of a video whose times of decoding are missing, as FFmpeg reads
    B-frames from Matroska, get some that rise up to the first that is known."""
    held: dict[int, list[Packet[Any]]] = {}
    begun: set[int] = set()
    for packet in packets:
        index = packet.stream_index
        cover = bool(packet.stream.disposition & Disposition.attached_pic)
        if packet.stream.type != "video" or cover or index in begun:
            yield packet
            continue
        waiting = held.setdefault(index, [])
        waiting.append(packet)
        if packet.dts is not None:
            begun.add(index)
            yield from _dated(held.pop(index), packet.dts)
    for waiting in held.values():
        shown = sorted(packet.pts or 0 for packet in waiting)
        yield from _dated(waiting, shown[0] - 1)


def _dated(packets: list[Packet[Any]], last: int) -> Iterator[Packet[Any]]:
    """With times of decoding one tick apart, of which `last` is that of the last packet."""
    for number, packet in enumerate(packets):
        packet.dts = last - (len(packets) - 1 - number)
        yield packet


def _enter(source: InputContainer, start: Fraction) -> None:
    """Seek to before `start`, so that all packets around it follow."""
    target = math.floor((start - RUN_IN) * 1_000_000)
    if source.start_time is not None and target > source.start_time:
        source.seek(target)


def _can_enter(info: VideoInfo, start: Fraction, streams: Collection[Stream]) -> bool:
    """Whether nothing is missed by reading from shortly before `start` instead of from the top.

    Every audio stream must have a packet before it. A subtitle may have begun at any earlier time,
    so with subtitles the answer is no.
    """
    missing = {stream.index for stream in streams}
    if any(stream.type != "audio" for stream in streams):
        return False
    with open_source(info) as trial:
        try:
            _enter(trial, start)
            for packet in trial.demux():
                if not missing:
                    break
                begin = begin_of(packet)
                if begin is not None and begin > start:
                    return False
                if begin is not None:
                    missing.discard(packet.stream_index)
        except av.error.FFmpegError:
            return False
    return not missing


def _until_over(
    clip: Clip,
    source: InputContainer,
    timed: Mapping[int, Stream],
    window: Window,
    repaired: Callable[[int], None],
) -> Iterator[Packet[Any]]:
    """All packets with content, until no more can follow that the window keeps."""
    sounds = {k for k, stream in timed.items() if stream.type == "audio"}
    for packet in mended_packets(source, clip.recorded.clock, repaired=repaired):
        if packet.time_base is None:
            continue
        index, begin = packet.stream_index, begin_of(packet)
        yield packet  # the caller may change it, so nothing is read from it afterwards
        if begin is not None and window.is_over(begin):
            sounds.discard(index)
            # Only when every audio stream was read this far: sound may be stored after the picture.
            if not sounds and window.is_over(begin - RUN_IN):
                return
