"""Recordings one behind another in one file, read as one: each begins where the one before it ends.

FFmpeg's concat demuxer plays the parts of the file one after the other. That needs parts alike: the
same streams, of the same codecs, sizes and clocks. H.264 may have other parameter sets, which
concat puts into the packets. What is not alike is not read, and is told (repair/behind.py).
"""

from __future__ import annotations

import io
import math
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from videnhance.media.names import as_file, as_part
from videnhance.media.reading.parts import Part, parts_of

CONCAT = "concat"
"""FFmpeg's demuxer of several files."""
_IN_BAND = ("h264",)
"""Codecs whose parameter sets concat moves into the packets."""
_MICRO = 1_000_000


@dataclass(frozen=True)
class Joined:
    """How a file is read that may hold several recordings."""

    parts: tuple[Part, ...]
    """Those that are read, one after the other; at least one."""
    seconds: tuple[Fraction, ...]
    """How long each of them lasts, in whole microseconds; empty if there is one."""
    rest: tuple[Part, ...]
    """What else the file holds."""

    @property
    def begins(self) -> tuple[Fraction, ...]:
        """Second at which each part begins."""
        return (Fraction(0), *accumulate(self.seconds[:-1]))


def joined_in(path: Path) -> Joined:
    """How a file is read. A file that is joined is read once to find out."""
    found = path.stat()
    return _joined_in(path, found.st_size, found.st_mtime_ns)


def open_parts(path: Path, name: Path, hwaccel: HWAccel | None = None) -> InputContainer:
    """A file opened for demuxing, by a name of it that is not a pattern; raises FFmpegError."""
    found = joined_in(path)
    if not found.seconds:
        recordings = [part for part in found.rest if part.is_recording]
        # FFmpeg reads on behind a recording in fragments, and may take wrong bytes for its samples.
        if recordings:
            end = recordings[0].begin
            return av.open(as_part(name, 0, end), metadata_errors="replace", hwaccel=hwaccel)
        return av.open(as_file(name), metadata_errors="replace", hwaccel=hwaccel)
    script = ["ffconcat version 1.0"]
    for part, seconds in zip(found.parts, found.seconds, strict=True):
        quoted = as_part(name, part.begin, part.end).replace("'", "'\\''")
        script += [f"file '{quoted}'", f"duration {float(seconds):.6f}"]
    memory = io.BytesIO("\n".join(script).encode())
    allowed = {"safe": "0", "protocol_whitelist": "file,subfile"}
    opened = av.open(
        memory, "r", CONCAT, options=allowed, metadata_errors="replace", hwaccel=hwaccel
    )
    with part_opened(path, found.parts[0]) as first:
        opened.metadata.update(first.metadata)
    return opened


@lru_cache(maxsize=16)
def _joined_in(path: Path, size: int, changed: int) -> Joined:
    parts = parts_of(path)
    recordings = [part for part in parts if part.is_recording]
    alike: list[Part] = []
    seconds: list[Fraction] = []
    if len(recordings) > 1 and "\n" not in str(path):
        form = None
        for part in recordings:
            with suppress(av.error.FFmpegError, StopIteration):
                own = _form_of(path, part)
                if own is None or form not in (None, own):
                    break
                form = own
                alike.append(part)
                seconds.append(_seconds_of(path, part, is_last=part is recordings[-1]))
                continue
            break
    if len(alike) < 2:
        alike, seconds = recordings[:1], []
    rest = tuple(part for part in parts if part not in alike)
    return Joined(tuple(alike), tuple(seconds), rest)


def part_opened(path: Path, part: Part) -> InputContainer:
    """A part of a file alone, opened for demuxing; raises FFmpegError."""
    return av.open(as_part(path, part.begin, part.end), metadata_errors="replace")


def _form_of(path: Path, part: Part) -> tuple[Any, ...] | None:
    """All in which parts must be alike; None for one that concat cannot give as it is."""
    with part_opened(path, part) as container:
        if container.chapters() or not container.streams.video:
            return None
        forms = [_stream_form(stream) for stream in container.streams]
        if None in forms:
            return None
        shown = next(container.decode(container.streams.video[0]))
        return container.format.name, shown.rotation, *forms


def _stream_form(stream: Stream) -> tuple[Any, ...] | None:
    context = stream.codec_context
    if context is None:
        return None
    codec = context.codec.canonical_name
    form: tuple[Any, ...] = (stream.type, codec, stream.time_base, stream.disposition)
    if isinstance(context, VideoCodecContext):
        pixels = context.format.name if context.format is not None else None
        form = (*form, context.width, context.height, pixels, context.sample_aspect_ratio or 1)
    elif isinstance(context, AudioCodecContext):
        form = (*form, context.sample_rate, context.layout.name)
    return form if codec in _IN_BAND else (*form, context.extradata)


def _seconds_of(path: Path, part: Part, *, is_last: bool) -> Fraction:
    """From the first of picture and sound to the last; of the last part at least what it declares,
    so that one that is cut off is known as such."""
    ends: dict[int, Fraction] = {}
    with part_opened(path, part) as container:
        start = Fraction(container.start_time or 0, _MICRO)
        for packet in container.demux():
            if packet.pts is None or packet.is_discard or packet.stream.type not in _TIMED:
                continue
            length = packet.duration * Fraction(packet.time_base) if packet.duration else None
            end = packet.pts * Fraction(packet.time_base) + (length or _usual(packet.stream))
            ends[packet.stream_index] = max(ends.get(packet.stream_index, end), end)
        declared = Fraction(container.duration or 0, _MICRO)
    lasting = max(ends.values(), default=start) - start
    if is_last:
        lasting = max(lasting, declared)
    return Fraction(math.ceil(lasting * _MICRO), _MICRO)


_TIMED = ("video", "audio")


def _usual(stream: Stream) -> Fraction:
    rate = getattr(stream, "average_rate", None)
    return 1 / Fraction(rate) if rate else Fraction(0)
