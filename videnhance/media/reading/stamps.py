"""Times that FFmpeg makes up where a file holds none, and what is taken in their place.

A frame may have a time of decoding (dts) and none of showing (pts). FFmpeg then gives it the dts of
the frame after it (AVFMT_FLAG_GENPTS, which PyAV sets on every source). That is the rule of MPEG-1
and MPEG-2 (ISO/IEC 13818-1, 2.7.5) and of its heirs, whose decoder holds a picture until the next
one that is not a B-frame. Everywhere else it shows a whole video one frame late. Here:

- AVI, and Matroska's V_MS/VFW/FOURCC, have one time for each place in the file, and mean the n-th
  frame shown by the n-th. So also for MPEG-4 with B-frames, for which FFmpeg computes a pts.
- Elsewhere (ASF), a decoder that holds no frames shows each at its time of decoding. One that holds
  some shows the n-th frame at the time of decoding of as many frames later.
"""

from __future__ import annotations

from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

_MADE_UP = 0x1
"""AVFMT_FLAG_GENPTS (libavformat/avformat.h)."""
_HELD = ("mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3")
"""Codecs whose decoder holds a picture until the next that is not a B-frame."""
_CLOCKED = ("mpeg", "mpegts")
"""Containers whose frames without a pts have none because they share a packet with others."""


def take_stored_times(container: InputContainer) -> None:
    """Call after opening, before any packet is read: pts are then made up only by the standard."""
    held = any(_codec(stream) in _HELD for stream in container.streams.video)
    if is_by_place(container) or not held:
        container.flags &= ~_MADE_UP


def is_by_place(container: InputContainer) -> bool:
    """Whether a frame's time is that of its place, if it has one time only."""
    return container.format.name == "avi" or "matroska" in container.format.name


def lacks_pts(container: InputContainer, packet: Packet[Any]) -> bool:
    """Whether the only time that a packet of video has in the file is its dts."""
    if packet.dts is None or packet.stream.type != "video":
        return False
    name = container.format.name
    return name == "avi" or (packet.pts is None and name not in _CLOCKED)


def _codec(stream: Stream) -> str:
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else ""
