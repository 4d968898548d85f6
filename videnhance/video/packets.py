"""The packets an output is made of, in the order they are written: rendered video, copied rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from videnhance.errors import OutputError
from videnhance.streams import Segment, Timeline, VideoInfo
from videnhance.video.pauses import SEAMLESS, filled
from videnhance.video.sounds import mended_packets
from videnhance.video.source import open_source
from videnhance.video.window import Window, begin_of, can_begin, cut_packet, lasting, whole_samples

SET_BACK = 0.5
"""Seconds by which a time of sound must lie back for its clock to have been set back."""
_CLOSELY = Fraction(1, 1000)
"""Seconds between packets of sound that were pushed: a tick of Matroska."""
RUN_IN = 10
"""Seconds before a cut at which its sound is looked for: containers store sound and picture of the
same moment apart, but by less than that."""


def video_packets(
    timeline: Timeline, segments: Sequence[tuple[Segment, Path]], stream: Stream, moved: Fraction
) -> Iterator[tuple[float, Packet[Any]]]:
    """(dts in seconds, packet) of the segments in decoding order.

    Times are those of the source less `moved`, which is a whole number of its ticks. Raises
    OutputError where the segments' files do not hold their frames.
    """
    stop = segments[-1][0].stop
    origin = int(moved / timeline.time_base)
    base = Fraction(1, timeline.time_base.denominator)
    step = timeline.time_base.numerator
    # No packet may be decoded after it is shown: by that much decoding runs ahead.
    ahead = max(
        timeline.pts[order] - timeline.pts[index]
        for order, index, _ in _segment_packets(timeline, segments)
    )
    for order, index, packet in _segment_packets(timeline, segments):
        packet.pts = (timeline.pts[index] - origin) * step
        packet.dts = (timeline.pts[order] - ahead - origin) * step
        packet.duration = timeline.duration_of(index) * step
        if order + 1 == stop:
            # MP4 takes the end of the track from the packet decoded last, which with B-frames is
            # not the frame shown last.
            packet.duration = timeline.duration_of(order) * step
        packet.time_base = base
        packet.stream = stream
        yield float(packet.dts * base), packet


def _segment_packets(
    timeline: Timeline, segments: Sequence[tuple[Segment, Path]]
) -> Iterator[tuple[int, int, Packet[Any]]]:
    """(order of decoding, frame index, packet) of all segments; raises OutputError on a gap.

    Order and index count from the video's first frame, whichever segment is the first.
    """
    order = segments[0][0].start
    header: bytes | None = None
    for position, (segment, path) in enumerate(segments):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            extradata = stream.codec_context.extradata
            if position and extradata != header:
                raise OutputError(f"{path}: is encoded otherwise than the segments before it")
            header = extradata
            # The file counts ticks of 1/denominator from 0; the plan, units of time_base.
            unit = timeline.time_base / Fraction(stream.time_base or timeline.time_base)
            start = timeline.pts[segment.start]
            for packet in container.demux(stream):
                if packet.size == 0 or packet.pts is None:
                    continue
                index = timeline.index_of(start + int(Fraction(packet.pts) / unit))
                if index is None or not segment.start <= index < segment.stop:
                    raise OutputError(f"{path}: holds a frame that is not in the plan")
                yield order, index, packet
                order += 1
        if order != segment.stop:
            raise OutputError(f"{path}: holds {order - segment.start} of {len(segment)} frames")


def other_packets(
    source: InputContainer, routes: Mapping[int, Stream], info: VideoInfo
) -> Iterator[tuple[float, Packet[Any]]]:
    """(seconds, packet) of every copied stream, data and times as they are in the source; where
    that is damaged, as sounds.py mends them, and with silence where pauses.py has to put it."""
    chosen = [stream for stream in source.streams if stream.index in routes]
    chosen = [stream for stream in chosen if stream.index != info.stream]
    if not chosen:
        return
    latest, before = 0.0, dict[int, int]()
    packets = rising(mended_packets(source, info.clock, *chosen))
    for packet in filled(info, packets) if _is_seamless(routes) else packets:
        if packet.dts is not None:
            latest = float(packet.dts * packet.time_base)
        index = packet.stream_index
        _give_length(packet, packet.stream, before)
        packet = whole_samples(packet, packet.stream)
        packet.stream = routes[index]
        yield latest, packet


def packets_within(
    info: VideoInfo,
    source: InputContainer,
    routes: Mapping[int, Stream],
    window: Window,
) -> Iterator[tuple[float, Packet[Any]]]:
    """As `other_packets`, but only what the window keeps, less what it moves times by.

    Times are moved by whole ticks of their stream, those of sound by samples: it lies within half
    of one of where it was beside the picture. A packet that declares no duration lasts until the
    next of its stream. Subtitles are cut to the window; a second video begins at its first keyframe
    in it; a cover, which has no time, is kept. Of packets that begin before the window, those are
    left out whose time the output's container cannot express.
    """
    copied = {s.index: s for s in source.streams if s.index in routes and s.index != info.stream}
    if not copied:
        return
    timed = _timed(copied)
    waiting = {k for k, stream in timed.items() if stream.type == "video"}
    latest, before = 0.0, dict[int, int]()
    found = source_packets(info, source, copied, window, seamless=_is_seamless(routes))
    for packet, end in found:
        index, begin = packet.stream_index, begin_of(packet)
        if index in timed:
            if begin is None or not window.overlaps(begin, end):
                continue
            if index in waiting and not packet.is_keyframe:
                continue
            waiting.discard(index)
            cut = cut_packet(packet, begin, end, window, timed[index])
            if cut is None:
                continue
            packet = cut
            if window.start is not None and not can_begin(packet, timed[index], routes[index]):
                continue
            latest = float((packet.dts or 0) * packet.time_base)
            _give_length(packet, timed[index], before)
            packet = whole_samples(packet, timed[index])
        packet.stream = routes[index]
        yield latest, packet


def _give_length(packet: Packet[Any], stream: Stream, before: dict[int, int]) -> None:
    """A packet of sound of which no length is declared gets that of its predecessor (whose dts is
    in `before`): in MP4 and MOV a last packet without length is not played."""
    if stream.type == "audio" and packet.dts is not None:
        if not packet.duration:
            packet.duration = max(packet.dts - before.get(stream.index, packet.dts), 1)
        before[stream.index] = packet.dts


def _is_seamless(routes: Mapping[int, Stream]) -> bool:
    return any(route.container.format.name in SEAMLESS for route in routes.values())


def _timed(streams: Mapping[int, Stream]) -> dict[int, Stream]:
    """Those whose packets have times: no covers and no attachments."""
    return {
        k: s
        for k, s in streams.items()
        if s.type != "attachment" and not s.disposition & Disposition.attached_pic
    }


def source_packets(
    info: VideoInfo,
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
    start = window.start if not info.clock else None
    if start is not None and _can_enter(info.path, start, timed.values()):
        _enter(source, start)
    packets = rising(_until_over(info, source, timed, window, repaired), repaired)
    if seamless:
        packets = filled(info, packets, silent)
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
    info: VideoInfo,
    source: InputContainer,
    timed: Mapping[int, Stream],
    window: Window,
    repaired: Callable[[int], None],
) -> Iterator[Packet[Any]]:
    """All packets with content, until nothing more can follow that the window keeps."""
    sounds = {k for k, stream in timed.items() if stream.type == "audio"}
    for packet in mended_packets(source, info.clock, repaired=repaired):
        if packet.time_base is None:
            continue
        index, begin = packet.stream_index, begin_of(packet)
        yield packet  # to be changed by whoever takes it
        if begin is not None and window.is_over(begin):
            sounds.discard(index)
            # Only once every sound has been read this far: it may be stored behind the picture.
            if not sounds and window.is_over(begin - RUN_IN):
                return
