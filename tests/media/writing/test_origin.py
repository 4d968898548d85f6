"""What a source's clock reads at its first picture or sound is no content: the output begins at 0,
picture and sound stay together, and the origin is told."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.making.flash import BEGINS, CLICK, FLASH, moments, write_flash
from tests.making.settings import UNCHANGED
from videnhance.cli.report import summary_text
from videnhance.job.run import enhance
from videnhance.media.writing.origin import creation_time, date_of, sentence
from videnhance.settings.groups import PartSettings, Settings

UPTIME, CLOCK = 7 * 3600, 1_609_126_114
"""Seconds: seven hours, and 2020-12-28 03:28:34."""
pytestmark = pytest.mark.usefixtures("square_detector")


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
    output = tmp_path / f"out{suffix}"
    summary = enhance(source, output, UNCHANGED)
    assert summary.check is not None
    found = moments(output)
    assert abs(found.click - found.times[found.flash] - float(CLICK - FLASH)) < 0.02
    with av.open(str(output)) as container:
        first = min(
            Fraction(s.start_time or 0) * Fraction(s.time_base or 1) for s in container.streams
        )
        created = container.metadata.get("creation_time", "")
    assert abs(first) < 0.03  # AAC and MP2 begin with a packet that is not played
    assert abs(summary.check.origin - origin) < 1
    assert any("the source's clock begins at" in note for note in summary.notes)
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


def test_a_source_that_begins_at_zero_is_not_spoken_of(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.mkv", "libx264", "pcm_s16le", BEGINS["late picture"])
    summary = enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert moments(tmp_path / "out.mkv").times[0] == 0.4  # after the sound, as recorded
    assert "clock" not in summary_text(summary)


def test_a_date_is_told_from_hours_of_uptime() -> None:
    assert date_of(Fraction(95_443)) is None
    assert creation_time("matroska", Fraction(CLOCK)) == {
        "creation_time": "2020-12-28T03:28:34.000000Z"
    }
    assert creation_time("avi", Fraction(CLOCK)) == {}
    told = sentence("mp4", ".mp4", Fraction(CLOCK))
    assert "2020-12-28 03:28:34 (UTC), the output at 0, and says so as its creation time" in told
    assert "25200.000 s, the output at 0; --keep-origin" in sentence("mp4", ".mp4", Fraction(25200))
