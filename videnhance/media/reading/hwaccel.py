"""Which device decodes a source, proved by a frame."""

from __future__ import annotations

import av.error
from av.codec.hwaccel import hwdevices_available

from videnhance.errors import InputError, UsageError
from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import open_source, video_stream


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
            with open_source(info, name) as container:
                stream = video_stream(container, info.path, info.stream)
                next(container.decode(stream))
                if stream.codec_context.is_hwaccel:
                    return name
                reason = f"it cannot decode {info.codec}"
        except (InputError, av.error.FFmpegError, RuntimeError, StopIteration) as error:
            cause = error.__cause__ or error
            reason = getattr(cause, "strerror", None) or str(cause) or "FFmpeg does not say why"
    if wanted == "auto":
        return None
    raise UsageError(f"--hwaccel {wanted}: not usable ({reason}); leave it out, or use auto")
