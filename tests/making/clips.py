"""Tiny clips the tests make for themselves: solid colours and moving ramps, every time known."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.media.reading.decoding import planes_of
from videnhance.media.writing.codecs import repeatable

UNEVEN = (0, 40, 41, 90, 200, 240, 280, 281, 283, 400, 401, 460, 500, 520, 600, 640, 641, 700)
"""pts of a clip with a variable frame rate, in 1/1000 s."""


def picture(index: int, width: int, height: int, pix_fmt: str = "yuv420p") -> VideoFrame:
    """A frame with a texture that moves with `index`, in every plane."""
    frame = VideoFrame(width, height, pix_fmt)
    for k, plane in enumerate(planes_of(frame)):
        rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]]
        top = 255 if plane.dtype == np.uint8 else 1023
        wave = 0.5 + 0.3 * np.sin((columns + 2 * index) / 5.0 + k) * np.cos(rows / 7.0)
        plane[...] = np.rint(wave * top).astype(plane.dtype)
    return frame


def add_video(
    container: OutputContainer,
    codec: str,
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    *,
    rate: Fraction | int = 25,
    options: dict[str, str] | None = None,
) -> VideoStream:
    """A new stream for pictures of this size."""
    stream = container.add_stream(codec, rate=rate, options=options or {})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
    return stream


def add_sound(container: OutputContainer, codec: str, rate: int) -> AudioStream:
    """A new stream for one channel at `rate` Hz."""
    stream = container.add_stream(codec, rate=rate)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "mono"
    return stream


def write_clip(
    path: Path,
    *,
    pts: Sequence[int] = tuple(range(12)),
    time_base: Fraction = Fraction(1, 25),
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    audio: str | None = None,
    rate: int = 8000,
    matrix: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    color: tuple[int, int, int, int] | None = None,
    pictures: Sequence[VideoFrame] | None = None,
    block: int | None = None,
) -> Path:
    """A clip with one frame for each pts; `audio` names a codec, at `rate` Hz; `color` is range,
    matrix, primaries and transfer; `block` is how many samples are given to the encoder at once."""
    with av.open(
        str(path),
        "w",
        options={"video_track_timescale": str(time_base.denominator)}
        if path.suffix in (".mp4", ".mov")
        else {},
    ) as container:
        coding = repeatable(codec, options or {})
        stream = add_video(container, codec, size, pix_fmt, options=coding)
        stream.codec_context.time_base = time_base
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if color is not None:
            context = stream.codec_context
            context.color_range, context.colorspace = color[0], color[1]
            context.color_primaries, context.color_trc = color[2], color[3]
        sound = None if audio is None else add_sound(container, audio, rate)
        for index, tick in enumerate(pts):
            frame = pictures[index] if pictures else picture(index, *size, pix_fmt)
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _add_tone(container, sound, float((pts[-1] - pts[0] + 1) * time_base), block)
    return path


def _add_tone(
    container: OutputContainer, stream: AudioStream, seconds: float, block: int | None
) -> None:
    rate = stream.codec_context.sample_rate
    samples = (np.sin(np.arange(int(seconds * rate)) / 5) * 8000).astype(np.int16)
    for start in range(0, len(samples), block or len(samples)):
        part = samples[None, start : start + (block or len(samples))]
        frame = AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def times(path: Path) -> list[Fraction]:
    """Every video packet's pts in seconds, sorted."""
    with av.open(str(path)) as container:
        return sorted(
            Fraction(packet.pts) * Fraction(packet.time_base)
            for packet in container.demux(video=0)
            if packet.size and packet.pts is not None
        )


def sound_times(path: Path) -> list[Fraction]:
    """Every packet's pts in seconds, of the first sound, in the file's order."""
    with av.open(str(path)) as container:
        return [(p.pts or 0) * Fraction(p.time_base) for p in container.demux(audio=0) if p.size]


def packets(path: Path, kind: str) -> list[bytes]:
    """The data of every packet of all streams of a kind, in order."""
    with av.open(str(path)) as container:
        chosen = [stream for stream in container.streams if stream.type == kind]
        found = container.demux(*chosen) if chosen else ()  # without arguments: every stream
        return [bytes(packet) for packet in found if packet.size]


def decoded(path: Path) -> list[tuple[np.ndarray, ...]]:
    """Every decoded frame's planes, copied."""
    with av.open(str(path)) as container:
        return [
            tuple(plane.copy() for plane in planes_of(frame)) for frame in container.decode(video=0)
        ]


def square_frames(
    count: int, *, size: tuple[int, int] = (192, 128), side: int = 48, noise: float = 0.0
) -> list[np.ndarray]:
    """(H, W, 3) uint8 RGB: a near-white textured square that moves right by 0.5 pixels a frame."""
    random = np.random.default_rng(1)
    frames = []
    for index in range(count):
        rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float64)
        x = columns - 40 - 0.5 * index
        y = rows - 40
        inside = np.clip(x + 0.5, 0, 1) * np.clip(side - x - 0.5, 0, 1)
        inside = inside * (y >= 0) * (y < side)
        texture = 240 + 8 * np.sin(x / 2.0) * np.cos(y / 3.0)
        back = 90 + 40 * np.sin(columns / 9.0) * np.sin(rows / 6.0)
        picture = back + (texture - back) * inside
        picture = picture[..., None] + random.normal(0, noise, (*picture.shape, 3))
        frames.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return frames


def write_rgb(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "ffv1",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    matrix: Sequence[int] | None = None,
    audio: str | None = None,
) -> Path:
    """RGB pictures as a clip of 25 frames a second."""
    height, width = frames[0].shape[:2]
    return write_clip(
        path,
        pts=range(len(frames)),
        size=(width, height),
        codec=codec,
        pix_fmt=pix_fmt,
        options=options,
        matrix=matrix,
        audio=audio,
        pictures=[
            VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            for image in frames
        ],
    )


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def seated(person: int, *, size: tuple[int, int] = (192, 128), side: int = 64) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a square with a near-white frame, as SquareDetector finds it, around
    blotches that are another for each person; always in the same place."""
    random = np.random.default_rng(person)
    blotches = random.integers(60, 200, (4, 4)).repeat(side // 4, 0).repeat(side // 4, 1)
    blotches[:2] = blotches[-2:] = 235
    blotches[:, :2] = blotches[:, -2:] = 235
    picture = np.full((size[1], size[0]), 80)
    picture[32 : 32 + side, 48 : 48 + side] = blotches
    return np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)
