"""What clarity is trained on: clips degraded as cameras and recorders do it, and their truth.

Every example is a pair of neighbouring frames in a still window on the picture, at the size an
aligned crop would have: what the network sees of each (fusion is run here, once), and the truth.
The frames went through a real codec. Examples lie on disk as uint8, so that training only reads.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance import detectors
from videnhance.alignment import compose, crop_to_frame, eye_distance, fit_poses, scaling, warp
from videnhance.equipment import Equipment
from videnhance.faces import CropWindow
from videnhance.frames import FloatArray
from videnhance.restorers.clarity import PLANES, observed
from videnhance.restorers.fusion import Fusion
from videnhance.settings import DEFAULTS

Image = npt.NDArray[np.uint8]

SIDE = 256
"""Of the crops."""
CRISP = 60.0
"""Least pixels between the eyes of a truth: an aligned crop of 256 shows 63."""
EYES = (7.0, 48.0)
"""Pixels between the eyes after degradation: faces of about 16 to 110 px."""
RUN, PAIRS = 18, 6
"""Frames encoded in one go, and examples taken of them."""
RADIUS = 3


@dataclass(frozen=True)
class Camera:
    """One random way from scene to file. Lengths are in pixels of the small picture.

    `lens`: sigma of blur; `motion`: length of a motion blur, at `angle`; `noise`: sigma in 8-bit
    steps at mid grey, `dark`: how much it grows in the dark; `halo`: sharpening, 0 none; `grey`:
    no colour; `night`: contrast of infrared light, 0 none; `comb`: interlaced lines' shift.
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

    @staticmethod
    def random(rng: np.random.Generator) -> Camera:
        """Nearly half of them are sound cameras, whose recorder does most of the harm; some harm
        hardly anything, and teach to leave alone what is good."""
        kind = rng.uniform()
        if kind < 0.12:
            return replace(
                _SOUND, noise=float(rng.uniform(0.0, 1.5)), quality=int(rng.integers(6, 18))
            )
        if kind < 0.55:
            return Camera(
                lens=float(rng.choice([0.0, rng.uniform(0.2, 0.7)], p=[0.6, 0.4])),
                motion=0.0,
                angle=0.0,
                noise=float(rng.uniform(0.0, 5.0)),
                dark=float(rng.uniform(0.0, 1.0)),
                halo=0.0,
                grey=False,
                night=0.0,
                comb=0.0,
                codec=str(rng.choice(["libx264", "libx265"], p=[0.9, 0.1])),
                quality=int(rng.integers(18, 34)),
                interval=int(rng.choice([12, 25, 50, 250])),
                preset=str(rng.choice(["ultrafast", "veryfast", "medium"])),
            )
        codec = str(rng.choice(["libx264", "libx265", "mjpeg"], p=[0.78, 0.1, 0.12]))
        return Camera(
            lens=float(rng.choice([0.0, rng.uniform(0.2, 1.3)], p=[0.35, 0.65])),
            motion=float(rng.choice([0.0, rng.uniform(1.0, 4.0)], p=[0.9, 0.1])),
            angle=float(rng.uniform(0, np.pi)),
            noise=float(12.0 * rng.uniform() ** 2),
            dark=float(rng.uniform(0.0, 1.5)),
            halo=float(rng.choice([0.0, rng.uniform(0.2, 0.8)], p=[0.85, 0.15])),
            grey=bool(rng.uniform() < 0.08),
            night=float(rng.choice([0.0, rng.uniform(0.3, 0.7)], p=[0.93, 0.07])),
            comb=float(rng.choice([0.0, rng.uniform(0.3, 1.0)], p=[0.95, 0.05])),
            codec=codec,
            quality=int(rng.integers(3, 20) if codec == "mjpeg" else rng.integers(18, 37)),
            interval=int(rng.choice([6, 12, 25, 50])),
            preset=str(rng.choice(["ultrafast", "veryfast", "medium"])),
        )


_SOUND = Camera(
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


def read_run(path: Path, start: int, count: int) -> list[Image]:
    """`count` frames from frame `start` on, (H, W, 3) uint8 RGB; fewer where the clip ends."""
    pictures = []
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= start:
                pictures.append(frame.to_ndarray(format="rgb24"))
            if len(pictures) == count:
                break
    return pictures


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def filmed(
    scene: Sequence[FloatArray], size: tuple[int, int], camera: Camera, rng: np.random.Generator
) -> list[Image]:
    """The scene, (H, W, 3) 0..255, through the camera and its codec, in `size` (height, width)."""
    height, width = size
    kernel = _streak(camera)
    pictures = []
    for index, picture in enumerate(scene):
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
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


def coded(pictures: Sequence[Image], camera: Camera) -> list[Image]:
    """The pictures through the camera's codec and back."""
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
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


class Studio:
    """Makes examples of clips of one person each."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._detector = detectors.create(Equipment(DEFAULTS))

    def pairs(self, path: Path, frames: int) -> list[tuple[Image, float]]:
        """Up to PAIRS examples of a random run of the clip: (2, PLANES + 3, SIDE, SIDE), what the
        network sees and the truth of two neighbouring frames, and the zoom. None where there is no
        face, or none large enough to be a truth."""
        rng = self._rng
        scene = read_run(path, int(rng.integers(0, max(frames - RUN, 0) + 1)), RUN)
        if len(scene) < 2 * RADIUS + 2:
            return []
        found = self._detector.detect([scene[len(scene) // 2]])[0]
        if not len(found):
            return []
        pose = fit_poses(found.landmarks[:1])[0]
        eyes = float(eye_distance(pose))
        if eyes < CRISP:
            return []
        camera = Camera.random(rng)
        truth = [picture.astype(np.float32) for picture in _lit(scene, camera)]
        softness = rng.uniform(0.5, 2.5) * eyes / CRISP if rng.uniform() < 0.3 else 0.0
        if softness > 0:  # a soft scene is to stay so
            truth = [cv2.GaussianBlur(picture, (0, 0), softness) for picture in truth]
        small = float(np.exp(rng.uniform(*np.log(EYES)))) / eyes
        height, width = (max(2 * round(n * small / 2), 32) for n in truth[0].shape[:2])
        seen = filmed(truth, (height, width), camera, rng)
        to_clean = scaling(truth[0].shape[1] / width, truth[0].shape[0] / height)
        down = to_clean[0, 0]
        pose[:2] /= down, to_clean[1, 1]
        pose[2] -= np.log(down)
        pairs = []
        for _ in range(PAIRS):
            view = _view(pose, (height, width), rng)
            crops = [_crop(picture, crop_to_frame(view, SIDE)) for picture in seen]
            first = int(rng.integers(RADIUS, len(seen) - RADIUS - 1))
            zoom = SIDE / float(np.exp(view[2]))
            fusion = Fusion(RADIUS)
            example = []
            for frame in (first, first + 1):
                around = range(frame - RADIUS, frame + RADIUS + 1)
                window = CropWindow(0, tuple(around), tuple(crops[k] for k in around), RADIUS, zoom)
                clean = _crop(truth[frame], compose(to_clean, crop_to_frame(view, SIDE)))
                planes = observed(fusion.fuse(window))
                example.append(np.concatenate([planes, clean.transpose(2, 0, 1)]))
            levels = np.clip(np.rint(np.stack(example) * 255.0), 0, 255).astype(np.uint8)
            assert levels.shape == (2, PLANES + 3, SIDE, SIDE)
            pairs.append((levels, zoom))
        return pairs


def fill(clips: Sequence[Path], folder: Path, examples: int, seed: int) -> None:
    """Add examples of random clips until the folder holds so many: NUMBER_ZOOM.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = {clip: frames_of(clip) for clip in clips}
    count = len(list(folder.glob("*.npy")))
    rng = np.random.default_rng((seed, count))
    studio = Studio(rng)
    barren = 0
    while count < examples and barren < 20 * len(clips):
        clip = clips[int(rng.integers(len(clips)))]
        pairs = studio.pairs(clip, lengths[clip])
        barren = 0 if pairs else barren + 1
        for levels, zoom in pairs:
            part = folder / f"{count:06d}_{zoom:.4f}.part"
            with part.open("wb") as file:
                np.save(file, levels)
            part.rename(part.with_suffix(".npy"))  # whole, or not there
            count += 1


def _lit(scene: Sequence[Image], camera: Camera) -> list[Image]:
    """As the truth is lit: grey, or by infrared, is no fault that could be undone."""
    if not camera.grey and camera.night == 0:
        return list(scene)
    gain = 1.0 - camera.night
    lit = []
    for picture in scene:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        levels = np.clip(np.rint(grey * gain + 128.0 * camera.night * 0.7), 0, 255)
        lit.append(np.repeat(levels.astype(np.uint8)[..., None], 3, axis=2))
    return lit


def _view(
    pose: npt.NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A pose near the face's, or, as often, anywhere in the picture: all of it teaches."""
    view = np.array(pose, np.float64)
    view[2] += rng.uniform(np.log(0.75), np.log(1.3))
    view[3] = rng.normal(0.0, 0.15)
    side = float(np.exp(view[2]))
    if rng.uniform() < 0.5:
        view[:2] += rng.normal(0.0, 0.1, 2) * side
    else:
        view[:2] = rng.uniform(0.2, 0.8, 2) * np.array([size[1], size[0]])
    return view


def _crop(picture: npt.NDArray[np.generic], to_picture: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(warp(picture, to_picture, (SIDE, SIDE)) / np.float32(255.0), np.float32)


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
