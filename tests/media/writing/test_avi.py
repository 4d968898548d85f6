"""AVI as an output: frames at their times, sound copied, or one line that names another."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Stream

from tests.making.clips import decoded, write_clip
from tests.making.odd_clips import Sound, write_odd_clip
from videnhance import Settings, enhance
from videnhance.errors import CheckError, ContainerError
from videnhance.media.check.frames import Expected, checked, read_contents
from videnhance.media.opening import open_clip
from videnhance.media.sound.cutting import Window
from videnhance.media.timeline import Timeline
from videnhance.media.writing.avi import even_rate
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
)

pytestmark = pytest.mark.usefixtures("square_detector")


def settings(codec: str = "h264", start: str | None = None, end: str | None = None) -> Settings:
    return Settings(
        detect=DetectSettings(detector="square", every=3),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec=codec),
        part=PartSettings(start=start, end=end),
    )


def places(path: Path) -> list[int]:
    """The number of each chunk of the video that holds a frame, counted in the file's bytes."""
    data, at, found, number = path.read_bytes(), 0, [], 0
    at = data.index(b"movi") + 4
    while data[at : at + 4] in (b"00dc", b"01wb", b"02wb"):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"00dc":
            found += [number] if size else []
            number += 1
        at += 8 + size + size % 2
    return found


def rate_of(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        return 1 / Fraction(container.streams.video[0].time_base or 1)


def sound_of(path: Path) -> tuple[str, bytes]:
    with av.open(str(path)) as container:
        stream: Stream = container.streams.audio[0]
        name = str(container.streams.audio[0].codec_context.codec.canonical_name)
        return name, b"".join(bytes(p) for p in container.demux(stream) if p.size)


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
@pytest.mark.parametrize(
    ("before", "coded", "times", "rate"),
    [
        ("mp4", "libx264", "cfr", Fraction(25)),
        ("mkv", "libx264", "ntsc", Fraction(30000, 1001)),
        ("avi", "mjpeg", "ntsc", Fraction(30000, 1001)),
        ("avi", "mpeg4", "gap", Fraction(25)),
        ("mp4", "libx264", "one", Fraction(25)),
        ("ts", "libx264", "late", Fraction(25)),
    ],
)
def test_every_frame_is_at_the_place_of_its_time(
    tmp_path: Path, codec: str, before: str, coded: str, times: str, rate: Fraction
) -> None:
    pix_fmt = "yuvj420p" if coded == "mjpeg" else "yuv420p"
    source = write_odd_clip(tmp_path / f"in.{before}", codec=coded, pix_fmt=pix_fmt, times=times)
    output = tmp_path / "out.avi"
    enhance(source, output, settings(codec))
    assert rate_of(output) == rate
    timeline = open_clip(source).timeline
    wanted = [round(timeline.seconds(k) * rate) for k in range(len(timeline))]
    assert places(output) == wanted
    pictures = decoded(output)
    assert len(pictures) == len(wanted)
    if codec == "ffv1":
        for one, other in zip(decoded(source), pictures, strict=True):
            for was, now in zip(one, other, strict=True):
                np.testing.assert_array_equal(now, was)


@pytest.mark.parametrize(
    "codec",
    ["pcm_s16le", "pcm_u8", "pcm_alaw", "pcm_mulaw", "mp2", "libmp3lame"],
)
def test_sound_is_copied(tmp_path: Path, codec: str) -> None:
    source = write_odd_clip(
        tmp_path / "in.avi", codec="mjpeg", pix_fmt="yuvj420p", times="long", sounds=[Sound(codec)]
    )
    enhance(source, tmp_path / "out.avi", settings())
    assert sound_of(tmp_path / "out.avi") == sound_of(source)
    assert places(tmp_path / "out.avi") == places(source)
    again = tmp_path / "again.avi"  # and out of what we wrote
    enhance(tmp_path / "out.avi", again, settings("ffv1"))
    assert sound_of(again) == sound_of(source)


@pytest.mark.parametrize(("start", "frames"), [(Fraction(1, 4), 6), (Fraction(-1, 10), 6)])
def test_pcm_that_begins_apart_from_the_picture_keeps_its_distance(
    tmp_path: Path, start: Fraction, frames: int
) -> None:
    late = max(start, Fraction(0))
    source = tmp_path / "in.mkv"
    if start > 0:
        sounds = [Sound("pcm_s16le", start, 8000)]
        write_odd_clip(source, codec="mpeg4", pix_fmt="yuv420p", sounds=sounds)
    else:  # the picture begins 2 s after the sound
        sounds = [Sound("pcm_s16le", Fraction(2) + start, 8000)]
        write_odd_clip(source, codec="mpeg4", pix_fmt="yuv420p", times="late", sounds=sounds)
        frames = 5
    enhance(source, tmp_path / "out.avi", settings("ffv1"))
    first = 0 if start > 0 else 3  # whole frames at 25 a second, so the sound 20 ms after 0
    assert places(tmp_path / "out.avi") == list(range(first, first + frames))
    _, was = sound_of(source)
    _, now = sound_of(tmp_path / "out.avi")
    silence = round((late if start > 0 else Fraction(3, 25) + start) * 8000)
    assert now == bytes(2 * silence) + was


def test_a_range_begins_at_its_first_frame(tmp_path: Path) -> None:
    source = write_odd_clip(
        tmp_path / "in.mp4",
        codec="libx264",
        pix_fmt="yuv420p",
        times="long",
        sounds=[Sound("libmp3lame")],
    )
    wav = write_odd_clip(
        tmp_path / "in.avi",
        codec="mjpeg",
        pix_fmt="yuvj420p",
        times="long",
        sounds=[Sound("pcm_s16le", rate=8000)],
    )
    enhance(wav, tmp_path / "out.avi", settings(start="100f", end="150f"))
    assert places(tmp_path / "out.avi") == list(range(50))
    assert sound_of(tmp_path / "out.avi")[1] == sound_of(wav)[1][100 * 640 : 150 * 640]
    with pytest.raises(ContainerError, match=r"stream 1\) begins .*\.avi .*\.mkv.*--audio none"):
        enhance(source, tmp_path / "other.avi", settings(start="101f", end="150f"))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"times": "vfr"}, r"unevenly.*one constant rate; name the output \.mp4 or \.mkv"),
        ({"sounds": [Sound("aac")]}, r"cannot hold audio stream 1 \(aac\); name the output \.mp4"),
        ({"sounds": [Sound("ac3")]}, r"cannot hold audio stream 1 \(ac3\); name the output \.mp4"),
        ({"sounds": [Sound("mp2", Fraction(1, 4))]}, r"begins 0\.24\d s after the start.*\.mkv"),
    ],
)
def test_what_avi_cannot_hold_is_refused_before_any_work(
    tmp_path: Path, changed: dict[str, object], what: str
) -> None:
    source = write_odd_clip(
        tmp_path / "in.mkv",
        codec="libx264",
        pix_fmt="yuv420p",
        **changed,  # type: ignore[arg-type]
    )
    with pytest.raises(ContainerError, match=what):
        enhance(source, tmp_path / "out.avi", settings())
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.parametrize("codec", ["h265", "av1", "prores"])
def test_codecs_of_other_containers_are_refused(tmp_path: Path, codec: str) -> None:
    source = write_clip(tmp_path / "in.mp4")
    with pytest.raises(ContainerError, match=rf"\.avi cannot hold {codec} video; name the output"):
        enhance(source, tmp_path / "out.avi", settings(codec))


def test_a_frame_at_another_place_fails_the_check(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", pts=range(12))
    enhance(source, tmp_path / "out.avi", settings())
    clip = open_clip(source)
    expected = Expected(clip, Window(None, None), (0, 12), (), {})
    output = tmp_path / "out.avi"
    assert list(read_contents(output, output, 12).pts) == list(range(12))
    later = write_clip(tmp_path / "in.avi", pts=(*range(6), *range(7, 13)), options={"bf": "0"})
    with pytest.raises(CheckError, match=r"frame 6 is shown at 0\.280"):
        checked(output, later, expected)


def test_the_rate_of_a_coarse_clock() -> None:
    ntsc = Fraction(30000, 1001)
    pts = tuple(round(k * 1000 / ntsc) for k in range(100_000))
    timeline = Timeline(Fraction(1, 1000), pts, (0,), 33)
    assert even_rate(timeline, None) == ntsc
    assert even_rate(timeline, Fraction(25)) == ntsc
    moved = Timeline(Fraction(1, 1000), (*pts[:500], pts[500] + 9, *pts[501:]), (0,), 33)
    assert even_rate(moved, ntsc) is None


def test_a_last_frame_that_is_shown_longer_ends_where_it_did(tmp_path: Path) -> None:
    whole, source = write_clip(tmp_path / "whole.mp4", options={"bf": "0"}), tmp_path / "in.mp4"
    with av.open(str(whole)) as a, av.open(str(source), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        for packet in [p for p in a.demux(video=0) if p.size]:
            if packet.pts == 11 / 25 / Fraction(packet.time_base):
                packet.duration = 5 * (packet.duration or 0)
            packet.stream = stream
            b.mux(packet)
    assert open_clip(source).timeline.end_of(11) == 16 / 25
    enhance(source, tmp_path / "out.avi", settings())
    assert places(tmp_path / "out.avi") == list(range(12))
    with av.open(str(tmp_path / "out.avi")) as container:
        assert container.streams.video[0].duration == 16
