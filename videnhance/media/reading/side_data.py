"""What the first frame of a video says of all of them: turned or not, and HDR metadata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.media.info import PictureTags
from videnhance.media.reading.matroska import picture_tags
from videnhance.media.reading.pictures import matrix


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
