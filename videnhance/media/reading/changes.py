"""What a demuxer hides about packets: a stream that changes its codec, and packets it gives up.

MPEG-TS: when a program map gives a stream another codec, FFmpeg goes on with the packets of that
one, and a decoder of the first makes nothing or rubbish of them. MP4 in fragments: where a fragment
begins before the end of the one before it, as after a clock that was set back, FFmpeg marks its
samples as cut off by an edit list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av.error
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

_FILTERS = {
    "h264": "h264_metadata",
    "hevc": "hevc_metadata",
    "mpeg2video": "mpeg2_metadata",
}
"""Bitstream filters of FFmpeg that refuse a stream of any other codec: PyAV has no other way to ask
for a stream's codec as it is by now."""


class Changes:
    """Whether packets are still of the codec that their stream had when the container was opened;
    must be asked for all packets, in order."""

    def __init__(self, container: InputContainer) -> None:
        self._names: dict[int, str] = {}
        self._changed: set[int] = set()
        if container.format.name == "mpegts":
            known = [s for s in container.streams.video if s.codec_context is not None]
            names = {s.index: s.codec_context.codec.canonical_name for s in known}
            self._names = {k: name for k, name in names.items() if name in _FILTERS}

    def __call__(self, packet: Packet[Any]) -> bool:
        index = packet.stream_index
        name = self._names.get(index)
        if name is None or index in self._changed:
            return index not in self._changed
        # A stream of another codec begins with a keyframe.
        if packet.is_keyframe and codec_now(packet.stream, name) != name:
            self._changed.add(index)
        return index not in self._changed


def codec_now(stream: Stream, opened: str) -> str:
    """FFmpeg's name for the codec of a stream's latest packets; the one it was opened with, where
    it is none of _FILTERS or damage hides it."""
    first = (opened, *(name for name in _FILTERS if name != opened))
    return next((name for name in first if _is(stream, name)), opened)


def _is(stream: Stream, name: str) -> bool:
    try:
        BitStreamFilterContext(_FILTERS[name], in_stream=stream)
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def overlapping_kept(container: InputContainer) -> Callable[[Packet[Any]], Packet[Any]]:
    """A function that returns a packet as it is to be used: not given up, where FFmpeg gave it up
    although no edit list can say so, since the samples of fragments have none."""
    fragmented = {s.index for s in container.streams if not s.frames}
    if "mov" not in container.format.name:
        fragmented = set()

    def kept(packet: Packet[Any]) -> Packet[Any]:
        if not packet.is_discard or packet.stream_index not in fragmented:
            return packet
        copy: Packet[Any] = Packet(bytes(packet))  # PyAV cannot take the mark off
        copy.stream, copy.time_base = packet.stream, packet.time_base
        copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
        copy.is_keyframe = packet.is_keyframe
        return copy

    return kept
