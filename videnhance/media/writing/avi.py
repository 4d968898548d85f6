"""AVI as an output. It holds no times: the n-th chunk of the video is shown n frames after 0, and
sound begins at 0 and has no pauses (Microsoft, "AVI RIFF File Reference").

So the video must be of one rate, and stored in the order shown. A place of that rate without a
frame is an empty chunk, as recorders write it: the frame before is shown on. PCM gets silence in
front and in its pauses (sound/pauses.py). What this cannot hold is refused before any work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.stream import Stream

from videnhance.errors import ContainerError, OutputError
from videnhance.media.clip import Clip
from videnhance.media.reading.source import codec_name, open_source
from videnhance.media.sound.cutting import Window, begin_of, sample_width, window_of
from videnhance.media.sound.packets import source_packets
from videnhance.media.timeline import Timeline

_SHIFT = Fraction(1, 50)
"""Seconds by which a packet of sound other than PCM may be away from its place. ITU-R BT.1359 finds
that people notice 45 ms."""
_EMPTY = 60000
"""Most places without a frame in a row (FFmpeg, libavformat/avienc.c: write_skip_frames)."""


def even_rate(timeline: Timeline, declared: Fraction | None) -> Fraction | None:
    """Frames a second for which every frame has a place of its own, at its time to within one tick
    of the source's clock; None if there is none. `declared`: what the source says it is."""
    if len(timeline) == 1:
        return declared or 1 / (timeline.last_duration * timeline.time_base)
    pts = np.array(timeline.pts, np.float64) - timeline.pts[0]
    usual = 1 / (int(np.median(np.diff(timeline.pts))) * timeline.time_base)
    # A clock of milliseconds (Matroska) does not tell the rate: the usual ones are tried too.
    whole = [n for n in range(round(usual) - 1, round(usual) + 2) if n > 0]
    tried = [declared, usual, *map(Fraction, whole), *(Fraction(n * 1000, 1001) for n in whole)]
    for rate in filter(None, tried):
        step = float(1 / (rate * timeline.time_base))
        places = np.rint(pts / step)
        if np.diff(places).min() > 0 and np.abs(pts - places * step).max() < 1.001:
            return rate
    return None


def window_in(clip: Clip, span: tuple[int, int], copied: Collection[int]) -> Window:
    """The window of the frames span[0]..span[1] (half-open), as in sound/cutting.py. Its time 0 is
    the first frame, or, if sound begins before that, the place of a frame before."""
    window = window_of(clip.timeline, *span)
    if window.start is not None:
        return window
    first = clip.timeline.pts[span[0]] * clip.timeline.time_base
    rate = even_rate(clip.timeline.part(*span), clip.rate)
    begins = [s.start for s in clip.info.streams if s.kind == "audio" and s.index in copied]
    early = max((float(first) - begin for begin in begins if begin is not None), default=0.0)
    places = max(ceil(early * rate - 1e-6), 0) if rate is not None else 0
    return replace(window, origin=first - (places / rate if rate is not None else 0))


def refuse_unfit(path: Path, clip: Clip, span: tuple[int, int], copied: Collection[int]) -> None:
    """Raises ContainerError if frames span[0]..span[1] (half-open), or the sound that goes with
    them, have times that places cannot tell. `copied`: the streams that are copied."""
    timeline = clip.timeline.part(*span)
    rate = even_rate(timeline, clip.rate)
    if rate is None:
        raise ContainerError(
            f"{path}: its frames follow each other unevenly, and .avi holds only frames of one "
            "constant rate; name the output .mp4 or .mkv"
        )
    furthest = max((b - a for a, b in pairwise(timeline.pts)), default=0) * timeline.time_base
    if furthest * rate > _EMPTY:
        raise ContainerError(
            f"{path}: two of its frames are {float(furthest):.0f} s apart, more than .avi can "
            "tell; name the output .mkv"
        )
    window = window_in(clip, span, copied)
    limit = min(_SHIFT, Fraction(2, 5) / rate)
    due: dict[int, Fraction] = {}
    for index, begin, length in _framed_sounds(clip, window, copied):
        expected = due.get(index, window.moved)
        if abs(begin - expected) > limit:
            what = "has a pause" if index in due else "begins"
            raise ContainerError(
                f"{path}: its sound (stream {index}) {what} {float(begin - window.moved):.3f} s "
                "after the start, which .avi can tell only of PCM; name the output .mkv, or leave "
                "sound out with --audio none"
            )
        due[index] = expected + length


def _framed_sounds(
    clip: Clip, window: Window, copied: Collection[int]
) -> Iterator[tuple[int, Fraction, Fraction]]:
    """(stream, begin, length in seconds) of every packet of copied sound that is not PCM."""
    with open_source(clip.info) as source:
        streams = {
            s.index: s for s in source.streams.audio if s.index in copied and not sample_width(s)
        }
        for packet, end in source_packets(clip, source, streams, window) if streams else ():
            begin = begin_of(packet)
            # Of a range, the packet across its start is dropped (sound/cutting.py: can_begin).
            across = window.start is not None and begin is not None and begin < window.start
            if begin is not None and window.overlaps(begin, end) and not across:
                length = (packet.duration or 0) * Fraction(packet.time_base)
                yield packet.stream_index, begin, length


def in_places(
    packets: Iterator[tuple[float, Packet[Any]]], template: Stream, route: Stream, end: Fraction
) -> Iterator[tuple[float, Packet[Any]]]:
    """The video's packets for `route`, which counts frames: each at its place, H.264 in the form
    that AVI takes (ITU-T H.264, annex B), with empty ones where no frame is.

    `template`: the stream that they come from. `end`: second at which the last frame ends. Raises
    OutputError if packets are not in the order shown.
    """
    tick = Fraction(route.time_base or 1)
    filters = {"h264": "h264_mp4toannexb"}
    name = filters.get(codec_name(template))
    form = BitStreamFilterContext(name, template, route) if name else None
    at = -1
    for _, packet in packets:
        place = round(Fraction(packet.pts or 0) * Fraction(packet.time_base) / tick)
        if place <= at:
            raise OutputError(
                "the encoder has reordered frames, which .avi cannot tell; name it .mkv"
            )
        if at < 0 and place > 0:
            yield _placed(Packet(b""), 0, route)
        at = place
        for changed in form.filter(packet) if form is not None else (packet,):
            yield _placed(changed, place, route)
    last = round(end / tick) - 1
    if last > at:
        yield _placed(Packet(b""), last, route)


def _placed(packet: Packet[Any], place: int, route: Stream) -> tuple[float, Packet[Any]]:
    packet.stream = route
    packet.time_base = Fraction(route.time_base or 1)
    packet.pts = packet.dts = place
    packet.duration = 1
    return float(place * packet.time_base), packet
