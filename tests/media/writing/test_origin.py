"""What a source's clock reads at its first picture or sound is no content: the output begins at 0,
picture and sound stay together, and the origin is told."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.making.captions import captioned
from tests.making.flash import BEGINS, CLICK, FLASH, moments, write_flash
from tests.making.settings import UNCHANGED
from videnhance.cli.report import summary_text
from videnhance.errors import Stopped, UsageError
from videnhance.job.preview.make import make_preview
from videnhance.job.run import enhance, resume
from videnhance.media.sound.cutting import Window
from videnhance.media.writing.origin import creation_time, date_of, sentences
from videnhance.settings.groups import DetectSettings, OutputSettings, PartSettings, Settings

UPTIME, CLOCK = 7 * 3600, 1_609_126_114
"""Seconds: seven hours, and 2020-12-28 03:28:34."""
pytestmark = pytest.mark.usefixtures("square_detector")


def starts_of(path: Path) -> tuple[list[Fraction], list[Fraction]]:
    """When each stream begins, in seconds, and the ticks of their clocks."""
    with av.open(str(path)) as container:
        units = [Fraction(s.time_base or 1) for s in container.streams]
        starts = [s.start_time or 0 for s in container.streams]
    return [start * unit for start, unit in zip(starts, units, strict=True)], units


def keeping(settings: Settings = UNCHANGED) -> Settings:
    return replace(settings, output=replace(settings.output, keep_origin=True))


@pytest.mark.parametrize("begin", ["together", "late sound", "late picture"])
@pytest.mark.parametrize(
    ("name", "sound", "origin"),
    [
        ("in.ts", ("mp2", 16000), UPTIME),
        ("in.mpg", ("mp2", 16000), UPTIME),
        ("in.mkv", ("flac", 8000), CLOCK),
        ("in.mp4", ("aac", 48000), CLOCK),
    ],
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_an_output_begins_with_its_first_picture_or_sound(
    tmp_path: Path, begin: str, name: str, sound: tuple[str, int], origin: int, suffix: str
) -> None:
    codec = "mpeg2video" if name == "in.mpg" else "libx264"
    source = write_flash(
        tmp_path / name,
        codec,
        sound[0],
        BEGINS[begin],
        reordered=True,
        origin=origin,
        rate=25,
        samples=sound[1],
    )
    output, before = tmp_path / f"out{suffix}", starts_of(source)[0]
    summary = enhance(source, output, UNCHANGED)
    assert summary.check is not None
    found = moments(output)
    assert abs(found.click - found.times[found.flash] - float(CLICK - FLASH)) < 0.02
    with av.open(str(output)) as container:
        created = container.metadata.get("creation_time", "")
    begins, ticks = starts_of(output)
    assert abs(min(begins)) < 0.03  # AAC and MP2 begin with a packet that is not played
    assert abs((begins[1] - begins[0]) - (before[1] - before[0])) <= max(ticks)
    assert abs(summary.check.origin - origin) < 1
    assert any("the source's clock reads" in note for note in summary.notes)
    assert created.startswith("2020-12-28T03:28:3") == (origin == CLOCK)


@pytest.mark.parametrize(("suffix", "origin"), [(".ts", UPTIME), (".mkv", CLOCK)])
def test_the_origin_is_kept_if_asked_for(tmp_path: Path, suffix: str, origin: int) -> None:
    source = write_flash(tmp_path / f"in{suffix}", "libx264", "mp2", origin=origin, samples=16000)
    output = tmp_path / "out.mkv"
    summary = enhance(source, output, keeping())
    found = moments(output)
    assert abs(found.times[found.flash] - origin - float(FLASH)) < 0.05
    assert abs(found.click - origin - float(CLICK)) < 0.05
    assert summary.check is not None
    assert summary.check.origin == 0
    assert not any("clock" in note for note in summary.notes)


def test_positions_and_tracks_do_not_move(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.mkv", "libx264", "pcm_s16le", origin=CLOCK)
    part = replace(UNCHANGED, part=PartSettings(start="0.4", end="1.2"))
    output = tmp_path / "out.mkv"
    summary = enhance(source, output, part, keep_job=True)
    assert (summary.start, summary.frames) == (4, 8)
    assert summary.job is not None
    tracks = json.loads((summary.job / "tracks.json").read_text())
    assert all(track["pts"][0] >= CLOCK * 1000 for track in tracks["tracks"])
    record = json.loads((summary.job / "job.json").read_text())
    assert record["check"]["origin"] == CLOCK + 0.4
    found = moments(output)
    assert abs(found.times[found.flash] - 0.4) < 0.05
    with av.open(str(output)) as container:
        assert container.metadata["creation_time"].startswith("2020-12-28T03:28:34.4")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_range_keeps_the_times_of_the_clock_if_asked_for(tmp_path: Path, suffix: str) -> None:
    source = write_flash(tmp_path / "in.mkv", "libx264", "flac", origin=UPTIME, reordered=True)
    part = replace(keeping(), part=PartSettings(start="0.4", end="1.2"))
    output = tmp_path / f"out{suffix}"
    summary = enhance(source, output, part)
    found = moments(output)
    assert len(found.times) == 8
    assert abs(found.times[0] - UPTIME - 0.4) < 0.001
    assert abs(found.times[found.flash] - UPTIME - float(FLASH)) < 0.001
    assert abs(found.click - UPTIME - float(CLICK)) < 0.01
    assert summary.check is not None
    assert summary.check.origin == 0
    assert not any("clock" in note for note in summary.notes)


def test_a_recording_in_fragments_begins_at_zero(tmp_path: Path) -> None:
    """As where a stream is dumped: its clock is in the fragments (ISO/IEC 14496-12, 8.8.12)."""
    plain = write_flash(tmp_path / "plain.mkv", "libx264", "aac", samples=48000)
    source = tmp_path / "in.mp4"
    options = {"movflags": "frag_keyframe+empty_moov", "video_track_timescale": "48000"}
    with av.open(str(plain)) as old, av.open(str(source), "w", options=options) as new:
        routes = [new.add_stream_from_template(stream) for stream in old.streams]
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = routes[packet.stream_index]
                new.mux(packet)
    data, at = bytearray(source.read_bytes()), 0
    while (at := data.find(b"tfdt\x01", at + 1)) > 0:
        (time,) = struct.unpack_from(">Q", data, at + 8)
        struct.pack_into(">Q", data, at + 8, time + CLOCK * 48000)
    source.write_bytes(data)
    assert starts_of(source)[0][0] > CLOCK - 1
    summary = enhance(source, tmp_path / "out.mp4", UNCHANGED)
    found = moments(tmp_path / "out.mp4")
    assert abs(found.times[found.flash] - float(FLASH)) < 0.05
    assert abs(found.click - found.times[found.flash] - float(CLICK - FLASH)) < 0.03
    assert any("reads 2020-12-28 03:28:3" in note for note in summary.notes)


@pytest.mark.parametrize("audio", ["aac", "none"])
def test_sound_that_is_encoded_anew_or_left_out_does_not_matter(tmp_path: Path, audio: str) -> None:
    begin, source = BEGINS["late picture"], tmp_path / "in.mkv"
    write_flash(source, "libx264", "wavpack", begin, origin=UPTIME, samples=48000)
    wish = replace(UNCHANGED, output=OutputSettings(audio=audio, codec="h264"))
    summary = enhance(source, tmp_path / "out.mp4", wish)
    assert summary.check is not None
    assert summary.check.offset < 0.001
    with av.open(str(tmp_path / "out.mp4")) as container:
        first = next(container.decode(video=0))
    assert first.time == (0.4 if audio == "aac" else 0)


def test_an_avi_begins_at_zero_and_cannot_be_asked_not_to(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.mkv", "libx264", "pcm_s16le", origin=CLOCK)
    wish = replace(UNCHANGED, output=OutputSettings(codec="h264"))
    output = tmp_path / "out.avi"
    summary = enhance(source, output, wish)
    found = moments(output)
    assert abs(found.click - float(CLICK)) < 0.01
    assert any("reads 2020-12-28 03:28:34.000" in note for note in summary.notes)
    with pytest.raises(UsageError, match=r"--keep-origin: .avi holds no times"):
        enhance(source, output, keeping(wish), overwrite=True)


def test_a_job_goes_on_with_the_origin_it_began_with(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.ts", "libx264", "mp2", origin=UPTIME, samples=16000)
    job, output = tmp_path / "job", tmp_path / "out.mkv"
    with pytest.raises(Stopped):
        enhance(source, output, keeping(), job_dir=job, stop=(job / "tracks.json").exists)
    resume(job)
    assert abs(moments(output).times[0] - UPTIME) < 0.05


def test_a_preview_begins_at_zero_whatever_is_set(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.mkv", "libx264", "pcm_s16le", origin=CLOCK)
    wish = keeping(Settings(detect=DetectSettings(detector="square"), restore=UNCHANGED.restore))
    make_preview(source, tmp_path / "out.mp4", wish, seconds=1)
    assert moments(tmp_path / "out.mp4").times[0] == 0


def test_a_subtitle_from_before_the_first_picture_is_shown_from_there(tmp_path: Path) -> None:
    plain = write_flash(tmp_path / "plain.mkv", "libx264", "pcm_s16le", origin=UPTIME)
    before, across = "06:59:55,000 --> 06:59:56,000", "06:59:59,000 --> 07:00:01,000"
    source = captioned(tmp_path, plain, f"1\n{before}\n0\n\n2\n{across}\n1\n\n")
    output = tmp_path / "out.mkv"
    enhance(source, output, UNCHANGED)
    with av.open(str(output)) as container:
        told = [(bytes(p), p.pts, p.duration) for p in container.demux(subtitles=0) if p.size]
    assert told == [(b"1", 0, 1000)]


def test_a_source_that_begins_at_zero_is_not_spoken_of(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.mkv", "libx264", "pcm_s16le", BEGINS["late picture"])
    summary = enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert moments(tmp_path / "out.mkv").times[0] == 0.4  # after the sound, as recorded
    assert "clock" not in summary_text(summary)


def test_a_date_is_told_from_hours_of_uptime(tmp_path: Path) -> None:
    assert date_of(Fraction(95_443)) is None
    assert creation_time("matroska", Fraction(CLOCK)) == {
        "creation_time": "2020-12-28T03:28:34.000000Z"
    }
    assert creation_time("avi", Fraction(CLOCK)) == {}
    clip = write_flash(tmp_path / "in.mp4", "libx264", "aac", origin=CLOCK, samples=48000)
    with av.open(str(clip)) as container:
        assert "creation_time" not in container.metadata
    for origin, said in (
        (Fraction(CLOCK), "reads 2020-12-28 03:28:34.000 (taken as UTC) at the"),
        (Fraction(25200), "reads 25200.000 s at the output's time 0; --keep-origin keeps its"),
    ):
        (told,) = sentences(clip, ".mp4", Window(None, None, origin), origin)
        assert said in told
        assert "creation time" not in told  # the clip says nothing
    assert sentences(clip, ".mp4", Window(None, None), Fraction(CLOCK)) == ()  # kept
    assert sentences(clip, ".mp4", Window(Fraction(9), None), Fraction(0)) == ()  # a range
