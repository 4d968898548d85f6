"""How a clip is degraded for judging: as a camera and a recorder would, always in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.faces.alignment import eye_distance, fit_poses
from videnhance.faces.detection import Detector

Image = npt.NDArray[np.uint8]

_LOOKED_AT = 5
"""Frames of a clip in which its face is measured."""
_BT601, _LIMITED, _FULL = 5, 1, 2  # as FFmpeg numbers them


@dataclass(frozen=True)
class Degradation:
    """In this order: `blur`, a Gaussian's sigma in pixels of the small picture; made smaller, until
    there are `eyes` pixels between the eyes (never enlarged), or by `down` where that is given;
    `noise`, sigma in 8-bit levels; `codec` at `crf` (MJPEG: its quantizer), None for lossless."""

    blur: float = 0.3
    eyes: float = 22.0
    down: float | None = None
    noise: float = 3.0
    crf: int | None = 23
    codec: str = "h264"


DEGRADATIONS = {
    "mild": Degradation(blur=0.0, eyes=80.0, noise=0.0, crf=12),
    **{
        f"face{face}-crf{crf}": Degradation(eyes=eyes, crf=crf)
        for face, eyes in ((30, 13.0), (50, 22.0), (70, 31.0))
        for crf in (23, 28, 32)
    },
    "face50-h265": Degradation(crf=28, codec="h265"),
    "face50-mjpeg": Degradation(crf=8, codec="mjpeg"),
    "clean": Degradation(noise=0.0, crf=23),
    "noisy": Degradation(blur=0.5, noise=10.0, crf=23),
    "hard": Degradation(blur=1.6, eyes=16.0, noise=14.0, crf=40),
}
"""By name; a face is 2.3 times as wide as its eyes are apart. The weights of clarity that are
shipped were trained on 7 to 70 pixels between the eyes, blur to 1.3, noise to 12 and crf 6 to 36.
"mild" and "hard" lie beyond that, on either side."""


def read_clean(path: Path, frames: int) -> list[Image]:
    """The first frames of a clip (0: all), upright, (H, W, 3) uint8 RGB, H and W even.

    Raises av.FFmpegError."""
    pictures: list[Image] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            image = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            height, width = (n // 2 * 2 for n in image.shape[:2])
            pictures.append(np.ascontiguousarray(image[:height, :width], np.uint8))
            if len(pictures) == frames:
                break
    return pictures


def eyes_of(clean: Sequence[Image], detector: Detector) -> float:
    """Pixels between the eyes: the median over a few frames, of the surest face in each; 0 where
    there is none."""
    places = np.linspace(0, len(clean) - 1, min(_LOOKED_AT, len(clean))).astype(int)
    found = [f for f in detector.detect([clean[k] for k in places]) if len(f)]
    if not found:
        return 0.0
    surest = np.stack([faces.landmarks[0] for faces in found])
    return float(np.median(eye_distance(fit_poses(surest))))


def factor(wish: Degradation, eyes: float) -> float:
    """How much smaller a clip with so many pixels between the eyes is made."""
    return wish.down if wish.down is not None else max(eyes / wish.eyes, 1.0)


_ENCODERS: Mapping[str, Callable[[int], tuple[str, dict[str, str]]]] = {
    "h264": lambda crf: ("libx264", {"crf": str(crf), "threads": "1"}),
    "h265": lambda crf: (
        "libx265",
        {"crf": str(crf), "x265-params": "log-level=none:pools=1:frame-threads=1"},
    ),
    "mjpeg": lambda step: ("mjpeg", {"qmin": str(step), "qmax": str(step)}),
}
"""Encoder and options of each codec, by how coarse it is."""


def degrade(clean: Sequence[Image], path: Path, wish: Degradation, down: float) -> None:
    """Write the degraded clip, `down` times smaller; the noise is seeded."""
    random = np.random.default_rng(20260)
    height, width = (max(2 * round(n / down / 2), 2) for n in clean[0].shape[:2])
    codec, options = _ENCODERS[wish.codec](wish.crf) if wish.crf is not None else ("ffv1", {})
    jpeg = codec == "mjpeg"
    pixels, span = ("yuvj420p", _FULL) if jpeg else ("yuv420p", _LIMITED)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        # Untagged, a large picture would be read as BT.709, which would count as an error.
        context = stream.codec_context
        context.colorspace, context.color_range = _BT601, span
        for index, image in enumerate(clean):
            picture = image.astype(np.float32)
            if wish.blur > 0:
                picture = cv2.GaussianBlur(picture, (0, 0), wish.blur * down)
            if down != 1.0:
                picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            if wish.noise > 0:
                picture += random.normal(0, wish.noise, picture.shape).astype(np.float32)
            small = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
            frame = VideoFrame.from_ndarray(small, format="rgb24").reformat(
                format=pixels, dst_colorspace=_BT601, dst_color_range=span
            )
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
