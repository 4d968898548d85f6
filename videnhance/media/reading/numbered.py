"""Decoding by packet number: each packet gets its number in the file as its time, so that every
decoded frame shows which packet it comes from, whatever times the file has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import has_no_times, open_source, packets_of, video_stream
from videnhance.media.timeline import Entry

_SOUGHT = 2000
"""Packets searched for the entry after seeking; if it is not among them, reading starts from the
top. FFmpeg never lands that far ahead of where it should."""


def frames_of(
    info: VideoInfo,
    entry: Entry | None,
    stop: int | None,
    until: int | None,
    failed: Callable[[int], None] = lambda packet: None,
    *,
    threads: bool = False,
) -> Iterator[VideoFrame]:
    """Frames from an entry on (None: from the top); the pts of each is the number of its packet.

    Ends before the frame of packet `stop`; packets from `until` on are not decoded. `failed` is
    called with the number of each packet that does not decode.
    """
    with open_source(info) as container:
        stream = video_stream(container, info.path, info.stream)
        decoder = stream.codec_context
        decoder.thread_type = "AUTO" if threads else "NONE"
        if not threads:
            decoder.thread_count = 1
        packets = _numbered(container, stream, entry)
        if packets is None and entry is not None:
            entry = replace(entry, place=-1)
            yield from frames_of(info, entry, stop, until, failed, threads=threads)
            return
        number = 0
        for number, packet in packets or ():
            if until is not None and number >= until:
                break
            packet.pts = number
            try:
                pictures = decoder.decode(packet)
            except av.error.FFmpegError:
                failed(number)
                continue
            for picture in pictures:
                if picture.pts == stop:
                    return
                yield picture
        try:
            for picture in decoder.decode(None):
                if picture.pts == stop:
                    return
                yield picture
        except av.error.FFmpegError:
            failed(number)


def _numbered(
    container: InputContainer, stream: VideoStream, entry: Entry | None
) -> Iterator[tuple[int, Packet[Any]]] | None:
    """(number, packet) from the entry on; None if seeking does not lead to it.

    After seeking, the entry is recognised by its place in the file and its size. Raw streams and
    MPEG-TS are sought by byte, others by time; if the container gives neither, reading starts from
    the top.
    """
    if entry is None or entry.packet == 0 or entry.place < 0:
        begin = 0 if entry is None else entry.packet
        return islice(enumerate(packets_of(container, stream)), begin, None)
    by_byte = has_no_times(container) or container.format.name == "mpegts"
    if not by_byte and entry.time is None:
        return None
    try:
        if by_byte:
            container.seek(entry.place, unsupported_byte_offset=True)
        else:
            container.seek(entry.time or 0, stream=stream)
    except av.error.FFmpegError:
        return None
    packets = packets_of(container, stream)
    for packet in islice(packets, _SOUGHT):
        if packet.pos == entry.place and packet.size == entry.size and packet.is_keyframe:
            return enumerate(chain([packet], packets), entry.packet)
    return None
