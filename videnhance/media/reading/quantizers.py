"""What coding left of each pixel's value, as far as the bitstream tells its quantizers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import av.error
import numpy as np
import numpy.typing as npt

from videnhance.media.info import VideoInfo
from videnhance.media.reading.coding import told_quantizer
from videnhance.media.reading.source import demuxed, open_source, video_stream
from videnhance.media.timeline import RecordedTimeline

MOST = 40.0
"""Variance in squared 8-bit steps that counts for coding, or for one of JPEG's frequencies, at
most: a coarse quantizer leaves out what there is, which is seldom more. Portraits with 76 (H.264's
quantizer 33) measure worse."""
_STEPPED = {"mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v2", "msmpeg4v3", "h263"}
"""Codecs whose quantizer, as FFmpeg tells it, is the step of a coefficient."""
_PICTURES = 8
"""JPEG pictures that are looked at, the first: cameras hardly change their tables."""
_MARKER, _TABLES, _FRAME, _SCAN = 0xFF, 0xDB, (0xC0, 0xC1, 0xC2), 0xDA


def coded_variance(info: VideoInfo, timeline: RecordedTimeline) -> float | None:
    """The variance, in squared 8-bit steps, of what rounding to the quantizer's steps leaves of a
    luma sample: told by H.264, MPEG-1, MPEG-2, MPEG-4 and JPEG, each in its own way. None where it
    is not told, as by H.265 and VP9 through FFmpeg's decoders.
    """
    if info.codec == "mjpeg":
        return _of_jpeg(info)
    quantizer = told_quantizer(info, timeline)
    if quantizer is None:
        return None
    if info.codec in _STEPPED:
        return min(quantizer**2 / 12.0, MOST)
    return h264_variance(quantizer) if info.codec == "h264" else None


def h264_variance(quantizer: float) -> float:
    """Of H.264's quantizer: that of rounding to its step, which doubles with every 6 (ITU-T H.264,
    8.5.9)."""
    return float(min(2.0 ** ((quantizer - 4.0) / 3.0) / 12.0, MOST))


def jpeg_variance(picture: bytes) -> float | None:
    """Of the luma table of a JPEG picture (ITU-T T.81, B.2.4.1): the mean over its 64 frequencies,
    as the transform keeps squares. None without tables or a frame's header."""
    tables: dict[int, npt.NDArray[np.float64]] = {}
    luma = None
    for marker, content in _segments(picture):
        if marker == _TABLES:
            tables.update(_tables(content))
        elif marker in _FRAME and len(content) > 8:
            luma = content[8]  # the first component's table
    if luma not in tables:
        return None
    return float(np.minimum(tables[luma] ** 2 / 12.0, MOST).mean())


def _of_jpeg(info: VideoInfo) -> float | None:
    found: list[float] = []
    with suppress(av.error.FFmpegError), open_source(info) as container:
        stream = video_stream(container, info.path, info.stream)
        for packet in islice(demuxed(container, stream), _PICTURES):
            variance = jpeg_variance(bytes(packet))
            if variance is not None:
                found.append(variance)
    return float(np.median(found)) if found else None


def _segments(picture: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers before the first scan, with what each holds."""
    at = picture.find(b"\xff\xd8") + 2
    while at >= 2 and at + 4 <= len(picture) and picture[at] == _MARKER:
        marker, size = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        if marker == _SCAN or size < 2:
            return
        yield marker, picture[at + 4 : at + 2 + size]
        at += 2 + size


def _tables(content: bytes) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    at = 0
    while at < len(content):
        wide, number = content[at] >> 4, content[at] & 15
        end = at + 1 + 64 * (2 if wide else 1)
        if end > len(content):
            return
        kind = np.dtype(">u2") if wide else np.dtype(np.uint8)
        yield number, np.frombuffer(content[at + 1 : end], kind).astype(np.float64)
        at = end
