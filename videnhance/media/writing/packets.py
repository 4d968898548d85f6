"""The packets of an output, in writing order: the rendered video's, and those copied from the
source's other streams."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from videnhance.errors import OutputError
from videnhance.media.clip import Clip
from videnhance.media.names import as_file
from videnhance.media.reading.groups import Group, Untouched, copied_packets
from videnhance.media.repair.mending import mended_packets
from videnhance.media.sound.cutting import (
    Window,
    begin_of,
    can_begin,
    cut_packet,
    whole_samples,
)
from videnhance.media.sound.packets import rising, source_packets, timed_streams
from videnhance.media.sound.pauses import SEAMLESS, UNTIMED, filled
from videnhance.media.timeline import Segment, Timeline

_AGAIN = "begin again with --restart"


def video_packets(
    clip: Clip,
    segments: Sequence[tuple[Segment, Path]],
    stream: Stream,
    moved: Fraction,
    untouched: Untouched | None = None,
) -> Iterator[tuple[float, Packet[Any]]]:
    """(dts in seconds, packet) of the segments, and of the source's own packets that stand between
    them, in decoding order.

    Times are those of the source minus `moved`, a whole number of its ticks. Raises OutputError if
    the segments' files do not hold their frames.
    """
    timeline = clip.timeline
    runs = untouched.runs if untouched is not None else ()
    stop = max([run.stop for run in runs] + [segment.stop for segment, _ in segments])
    origin = int(moved / timeline.time_base)
    base = Fraction(1, timeline.time_base.denominator)
    step = timeline.time_base.numerator
    # No packet may be decoded after it is shown: decoding runs ahead by this much.
    encoded = (
        timeline.pts[order] - timeline.pts[index]
        for order, index, _ in _segment_packets(timeline, segments)
    )
    ahead = max((*(run.ahead for run in runs), max(encoded, default=0)))
    for order, index, packet in _all_packets(clip, segments, untouched):
        packet.pts = (timeline.pts[index] - origin) * step
        packet.dts = (timeline.pts[order] - ahead - origin) * step
        packet.duration = timeline.duration_of(index) * step
        if order + 1 == stop:
            # MP4 takes the end of the track from the packet decoded last; with B-frames that is not
            # the frame shown last.
            packet.duration = timeline.duration_of(order) * step
        packet.time_base = base
        packet.stream = stream
        yield float(packet.dts * base), packet


def _all_packets(
    clip: Clip, segments: Sequence[tuple[Segment, Path]], untouched: Untouched | None
) -> Iterator[tuple[int, int, Packet[Any]]]:
    """(decoding order, frame index, packet) of the segments and the copied runs; raises
    OutputError where the source does not hold the runs any more."""
    own = _segment_packets(clip.timeline, segments)
    if untouched is None:
        yield from own
        return
    runs = untouched.runs
    copies = copied_packets(clip.info, clip.recorded.timeline, untouched.header, runs)
    pieces: list[Group | Segment] = [*runs, *(segment for segment, _ in segments)]
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if isinstance(piece, Segment):
            yield from islice(own, len(piece))
            continue
        found = islice(copies, len(piece))
        for order, (index, packet) in enumerate(found, piece.start):
            if not piece.start <= index < piece.stop:
                raise OutputError(f"{clip.info.path}: changed while it was copied; begin again")
            yield order, index, packet
    yield from own  # so that a file with too many packets is noticed


def _segment_packets(
    timeline: Timeline, segments: Sequence[tuple[Segment, Path]]
) -> Iterator[tuple[int, int, Packet[Any]]]:
    """(decoding order, frame index, packet) of all segments; raises OutputError on a gap.

    Order and index count from the video's first frame, even if that is not in the first segment.
    """
    header: bytes | None = None
    for position, (segment, path) in enumerate(segments):
        order = segment.start
        with av.open(as_file(path)) as container:
            stream = container.streams.video[0]
            extradata = stream.codec_context.extradata
            if position and extradata != header:
                raise OutputError(f"{path}: is encoded unlike the segments before it; {_AGAIN}")
            header = extradata
            # The file counts ticks of 1/denominator from 0; the plan counts units of time_base.
            unit = timeline.time_base / Fraction(stream.time_base or timeline.time_base)
            start = timeline.pts[segment.start]
            for packet in container.demux(stream):
                if packet.size == 0 or packet.pts is None:
                    continue
                index = timeline.index_of(start + int(Fraction(packet.pts) / unit))
                if index is None or not segment.start <= index < segment.stop:
                    raise OutputError(f"{path}: holds a frame that is not in the plan; {_AGAIN}")
                yield order, index, packet
                order += 1
        if order != segment.stop:
            count = order - segment.start
            raise OutputError(f"{path}: holds {count} of {len(segment)} frames; {_AGAIN}")


def other_packets(
    source: InputContainer, routes: Mapping[int, Stream], clip: Clip
) -> Iterator[tuple[float, Packet[Any]]]:
    """(seconds, packet) of every copied stream, data and times as in the source. Damaged times are
    mended (repair/mending.py), and pauses filled with silence if they must be (sound/pauses.py)."""
    chosen = [stream for stream in source.streams if stream.index in routes]
    chosen = [stream for stream in chosen if stream.index != clip.info.stream]
    if not chosen:
        return
    latest, before = 0.0, dict[int, int]()
    packets = rising(mended_packets(source, clip.recorded.clock, *chosen))
    for packet in filled(clip.rate, packets) if _is_in(SEAMLESS, routes) else packets:
        if packet.dts is not None:
            latest = float(packet.dts * packet.time_base)
        index = packet.stream_index
        _give_length(packet, packet.stream, before)
        packet = whole_samples(packet, packet.stream)
        packet.stream = routes[index]
        yield latest, packet


def packets_within(
    clip: Clip,
    source: InputContainer,
    routes: Mapping[int, Stream],
    window: Window,
) -> Iterator[tuple[float, Packet[Any]]]:
    """Like `other_packets`, but only what the window keeps, at its times in the output.

    Times are moved by whole ticks of their stream, those of sound by samples, so sound stays within
    half a sample of its place beside the picture. A packet without a declared duration lasts until
    the next of its stream. Subtitles are cut to the window; a second video begins at its first
    keyframe in it; a cover picture, which has no time, is kept. Packets that begin before the
    window are dropped if the output's container cannot express their time.
    """
    copied = {
        s.index: s for s in source.streams if s.index in routes and s.index != clip.info.stream
    }
    if not copied:
        return
    timed = timed_streams(copied)
    waiting = {k for k, stream in timed.items() if stream.type == "video"}
    latest, before = 0.0, dict[int, int]()
    found = source_packets(
        clip,
        source,
        copied,
        window,
        seamless=_is_in(SEAMLESS, routes),
        untimed=_is_in(UNTIMED, routes),
    )
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
    """Give an audio packet without a declared duration the one of its predecessor (whose dts is in
    `before`): MP4 and MOV do not play a last packet without duration."""
    if stream.type == "audio" and packet.dts is not None:
        if not packet.duration:
            packet.duration = max(packet.dts - before.get(stream.index, packet.dts), 1)
        before[stream.index] = packet.dts


def _is_in(muxers: Collection[str], routes: Mapping[int, Stream]) -> bool:
    return any(route.container.format.name in muxers for route in routes.values())
