"""A random camera and recorder, from a scene to the frames that a decoder gives back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.imaging.frames import FloatArray
from videnhance.media.reading.coding import EXPORT_QUANTIZERS, quantizer_of

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Camera:
    """One random way from scene to file. Lengths are in pixels of the small picture.

    `lens`: sigma of blur; `motion`: length of a motion blur, at `angle`; `noise`: sigma in 8-bit
    steps at mid grey, `dark`: how much it grows in the dark; `halo`: sharpening, 0 none; `grey`:
    no colour; `night`: contrast of infrared light, 0 none; `comb`: interlaced lines' shift; `way`:
    OpenCV's interpolation by which the scene is resized.
    """

    lens: float
    motion: float
    angle: float
    noise: float
    dark: float
    halo: float
    grey: bool
    night: float
    comb: float
    codec: str
    quality: int
    interval: int
    preset: str
    way: int = cv2.INTER_AREA

    @staticmethod
    def random(rng: np.random.Generator) -> Camera:
        """More than half are sound cameras, whose recorder does most of the harm; a few harm hardly
        anything, and teach the network to leave alone what is good."""
        kind = rng.uniform()
        if kind < 0.08:
            return replace(
                SOUND, noise=float(rng.uniform(0.0, 1.5)), quality=int(rng.integers(6, 18))
            )
        if kind < 0.65:
            return Camera(
                lens=float(rng.choice([0.0, rng.uniform(0.2, 0.7)], p=[0.7, 0.3])),
                motion=0.0,
                angle=0.0,
                noise=float(rng.uniform(0.0, 5.0)),
                dark=float(rng.uniform(0.0, 1.0)),
                halo=0.0,
                grey=False,
                night=0.0,
                comb=0.0,
                codec=str(rng.choice(["libx264", "libx265"], p=[0.85, 0.15])),
                quality=int(rng.integers(18, 35)),
                interval=int(rng.choice([12, 25, 50, 250])),
                preset=str(rng.choice(["ultrafast", "veryfast", "medium"])),
            )
        codec = str(rng.choice(["libx264", "libx265", "mjpeg"], p=[0.6, 0.15, 0.25]))
        return Camera(
            lens=float(rng.choice([0.0, rng.uniform(0.2, 1.3)], p=[0.5, 0.5])),
            motion=float(rng.choice([0.0, rng.uniform(1.0, 4.0)], p=[0.9, 0.1])),
            angle=float(rng.uniform(0, np.pi)),
            noise=float(12.0 * rng.uniform() ** 2),
            dark=float(rng.uniform(0.0, 1.5)),
            halo=float(rng.choice([0.0, rng.uniform(0.2, 0.8)], p=[0.85, 0.15])),
            grey=bool(rng.uniform() < 0.05),
            night=float(rng.choice([0.0, rng.uniform(0.3, 0.7)], p=[0.95, 0.05])),
            comb=float(rng.choice([0.0, rng.uniform(0.3, 1.0)], p=[0.95, 0.05])),
            codec=codec,
            quality=int(rng.integers(3, 20) if codec == "mjpeg" else rng.integers(18, 37)),
            interval=int(rng.choice([6, 12, 25, 50])),
            preset=str(rng.choice(["ultrafast", "veryfast", "medium"])),
            way=int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC], p=WAYS)),
        )

    @staticmethod
    def first(rng: np.random.Generator) -> Camera:
        """The first camera of a scene that is recorded twice: it harms less, as the second
        recording harms, too."""
        codec = str(rng.choice(["libx264", "mjpeg"], p=[0.75, 0.25]))
        return replace(
            SOUND,
            lens=float(rng.choice([0.0, rng.uniform(0.2, 0.8)])),
            noise=float(10.0 * rng.uniform() ** 2),
            dark=float(rng.uniform(0.0, 1.0)),
            codec=codec,
            quality=int(rng.integers(3, 12) if codec == "mjpeg" else rng.integers(17, 30)),
            preset=str(rng.choice(["ultrafast", "veryfast", "medium"])),
        )


WAYS = (0.7, 0.15, 0.15)
"""Shares of cameras that resize by the mean of pixels, by bilinear and by bicubic interpolation;
the last two alias."""
SOUND = Camera(
    lens=0.0,
    motion=0.0,
    angle=0.0,
    noise=0.0,
    dark=0.0,
    halo=0.0,
    grey=False,
    night=0.0,
    comb=0.0,
    codec="libx264",
    quality=12,
    interval=25,
    preset="medium",
)


def lit(scene: Sequence[Image], camera: Camera) -> list[Image]:
    """As the truth is lit: grey, or by infrared, is no fault that could be undone."""
    if not camera.grey and camera.night == 0:
        return list(scene)
    gain = 1.0 - camera.night
    shown = []
    for picture in scene:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        levels = np.clip(np.rint(grey * gain + 128.0 * camera.night * 0.7), 0, 255)
        shown.append(np.repeat(levels.astype(np.uint8)[..., None], 3, axis=2))
    return shown


def filmed(
    scene: Sequence[FloatArray], size: tuple[int, int], camera: Camera, rng: np.random.Generator
) -> tuple[list[Image], float | None]:
    """The scene, (H, W, 3) 0..255, through the camera and its codec, in `size` (height, width); and
    the quantizer, if it is known."""
    height, width = size
    kernel = _streak(camera)
    pictures = []
    for index, picture in enumerate(scene):
        small = cv2.resize(picture, (width, height), interpolation=camera.way)
        if camera.lens > 0:
            small = cv2.GaussianBlur(small, (0, 0), camera.lens)
        if kernel is not None:
            small = cv2.filter2D(small, -1, kernel)
        if camera.comb > 0:
            shift = np.array([[1.0, 0.0, camera.comb * (-1) ** index], [0.0, 1.0, 0.0]])
            moved = cv2.warpAffine(small, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
            small[1::2] = moved[1::2]
        level = camera.noise * (1.0 + camera.dark * (1.0 - small.mean(2, keepdims=True) / 128.0))
        grain = rng.normal(0, 1, small.shape).astype(np.float32)
        if camera.grey:
            grain = np.repeat(grain[..., :1], 3, axis=2)
        small = small + grain * np.maximum(level, 0.0)
        if camera.halo > 0:
            small += camera.halo * (small - cv2.GaussianBlur(small, (0, 0), 1.2))
        pictures.append(np.clip(np.rint(small), 0, 255).astype(np.uint8))
    return coded(pictures, camera)


def coded(pictures: Sequence[Image], camera: Camera) -> tuple[list[Image], float | None]:
    """The pictures through the camera's codec and back, and the quantizer as its decoder tells it:
    of H.264 alone, as videnhance goes by it."""
    if camera.codec == "libx265" and max(pictures[0].shape[:2]) < 64:
        camera = replace(camera, codec="libx264")  # smaller than its blocks: x265 spoils memory
    file = io.BytesIO()
    options = {"preset": camera.preset, "crf": str(camera.quality), "g": str(camera.interval)}
    if camera.codec == "libx265":
        options = {**options, "x265-params": "log-level=none:pools=1:frame-threads=1"}
    elif camera.codec == "mjpeg":
        options = {"qmin": str(camera.quality), "qmax": str(camera.quality)}
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(camera.codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if camera.codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        container.streams.video[0].codec_context.options = EXPORT_QUANTIZERS
        frames = list(container.decode(video=0))
    steps = [q for frame in frames if (q := quantizer_of(frame)) is not None]
    pictures = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
    return pictures, float(np.median(steps)) if steps and camera.codec == "libx264" else None


def softened(
    scene: Sequence[FloatArray], small: float, rng: np.random.Generator
) -> list[FloatArray]:
    """The scene as a lens out of focus, an enlarged recording or a camera that smooths and sharpens
    would leave it. The camera will make it `small` times as large: what counts is what is soft
    there."""
    kind, pixel = rng.uniform(), 1.0 / small
    if kind < 0.5:
        sigma = rng.uniform(0.3, 1.5) * pixel
        return [cv2.GaussianBlur(picture, (0, 0), sigma) for picture in scene]
    if kind < 0.75:
        height, width = scene[0].shape[:2]
        share = small * rng.uniform(0.45, 1.0)
        low = (max(round(width * share), 16), max(round(height * share), 16))
        way = [cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_LANCZOS4][int(rng.integers(3))]
        return [
            cv2.resize(
                cv2.resize(x, low, interpolation=cv2.INTER_AREA), (width, height), interpolation=way
            )
            for x in scene
        ]
    sigma, halo = rng.uniform(0.3, 1.0) * pixel, rng.uniform(0.3, 1.2)
    soft = [cv2.GaussianBlur(picture, (0, 0), sigma) for picture in scene]
    return [x + halo * (x - cv2.GaussianBlur(x, (0, 0), 1.6 * sigma)) for x in soft]


def _streak(camera: Camera) -> FloatArray | None:
    """The kernel of motion blur."""
    if camera.motion <= 0:
        return None
    reach = int(np.ceil(camera.motion / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for t in np.linspace(-0.5, 0.5, 33):
        x = reach + t * camera.motion * np.cos(camera.angle)
        y = reach + t * camera.motion * np.sin(camera.angle)
        left, top = int(x), int(y)
        a, b = x - left, y - top
        kernel[top : top + 2, left : left + 2] += np.outer([1 - b, b], [1 - a, a])
    return np.asarray(kernel / kernel.sum(), np.float32)
