"""How coarsely a video was coded: its bits a pixel, and the quantizers its decoder reports."""

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
"""Factor, roughly, by which codecs without prediction between frames need more bits: JPEG at one
bit a pixel looks about as bad as H.264 at a tenth."""

EXPORT_QUANTIZERS = {"export_side_data": "venc_params"}
"""The option that makes a decoder report the quantizers of its frames."""

_PLACES, _FRAMES = 3, 12
"""Number of keyframes sampled, spread over the video, and of frames decoded from each: a keyframe
is finer than the frames after it, and under rate control the quantizer follows the content."""


def coding_of(info: VideoInfo, timeline: RecordedTimeline) -> Coding:
    """How coarsely the source was coded."""
    size = sum(file.stat().st_size for file in files_of(info.path))
    bits = 8.0 * size / (len(timeline) * info.width * info.height)
    bits /= 1.0 if info.codec in _PREDICTING else _ALONE
    return Coding(bits, told_quantizer(info, timeline) if info.codec == "h264" else None)


def told_quantizer(info: VideoInfo, timeline: RecordedTimeline) -> float | None:
    """The median quantizer of some frames, in the codec's own units; None where its decoder tells
    none."""
    steps = np.linspace(0, len(timeline.keyframes) - 1, min(_PLACES, len(timeline.keyframes)))
    found: list[float] = []
    for key in {timeline.keyframes[round(step)] for step in steps}:
        with suppress(av.error.FFmpegError), open_source(info) as container:
            stream = video_stream(container, info.path, info.stream)
            stream.codec_context.options = EXPORT_QUANTIZERS
            if key > 0:
                container.seek(timeline.pts[key], stream=stream)
            frames = (frame for packet in demuxed(container, stream) for frame in packet.decode())
            for quantizer in map(quantizer_of, islice(frames, _FRAMES)):
                if quantizer is not None:
                    found.append(quantizer)  # one by one: later damage must not lose earlier ones
    return float(np.median(found)) if found else None


def quantizer_of(frame: VideoFrame) -> float | None:
    """The mean over the frame's blocks; None unless its decoder was opened with EXPORT_QUANTIZERS
    and reports them."""
    params = frame.side_data.get("VIDEO_ENC_PARAMS")
    if isinstance(params, VideoEncParams) and params.nb_blocks:
        return float(params.qp + _deltas(params).mean())
    return None


def _deltas(params: VideoEncParams) -> npt.NDArray[np.int32]:
    """How much coarser each block is than its frame: the fifth number of AVVideoBlockParams
    (libavutil/video_enc_params.h). PyAV's qp_map fails for interlaced blocks."""
    size = params.block_size // 4
    data = bytes(cast(Any, params))  # it is a Buffer, but its stub does not say so
    numbers = np.frombuffer(data, np.int32, params.nb_blocks * size, params.blocks_offset)
    return numbers.reshape(-1, size)[:, 4]
