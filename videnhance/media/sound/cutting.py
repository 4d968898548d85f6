"""The window of time that a cut keeps of the source's other streams, and packets cut to it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from videnhance.media.clip import Clip
from videnhance.media.reading.source import codec_name
from videnhance.media.timeline import Timeline

_PCM = re.compile(r"pcm_(?:[suf](8|16|24|32|64)(?:le|be)?|alaw|mulaw)")


@dataclass(frozen=True)
class Window:
    """The time that a cut keeps of the other streams, in seconds of the source's clock.

    Packets that overlap it are kept whole, so sound may begin and end up to one packet outside it;
    PCM, which has no packets, is cut to the sample.
    """

    start: Fraction | None
    """None: from the beginning."""
    stop: Fraction | None
    """None: to the end."""
    origin: Fraction | None = None
    """Becomes the output's time 0; without it `start` does, and without both no time is moved. It
    is below 0 for a source that begins so, if the output's container cannot store such times."""
    skipped: Fraction = Fraction(0)
    """Seconds of the video before `start`."""

    @property
    def moved(self) -> Fraction:
        """What is subtracted from every time."""
        return (self.start or Fraction(0)) if self.origin is None else self.origin

    def overlaps(self, begin: Fraction, end: Fraction | None) -> bool:
        """Whether anything from `begin` to `end` is kept; an end of None is late enough."""
        reached = self.start is None or end is None or end > self.start
        return reached and not self.is_over(begin)

    def is_over(self, time: Fraction) -> bool:
        return self.stop is not None and time >= self.stop


def window_of(timeline: Timeline, start: int, stop: int) -> Window:
    """The window of the frames start..stop (half-open), up to the end of the last. It is unlimited
    where it begins or ends with the video."""
    end = timeline.pts[stop - 1] + timeline.duration_of(stop - 1)
    return Window(
        start=timeline.pts[start] * timeline.time_base if start > 0 else None,
        stop=end * timeline.time_base if stop < len(timeline) else None,
        skipped=(timeline.pts[start] - timeline.pts[0]) * timeline.time_base,
    )


def moved_to_zero(window: Window, clip: Clip) -> Window:
    """The window for a container without times below 0: the first of picture and sound is at 0."""
    if window.start is not None:
        return window
    timeline = clip.timeline
    begins = [s.start for s in clip.info.streams if s.kind == "audio" and s.start is not None]
    first = min([timeline.pts[0], *(math.floor(b / timeline.time_base) for b in begins)])
    return replace(window, origin=first * timeline.time_base)


def begin_of(packet: Packet[Any]) -> Fraction | None:
    """Second at which a packet begins; None if it does not say."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else Fraction(ticks) * Fraction(packet.time_base)


def lasting(
    packets: Iterator[Packet[Any]], start: Fraction | None
) -> Iterator[tuple[Packet[Any], Fraction | None]]:
    """(packet, second at which it ends); None if no duration is declared and it does not matter.

    It matters only for packets before `start`: they are held until the next one of their stream.
    """
    held: dict[int, Packet[Any]] = {}
    for packet in packets:
        begin = begin_of(packet)
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


def cut_packet(
    packet: Packet[Any], begin: Fraction, end: Fraction | None, window: Window, stream: Stream
) -> Packet[Any] | None:
    """The packet with its time in the output, cut to the window if its kind can be cut. None if
    nothing of it is left."""
    unit = Fraction(packet.time_base)
    start = begin if window.start is None else max(begin, window.start)
    width = sample_width(stream)
    if isinstance(stream, AudioStream) and width:
        rate = stream.codec_context.sample_rate
        last = packet.size // width
        first = math.ceil((start - begin) * rate)
        if window.stop is not None:
            last = min(last, math.ceil((window.stop - begin) * rate))
        if (first, last) != (0, packet.size // width):
            if first >= last:
                return None
            packet = _piece(packet, first * width, last * width)
            packet.duration = round(Fraction(last - first, rate) / unit)
            start = begin + Fraction(first, rate)
            packet.pts = packet.dts = round((start - window.moved) / unit)
            return packet
    elif stream.type == "subtitle":
        if packet.duration and end is not None:
            end = end if window.stop is None else min(end, window.stop)
            if end <= window.moved:
                return None
            start = max(start, window.moved)
            packet.duration = max(round((end - start) / unit), 1)
        packet.pts = packet.dts = round((start - window.moved) / unit)
        return packet
    if isinstance(stream, AudioStream):
        # A tick may be as long as a packet (AVI): in units of about a sample, it can be moved.
        parts = max(round(unit * stream.codec_context.sample_rate), 1)
        unit /= parts
        packet.pts = None if packet.pts is None else packet.pts * parts
        packet.dts = None if packet.dts is None else packet.dts * parts
        packet.duration = (packet.duration or 0) * parts
        packet.time_base = unit
    ticks = round(window.moved / unit)
    if packet.dts is None:
        packet.dts = packet.pts
    packet.dts = (packet.dts or 0) - ticks
    packet.pts = None if packet.pts is None else packet.pts - ticks
    return packet


def layout_of(stream: AudioStream) -> str:
    """FFmpeg's name for the channel layout; mono or stereo also if only the count is known."""
    layout = stream.codec_context.layout
    return {1: "mono", 2: "stereo"}.get(layout.nb_channels, layout.name)


def sample_width(stream: Stream) -> int:
    """Bytes of one PCM sample, all channels together; 0 for any other codec."""
    pcm = _PCM.fullmatch(codec_name(stream))
    if not isinstance(stream, AudioStream) or pcm is None:
        return 0
    return int(pcm[1] or 8) // 8 * stream.codec_context.layout.nb_channels


def whole_samples(packet: Packet[Any], stream: Stream) -> Packet[Any]:
    """The packet without two things that damaged files contain and an output cannot hold: part of a
    sample at the end of PCM, which would shift everything after it; and new codec headers, for
    which FFmpeg's Matroska muxer has left no room, so that they would spoil the file."""
    if packet.has_sidedata("new_extradata") and stream.type == "audio":
        packet = _piece(packet, 0, packet.size)
    width = sample_width(stream)
    if not width or packet.size % width == 0:
        return packet
    return _piece(packet, 0, packet.size // width * width)


def _piece(packet: Packet[Any], start: int, stop: int) -> Packet[Any]:
    """A packet with the bytes start..stop of `packet`, and its times."""
    piece: Packet[Any] = Packet(bytes(packet)[start:stop])
    piece.pts, piece.dts, piece.duration = packet.pts, packet.dts, packet.duration
    piece.time_base = packet.time_base
    piece.is_keyframe = packet.is_keyframe
    return piece


def can_begin(packet: Packet[Any], template: Stream, route: Stream) -> bool:
    """Whether a packet may be the output's first of its stream, even if its time is below 0.

    MP4 and MOV can make a player skip it. Matroska can only within the delay that the codec
    declares (AAC); FFmpeg writes other times below 0 as blocks that it does not read back with
    these times. So the packet is written to a file in memory and read back.
    """
    begin = begin_of(packet)
    muxer = route.container.format.name
    if begin is None or begin >= 0 or muxer in ("mp4", "mov"):
        return True
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=muxer, options={"avoid_negative_ts": "disabled"}) as trial:
            copy = _piece(packet, 0, packet.size)
            copy.stream = trial.add_stream_from_template(template, opaque=True)
            trial.mux(copy)
        memory.seek(0)
        with av.open(memory, "r") as trial_read:
            found = next((begin_of(read) for read in trial_read.demux() if read.size), None)
    except (av.error.FFmpegError, ValueError):
        return False
    return found is not None and abs(found - begin) < Fraction(1, 1000)
