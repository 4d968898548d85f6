"""The packets of a source's other streams, in time and as far as a cut needs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from videnhance.media.clip import Clip
from videnhance.media.reading.source import open_source
from videnhance.media.repair.mending import mended_packets
from videnhance.media.sound.cutting import (
    Window,
    begin_of,
    lasting,
)
from videnhance.media.sound.pauses import filled

SET_BACK = 0.5
"""Seconds by which a time of sound must lie back for its clock to have been set back."""
_CLOSELY = Fraction(1, 1000)
"""Seconds between packets of sound that were pushed: a tick of Matroska."""
RUN_IN = 10
"""Seconds before a cut at which its sound is looked for: containers store sound and picture of the
same moment apart, but by less than that."""


def _timed(streams: Mapping[int, Stream]) -> dict[int, Stream]:
    """Those whose packets have times: no covers and no attachments."""
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
    silent: Callable[[int, Fraction, Fraction], None] = lambda stream, begin, end: None,
) -> Iterator[tuple[Packet[Any], Fraction | None]]:
    """(packet, second at which it ends as `lasting` has it) of these streams of a source, and of
    all that the window keeps; the rest of a long file is not read where that can be avoided.

    Times are as `rising` has them, which tells `repaired`; `seamless`: for an output that knows no
    pauses, as `filled` has them, which tells `silent`.
    """
    timed = _timed(streams)
    # Where the clock was set back, no time tells where to enter.
    start = window.start if not clip.recorded.clock else None
    if start is not None and _can_enter(clip.info.path, start, timed.values()):
        _enter(source, start)
    packets = rising(_until_over(clip, source, timed, window, repaired), repaired)
    if seamless:
        packets = filled(clip.rate, packets, silent)
    for packet, end in lasting(packets, window.start):
        if packet.stream_index in streams:
            yield packet, end


def rising(
    packets: Iterable[Packet[Any]], repaired: Callable[[int], None] = lambda stream: None
) -> Iterator[Packet[Any]]:
    """The packets, with times that a muxer takes: each stream's dts rise.

    A packet of sound without a time, or with one that is not after its predecessor's, begins where
    that ends, and those that are pushed by it follow each other closely until they are in time
    again; where the clock was set back by more than SET_BACK, all that follow go on from there.
    Packets of other kinds keep their pts; dts that do not rise follow each other by one tick.
    `repaired` is told the stream's index for each packet that was given another time.
    """
    last: dict[int, int] = {}
    ends: dict[int, int] = {}
    moved: dict[int, int] = {}
    told: dict[int, int] = {}
    for packet in packets:
        index, kind = packet.stream_index, packet.stream.type
        own = packet.dts if packet.dts is not None else packet.pts
        if packet.time_base is None:
            continue
        if kind in ("attachment", "data"):
            yield packet
            continue
        dts = said = None if own is None else own + moved.get(index, 0)
        if kind == "audio" and dts is not None and told.get(index, dts) < dts <= last[index]:
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
        if said is not None:
            told[index] = said
        last[index], ends[index] = dts, dts + (packet.duration or 0)
        yield packet


def _enter(source: InputContainer, start: Fraction) -> None:
    """Go to somewhere before `start`, from which on all packets around it follow."""
    target = math.floor((start - RUN_IN) * 1_000_000)
    if source.start_time is not None and target > source.start_time:
        source.seek(target)


def _can_enter(path: Path, start: Fraction, streams: Collection[Stream]) -> bool:
    """Whether nothing is missed by entering the file before `start` instead of at its top.

    Each sound must be met before it; a subtitle may have begun any time ago.
    """
    missing = {stream.index for stream in streams}
    if any(stream.type != "audio" for stream in streams):
        return False
    with open_source(path) as trial:
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
    """All packets with content, until nothing more can follow that the window keeps."""
    sounds = {k for k, stream in timed.items() if stream.type == "audio"}
    for packet in mended_packets(source, clip.recorded.clock, repaired=repaired):
        if packet.time_base is None:
            continue
        index, begin = packet.stream_index, begin_of(packet)
        yield packet  # to be changed by whoever takes it
        if begin is not None and window.is_over(begin):
            sounds.discard(index)
            # Only once every sound has been read this far: it may be stored behind the picture.
            if not sounds and window.is_over(begin - RUN_IN):
                return
