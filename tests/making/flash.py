"""Clips with a white picture and a click at known times, to tell whether sound and picture of an
output belong together as in its source.

The truth is FLASH and CLICK: what was written, not what any reader says. A muxer may not be able to
write what a test needs (AVI begins every stream at 0 and knows no order but the stored one), so for
AVI the header is changed afterwards, by its own format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tests.making.clips import add_sound, add_video
from tests.making.odd_clips import FORMATS
from videnhance.imaging.frames import Array
from videnhance.media.reading.decoding import planes_of
from videnhance.media.writing.codecs import repeatable

RATE, SAMPLES = 10, 8000
"""Pictures and samples of sound a second."""
FLASH, CLICK = Fraction(8, 10), Fraction(11, 10)
"""Seconds of the clock that picture and sound share."""
END = Fraction(16, 10)


@dataclass(frozen=True)
class Begin:
    """When picture and sound begin, in seconds; a multiple of a frame, and of one of the sound."""

    picture: Fraction = Fraction(0)
    sound: Fraction = Fraction(0)


BEGINS = {
    "together": Begin(),
    "late sound": Begin(sound=Fraction(4, 10)),
    "late picture": Begin(picture=Fraction(4, 10)),
    "negative": Begin(picture=Fraction(-2, 10)),
}


def write_flash(
    path: Path,
    codec: str,
    sound: str,
    begin: Begin = BEGINS["together"],
    *,
    reordered: bool = False,
    origin: int = 0,
    rate: int = RATE,
    samples: int = SAMPLES,
) -> Path:
    """A clip of `codec`; `reordered`: with B-frames. `origin`: what is added to all times, in
    seconds. The suffix .vfw.mkv stands for Matroska as made from AVI, V_MS/VFW/FOURCC."""
    form = FORMATS.get(path.suffix, path.suffix[1:])
    by_place = form == "avi" or path.name.endswith(".vfw.mkv")
    disguise = _DISGUISES.get((path.name.endswith(".vfw.mkv"), form, codec))
    with av.open(str(path), "w", format=form, options=_muxing(form)) as container:
        options = repeatable(codec, _coding(codec, reordered))
        if disguise is None:
            stream = add_video(container, codec, rate=rate, options=options)
            coder = stream.codec_context
        else:
            stream = add_video(container, disguise[0], rate=rate)
            coder = cast(VideoCodecContext, VideoCodecContext.create(codec, "w"))
            coder.options, coder.framerate = options, Fraction(rate)
        coder.width, coder.height = 64, 48
        coder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        coder.time_base = Fraction(1, rate)
        tone = add_sound(container, sound, samples)
        container.start_encoding()
        pictures = _pictures(coder, begin, rate, origin)
        sounds = _clicks(tone, begin, samples, origin)
        if by_place:
            for number, packet in enumerate(pictures):
                packet.pts = packet.dts = number + int(begin.picture * rate) * (form != "avi")
                packet.time_base = Fraction(1, rate)
        if form == "avi":
            first = sounds[0].pts or 0
            for packet in sounds:
                packet.pts = packet.dts = (packet.pts or 0) - first
        for packet in pictures:
            packet.stream = stream
        packets = [*pictures, *sounds]
        packets.sort(key=lambda p: (p.dts or 0) * p.time_base)
        container.mux(packets)
    if form == "avi":
        _begin_at(path, b"vids", begin.picture)
        _begin_at(path, b"auds", begin.sound)
    if disguise is not None:
        path.write_bytes(path.read_bytes().replace(disguise[1], disguise[2]))
    return path


_DISGUISES = {
    (False, "avi", "libx265"): ("libx264", b"H264", b"HEVC"),
    (True, "matroska", "libx264"): ("wmv2", b"WMV2", b"H264"),
}
"""Streams that no muxer of FFmpeg writes: a codec that it takes, its four letters, and those that
are put in their place."""


def _muxing(form: str) -> dict[str, str]:
    return {} if form in ("avi", "flv", "vob") else {"avoid_negative_ts": "disabled"}


def _coding(codec: str, reordered: bool) -> dict[str, str]:
    if codec == "libx265":
        return {"x265-params": f"log-level=error:bframes={2 * reordered}:keyint=6"}
    if codec in ("libx264", "mpeg4", "mpeg2video"):
        still = {"b_strategy": "0"} if codec == "libx264" else {}
        return {"bf": "2" if reordered else "0", "g": "6", **still}
    return {}


def _begin_at(path: Path, kind: bytes, seconds: Fraction) -> None:
    """Sets dwStart in the header of an AVI stream (AVISTREAMHEADER)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"strh" + struct.pack("<I", 56) + kind) + 8
    scale, rate = struct.unpack_from("<II", data, at + 20)
    struct.pack_into("<I", data, at + 28, round(seconds * rate / scale))
    path.write_bytes(data)


def _pictures(coder: VideoCodecContext, begin: Begin, rate: int, origin: int) -> list[Packet[Any]]:
    packets: list[Packet[Any]] = []
    for index in range(round(begin.picture * rate), round(END * rate)):
        dark = _dark(index) if index != FLASH * rate else np.full((48, 64, 3), 255, np.uint8)
        frame = VideoFrame.from_ndarray(dark).reformat(format=coder.pix_fmt)
        frame.pts, frame.time_base = index + origin * rate, Fraction(1, rate)
        packets += coder.encode(frame)
    return packets + coder.encode(None)


def _dark(index: int) -> NDArray[np.uint8]:
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    shade = 40 + 30 * np.sin((columns + 2 * index) / 5) * np.cos(rows / 7)
    return np.repeat(shade[..., None], 3, axis=2).astype(np.uint8)


def _clicks(stream: AudioStream, begin: Begin, rate: int, origin: int) -> list[Packet[Any]]:
    first = int(begin.sound * rate)
    wave = np.zeros(int(END * rate) - first, np.int16)
    wave[int(CLICK * rate) - first :][:4] = (30000, -30000, 30000, -30000)
    packets: list[Packet[Any]] = []
    for at in range(0, len(wave), rate // 10):
        frame = AudioFrame.from_ndarray(wave[None, at : at + rate // 10], "s16", "mono")
        frame.sample_rate, frame.pts = rate, origin * rate + first + at
        frame.time_base = Fraction(1, rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


@dataclass(frozen=True)
class Moments:
    """What decoding shows, at the times of FFmpeg's own reading."""

    pictures: tuple[Array, ...]
    """The luma of each frame."""
    times: tuple[float, ...]
    """Of the frames, in seconds."""
    click: float
    """Second of the loudest sample."""

    @property
    def flash(self) -> int:
        """The brightest frame, counted as shown."""
        return int(np.argmax([picture.mean() for picture in self.pictures]))


def moments(path: Path) -> Moments:
    """Decodes all of a clip."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    loudest, click = 0.0, 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(np.float64)).ravel()
            wave /= 1.0 if "flt" in frame.format.name else 32768
            if wave.max() > loudest:
                loudest = float(wave.max())
                click = (frame.time or 0.0) + int(wave.argmax()) / frame.sample_rate
    lumas = tuple(planes_of(frame)[0].copy() for frame in frames)
    return Moments(lumas, tuple(frame.time or 0.0 for frame in frames), click)
