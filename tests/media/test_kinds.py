"""Kinds of files that people report trouble with, through `enhance`: every frame at its time."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, packets, picture, write_clip
from tests.making.kinds import (
    joined,
    jumping_fragments,
    paff,
    repeated,
    several_riffs,
    unknown_clusters,
    vendor_jpegs,
)
from tests.making.odd_clips import Sound, write_odd_clip
from videnhance import Settings, Summary, enhance
from videnhance.errors import ContainerError, InputError, TruncatedError
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import recording_of
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    SourceSettings,
)

pytestmark = pytest.mark.usefixtures("square_detector")

GOPS = {"g": "25", "bf": "2"}


def through(
    source: Path, output: Path, *, start: str | None = None, end: str | None = None
) -> Summary:
    """The source in FFV1, its pictures unchanged."""
    settings = Settings(
        detect=DetectSettings(detector="square", every=50),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="h264" if output.suffix == ".mov" else "ffv1"),
        part=PartSettings(start=start, end=end),
    )
    return enhance(source, output, settings)


def seconds(path: Path) -> list[float]:
    """When each frame is shown, counted from the first."""
    timeline = open_clip(path).timeline
    return [round(timeline.seconds(k), 3) for k in range(len(timeline))]


def assert_same_pictures(source: Path, output: Path) -> None:
    for one, other in zip(decoded(source), decoded(output), strict=True):
        for was, now in zip(one, other, strict=True):
            np.testing.assert_array_equal(now, was)


@pytest.mark.parametrize("jump", [10, -2])
def test_fragments_whose_clock_jumps_keep_every_frame_and_packet(tmp_path: Path, jump: int) -> None:
    whole = write_odd_clip(
        tmp_path / "whole.mp4",
        codec="libx264",
        pix_fmt="yuv420p",
        times="long",
        options=GOPS,
        sounds=[Sound("aac")],
    )
    source = jumping_fragments(tmp_path / "in.mp4", whole, 4, Fraction(jump))
    summary = through(source, tmp_path / "out.mkv")
    there = max(jump, 0)  # a clock that is set back goes on
    assert seconds(tmp_path / "out.mkv") == [
        round(k / 25 + there * (k >= 100), 3) for k in range(280)
    ]
    assert_same_pictures(whole, tmp_path / "out.mkv")
    assert packets(tmp_path / "out.mkv", "audio") == packets(whole, "audio")
    told = "250 frames from 4.000 to 14.000 s not in" if jump > 0 else "clock is set back at 4.000"
    assert told in summary.notes[0]


@pytest.mark.parametrize(("codec", "name"), [("libx265", "hevc"), ("mpeg2video", "mpeg2video")])
def test_a_transport_stream_that_changes_its_codec_is_read_up_to_there(
    tmp_path: Path, codec: str, name: str
) -> None:
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    first = write_odd_clip(
        tmp_path / "a.ts", codec="libx264", pix_fmt="yuv420p", times="long", options={"g": "25"}
    )
    other = write_odd_clip(
        tmp_path / "b.ts", codec=codec, pix_fmt="yuv420p", size=(96, 64), options=options
    )
    source = joined(tmp_path / "in.ts", [first, other])
    summary = through(source, tmp_path / "out.mkv")
    assert 278 <= summary.frames <= 280  # FFmpeg loses what it holds at the change
    assert any(
        f"the video changes from h264 to {name} at 11.200 s: what follows is left out" in note
        for note in summary.notes
    )
    was = {frame[0].tobytes() for frame in decoded(first)}
    assert all(frame[0].tobytes() in was for frame in decoded(tmp_path / "out.mkv"))
    with pytest.raises(InputError, match=f"changes to {name} in the middle of the file"):
        recording_of(probe(source), SourceSettings(strict=True))


def test_a_transport_stream_that_changes_its_size_keeps_every_frame(tmp_path: Path) -> None:
    parts = [
        write_odd_clip(
            tmp_path / f"{width}.ts", codec="libx264", pix_fmt="yuv420p", size=(width, 48)
        )
        for width in (64, 96)
    ]
    summary = through(joined(tmp_path / "in.ts", parts), tmp_path / "out.mkv")
    assert seconds(tmp_path / "out.mkv") == [round(k / 25, 3) for k in range(12)]
    assert any("96x48 yuv420p, made 64x48" in note for note in summary.notes)


def test_clusters_of_unknown_size_that_are_cut_off(tmp_path: Path) -> None:
    live = write_clip(tmp_path / "live.mkv", pts=range(60), options={"g": "10", "bf": "0"})
    source = unknown_clusters(tmp_path / "in.mkv", live)
    through(source, tmp_path / "whole.mkv")
    assert_same_pictures(live, tmp_path / "whole.mkv")
    data = source.read_bytes()
    start = data.index(b"\x18\x53\x80\x67") + 4
    width = 9 - data[start].bit_length()
    ones = ((1 << 7 * width) - 1 | 1 << 7 * width).to_bytes(width, "big")
    data = data[:start] + ones + data[start + width :]  # the Segment too
    source.write_bytes(data[: len(data) * 6 // 10])
    summary = through(source, tmp_path / "out.mkv")
    assert 20 < summary.frames < 50
    assert seconds(tmp_path / "out.mkv") == [round(k / 25, 3) for k in range(summary.frames)]
    assert any("it is probably cut off" in note for note in summary.notes)
    with pytest.raises(TruncatedError):
        recording_of(probe(source), SourceSettings(strict=True))


def test_h265_in_flash_video(tmp_path: Path) -> None:
    source = write_odd_clip(
        tmp_path / "in.flv",
        codec="libx265",
        pix_fmt="yuv420p",
        options={"x265-params": "log-level=error:bframes=3:keyint=5"},
        sounds=[Sound("aac", rate=44100)],
    )
    through(source, tmp_path / "out.mkv")
    assert seconds(tmp_path / "out.mkv") == [round(k / 25, 3) for k in range(6)]
    assert_same_pictures(source, tmp_path / "out.mkv")
    assert packets(tmp_path / "out.mkv", "audio") == packets(source, "audio")


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_recording_in_progress_is_taken_as_it_was_at_the_start(
    tmp_path: Path, suffix: str
) -> None:
    whole = write_odd_clip(
        tmp_path / f"whole{suffix}",
        codec="libx264",
        pix_fmt="yuv420p",
        times="long",
        options={"g": "25"},
        sounds=[Sound("mp2")],
    )
    data = whole.read_bytes()
    begun, source = tmp_path / f"begun{suffix}", tmp_path / f"in{suffix}"
    begun.write_bytes(data[: len(data) // 2])
    shutil.copy(begun, source)

    def record(step: str, done: int, total: int) -> None:
        if step == "render" and source.stat().st_size < len(data):
            with source.open("ab") as file:
                file.write(data[source.stat().st_size :][:20000])

    settings = Settings(
        detect=DetectSettings(detector="square", every=50),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1"),
    )
    summary = enhance(source, tmp_path / "out.mkv", settings, progress=record)
    assert source.stat().st_size > begun.stat().st_size
    assert any("the source still grew while it was worked on, from" in n for n in summary.notes)
    enhance(begun, tmp_path / "then.mkv", settings)
    assert seconds(tmp_path / "out.mkv") == seconds(tmp_path / "then.mkv")
    assert_same_pictures(tmp_path / "then.mkv", tmp_path / "out.mkv")
    was, now = (packets(tmp_path / name, "audio") for name in ("then.mkv", "out.mkv"))
    assert abs(len(was) - len(now)) <= 20  # of that, half a second may not have been written yet
    same = min(len(was), len(now)) - 1  # the last one was half there
    assert now[:same] == was[:same]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "base"), [("mp4", Fraction(1)), ("avi", Fraction(1)), ("matroska", Fraction(1, 1000))]
)
def test_twelve_hours_of_one_frame_a_second(tmp_path: Path, form: str, base: Fraction) -> None:
    ticks = range(0, int(43200 / base), int(1 / base))
    source = repeated(tmp_path / f"in.{form[:3]}", form, ticks, base)
    summary = through(source, tmp_path / "out.mkv", start="11:59:50", end="11:59:58")
    assert (summary.frames, summary.notes) == (8, ())
    assert open_clip(source).timeline.seconds(43199) == 43199
    assert seconds(tmp_path / "out.mkv") == list(range(8))


@pytest.mark.parametrize("form", ["matroska", "nut", "mp4"])
def test_times_since_1970_keep_their_distances(tmp_path: Path, form: str) -> None:
    first = 1_609_126_114_000  # milliseconds, about 2 ** 40.5
    ticks = [first + 40 * k for k in range(20)]
    source = repeated(tmp_path / f"in.{form[:3]}", form, ticks, Fraction(1, 1000))
    summary = through(source, tmp_path / "out.mkv")
    assert summary.frames == 20
    assert not any("cut off" in note for note in summary.notes)
    assert seconds(tmp_path / "out.mkv") == [round(k / 25, 3) for k in range(20)]


def test_an_avi_of_several_riff_chunks_of_a_gigabyte(tmp_path: Path) -> None:
    source = several_riffs(tmp_path / "in.avi")
    assert source.stat().st_size > 3 << 30
    summary = through(source, tmp_path / "out.mkv")
    assert (summary.frames, summary.notes) == (15, ())
    assert seconds(tmp_path / "out.mkv") == [round(k / 25, 3) for k in range(15)]
    assert_same_pictures(source, tmp_path / "out.mkv")
    source.unlink()  # pytest keeps folders; this one looks large


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_h265_without_chroma(tmp_path: Path, pix_fmt: str) -> None:
    options = {"x265-params": "log-level=error"}
    source = write_odd_clip(tmp_path / "in.ts", codec="libx265", pix_fmt=pix_fmt, options=options)
    through(source, tmp_path / "out.mkv")
    assert probe(tmp_path / "out.mkv").pix_fmt == pix_fmt
    assert_same_pictures(source, tmp_path / "out.mkv")


@pytest.mark.parametrize("form", ["mpegts", "matroska"])
def test_h264_of_fields_gives_frames(tmp_path: Path, form: str) -> None:
    frames = [np.random.default_rng(k).integers(16, 235, (64, 64), np.uint8) for k in range(8)]
    source = paff(tmp_path / "in.ts", frames, form)
    through(source, tmp_path / "out.mkv")
    assert seconds(tmp_path / "out.mkv") == [round(k / 25, 3) for k in range(8)]
    for frame, planes in zip(frames, decoded(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(planes[0], frame)


@pytest.mark.parametrize("form", ["avi", "matroska", "mov"])
def test_jpegs_with_restart_markers_and_a_camera_s_own_data(tmp_path: Path, form: str) -> None:
    source = vendor_jpegs(tmp_path / f"in.{form[:3]}", form)
    summary = through(source, tmp_path / "out.mkv")
    assert (summary.frames, summary.notes) == (12, ())
    assert_same_pictures(source, tmp_path / "out.mkv")
    shown = decoded(tmp_path / "out.mkv")[3][0].astype(int)
    wanted = np.frombuffer(
        bytes(picture(3, 64, 48, "gbrp").reformat(format="gray").planes[0]), "u1"
    )
    assert np.abs(shown - wanted.reshape(48, -1)[:, :64]).mean() < 4


@pytest.mark.parametrize("suffix", ["3gp", "mov"])
def test_amr_is_copied_into_mov_and_refused_by_others(tmp_path: Path, suffix: str) -> None:
    source = write_odd_clip(
        tmp_path / f"in.{suffix}",
        codec="mpeg4",
        pix_fmt="yuv420p",
        times="long",
        sounds=[Sound("libopencore_amrnb", rate=8000)],
    )
    with pytest.raises(ContainerError, match=r"cannot hold audio stream 1 .*name the output \.mov"):
        through(source, tmp_path / "out.mp4")
    through(source, tmp_path / "out.mov")
    assert b"".join(packets(tmp_path / "out.mov", "audio")) == b"".join(packets(source, "audio"))


def test_g726_is_refused_in_one_line_where_it_does_not_fit(tmp_path: Path) -> None:
    source = write_odd_clip(
        tmp_path / "in.avi", codec="mpeg4", pix_fmt="yuv420p", sounds=[Sound("g726", rate=8000)]
    )
    with pytest.raises(ContainerError, match=r"\.mp4 cannot hold audio stream 1 \(adpcm_g726\)"):
        through(source, tmp_path / "out.mp4")
