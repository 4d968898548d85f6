"""The packets an output is made of, in the order they are written: rendered video, copied rest."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from videnhance.errors import OutputError
from videnhance.streams import Segment, Timeline
from videnhance.video.source import codec_name, open_source

RUN_IN = 10
"""Seconds before a cut at which its sound is looked for: containers store sound and picture of the
same moment apart, but by less than that."""

_PCM = re.compile(r"pcm_(?:[suf](8|16|24|32|64)(?:le|be)?|alaw|mulaw)")


@dataclass(frozen=True)
class Window:
    """The time that a cut keeps of the other streams, in seconds of the source's clock.

    Packets that overlap it are kept whole, so that sound may begin and end up to one packet
    outside; PCM, which knows no packets, is cut to the sample.
    """

    start: Fraction | None
    """The output's time 0; None: from the beginning, and nothing is moved."""
    stop: Fraction | None
    """None: to the end."""

    @property
    def moved(self) -> Fraction:
        """What is subtracted from every time."""
        return self.start or Fraction(0)

    def overlaps(self, begin: Fraction, end: Fraction | None) -> bool:
        """Whether anything from `begin` to `end` is kept; None is an end that is far enough."""
        reached = self.start is None or end is None or end > self.start
        return reached and not self.is_over(begin)

    def is_over(self, time: Fraction) -> bool:
        return self.stop is not None and time >= self.stop


def window_of(timeline: Timeline, start: int, stop: int) -> Window:
    """From the first of the frames start..stop to the end of the last; open at the video's ends."""
    end = timeline.pts[stop - 1] + timeline.duration_of(stop - 1)
    return Window(
        start=timeline.pts[start] * timeline.time_base if start > 0 else None,
        stop=end * timeline.time_base if stop < len(timeline) else None,
    )


def video_packets(
    timeline: Timeline, segments: Sequence[tuple[Segment, Path]], stream: Stream
) -> Iterator[tuple[float, Packet[Any]]]:
    """(dts in seconds, packet) of the segments in decoding order.

    Times are those of the source; where the segments begin after its first frame, theirs is at 0.
    Raises OutputError where the segments' files do not hold their frames.
    """
    start, stop = segments[0][0].start, segments[-1][0].stop
    origin = timeline.pts[start] if start > 0 else 0
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
    source: InputContainer, routes: Mapping[int, Stream], video: int
) -> Iterator[tuple[float, Packet[Any]]]:
    """(seconds, packet) of every copied stream, data and times as they are in the source."""
    chosen = [stream for stream in source.streams if stream.index in routes]
    chosen = [stream for stream in chosen if stream.index != video]
    if not chosen:
        return
    latest = 0.0
    for packet in source.demux(*chosen):
        if packet.size == 0 or packet.time_base is None:
            continue
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is not None:
            latest = float(packet.dts * packet.time_base)
        packet.stream = routes[packet.stream_index]
        yield latest, packet


def packets_within(
    path: Path,
    source: InputContainer,
    routes: Mapping[int, Stream],
    video: int,
    window: Window,
) -> Iterator[tuple[float, Packet[Any]]]:
    """As `other_packets`, but only what the window keeps, less what it moves times by.

    Times are moved by whole ticks of their stream: sound lies within half a tick of where it was
    beside the picture. A packet that declares no duration lasts until the next of its stream.
    Subtitles are cut to the window; a second video begins at its first keyframe in it; a cover,
    which has no time, is kept. Of packets that begin before the window, those are left out whose
    time the output's container cannot express.
    """
    copied = {s.index: s for s in source.streams if s.index in routes and s.index != video}
    if not copied:
        return
    timed = {
        k: s
        for k, s in copied.items()
        if s.type != "attachment" and not s.disposition & Disposition.attached_pic
    }
    if window.start is not None and _can_enter(path, window.start, timed.values()):
        _enter(source, window.start)
    waiting = {k for k, stream in timed.items() if stream.type == "video"}
    latest = 0.0
    for packet, end in lasting(_until_over(source, timed, window), window.start):
        index, begin = packet.stream_index, _begin(packet)
        if index not in copied:
            continue
        if index in timed:
            if begin is None or not window.overlaps(begin, end):
                continue
            if index in waiting and not packet.is_keyframe:
                continue
            waiting.discard(index)
            cut = _cut(packet, begin, end, window, timed[index])
            if cut is None:
                continue
            packet = cut
            if window.start is not None and not _can_begin(packet, timed[index], routes[index]):
                continue
            latest = float((packet.dts or 0) * packet.time_base)
        packet.stream = routes[index]
        yield latest, packet


def _begin(packet: Packet[Any]) -> Fraction | None:
    """Seconds at which a packet begins, None where it does not say."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else Fraction(ticks) * Fraction(packet.time_base)


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
                begin = _begin(packet)
                if begin is not None and begin > start:
                    return False
                if begin is not None:
                    missing.discard(packet.stream_index)
        except av.error.FFmpegError:
            return False
    return not missing


def _until_over(
    source: InputContainer, timed: Mapping[int, Stream], window: Window
) -> Iterator[Packet[Any]]:
    """All packets with content, until nothing more can follow that the window keeps."""
    sounds = {k for k, stream in timed.items() if stream.type == "audio"}
    for packet in source.demux():
        if packet.size == 0 or packet.time_base is None:
            continue
        index, begin = packet.stream_index, _begin(packet)
        yield packet  # to be changed by whoever takes it
        if begin is not None and window.is_over(begin):
            sounds.discard(index)
            # Only once every sound has been read this far: it may be stored behind the picture.
            if not sounds and window.is_over(begin - RUN_IN):
                return


def lasting(
    packets: Iterator[Packet[Any]], start: Fraction | None
) -> Iterator[tuple[Packet[Any], Fraction | None]]:
    """(packet, second at which it ends); None where that is not declared and does not matter.

    It matters before `start`: such packets are held back until the next of their stream.
    """
    held: dict[int, Packet[Any]] = {}
    for packet in packets:
        begin = _begin(packet)
        before = held.pop(packet.stream_index, None)
        if before is not None:
            yield before, begin
        if begin is not None and packet.duration:
            yield packet, begin + packet.duration * Fraction(packet.time_base)
        elif begin is not None and start is not None and begin < start:
            held[packet.stream_index] = packet
        else:
            yield packet, None
    yield from ((packet, None) for packet in held.values())


def _cut(
    packet: Packet[Any], begin: Fraction, end: Fraction | None, window: Window, stream: Stream
) -> Packet[Any] | None:
    """The packet at its time in the output, cut to the window where its kind can be cut."""
    unit = Fraction(packet.time_base)
    start = begin if window.start is None else max(begin, window.start)
    if isinstance(stream, AudioStream) and (pcm := _PCM.fullmatch(codec_name(stream))):
        sound = stream.codec_context
        width = int(pcm[1] or 8) // 8 * sound.layout.nb_channels
        last = packet.size // width
        first = math.ceil((start - begin) * sound.sample_rate)
        if window.stop is not None:
            last = min(last, math.ceil((window.stop - begin) * sound.sample_rate))
        if (first, last) != (0, packet.size // width):
            if first >= last:
                return None
            packet = _piece(packet, first * width, last * width)
            packet.duration = round(Fraction(last - first, sound.sample_rate) / unit)
            start = begin + Fraction(first, sound.sample_rate)
            packet.pts = packet.dts = round((start - window.moved) / unit)
            return packet
    elif stream.type == "subtitle":
        if packet.duration and end is not None:
            end = end if window.stop is None else min(end, window.stop)
            packet.duration = max(round((end - start) / unit), 1)
        packet.pts = packet.dts = round((start - window.moved) / unit)
        return packet
    ticks = round(window.moved / unit)
    if packet.dts is None:
        packet.dts = packet.pts
    packet.dts = (packet.dts or 0) - ticks
    packet.pts = None if packet.pts is None else packet.pts - ticks
    return packet


def _piece(packet: Packet[Any], start: int, stop: int) -> Packet[Any]:
    """Bytes start..stop of a packet."""
    piece: Packet[Any] = Packet(bytes(packet)[start:stop])
    piece.pts, piece.dts, piece.duration = packet.pts, packet.dts, packet.duration
    piece.time_base = packet.time_base
    piece.is_keyframe = packet.is_keyframe
    return piece


def _can_begin(packet: Packet[Any], template: Stream, route: Stream) -> bool:
    """Whether a packet may be the output's first of its stream, its time below 0.

    MP4 and MOV can tell a player to skip it. Matroska can as far as the codec declares a delay
    (AAC); at other times below 0 FFmpeg writes blocks that it does not read back as such. So a
    copy in memory is asked.
    """
    begin = _begin(packet)
    muxer = route.container.format.name
    if begin is None or begin >= 0 or muxer in ("mp4", "mov"):
        return True
    memory = io.BytesIO()
    with av.open(memory, "w", format=muxer, options={"avoid_negative_ts": "disabled"}) as trial:
        copy = _piece(packet, 0, packet.size)
        copy.stream = trial.add_stream_from_template(template, opaque=True)
        trial.mux(copy)
    memory.seek(0)
    with av.open(memory) as trial_read:
        found = next((_begin(read) for read in trial_read.demux() if read.size), None)
    return found is not None and abs(found - begin) < Fraction(1, 1000)
