"""Whole jobs with faces that cannot be seen, and with two people in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.making.clips import decoded, seated, write_clip, write_rgb
from tests.making.restorers import Darken
from videnhance import restorers
from videnhance.faces.alignment import TEMPLATE, fit_poses
from videnhance.faces.track_file import write_tracks
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.job.run import enhance
from videnhance.media.opening import open_clip
from videnhance.models.registry import Row
from videnhance.settings.groups import (
    DetectSettings,
    EvidenceSettings,
    GateLimits,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
)


@pytest.fixture(params=[False, True], ids=["keeps", "invents"])
def wish(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, square_detector: str
) -> Settings:
    row = Row(lambda loader: Darken(0.2, invents=request.param))
    monkeypatch.setitem(restorers.RESTORERS, "darken", row)
    return Settings(
        detect=DetectSettings(detector=square_detector),
        restore=RestoreSettings(restorer="darken", match_color=False, steady=0.0),
        gate=GateLimits(sharpness=None),
        output=OutputSettings(codec="ffv1"),
        evidence=EvidenceSettings(label=False),  # nothing but faces may differ
    )


def track(number: int, x: Sequence[float], y: float, side: float, start: int = 0) -> Tracklet:
    """A face whose middle goes along x."""
    middles = np.stack([np.array(x, np.float64), np.full(len(x), y)], axis=1)
    landmarks = (TEMPLATE - [0.5, 0.52]) * side + middles[:, None]
    scores = np.full(len(x), 0.9)
    return Tracklet(number, start, fit_poses(landmarks), landmarks, scores, True, True)


def changed(clip: Path, out: Path) -> list[int]:
    """How many samples of luma each frame changes."""
    pairs = zip(decoded(clip), decoded(out), strict=True)
    return [int((one[0] != other[0]).sum()) for one, other in pairs]


def prepared(folder: Path, *tracks: Tracklet, frames: int = 24) -> tuple[Path, Path]:
    """A grey clip and its tracks file."""
    clip = write_rgb(folder / "in.mkv", [np.full((128, 192, 3), 140, np.uint8)] * frames)
    given = folder / "in.json"
    write_tracks(given, Tracks(tracks), open_clip(clip))
    return clip, given


def test_a_face_behind_another_is_left_alone(tmp_path: Path, wish: Settings) -> None:
    """Also where the one in front is not worked on, and wherever the video is cut."""
    near, far = track(1, [80.0] * 24, 64, 100), track(2, [90.0] * 24, 60, 60)
    clip, given = prepared(tmp_path, near, far)
    only = replace(wish, part=PartSettings(only=(2,)))
    summary = enhance(clip, tmp_path / "out.mkv", only, tracks=given)
    assert changed(clip, tmp_path / "out.mkv") == [0] * 24
    assert summary.notes == ("faces left as recorded: 24 hidden",)
    alone = replace(wish, part=PartSettings(only=(1,)))
    summary = enhance(clip, tmp_path / "near.mkv", alone, tracks=given)
    assert min(changed(clip, tmp_path / "near.mkv")) > 3000
    assert summary.notes == ()


def test_a_face_that_leaves_the_picture_fades_out(tmp_path: Path, wish: Settings) -> None:
    """By the middle of its way nothing is done to it any more."""
    clip, given = prepared(tmp_path, track(1, np.linspace(60.0, -60.0, 24).tolist(), 64, 60))
    summary = enhance(clip, tmp_path / "out.mkv", wish, tracks=given)
    found = changed(clip, tmp_path / "out.mkv")
    assert min(found[:6]) > 1000
    assert found[16:] == [0] * 8
    assert any("outside the picture" in note for note in summary.notes)


def test_segments_leave_no_seam(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One who passes behind another, and is hidden for a while on both sides of a border."""
    passes = track(2, np.linspace(40.0, 150.0, 40).tolist(), 64, 50)
    near = track(1, [96.0] * 16, 64, 90, start=12)
    clip, given = prepared(tmp_path, near, passes, frames=40)
    only = replace(wish, part=PartSettings(only=(2,)))
    enhance(clip, tmp_path / "whole.mkv", only, tracks=given)
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 5)
    enhance(clip, tmp_path / "cut.mkv", only, tracks=given)
    pairs = zip(decoded(tmp_path / "whole.mkv"), decoded(tmp_path / "cut.mkv"), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one[0], other[0])
    found = changed(clip, tmp_path / "whole.mkv")
    assert min(found) == 0 < min(found[2:5])


def test_people_who_take_turns_in_a_time_lapse_are_told_apart(
    tmp_path: Path, wish: Settings
) -> None:
    """A frame a minute of one place: a person, another, the first again."""
    persons = [1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1]
    clip = write_clip(
        tmp_path / "in.mkv",
        pts=[60 * k for k in range(len(persons))],
        time_base=Fraction(1),
        size=(192, 128),
        codec="ffv1",
        pictures=[
            VideoFrame.from_ndarray(seated(k), format="rgb24").reformat(format="yuv420p")
            for k in persons
        ],
    )
    summary = enhance(clip, tmp_path / "out.mkv", wish)
    assert (summary.tracks, summary.frames_with_faces) == (3, 11)
    assert min(changed(clip, tmp_path / "out.mkv")) > 1000  # no frame to ease in from
    for number, frames in ((1, range(4)), (2, range(4, 9)), (3, range(9, 11))):
        out = tmp_path / f"{number}.mkv"
        enhance(clip, out, replace(wish, part=PartSettings(only=(number,))))
        found = changed(clip, out)
        assert [k for k, count in enumerate(found) if count] == list(frames)
