"""Tiny clips of every kind people have: container x codec x timing x geometry x colour x audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame

from tests.making.clips import add_video, picture
from videnhance.media.writing.codecs import repeatable

FORMATS = {
    ".mpg": "vob",
    ".ts": "mpegts",
    ".wmv": "asf",
    ".mkv": "matroska",
}
"""Muxers whose name is not their suffix."""

HDR10 = {
    "chroma_sample_location": "topleft",
    "x265-params": "log-level=error:hdr10=1:max-cll=1000,400:master-display="
    "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)",
}
"""Options of libx265 for a stream that says what it was mastered on."""

MATRICES = {
    "rotate90": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
    "rotate180": (-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30),
    "rotate270": (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30),
    "hflip": (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30),
    "vflip": (65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30),
    "transpose": (0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30),
    "transverse": (0, -65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
}
"""The display matrices of the seven pictures that are not upright."""

TIMES: dict[str, tuple[tuple[int, ...], Fraction]] = {
    "cfr": (tuple(range(6)), Fraction(1, 25)),
    "ntsc": (tuple(range(6)), Fraction(1001, 30000)),
    "one": ((0,), Fraction(1, 25)),
    "vfr": ((0, 33, 34, 120, 121, 400), Fraction(1, 1000)),
    "gap": ((0, 1, 2, 90, 91, 92), Fraction(1, 25)),
    "late": ((50, 51, 52, 53, 54), Fraction(1, 25)),
    "late-vfr": ((2000, 2040, 2041, 2300), Fraction(1, 1000)),
    "negative": ((-80, -40, 0, 40, 80), Fraction(1, 1000)),
    "long": (tuple(range(280)), Fraction(1, 25)),
    "fine": ((0, 3003, 6006, 9010, 12013), Fraction(1, 90000)),
}
"""pts and the time base they count."""

PACKED = {
    **{"rgb24": "RGB", "bgr24": "BGR", "rgba": "RGBA", "bgra": "BGRA", "argb": "ARGB"},
    **{"abgr": "ABGR", "bgr0": "BGRx", "rgb0": "RGBx", "0rgb": "xRGB", "0bgr": "xBGR"},
    **{"rgb48le": "RGB", "rgb48be": "RGB", "bgr48le": "BGR", "rgba64le": "RGBA"},
    **{"rgba64be": "RGBA", "ya8": "YA", "ya16le": "YA", "ya16be": "YA", "vuya": "VUYA"},
}
"""The letter of each sample of a pixel; x is nothing."""
PAIRED = {"yuyv422": "YUYV", "uyvy422": "UYVY", "yvyu422": "YVYU"}
"""The letters of each pair of pixels."""
HALVED = {
    **{"nv12": ("UV", 0), "nv21": ("VU", 0), "nv16": ("UV", 0), "nv24": ("UV", 0)},
    **{"nv42": ("VU", 0), "p010le": ("UV", 6), "p012le": ("UV", 4), "p016le": ("UV", 0)},
    **{"p210le": ("UV", 6), "p410le": ("UV", 6), "nv20le": ("UV", 0)},
}
"""The letters of the second plane, and by how many bits all samples are shifted up."""


@dataclass(frozen=True)
class Sound:
    """One stream of sound: a tone from `start` seconds on."""

    codec: str
    start: Fraction = Fraction(0)
    rate: int = 48000
    layout: str = "mono"


def write_odd_clip(
    path: Path,
    *,
    codec: str,
    pix_fmt: str,
    times: str = "cfr",
    size: tuple[int, int] = (64, 48),
    options: dict[str, str] | None = None,
    matrix: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    color: tuple[int, int, int, int] | None = None,
    sounds: Sequence[Sound] = (),
) -> Path:
    """A clip with one moving picture for each time; `color` is as in tests.making.clips."""
    pts, base = TIMES[times]
    form = FORMATS.get(path.suffix, path.suffix[1:])
    settings = {"avoid_negative_ts": "disabled"} if times == "negative" else {}
    if form in ("mp4", "mov"):
        settings["video_track_timescale"] = str(base.denominator)
    with av.open(str(path), "w", format=form, options=settings) as container:
        rate = 1 / base if times == "ntsc" else Fraction(25)
        coding = repeatable(codec, options or {})
        stream = add_video(container, codec, size, pix_fmt, rate=rate, options=coding)
        context = stream.codec_context
        context.time_base = base
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if color is not None:
            context.color_range, context.colorspace = color[0], color[1]
            context.color_primaries, context.color_trc = color[2], color[3]
        tones = [(_add_sound(container, sound), sound) for sound in sounds]
        packets: list[Packet[Any]] = []
        for index, tick in enumerate(pts):
            frame = moving(index, size, pix_fmt)
            frame.pts, frame.time_base = tick, base
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for tone, sound in tones:
            packets += _tone(tone, sound, float(max(len(pts), 6) * Fraction(1, 25)))
        packets.sort(key=lambda p: p.dts * p.time_base if p.dts is not None else 0)
        container.mux(packets)
    return path


def moving(index: int, size: tuple[int, int], pix_fmt: str) -> VideoFrame:
    """The picture of tests.making.clips, in formats too that are no planes of samples."""
    form = av.VideoFormat(pix_fmt, 16, 16)
    if form.is_planar and not form.is_big_endian and not pix_fmt.startswith(("nv", "p0", "mono")):
        return picture(index, *size, pix_fmt)
    deep = max(component.bits for component in form.components) > 8
    base = picture(index, *size, "gbrp16le" if deep else "gbrp")
    if pix_fmt == "pal8":
        shades = picture(index, *size, "gray")
        frame = VideoFrame(*size, "pal8")
        for k, data in enumerate((bytes(shades.planes[0]), _palette())):
            frame.planes[k].update(data)
        return frame
    return base.reformat(format=pix_fmt)


def _palette() -> bytes:
    ramp = np.arange(256, dtype=np.uint8)
    return np.stack([ramp, ramp[::-1], ramp // 2, np.full(256, 255, np.uint8)], axis=1).tobytes()


def _add_sound(container: OutputContainer, sound: Sound) -> AudioStream:
    stream = container.add_stream(sound.codec, rate=sound.rate)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = sound.layout
    if sound.codec == "wmav2":  # it has no default
        stream.codec_context.bit_rate = 64000
    return stream


def _tone(stream: AudioStream, sound: Sound, seconds: float) -> list[Packet[Any]]:
    channels = len(av.AudioLayout(sound.layout).channels)
    wave = np.sin(np.arange(int(seconds * sound.rate)) / 5) * 8000
    # As cameras do, in pieces as long as a frame: of PCM each is a packet.
    step, start, packets = sound.rate // 25, int(sound.start * sound.rate), []
    for begin in range(0, len(wave), step):
        piece = np.repeat(wave[begin : begin + step].astype(np.int16), channels)
        frame = AudioFrame.from_ndarray(piece[None, :], format="s16", layout=sound.layout)
        frame.sample_rate, frame.pts = sound.rate, start + begin
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def cropped(path: Path, clip: Path, left: int, top: int, right: int, bottom: int) -> Path:
    """A clip of H.264 or H.265 in a transport stream again, its stream cropping what it shows."""
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mpegts") as target:
        stream = source.streams.video[0]
        kind = {"h264": "h264", "hevc": "hevc"}[stream.codec_context.name]
        sides = f"crop_left={left}:crop_top={top}:crop_right={right}:crop_bottom={bottom}"
        crop = BitStreamFilterContext(f"{kind}_metadata={sides}", in_stream=stream)
        copy = target.add_stream_from_template(stream, opaque=True)
        for packet in source.demux(stream):
            for changed in crop.filter(packet) if packet.size else ():
                changed.stream = copy
                target.mux(changed)
    return path


def frames_of(path: Path) -> list[VideoFrame]:
    """Every picture as FFmpeg decodes it, exactly as large as declared."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.flags |= Flags.unaligned
        return list(container.decode(video=0))


def samples(frame: VideoFrame) -> dict[str, np.ndarray]:
    """Every colour's samples by its letter (Y U V, R G B, A), whatever way they are stored."""
    name, width, height = frame.format.name, frame.width, frame.height
    if name == "pal8":
        palette = np.frombuffer(bytes(frame.planes[1]), np.uint8).reshape(-1, 4)
        picked = palette[_rows(frame, 0, np.uint8)]
        return dict(zip("BGRA", np.moveaxis(picked[:height, :width], 2, 0), strict=True))
    deep = frame.format.components[0].bits > 8
    order = (">" if frame.format.is_big_endian else "<") + ("u2" if deep else "u1")
    if name in PACKED:
        letters = PACKED[name]
        pixels = _rows(frame, 0, order)[:height, : width * len(letters)]
        pixels = pixels.reshape(height, width, len(letters))
        return {c: pixels[..., k] for k, c in enumerate(letters) if c != "x"}
    if name in PAIRED:
        chroma = PAIRED[name]
        pixels = _rows(frame, 0, order)[:height, : (width + 1) // 2 * 4]
        at = {c: [k for k, letter in enumerate(chroma) if letter == c] for c in "YUV"}
        luma = pixels.reshape(height, -1, 4)[..., at["Y"]].reshape(height, -1)[:, :width]
        return {
            "Y": luma,
            "U": pixels.reshape(height, -1, 4)[..., at["U"][0]],
            "V": pixels.reshape(height, -1, 4)[..., at["V"][0]],
        }
    if name in HALVED:
        shift = HALVED[name][1]
        luma = _rows(frame, 0, order)[:height, :width]
        rows = _rows(frame, 1, order)[: frame.planes[1].height]
        both = rows[:, : frame.planes[1].width * 2].reshape(len(rows), -1, 2)
        return {
            "Y": luma >> shift,
            HALVED[name][0][0]: both[..., 0] >> shift,
            HALVED[name][0][1]: both[..., 1] >> shift,
        }
    letters = "GBRA" if name.startswith("gbr") else "YUVA" if len(frame.planes) > 1 else "Y"
    return {
        c: _rows(frame, k, order)[: plane.height, : plane.width]
        for k, (c, plane) in enumerate(zip(letters, frame.planes, strict=False))
    }


def _rows(frame: VideoFrame, plane: int, dtype: str | type) -> np.ndarray:
    held = frame.planes[plane]
    kind = np.dtype(dtype)
    data = np.frombuffer(bytes(held), kind)
    return data.reshape(-1, held.line_size // kind.itemsize)
