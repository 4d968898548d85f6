"""Clips with several videos in one file, as dashcams write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.stream import Disposition

from tests.making.clips import add_video, picture


def write_videos(
    path: Path,
    sizes: Sequence[tuple[int, int]],
    *,
    count: int = 25,
    covers: Sequence[int] = (),
    timecode: str | None = None,
    rates: Sequence[int] = (),
    reordered: bool = False,
) -> Path:
    """H.264 in each of these sizes, another picture in each, 25 a second unless `rates` says what.
    `reordered`: with B-frames. `covers`: those of them that are cover
    pictures, PNG of one frame. `timecode`: of the first frame, in a track of its own in MOV."""
    with av.open(str(path), "w") as container:
        if timecode is not None:
            container.metadata["timecode"] = timecode
        packets: list[Packet[Any]] = []
        for number, size in enumerate(sizes):
            cover = number in covers
            rate = rates[number] if rates else 25
            codec, pix_fmt = ("png", "rgb24") if cover else ("libx264", "yuv420p")
            stream = add_video(container, codec, size, pix_fmt, rate=rate)
            if cover:
                stream.disposition = Disposition.attached_pic
            else:
                stream.codec_context.options = {
                    "g": "10",
                    "bf": "2" if reordered else "0",
                    "b_strategy": "0",
                }
            for index in range(1 if cover else count):
                frame = picture(index + 7 * number, *size, "gbrp" if cover else "yuv420p")
                frame = frame.reformat(format="rgb24") if cover else frame
                frame.pts = index
                packets += stream.encode(frame)
            packets += stream.encode(None)
        packets.sort(key=lambda p: (p.dts or 0) * p.time_base)
        container.mux(packets)
    return path
