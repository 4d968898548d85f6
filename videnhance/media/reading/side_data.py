"""What the first frame of a video says of all of them: turned or not, and HDR metadata."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.media.info import PictureTags
from videnhance.media.reading.matroska import picture_tags
from videnhance.media.reading.pictures import matrix

_STILLS = {"mjpeg", "png", "apng", "webp", "tiff", "jpegxl"}
"""Codecs of pictures, whose packets may hold EXIF or an ICC profile."""
_EMBEDDED = (b"Exif", b"eXIf", b"EXIF", b"ICC_PROFILE", b"iCCP", b"ICCP", b"II*\0", b"MM\0*")
"""Marks of EXIF and ICC profiles in such packets. PyAV 18.1 refuses all side data of a frame with
EXIF, and crashes the interpreter for one with an ICC profile: their side data is not read."""


def first_frame(
    packets: Iterable[Packet[Any]], decoder: VideoCodecContext
) -> tuple[VideoFrame, bool] | None:
    """The first frame that decodes, and whether its side data can be read safely; None if none
    does."""
    still = decoder.codec.canonical_name in _STILLS
    for packet in chain(packets, (None,)):
        with suppress(av.error.FFmpegError):
            for frame in decoder.decode(packet):
                data = bytes(packet) if still and packet is not None else b""
                return frame, not any(sign in data for sign in _EMBEDDED)
    return None


def _numbers(frame: VideoFrame, kind: str) -> npt.NDArray[np.int32] | None:
    """Side data of a frame as 32-bit numbers."""
    data = frame.side_data.get(kind)
    return np.frombuffer(bytes(data), np.int32) if isinstance(data, SideData) else None


def display_matrix(frame: VideoFrame, says_more: bool) -> tuple[int, ...] | None:
    """A frame's display matrix; PyAV's `rotation` alone would lose mirroring. `says_more`: whether
    its side data can be read safely."""
    if says_more:
        numbers = _numbers(frame, "DISPLAYMATRIX")
        return None if numbers is None else tuple(int(n) for n in numbers[:9])
    quarters = round(-frame.rotation / 90) % 4
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    return matrix(cos, sin, -sin, cos) if quarters else None


_DYNAMIC = ("DYNAMIC_HDR_PLUS", "DYNAMIC_HDR_VIVID", "DOVI_METADATA", "DOVI_RPU_BUFFER")


def declared_tags(stream: VideoStream, frame: VideoFrame, says_more: bool) -> PictureTags:
    """The tags in the header, and those that H.264 and H.265 carry only in their first frame."""
    tags = picture_tags(stream)
    if not says_more:
        return tags
    # AVMasteringDisplayMetadata: ten rationals (least luminance before largest), then two flags
    # that say which of them are set.
    mastering = _numbers(frame, "MASTERING_DISPLAY_METADATA")
    if mastering is not None and all(mastering[20:22]) and all(mastering[1:20:2]):
        *points, least, most = (float(n) for n in mastering[:20:2] / mastering[1:20:2])
        tags = replace(tags, mastering=(*points, most, least))
    light = _numbers(frame, "CONTENT_LIGHT_LEVEL")
    if light is not None:
        tags = replace(tags, light=(int(light[0]), int(light[1])))
    return replace(tags, dynamic=any(frame.side_data.get(kind) for kind in _DYNAMIC))
