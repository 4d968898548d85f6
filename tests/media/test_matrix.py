"""What people have, through the whole of `enhance` and back: nothing may differ but the codec.

Every row of the table is a clip of its own kind, enhanced by a restorer that changes nothing into
FFV1, which loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tests.making.odd_clips import (
    HDR10,
    MATRICES,
    Sound,
    cropped,
    frames_of,
    samples,
    write_odd_clip,
)
from videnhance.job.run import enhance
from videnhance.media.reading.source import probe
from videnhance.media.sound.cutting import sample_width
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

LOSSLESS = Settings(
    detect=DetectSettings(detector="square", every=3),
    restore=RestoreSettings(restorer="identity"),
    output=OutputSettings(codec="ffv1", keep_origin=True),
)

HALF = Fraction(1, 2000)
"""Seconds: how far Matroska, which counts milliseconds, may round a time."""
SAMPLE = Fraction(1, 48000)
"""Seconds: MP4 counts the times of sound in samples."""
MPEG_AUDIO = {"mp2", "mp3"}
"""MP4 has one name for both."""


@dataclass(frozen=True)
class Row:
    """One clip and the output it becomes."""

    into: str
    """Suffixes, source and output."""
    codec: str
    pix_fmt: str = "yuv420p"
    times: str = "cfr"
    shape: str = ""
    """A name of MATRICES, an aspect such as 16:11, a size such as 65x47, what the stream crops
    (left, top, right, bottom); several with +."""
    color: tuple[int, int, int, int] | None = None
    """Range, matrix, primaries, transfer (ITU-T H.273)."""
    sounds: tuple[Sound, ...] = ()
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        what = (self.into, self.codec, self.pix_fmt, self.times, self.shape)
        tags = ".".join(map(str, self.color or ()))
        return " ".join(filter(None, (*what, tags, "+".join(s.codec for s in self.sounds))))


BT709, BT601, FULL709 = (1, 1, 1, 1), (1, 6, 6, 6), (2, 1, 1, 1)
BT470, FULL601 = (1, 5, 5, 5), (2, 5, 5, 6)
PQ, HLG = (1, 9, 9, 16), (1, 9, 9, 18)
AAC, MP2, AC3 = Sound("aac"), Sound("mp2"), Sound("ac3")
PCM, OPUS, FLAC = Sound("pcm_s16le"), Sound("libopus"), Sound("flac")
LATE = Fraction(1, 4)
ALAW, MULAW = Sound("pcm_alaw", rate=8000), Sound("pcm_mulaw", rate=8000)
MULAW_LATE = Sound("pcm_mulaw", LATE, 8000)
B_FRAMES = {"bf": "2", "g": "4"}
OPEN = {"bf": "2", "g": "3", "x264-params": "open-gop=1"}
INTRA = {"g": "1"}
LONG = {"g": "250", "bf": "2", "sc_threshold": "0"}
OPEN_H265 = {"x265-params": "log-level=error:keyint=3:min-keyint=3:bframes=2:open-gop=1"}
HIDDEN = {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "60"}
"""Frames that are only referred to."""
LATE_AAC, LATER_AC3 = Sound("aac", LATE), Sound("ac3", 2 * LATE)

ROWS = (
    # MP4
    Row("mp4>mkv", "libx264", times="cfr", options=B_FRAMES, sounds=(AAC,)),
    Row("mp4>mp4", "libx264", times="vfr", options=B_FRAMES, sounds=(AAC,), color=BT709),
    Row("mp4>mp4", "libx264", times="gap", options=OPEN, color=FULL709),
    Row("mp4>mkv", "libx264", times="fine", options=INTRA, color=BT601),
    Row("mp4>mp4", "libx264", times="one", shape="16:11"),
    Row("mp4>mkv", "libx264", "yuv422p10le", times="ntsc", color=PQ),
    Row("mp4>mp4", "libx264", "yuv444p", times="late", color=BT709, sounds=(AAC,)),
    Row("mp4>mp4", "libx264", "yuvj420p", color=FULL601),
    Row("mp4>mkv", "libx264", "gray", times="cfr"),
    Row("mp4>mp4", "libx265", "yuv420p10le", times="vfr", color=PQ, sounds=(AAC,)),
    Row("mp4>mkv", "libx265", "yuv420p", shape="rotate90", options=B_FRAMES),
    Row("mp4>mkv", "libx265", "yuv420p10le", color=PQ, options=HDR10),
    Row("ts>mp4", "libx265", "yuv420p10le", color=PQ, options=HDR10),
    Row("mp4>mp4", "libx265", "yuv444p12le", color=HLG),
    Row("mp4>mp4", "mpeg4", shape="rotate270", sounds=(MP2,)),
    Row("mp4>mkv", "libsvtav1", "yuv420p10le", color=HLG),
    Row("mp4>mkv", "libvpx-vp9", shape="vflip"),
    Row("mp4>mp4", "mjpeg", "yuvj422p", times="vfr"),
    Row("mp4>mkv", "libx264", times="negative", sounds=(AAC,)),
    Row("mp4>mp4", "libx264", times="negative", sounds=(AAC,), options=B_FRAMES),
    # MOV
    Row("mov>mkv", "prores_ks", "yuv422p10le", shape="transpose", color=BT709, sounds=(PCM,)),
    Row("mov>mkv", "prores_ks", "yuv444p10le", times="ntsc", sounds=(PCM, PCM)),
    Row("mov>mp4", "dnxhd", "yuv422p", shape="1920x1080", options={"b": "36M"}, times="one"),
    Row("mov>mkv", "rawvideo", "uyvy422", color=BT601),
    Row("mov>mp4", "rawvideo", "yuyv422"),
    Row("mov>mkv", "v210", "yuv422p10le", color=BT709),
    Row("mov>mkv", "qtrle", "argb"),
    Row("mov>mkv", "png", "rgb24", shape="transverse"),
    Row("mov>mp4", "png", "pal8"),
    Row("mov>mkv", "cfhd", "gbrp12le", shape="64x64"),
    Row("mov>mkv", "libx264", times="vfr", sounds=(PCM,), shape="rotate180"),
    Row("mov>mkv", "mjpeg", "yuvj420p", shape="hflip", sounds=(PCM,)),
    Row("mov>mkv", "r210", "gbrp10le"),
    # AVI
    Row("avi>mkv", "mjpeg", "yuvj420p", sounds=(PCM,)),
    Row("avi>mkv", "mjpeg", "yuvj444p", times="ntsc", sounds=(PCM,)),
    Row("avi>mkv", "mpeg4", shape="12:11"),
    Row("avi>mkv", "huffyuv", "yuv422p", shape="66x47", sounds=(PCM,)),
    Row("avi>mkv", "huffyuv", "rgb24", shape="65x47"),
    Row("avi>mp4", "rawvideo", "bgr24", shape="63x45"),
    Row("avi>mkv", "rawvideo", "yuyv422"),
    Row("avi>mkv", "rawvideo", "gray"),
    Row("avi>mkv", "utvideo", "gbrp"),
    Row("avi>mkv", "ffvhuff", "yuv411p", color=BT601),
    Row("avi>mp4", "ffv1", "yuv410p"),
    Row("avi>mkv", "msmpeg4"),
    Row("avi>mkv", "magicyuv", "yuva444p"),
    # Matroska and WebM
    Row("mkv>mkv", "ffv1", "yuv420p", shape="65x47+16:11", times="vfr", sounds=(FLAC, OPUS, AC3)),
    Row("mkv>mkv", "ffv1", "yuv440p", times="late-vfr", sounds=(PCM,)),
    Row("mkv>mp4", "ffv1", "yuv444p16le", times="gap", sounds=(FLAC,)),
    Row("mkv>mp4", "ffv1", "gbrp16le", times="vfr"),
    Row("mkv>mkv", "ffv1", "gray16le", color=(2, 2, 2, 2)),
    Row("mkv>mkv", "ffv1", "gray10le"),
    Row("mkv>mkv", "ffv1", "ya8"),
    Row("mkv>mkv", "ffv1", "yuva420p", times="one"),
    Row("mkv>mkv", "ffv1", "yuv420p12le", color=PQ, shape="33x31"),
    Row("mkv>mkv", "ffv1", "yuv422p9le"),
    Row("mkv>mkv", "libx265", "yuv422p12le", times="vfr", color=PQ, shape="rotate90"),
    Row("mkv>mkv", "mpeg2video", "yuv422p", shape="64:45"),
    Row("mkv>mp4", "libx264", shape="transpose", sounds=(Sound("aac", start=LATE),)),
    Row("mkv>mkv", "libx264", sounds=(Sound("pcm_s16le", start=LATE), Sound("aac", start=LATE))),
    Row("webm>mkv", "libvpx", times="vfr", sounds=(OPUS,)),
    Row("webm>mkv", "libvpx-vp9", "yuv444p", color=BT709, sounds=(OPUS,)),
    Row("webm>mkv", "libvpx-vp9", "gbrp"),
    Row("webm>mp4", "libsvtav1", times="gap", color=BT709, sounds=(OPUS,)),
    # MPEG program and transport streams
    Row("mpg>mkv", "mpeg1video", sounds=(MP2,)),
    Row("mpg>mp4", "mpeg2video", shape="16:11", sounds=(MP2,), color=BT470),
    Row("mpg>mkv", "mpeg2video", "yuv420p", options=B_FRAMES, sounds=(AC3,)),
    Row("ts>mkv", "libx264", options=B_FRAMES, sounds=(AAC,), color=BT709),
    Row("ts>mp4", "libx264", times="gap", options={"bf": "0"}),
    Row("ts>mkv", "libx264", shape="96x80+crop 6 0 2 0+16:11"),
    Row("ts>mp4", "libx264", "yuv444p", shape="96x80+crop 3 5 0 4"),
    Row("ts>mkv", "libx265", shape="96x80+crop 2 6 0 10"),
    Row("ts>mkv", "libx265", "yuv420p10le", color=PQ, sounds=(AC3,)),
    Row("ts>mkv", "mpeg2video", sounds=(MP2, MP2)),
    # Flash, Windows Media, GIF
    Row("flv>mkv", "flv", sounds=(Sound("libmp3lame", rate=44100),)),
    Row("flv>mp4", "libx264", times="vfr", sounds=(AAC,)),
    Row("wmv>mkv", "wmv2", sounds=(Sound("libmp3lame", rate=44100),)),
    Row("wmv>mkv", "msmpeg4"),
    Row("gif>mkv", "gif", "pal8", shape="65x47"),
    # Sound of cameras and telephones, and dropped frames
    Row("mov>mkv", "libx264", sounds=(ALAW,), times="vfr"),
    Row("avi>mkv", "mjpeg", "yuvj420p", sounds=(MULAW,), times="ntsc"),
    Row("avi>mkv", "huffyuv", "yuv422p", sounds=(ALAW,), shape="66x47"),
    Row("mov>mkv", "libx264", sounds=(MULAW_LATE, AAC), color=BT601),
    Row("avi>mkv", "msmpeg4", sounds=(Sound("libmp3lame"),)),
    Row("ts>mkv", "libx264", times="late", sounds=(AAC, AC3), options=OPEN),
    Row("gif>mp4", "gif", "rgb8"),
    # What is hard to keep in time
    Row("mov>mkv", "libx264", times="negative", shape="rotate90", options=B_FRAMES),
    Row("mp4>mp4", "libx264", times="long", options=LONG, shape="32x32", sounds=(AAC,)),
    Row("ts>mkv", "mpeg2video", times="long", options=LONG, shape="32x32", sounds=(MP2,)),
    Row("ts>mp4", "libx265", options=OPEN_H265, sounds=(AC3,)),
    Row("mkv>mkv", "libx264", options=B_FRAMES, sounds=(LATE_AAC, LATER_AC3, FLAC)),
    Row("mkv>mp4", "libx264", times="late-vfr", options=B_FRAMES, sounds=(LATER_AC3, LATE_AAC)),
    Row("avi>mkv", "mpeg4", options=B_FRAMES, sounds=(AC3,)),
    Row("avi>mp4", "mjpeg", "yuvj420p", times="gap", sounds=(MP2,)),
    Row("webm>mkv", "libvpx-vp9", times="long", options=HIDDEN, shape="32x32"),
    Row("gif>mkv", "gif", "bgr8", times="gap"),
    # Cameras' and broadcasters' own
    Row("mxf>mkv", "mpeg2video", "yuv422p", options=B_FRAMES, sounds=(PCM,), color=BT709),
    Row("nut>mp4", "libx264", times="vfr", sounds=(FLAC,), shape="12:11"),
    Row("3gp>mp4", "h263", shape="176x144"),
    Row("wmv>mp4", "mpeg4", options=B_FRAMES, sounds=(Sound("libmp3lame"),)),
    Row("flv>mkv", "libx265", times="late", sounds=(AAC,)),
    Row("flv>mp4", "flashsv", "bgr24"),
    Row("vob>mkv", "mpeg2video", times="ntsc", options=B_FRAMES, sounds=(AC3, MP2)),
)


def write(row: Row, path: Path) -> Path:
    size, matrix, aspect, sides = (64, 48), None, None, ""
    for part in filter(None, row.shape.split("+")):
        if part in MATRICES:
            matrix = MATRICES[part]
        elif ":" in part:
            aspect = Fraction(part.replace(":", "/"))
        elif part.startswith("crop"):
            sides = part
        else:
            width, height = part.split("x")
            size = (int(width), int(height))
    clip = write_odd_clip(
        path.with_stem("whole") if sides else path,
        codec=row.codec,
        pix_fmt=row.pix_fmt,
        times=row.times,
        size=size,
        options=row.options,
        matrix=matrix,
        aspect=aspect,
        color=row.color,
        sounds=row.sounds,
    )
    if sides:
        left, top, right, bottom = map(int, sides.split()[1:])
        return cropped(path, clip, left, top, right, bottom)
    return clip


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_goes_in_comes_out(tmp_path: Path, row: Row) -> None:
    before, after = row.into.split(">")
    source = write(row, tmp_path / f"in.{before}")
    output = tmp_path / f"out.{after}"
    enhance(source, output, LOSSLESS)
    one, other = probe(source), probe(output)
    assert (other.width, other.height) == (one.width, one.height)
    assert other.sample_aspect_ratio == one.sample_aspect_ratio
    assert other.display_matrix == one.display_matrix
    assert other.color == one.color
    told = one.picture
    if after == "mp4":  # which has no word for where chroma lies
        told = replace(told, chroma=other.picture.chroma)
    assert other.picture == told
    slack = HALF if after == "mkv" else 0
    assert_same_pictures(source, output, slack)
    assert_same_sounds(source, output, slack or SAMPLE)


CUT = (
    *(Row("avi>mkv", "mjpeg", "yuvj420p", sounds=(s,)) for s in (PCM, MULAW, MP2, AC3)),
    Row("avi>mkv", "mjpeg", "yuvj420p", sounds=(Sound("libmp3lame"),)),
    Row("avi>mp4", "mjpeg", "yuvj420p", sounds=(PCM,)),
    Row("mkv>mkv", "libx264", sounds=(PCM, AAC)),
    Row("flv>mkv", "libx264", sounds=(Sound("aac", rate=44100),)),
    Row("ts>mp4", "libx264", sounds=(MP2,)),
)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("row", CUT, ids=str)
def test_sound_of_a_file_that_is_cut_off_keeps_its_times(tmp_path: Path, row: Row) -> None:
    before, after = row.into.split(">")
    whole = write(row, tmp_path / f"whole.{before}")
    source, output = tmp_path / f"in.{before}", tmp_path / f"out.{after}"
    data = whole.read_bytes()
    source.write_bytes(data[: len(data) * 7 // 10])
    enhance(source, output, LOSSLESS)
    assert_same_sounds(source, output, HALF if after == "mkv" else SAMPLE)


def assert_same_pictures(source: Path, output: Path, slack: Fraction | int) -> None:
    old, new = frames_of(source), frames_of(output)
    assert len(new) == len(old)
    shown = [time_of(one) for one in old] if source.suffix != ".avi" else places_of(source)
    for one, other, time in zip(old, new, shown, strict=True):
        assert abs(time_of(other) - time) <= slack
        was, now = samples(one), samples(other)
        assert set(was) <= set(now)
        for letter, plane in was.items():
            np.testing.assert_array_equal(now[letter], plane)
        if "A" not in was and "A" in now:
            assert now["A"].min() == 255


def places_of(path: Path) -> list[Fraction]:
    """When the pictures of an AVI are shown: each in its place. FFmpeg makes up a pts for some."""
    with av.open(str(path)) as container:
        packets = (packet for packet in container.demux(video=0) if packet.dts is not None)
        return [(packet.dts or 0) * Fraction(packet.time_base) for packet in packets]


def assert_same_sounds(source: Path, output: Path, slack: Fraction | int) -> None:
    old, new = sounds_of(source), sounds_of(output)
    assert len(new) == len(old)
    for (codec, width, one), (same, _, other) in zip(old, new, strict=True):
        assert {same, codec} <= {codec} | MPEG_AUDIO
        if source.suffix == ".ts" and codec == "aac":  # each packet carries a header of its own
            one = [(time, data[7:]) for time, data in one]
        if codec.startswith("pcm"):  # MOV and AVI have no packets of PCM, only samples
            was, now = (b"".join(data for _, data in sound) for sound in (one, other))
            assert now == was[: len(was) - len(was) % width]
            (places, begins), (here, heard) = in_bytes(one), in_bytes(other)
            within = here <= places[-1]
            away = heard[within] - np.interp(here[within], places, begins)
            assert np.abs(away).max() <= float(slack) + 1e-9
            continue
        assert [data for _, data in other] == [data for _, data in one]
        for (then, _), (time, _) in zip(one, other, strict=True):
            assert abs(time - then) <= slack


def in_bytes(sound: list[tuple[Fraction, bytes]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bytes before each packet, and the second at which it begins."""
    sizes = [len(data) for _, data in sound]
    return np.cumsum([0, *sizes[:-1]]), np.array([float(time) for time, _ in sound])


def time_of(item: VideoFrame | Packet[Any]) -> Fraction:
    assert item.pts is not None
    return Fraction(item.pts) * Fraction(item.time_base or 0)


def sounds_of(path: Path) -> list[tuple[str, int, list[tuple[Fraction, bytes]]]]:
    """The codec of every stream of sound, how many bytes of PCM belong together, and the time and
    data of each of its packets."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        found: dict[int, tuple[str, int, list[tuple[Fraction, bytes]]]] = {
            s.index: (s.codec_context.codec.canonical_name, sample_width(s), []) for s in streams
        }
        for packet in container.demux(*streams) if streams else ():
            if packet.size:
                found[packet.stream_index][2].append((time_of(packet), bytes(packet)))
    return list(found.values())
