"""Encoding one segment into its own file, which is put in place complete or not at all.

A segment's file counts pts from 0 with the source's timescale, which MP4 and MOV keep exactly. The
plan knows where the segment begins in the whole video (see mux.py).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.errors import OutputError, cure_of
from videnhance.files import put_in_place
from videnhance.imaging.frames import Frame
from videnhance.media.info import ColorTags
from videnhance.media.names import as_file
from videnhance.media.reading.decoding import picture_of
from videnhance.media.writing.codecs import repeatable


@dataclass(frozen=True)
class Encoding:
    """Everything an encoder must know; the same for every segment of a job."""

    encoder: str
    segment_format: str
    options: dict[str, str]
    pix_fmt: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    """Nominal frames a second, for rate control only: times come from pts."""
    sample_aspect_ratio: Fraction | None
    color: ColorTags

    def tell(self, context: VideoCodecContext) -> None:
        """Set all but the options and the rate of an encoder."""
        context.width, context.height, context.pix_fmt = self.width, self.height, self.pix_fmt
        context.time_base = Fraction(1, self.time_base.denominator)
        if self.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = self.sample_aspect_ratio
        context.color_range = self.color.range
        context.colorspace = self.color.matrix
        context.color_primaries = self.color.primaries
        context.color_trc = self.color.transfer


class SegmentWriter:
    """A context manager: `write` frames in order; leaving it without an error finishes the file.

    `complete` is called with the encoded file before it is put in place.
    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        start_pts: int,
        complete: Callable[[Path], None] = lambda part: None,
        part: Path | None = None,
    ) -> None:
        """`part`: the name until it is finished, if not that of `path` with ".part" added."""
        self.path = path
        self._encoding = encoding
        self._start_pts = start_pts
        self._complete = complete
        self._written = 0
        self._part = part or path.with_name(f"{path.name}.part")
        self._container = av.open(
            as_file(self._part),
            "w",
            format=encoding.segment_format,
            options={"video_track_timescale": str(encoding.time_base.denominator)},
        )
        self._stream = self._add_stream()

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._mux(None)
                self._close()
                self._verify()
                self._complete(self._part)
                put_in_place(self._part, self.path)
        finally:
            with suppress(OutputError):
                self._close()
            self._part.unlink(missing_ok=True)

    def write(self, frame: Frame) -> None:
        """Encode one frame; raises OutputError if it cannot be written."""
        picture = picture_of(frame)
        # ProRes writes the tags of each frame into the stream, not those of the encoder.
        color = self._encoding.color
        picture.color_range, picture.colorspace = color.range, color.matrix
        picture.color_primaries, picture.color_trc = color.primaries, color.transfer
        picture.pts = (frame.pts - self._start_pts) * self._encoding.time_base.numerator
        picture.time_base = Fraction(1, self._encoding.time_base.denominator)
        self._mux(picture)
        self._written += 1

    def _mux(self, picture: VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except av.error.FFmpegError as error:
            raise write_error(self.path, error) from error

    def _verify(self) -> None:
        """Raises OutputError if frames are missing: a full disk may show in no other way."""
        kept = segment_times(self._part, self._encoding.time_base)
        if len(kept) != self._written:
            raise OutputError(
                f"{self.path}: holds {len(kept)} of {self._written} frames after writing; "
                "the disk may be full: make room or choose another folder"
            )

    def _close(self) -> None:
        try:
            self._container.close()
        except av.error.FFmpegError as error:
            raise write_error(self.path, error) from error

    def _add_stream(self) -> VideoStream:
        encoding = self._encoding
        # SVT-AV1 prints a page to stderr for every segment; only this variable stops it.
        os.environ.setdefault("SVT_LOG", "1")
        # Not in the job's record: a job goes on where the processor is another one.
        options = repeatable(encoding.encoder, dict(encoding.options))
        stream = self._container.add_stream(encoding.encoder, rate=encoding.rate, options=options)
        assert isinstance(stream, VideoStream)
        encoding.tell(stream.codec_context)
        return stream


def segment_times(path: Path, time_base: Fraction) -> list[int]:
    """The pts of all frames of a segment's file, sorted, in units of `time_base`.

    Empty if the file cannot be read to its end.
    """
    try:
        with av.open(as_file(path)) as container:
            stream = container.streams.video[0]
            unit = time_base / Fraction(stream.time_base or time_base)
            return sorted(
                int(Fraction(packet.pts) / unit)
                for packet in container.demux(stream)
                if packet.size and packet.pts is not None
            )
    except (av.error.FFmpegError, IndexError):
        return []


def write_error(path: Path, error: av.error.FFmpegError) -> OutputError:
    """The OutputError for FFmpeg's error on writing `path`, with the cure."""
    said = error.strerror
    if isinstance(error, av.error.InvalidDataError):
        return OutputError(
            f"{path}: cannot be written ({said}): probably its container refuses what the source's "
            "sound or subtitles hold; leave sound out with --audio none, or name the output .mkv"
        )
    elsewhere = "choose another folder"
    if error.errno == errno.EINVAL:
        elsewhere = "name the output .mkv, or choose another --codec"
    return OutputError(f"{path}: cannot be written ({said}); {cure_of(error, elsewhere)}")
