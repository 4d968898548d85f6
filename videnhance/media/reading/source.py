"""Opening a source, and probing what it is.

The source is opened for reading only. FFmpeg's errors on opening become ours here, nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from videnhance.errors import InputError, UsageError
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
from videnhance.media.reading.recoding import called, likely, raw_format, shown
from videnhance.media.reading.refusals import (
    UnknownCodingError,
    misnamed,
    no_video,
    refuse_no_file,
    unknown_coding,
    unreadable,
)
from videnhance.media.reading.side_data import declared_tags, display_matrix, first_frame
from videnhance.media.reading.software import Written
from videnhance.media.reading.stamps import lacks_pts, take_stored_times

UNTAGGED_FULL = {"tiff"}
"""Codecs of full range whose decoders do not declare it."""

_RETRIES = 16
"""Consecutive failed reads after which the rest of a file is given up."""

_NO_TIMESTAMPS = 0x80
"""AVFMT_NOTIMESTAMPS (libavformat/avformat.h)."""


@contextmanager
def open_source(source: VideoInfo | Path, hwaccel: str | None = None) -> Iterator[InputContainer]:
    """Open for demuxing; raises InputError with the cause and the cure.

    `source`: a path only before it is known as what its video is read (VideoInfo.read_as).
    `hwaccel`: the device to decode with, as returned by hwaccel.decodes_by.
    """
    path, codec = (source, None) if isinstance(source, Path) else (source.path, source.read_as)
    with _opened(path, codec, hwaccel) as container:
        yield container


@contextmanager
def _opened(path: Path, codec: str | None, hwaccel: str | None) -> Iterator[InputContainer]:
    """`codec`: of recoding.CODED, to read the video as that."""
    with ExitStack() as stack:
        container = stack.enter_context(_entered(path, codec, hwaccel, stack))
        take_stored_times(container)
        yield container


def _entered(
    path: Path, codec: str | None, hwaccel: str | None, stack: ExitStack
) -> InputContainer:
    if path.exists():  # not to be opened before: to open a pipe is to wait for its writer
        refuse_no_file(path)
    pictures = pictures_of(path)
    if pictures is None:
        refuse_no_file(path)
    leave_unheard()
    try:
        if pictures is not None:
            return av.open(as_file(stack.enter_context(counted(pictures))), "r", format=DEMUXER)
        device = HWAccel(hwaccel) if hwaccel else None
        if codec is None:
            return open_parts(path, stack.enter_context(lone(path)), device)
        return av.open(
            stack.enter_context(shown(path, codec)),
            "r",
            format=raw_format(path, codec),
            metadata_errors="replace",
            hwaccel=device,
        )
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, error) from error


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


def video_stream(container: InputContainer, path: Path, index: int | None = None) -> VideoStream:
    """The video stream of this index; None: the one with the largest pictures, of several the
    first. Cover pictures, such as audio files have, do not count.

    Raises InputError where there is none, and UsageError where it is another stream's index.
    """
    shown = [stream for stream in container.streams.video if not is_cover(stream)]
    if not shown:
        raise no_video(path, {str(stream.type) for stream in container.streams})
    if index is None:
        stream = max(shown, key=_area)
    elif index in (indices := [stream.index for stream in shown]):
        stream = shown[indices.index(index)]
    else:
        there = ", ".join(map(str, indices))
        raise UsageError(f"--stream {index}: {path} has no such video; its video streams: {there}")
    if stream.codec_context is None or stream.codec_context.width == 0:
        codec = codec_name(stream) if stream.codec_context is not None else None
        raise unknown_coding(path, codec, "finds no picture size", called(path))
    # Otherwise FFmpeg rounds the crop on the left, and returns wider frames.
    stream.codec_context.flags |= Flags.unaligned
    return stream


def _area(stream: VideoStream) -> int:
    context = stream.codec_context
    return context.width * context.height if context is not None else 0


def is_cover(stream: Stream) -> bool:
    """Whether it is a picture or several that stand for the file: no video."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    return stream.type == "video" and bool(stream.disposition & covers)


def probe(path: Path | str, codec: str = "auto", index: int | None = None) -> VideoInfo:
    """Facts about a file and its video stream of this index; None: as `video_stream` chooses.

    Reads headers and decodes one frame; raises InputError, UsageError.
    `codec`: as settings.SourceSettings.input_codec. "auto" is what the file says; or, where no
    picture is found in that, what its bytes look like (recoding.likely).
    """
    path = Path(path)
    try:
        found = _probed(path, None, index)
        if codec in ("auto", found.codec):
            return found
    except InputError as error:
        if codec == "auto" and isinstance(error, UnknownCodingError):
            return _probed_anew(path, error, index)
        if codec == "auto":
            raise
    try:
        return _probed(path, codec, index)
    except UnknownCodingError as error:
        raise misnamed(path, codec) from error


def _probed_anew(path: Path, error: UnknownCodingError, index: int | None) -> VideoInfo:
    """As what the bytes look like; raises the first error where that is no better."""
    codec = likely(path)
    if codec in (None, error.taken_for):
        raise error
    try:
        return replace(_probed(path, codec, index), taken_for=error.taken_for)
    except (InputError, UsageError):
        raise error from None


def _probed(path: Path, codec: str | None, index: int | None) -> VideoInfo:
    """`codec`: as for `_opened`."""
    with _opened(path, codec, None) as container:
        stream = video_stream(container, path, index)
        context = stream.codec_context
        pix_fmt = context.pix_fmt
        if stream.time_base is None or pix_fmt is None:
            said = "finds no pixel format"
            raise unknown_coding(path, codec_name(stream), said, called(path))
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
            field_order=context.field_order,
            display_matrix=None,
            read_as=codec,
        )
        # Only now: a decoder overwrites the fields above, and may know less than the container.
        says = Written(container, stream)
        found = first_frame(says.heard(packets_of(container, stream)), context)
        if found is None:
            coded = codec_name(stream)
            raise unknown_coding(path, coded, "no frame of it can be decoded", called(path))
        first, says_more = found
        if info.container == DEMUXER:
            turned = display_matrix_of(files_of(path)[0])
        else:
            turned = display_matrix(first, says_more)
        tags = declared_tags(stream, first, says_more)
        return replace(info, display_matrix=turned, picture=tags, written_by=says.by)


def _declared_frames(container: InputContainer, stream: VideoStream) -> int:
    """Number of frames that the container declares; 0 if it does not."""
    # In MP4 and MOV, FFmpeg removes the samples that an edit list discards from its index.
    if "mov" in container.format.name:
        return min(stream.frames, len(stream.index_entries))
    return stream.frames


def codec_name(stream: Stream) -> str:
    """FFmpeg's name for the codec, not for its decoder (av1, not libdav1d)."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else "unknown codec"


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
        detail = f"{context.width}x{context.height} {context.pix_fmt}"
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
        is_cover=is_cover(stream),
    )
