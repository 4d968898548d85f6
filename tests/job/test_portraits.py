"""Portraits as a job: their files, their record, going on, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.making.clips import square_frames, write_rgb
from videnhance.errors import OutputError, Stopped
from videnhance.files import sha256_of
from videnhance.job.run import enhance, make_portraits_of
from videnhance.job.summary import Summary
from videnhance.media.writing.png import read_picture, read_text
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    PortraitSettings,
    Settings,
)
from videnhance.settings.restoring import RestoreSettings


@pytest.fixture
def settings(square_detector: str) -> Settings:
    return Settings(detect=DetectSettings(detector=square_detector, every=2))


def made(clip: Path, folder: Path, settings: Settings) -> tuple[Summary, dict[str, Any]]:
    summary = make_portraits_of(clip, folder, settings)
    record: dict[str, Any] = json.loads((folder / "portraits.json").read_text())
    return summary, record


def test_each_person_gets_a_picture_what_it_is_compared_with_and_a_record(
    tmp_path: Path, settings: Settings
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(12))
    folder = tmp_path / "faces"

    summary, record = made(clip, folder, settings)

    (entry,) = record["portraits"]
    assert entry["said"].startswith("integrated from 12 frames of 0.5 s; nothing added")
    assert entry["frames"] == list(range(12))
    assert summary.portraits == (f"track 1: {entry['said']} -> {entry['file']}",)
    picture = read_picture(folder / entry["file"])
    recorded = read_picture(folder / "track001_view1_x2_recorded.png")
    assert picture is not None
    assert recorded is not None
    assert picture.dtype == np.uint16
    assert len(picture) == 2 * len(recorded)
    assert read_text(folder / entry["file"])["Title"] == entry["said"]
    files = record["files"]
    assert {"sheet.png", "sheet.pdf", entry["file"]} <= set(files)
    assert all(sha256_of(folder / name) == sha for name, sha in files.items())
    assert (folder / "sheet.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.size[0] > 4 * 288
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "faces.json", "in.mkv"]
    with pytest.raises(OutputError, match="is not empty"):
        make_portraits_of(clip, folder, settings)


def test_a_stopped_job_goes_on_and_makes_the_same_bytes(tmp_path: Path, settings: Settings) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(8))
    _, whole = made(clip, tmp_path / "whole", settings)
    asked = False

    def progress(step: str, done: int, total: int) -> None:
        nonlocal asked
        asked = asked or (step == "portrait" and done >= 3)

    with pytest.raises(Stopped):
        make_portraits_of(clip, tmp_path / "again", settings, progress=progress, stop=lambda: asked)
    assert not (tmp_path / "again" / "portraits.json").exists()
    _, again = made(clip, tmp_path / "again", settings)

    assert again == whole


def test_finished_portraits_are_not_made_again(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(8))
    _, first = made(clip, tmp_path / "faces", settings)
    monkeypatch.setattr("videnhance.job.steps.portraits.portrait", None)

    make_portraits_of(clip, tmp_path / "faces", settings, overwrite=True)

    assert json.loads((tmp_path / "faces" / "portraits.json").read_text()) == first


def test_a_track_of_one_frame_is_refused_and_the_reason_told(
    tmp_path: Path, square_detector: str
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(1))
    settings = Settings(detect=DetectSettings(detector=square_detector, every=1))

    summary, record = made(clip, tmp_path / "faces", settings)

    assert summary.portraits == ("track 1: not made: the track has 1 frame; 5 are needed",)
    assert record["portraits"][0]["file"] is None
    assert (tmp_path / "faces" / "sheet.png").exists()


def test_only_the_range_and_the_tracks_asked_for_are_integrated(
    tmp_path: Path, square_detector: str
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(14))
    settings = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        part=PartSettings(start="4f", end="11f", only=(1,)),
        portrait=PortraitSettings(scale=3),
    )

    _, record = made(clip, tmp_path / "faces", settings)

    (entry,) = record["portraits"]
    assert entry["frames"] == list(range(4, 11))
    assert entry["file"] == "track001_view1_x3.png"


def test_a_restorer_named_is_a_further_picture_and_changes_no_portrait(
    tmp_path: Path, settings: Settings
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(8))
    made(clip, tmp_path / "plain", settings)
    named = replace(settings, restore=RestoreSettings(restorer="fusion"))

    _, record = made(clip, tmp_path / "named", named)

    beside = {path.name for path in (tmp_path / "named").iterdir()}
    plain = {path.name for path in (tmp_path / "plain").iterdir()}
    assert beside - plain == {"track001_view1_x2_fusion.png"}
    assert record["restorer"] == "fusion"
    one, other = (read_picture(tmp_path / f / "track001_view1_x2.png") for f in ("plain", "named"))
    assert np.array_equal(one, other)  # type: ignore[arg-type]


def test_portraits_beside_a_video(tmp_path: Path, settings: Settings) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(8))
    output = OutputSettings(codec="ffv1", portraits=str(tmp_path / "faces"))

    summary = enhance(clip, tmp_path / "out.mkv", replace(settings, output=output))

    assert (tmp_path / "out.mkv").exists()
    assert (tmp_path / "faces" / "portraits.json").exists()
    assert len(summary.portraits) == 1
    assert summary.portraits[0] in summary.notes
