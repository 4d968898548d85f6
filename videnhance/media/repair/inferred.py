"""What FFmpeg infers about times where a file holds none, and what is taken in its place.

The rate: FFmpeg tells what a coded stream declares, or guesses 25, also of a file with a frame a
minute. The length of the last frame: few containers hold one, and of the others it is inferred from
that rate. Frames that share a packet of the container (MPEG-PS): only the first has a time, and the
others are put behind it at that rate, whatever the time of the next packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, Protocol

import av.error
import numpy as np

from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import open_source, packets_of, video_stream
from videnhance.media.timeline import LONGEST

_ONLY_STORED = 0x10
"""AVFMT_FLAG_NOFILLIN (libavformat/avformat.h)."""
_UNPARSED = 0x20
"""AVFMT_FLAG_NOPARSE."""
WITHOUT_LENGTHS = ("mpegts", "mpeg", "flv", "avi", "asf", "dhav", "live_flv")
"""Containers that hold no frame's length. (Of AVI, the index tells where the last one ends.)"""
_ASKED = ("matroska,webm",)
"""Containers that may hold lengths or not."""
_SAME, _FAR = 0.1, 1.25
"""Share by which a rate may be off the usual step, whose times containers round; and from how many
times that on it is not the file's."""
_OFF = Fraction(1, 4)
"""Steps by which a time may be away from its place between two stored ones."""


class _Packet(Protocol):
    @property
    def pts(self) -> int | None: ...
    @property
    def dts(self) -> int | None: ...


class _Times(NamedTuple):
    pts: int | None
    dts: int | None


def usual_step(info: VideoInfo, pts: Sequence[int]) -> int:
    """Ticks from one frame to the next: the median, or what the average rate gives."""
    usual = int(np.median(np.diff(pts))) if len(pts) > 1 else 0
    one = int(1 / (info.average_rate * info.time_base)) if info.average_rate else 1
    return usual or max(one, 1)


def average_rate(info: VideoInfo, pts: Sequence[int], *, by_fields: bool) -> Fraction | None:
    """Frames a second: as declared, unless that is far from what the times (sorted) show.

    `by_fields`: fields are coded apart, and FFmpeg may have counted these.
    """
    rate = info.average_rate
    if len(pts) < 2 or pts[0] == pts[-1]:
        return rate
    mean = Fraction(len(pts) - 1) / ((pts[-1] - pts[0]) * info.time_base)
    step = float(np.median(np.diff(pts)) * info.time_base)
    if rate is not None and by_fields and abs(rate / 2 * Fraction(step) - 1) < _SAME:
        return rate / 2
    if rate is not None and any(1 / _FAR < rate * at < _FAR for at in (step, 1 / mean)):
        return rate
    return mean.limit_denominator(100_000)


def last_length(info: VideoInfo, pts: Sequence[int], length: int) -> int:
    """Ticks for which the last frame is shown: what the file holds, or else its usual step.

    `length`: what FFmpeg says of it.
    """
    usual = usual_step(info, pts)
    if len(pts) > 1 and info.container in WITHOUT_LENGTHS:
        return usual
    if len(pts) > 1 and info.container in _ASKED:
        length = length if _stored_length(info, pts[-1]) else 0
    return length if 0 < length <= LONGEST else usual


def _stored_length(info: VideoInfo, time: int) -> int:
    """Ticks for which a frame lasts as the container itself has it; 0 if it does not say."""
    with open_source(info) as container:
        container.flags |= _ONLY_STORED | _UNPARSED
        stream = container.streams[info.stream]
        try:
            container.seek(time, stream=stream)
        except av.error.FFmpegError:
            return 0
        found = (p.duration for p in packets_of(container, stream) if p.pts == time)
        return next(found, 0) or 0


def inferred_times(info: VideoInfo, packets: Sequence[_Packet]) -> set[int]:
    """Packets of which FFmpeg made up a time that those which the file holds contradict.

    Of frames that share a packet of the container, each is put behind the one before it at the rate
    that the coded stream declares: if the file's times rise at another rate, all these are wrong.
    And the time of a packet is given to the frame before the one it belongs to, or to both, where
    that one's start code is cut in two. Reads the whole file once more.
    """
    stored = [p.dts if p.dts is not None else p.pts for p in _stored(info)]
    known = [(k, time) for k, time in enumerate(stored) if time is not None]
    if len(stored) != len(packets) or len(known) < 2:
        return set()
    steps = sorted(Fraction(b - a, k - j) for (j, a), (k, b) in pairwise(known))
    usual = steps[len(steps) // 2]
    wrong = {j for (j, a), (k, b) in pairwise(known) if k == j + 1 and a == b}
    for (i, a), (j, b), (k, c) in zip(known, known[1:], known[2:], strict=False):
        early = (b - a - (j - i + 1) * usual, c - b - (k - j - 1) * usual)
        if usual > 0 and max(map(abs, early)) < _OFF * usual and k > j + 1:
            wrong |= {*range(j, k)}
    filled = [
        b.dts - a.dts for a, b in pairwise(packets) if a.dts is not None and b.dts is not None
    ]
    step = float(np.median(filled)) if filled else 0.0
    if abs(step - usual) > _SAME * usual:
        wrong |= {k for k, time in enumerate(stored) if time is None}
    return wrong


def inferred_below_zero(info: VideoInfo, packets: Sequence[_Packet]) -> set[int]:
    """Packets of Matroska from before 0 of which FFmpeg guesses a time of decoding only, as it does
    not report times below 0, where that leaves a gap before the next."""
    pts = sorted(packet.pts for packet in packets if packet.pts is not None)
    below = [b - a for a, b in pairwise(pts) if a < 0]
    usual = usual_step(info, pts)
    if not below or max(abs(step - usual) for step in below) <= _OFF * usual:
        return set()
    stored = _stored(info)
    if len(stored) != len(packets) or all(own.pts is None for own in stored):
        return set()
    pairs = zip(stored, packets, strict=True)
    return {k for k, (own, p) in enumerate(pairs) if own.pts is None and (p.pts or 0) < 0}


def _stored(info: VideoInfo) -> list[_Times]:
    """The times that the file itself holds; fewer than there are packets if some cannot be read."""
    with open_source(info) as container, suppress(av.error.FFmpegError):
        container.flags |= _ONLY_STORED
        stream = video_stream(container, info.path)
        # In Matroska, `packets_of` takes times of decoding for those that are missing.
        own = "matroska" in info.container
        packets = container.demux(stream) if own else packets_of(container, stream)
        return [_Times(packet.pts, packet.dts) for packet in packets if packet.size]
    return []
