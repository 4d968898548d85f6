"""Opening a source, and probing what it is.

The source is opened for reading only. FFmpeg's errors on opening become ours here, nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.errors import InputError, UsageError, line_of
from videnhance.media.info import ColorTags, StreamInfo, VideoInfo
from videnhance.media.messages import leave_unheard
from videnhance.media.names import as_file, lone
from videnhance.media.reading.changes import Changes, overlapping_kept
from videnhance.media.reading.clocks import correction_of
from videnhance.media.reading.joined import CONCAT, joined_in, open_parts, part_opened
from videnhance.media.reading.pictures import (
    DEMUXER,
    counted,
    display_matrix_of,
    files_of,
    pictures_of,
)
from videnhance.media.reading.side_data import declared_tags, display_matrix
from videnhance.media.reading.stamps import lacks_pts, take_stored_times

UNTAGGED_FULL = {"tiff"}
"""Codecs of full range whose decoders do not declare it."""

_RETRIES = 16
"""Consecutive failed reads after which the rest of a file is given up."""

_NO_TIMESTAMPS = 0x80
"""AVFMT_NOTIMESTAMPS (libavformat/avformat.h)."""


@contextmanager
def open_source(path: Path, hwaccel: str | None = None) -> Iterator[InputContainer]:
    """Open for demuxing; raises InputError with the cause and the cure.

    `hwaccel`: the device to decode with, as returned by `decodes_by`.
    """
    with ExitStack() as stack:
        container = stack.enter_context(_opened(path, hwaccel, stack))
        take_stored_times(container)
        yield container


def _opened(path: Path, hwaccel: str | None, stack: ExitStack) -> InputContainer:
    shown = pictures_of(path)
    if shown is None and not path.exists():
        raise InputError(f"{path}: no such file; check the name and the folder")
    leave_unheard()
    try:
        if shown is not None:
            return av.open(as_file(stack.enter_context(counted(shown))), "r", format=DEMUXER)
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty (0 bytes); copy it again from its source")
        device = HWAccel(hwaccel) if hwaccel else None
        name = stack.enter_context(lone(path))
        return open_parts(path, name, device)
    except av.error.FFmpegError as error:
        raise InputError(_why_unreadable(path, error)) from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def demuxed(
    container: InputContainer, *streams: Stream, placed: Callable[[int], None] = lambda stream: None
) -> Iterator[Packet[Any]]:
    """Like container.demux. That ends with an empty packet for every stream, and fails there for a
    stream that appeared midway, as in a damaged MPEG-TS; here it just ends.

    A packet of video that has a dts only (stamps.py) gets it as its pts too, and `placed` is called
    with its stream's index.
    """
    with suppress(IndexError):
        for packet in container.demux(*streams):
            if lacks_pts(container, packet):
                packet.pts = packet.dts
                placed(packet.stream_index)
            yield packet


def packets_of(
    container: InputContainer,
    *streams: Stream,
    failed: Callable[[], None] = lambda: None,
    placed: Callable[[int], None] = lambda stream: None,
    changed: Callable[[Packet[Any]], None] = lambda packet: None,
) -> Iterator[Packet[Any]]:
    """Every packet with content (of all streams if none is given), past any errors between them.

    `failed` is called for each read that fails; reading then goes on further ahead. Times are
    corrected by clocks.py. `placed`: as for `demuxed`. What a stream holds after a change of its
    codec (changes.py) is left out: `changed` is called for each of these packets.
    """
    failures, correct = 0, correction_of(container)
    is_same, kept = Changes(container), overlapping_kept(container)
    while failures < _RETRIES:
        try:
            for packet in demuxed(container, *streams, placed=placed):
                failures = 0
                if packet.size and not is_same(packet):
                    changed(packet)
                elif packet.size:
                    if correct is not None:
                        correct(packet)
                    yield kept(packet)
            return
        except av.error.FFmpegError:
            failures += 1
            failed()


def has_no_times(container: InputContainer) -> bool:
    """Whether it is a raw stream, whose times FFmpeg makes up. Pictures do not count as one."""
    return bool(container.format.flags & _NO_TIMESTAMPS) and container.format.name != DEMUXER


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is not a cover picture, such as audio files have."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None or stream.codec_context.width == 0:
                raise InputError(
                    f"{path}: its video stream has no picture size, so the file is damaged or cut "
                    "off near its start; copy it again from its source"
                )
            # Otherwise FFmpeg rounds the crop on the left, and returns wider frames.
            stream.codec_context.flags |= Flags.unaligned
            return stream
    kinds = sorted({str(stream.type) for stream in container.streams}) or ["no streams"]
    raise InputError(f"{path}: holds no video ({', '.join(kinds)} only); name a video file")


def probe(path: Path | str) -> VideoInfo:
    """Facts about a file. Reads headers and decodes one frame; raises InputError."""
    path = Path(path)
    with open_source(path) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        pix_fmt = _pix_fmt(context)
        if stream.time_base is None or pix_fmt is None:
            raise InputError(
                f"{path}: its video stream cannot be decoded: the codec is not known, or the file "
                "is damaged or cut off near its start; copy it again from its source"
            )
        aspect = stream.sample_aspect_ratio
        declared = aspect is not None and aspect > 0
        info = VideoInfo(
            path=path,
            container=container_of(path, container),
            duration=container.duration / 1e6 if container.duration is not None else None,
            stream=stream.index,
            codec=codec_name(stream),
            pix_fmt=pix_fmt,
            width=context.width,
            height=context.height,
            time_base=Fraction(stream.time_base),
            average_rate=Fraction(stream.average_rate) if stream.average_rate else None,
            declared_frames=_declared_frames(container, stream),
            sample_aspect_ratio=Fraction(aspect) if declared and aspect else Fraction(1),
            declares_aspect=declared,
            color=ColorTags(
                range=2
                if pix_fmt.startswith("yuvj") or codec_name(stream) in UNTAGGED_FULL
                else context.color_range,
                matrix=context.colorspace,
                primaries=context.color_primaries,
                transfer=context.color_trc,
            ),
            streams=_described(path, container),
            field_order=getattr(context, "field_order", 0),  # PyAV 17 does not have it
            display_matrix=None,
        )
        # Only now: a decoder overwrites the fields above, and may know less than the container.
        first, says_more = _first_frame(container, stream, path)
        if info.container == DEMUXER:
            turned = display_matrix_of(files_of(path)[0])
        else:
            turned = display_matrix(first, says_more)
        return replace(info, display_matrix=turned, picture=declared_tags(stream, first, says_more))


def _declared_frames(container: InputContainer, stream: VideoStream) -> int:
    """Number of frames that the container declares; 0 if it does not."""
    # In MP4 and MOV, FFmpeg removes the samples that an edit list discards from its index.
    if "mov" in container.format.name:
        return min(stream.frames, len(stream.index_entries))
    return stream.frames


def decodes_by(info: VideoInfo, wanted: str) -> str | None:
    """FFmpeg's name of the device to decode a source with; None is the CPU. One frame is decoded to
    prove that it works. `wanted`: as in settings.ComputeSettings.hwaccel.

    Raises UsageError if a device is wanted by name and cannot be used.
    """
    if wanted == "off":
        return None
    reason = "not in this build of FFmpeg"
    for name in hwdevices_available() if wanted == "auto" else [wanted]:
        if name not in hwdevices_available():
            continue
        try:
            with open_source(info.path, name) as container:
                stream = video_stream(container, info.path)
                next(container.decode(stream))
                if stream.codec_context.is_hwaccel:
                    return name
                reason = f"it cannot decode {info.codec}"
        except (InputError, av.error.FFmpegError, RuntimeError, StopIteration) as error:
            cause = error.__cause__ or error
            reason = getattr(cause, "strerror", None) or str(cause) or "no device"
    if wanted == "auto":
        return None
    raise UsageError(f"--hwaccel {wanted}: not usable ({reason}); leave it out, or use auto")


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: may not be read; check its permissions"
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return (
            f"{path}: an MP4 or MOV whose index (moov) is missing: the recording or the copy was "
            "cut off; copy it again from its source"
        )
    if head.startswith(b"\x1aE\xdf\xa3"):
        return f"{path}: a Matroska file cut off in its header; copy it again from its source"
    return f"{path}: no video FFmpeg can read ({line_of(error)}); name a video file"


def codec_name(stream: Stream) -> str:
    """FFmpeg's name for the codec, not for its decoder (av1, not libdav1d)."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else "unknown codec"


def _pix_fmt(context: VideoCodecContext) -> str | None:
    # Not context.pix_fmt: if there is none, PyAV 17 crashes the interpreter.
    return context.format.name if context.format is not None else None


def container_of(path: Path, opened: InputContainer) -> str:
    """FFmpeg's name of a source's demuxer; that of the parts, where a file is read as several."""
    if opened.format.name != CONCAT:
        return str(opened.format.name)
    with part_opened(path, joined_in(path).parts[0]) as first:
        return str(first.format.name)


def _described(path: Path, opened: InputContainer) -> tuple[StreamInfo, ...]:
    if opened.format.name != CONCAT:
        return tuple(_describe(stream) for stream in opened.streams)
    # Of concat, FFmpeg takes sound that is not played for where it begins.
    with part_opened(path, joined_in(path).parts[0]) as first:
        start = (first.start_time or 0) / 1e6
        found = [_describe(stream) for stream in first.streams]
    begins = [None if stream.start is None else stream.start - start for stream in found]
    return tuple(
        replace(stream, start=begin, duration=None)
        for stream, begin in zip(found, begins, strict=True)
    )


def _describe(stream: Stream) -> StreamInfo:
    context = stream.codec_context
    detail = ""
    if isinstance(context, VideoCodecContext):
        detail = f"{context.width}x{context.height} {_pix_fmt(context)}"
    elif isinstance(context, AudioCodecContext):
        detail = f"{context.sample_rate} Hz {context.layout.name}"
    base = stream.time_base
    seconds = [
        float(ticks * base) if ticks is not None and base is not None else None
        for ticks in (stream.start_time, stream.duration)
    ]
    return StreamInfo(
        index=stream.index,
        kind=stream.type or "unknown",
        codec=codec_name(stream),
        time_base=Fraction(base) if base is not None else None,
        start=seconds[0],
        duration=seconds[1],
        detail=detail,
        language=stream.metadata.get("language"),
    )


def _first_frame(
    container: InputContainer, stream: VideoStream, path: Path
) -> tuple[VideoFrame, bool]:
    """The first frame that decodes, and whether its side data can be read safely."""
    for packet in chain(packets_of(container, stream), (None,)):
        with suppress(av.error.FFmpegError):
            for frame in stream.codec_context.decode(packet):
                still = codec_name(stream) in _STILLS
                data = bytes(packet) if still and packet is not None else b""
                return frame, not any(sign in data for sign in _EMBEDDED)
    raise InputError(
        f"{path}: no frame of its video stream can be decoded: it is damaged, or cut off near its "
        "start; copy it again from its source"
    )


_STILLS = {"mjpeg", "png", "apng", "webp", "tiff", "jpegxl"}
"""Codecs of pictures, whose packets may hold EXIF or an ICC profile."""
_EMBEDDED = (b"Exif", b"eXIf", b"EXIF", b"ICC_PROFILE", b"iCCP", b"ICCP", b"II*\0", b"MM\0*")
"""Marks of EXIF and ICC profiles in such packets. PyAV 18.1 refuses all side data of a frame with
EXIF, and crashes the interpreter for one with an ICC profile: their side data is not read."""
