"""How coarsely a video was coded, as its decoder tells."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Any, cast

import av.error
import numpy as np
import numpy.typing as npt
from av.sidedata.encparams import VideoEncParams
from av.video.frame import VideoFrame

from videnhance.media.info import Coding, VideoInfo
from videnhance.media.reading.pictures import files_of
from videnhance.media.reading.source import demuxed, open_source, video_stream
from videnhance.media.timeline import RecordedTimeline

_PREDICTING = {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "vvc"}
_ALONE = 10.0
"""How many times as many bits frames need that stand for themselves, roughly: JPEG of one bit a
pixel has about the faults of H.264 of a tenth."""

TELL = {"export_side_data": "venc_params"}
"""The option by which a decoder tells the quantizers of its frames."""

_PLACES, _FRAMES = 3, 12
"""Keyframes that are gone to, spread over the video, and frames decoded after each: a keyframe is
finer than those that follow it, and a rate that is held changes with what is seen."""


def coding_of(info: VideoInfo, timeline: RecordedTimeline) -> Coding:
    """How coarsely the source was coded."""
    size = sum(file.stat().st_size for file in files_of(info.path))
    bits = 8.0 * size / (len(timeline) * info.width * info.height)
    bits /= 1.0 if info.codec in _PREDICTING else _ALONE
    return Coding(bits, _quantizer(info, timeline) if info.codec == "h264" else None)


def _quantizer(info: VideoInfo, timeline: RecordedTimeline) -> float | None:
    steps = np.linspace(0, len(timeline.keyframes) - 1, min(_PLACES, len(timeline.keyframes)))
    found: list[float] = []
    for key in {timeline.keyframes[round(step)] for step in steps}:
        with suppress(av.error.FFmpegError), open_source(info.path) as container:
            stream = video_stream(container, info.path)
            stream.codec_context.options = TELL
            if key > 0:
                container.seek(timeline.pts[key], stream=stream)
            frames = (frame for packet in demuxed(container, stream) for frame in packet.decode())
            for quantizer in map(quantizer_of, islice(frames, _FRAMES)):
                if quantizer is not None:
                    found.append(quantizer)  # one by one: damage that follows costs none of them
    return float(np.median(found)) if found else None


def quantizer_of(frame: VideoFrame) -> float | None:
    """The mean over the frame's blocks, if its decoder was opened with TELL and tells it."""
    told = frame.side_data.get("VIDEO_ENC_PARAMS")
    if isinstance(told, VideoEncParams) and told.nb_blocks:
        return float(told.qp + _deltas(told).mean())
    return None


def _deltas(told: VideoEncParams) -> npt.NDArray[np.int32]:
    """How much coarser than the frame each of its blocks is: the fifth number of an
    AVVideoBlockParams (libavutil/video_enc_params.h). PyAV's qp_map fails where they are
    interlaced."""
    size = told.block_size // 4
    data = bytes(cast(Any, told))  # a Buffer, which its stub does not say
    numbers = np.frombuffer(data, np.int32, told.nb_blocks * size, told.blocks_offset)
    return numbers.reshape(-1, size)[:, 4]
