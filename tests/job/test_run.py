"""Whole jobs on tiny clips: what goes in must come out, where it may not change."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, packets, square_frames, times, write_clip, write_rgb
from tests.making.restorers import Darken
from tests.making.timelines import read_timeline
from videnhance import restorers
from videnhance.errors import OutputError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.job import plan
from videnhance.job.run import enhance
from videnhance.media.info import Coding
from videnhance.media.reading.coding import coding_of
from videnhance.media.reading.source import probe
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.restorers.identity import Identity
from videnhance.settings.clean_up import CleanSettings
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)

LOSSLESS = Settings(
    detect=DetectSettings(detector="square", every=3),
    restore=RestoreSettings(restorer="identity"),
    output=OutputSettings(codec="ffv1"),
)


@pytest.fixture
def darken(monkeypatch: pytest.MonkeyPatch) -> Settings:
    row = Row(lambda loader: Darken(0.2, radius=2))
    monkeypatch.setitem(restorers.RESTORERS, "darken", row)
    return replace(LOSSLESS, restore=RestoreSettings(restorer="darken"))


@pytest.fixture
def clip(square_clip: Path) -> Path:
    return square_clip


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name not in ("in.mkv", "in.mp4"))


@pytest.mark.usefixtures("square_detector")
def test_a_dry_run_gives_back_every_bit(tmp_path: Path, clip: Path) -> None:
    before = clip.read_bytes()
    summary = enhance(clip, tmp_path / "out.mkv", LOSSLESS)
    for one, other in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert times(clip) == times(tmp_path / "out.mkv")
    assert packets(clip, "audio") == packets(tmp_path / "out.mkv", "audio")
    assert (summary.frames, summary.frames_with_faces, summary.tracks) == (40, 40, 1)
    assert clip.read_bytes() == before
    assert leftovers(tmp_path) == ["out.mkv", "out.mkv.json"]


@pytest.mark.usefixtures("square_detector")
def test_only_the_face_changes(tmp_path: Path, clip: Path, darken: Settings) -> None:
    enhance(clip, tmp_path / "out.mkv", darken)
    for k, (one, other) in enumerate(
        zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True)
    ):
        change = other[0].astype(int) - one[0].astype(int)
        left = 40 + 0.5 * k
        assert abs(change[40 + 24, int(left + 24)] - round(-0.2 * 219)) <= 1
        rows, columns = np.nonzero(change)
        assert rows.min() >= 38
        assert rows.max() <= 90
        assert columns.min() >= left - 3
        assert columns.max() <= left + 51


@pytest.mark.usefixtures("square_detector")
def test_segments_leave_no_seam(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(LOSSLESS, restore=RestoreSettings(restorer="fusion"))
    enhance(clip, tmp_path / "whole.mkv", settings)
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", 7)
    enhance(clip, tmp_path / "cut.mkv", settings)
    for one, other in zip(
        decoded(tmp_path / "whole.mkv"), decoded(tmp_path / "cut.mkv"), strict=True
    ):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.usefixtures("square_detector")
def test_two_runs_give_the_same_file_content(tmp_path: Path, clip: Path) -> None:
    settings = replace(LOSSLESS, restore=RestoreSettings(), output=OutputSettings())
    enhance(clip, tmp_path / "one.mp4", settings)
    enhance(clip, tmp_path / "two.mp4", settings)
    assert packets(tmp_path / "one.mp4", "video") == packets(tmp_path / "two.mp4", "video")


@pytest.mark.usefixtures("square_detector")
def test_strength_zero_is_the_source(tmp_path: Path, clip: Path, darken: Settings) -> None:
    settings = replace(darken, restore=RestoreSettings(restorer="darken", strength=0.0))
    enhance(clip, tmp_path / "out.mkv", settings)
    for one, other in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.usefixtures("square_detector")
def test_a_face_that_appears_mid_shot_eases_in(tmp_path: Path, darken: Settings) -> None:
    frames = square_frames(40)
    for k in range(15):
        frames[k] = np.minimum(frames[k], 200)
    clip = write_rgb(tmp_path / "in.mkv", frames)
    settings = replace(darken, detect=DetectSettings(detector="square", every=1))
    settings = replace(settings, restore=replace(settings.restore, ease=0.2))
    enhance(clip, tmp_path / "out.mkv", settings)
    depth = [
        int(other[0][64, int(64 + 0.5 * k)]) - int(one[0][64, int(64 + 0.5 * k)])
        for k, (one, other) in enumerate(
            zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True)
        )
    ]
    assert depth[:16] == [0] * 16
    rise = depth[15:21]
    assert all(a > b for a, b in pairwise(rise))
    assert all(abs(d - round(-0.2 * 219)) <= 1 for d in depth[20:])  # to the clip's last frame


@pytest.mark.usefixtures("square_detector")
def test_a_turned_clip_is_worked_on_upright(tmp_path: Path, darken: Settings) -> None:
    """The detector's template stands upright only in the picture as it is played."""
    turned = [np.ascontiguousarray(np.rot90(f)) for f in square_frames(20)]
    clip = write_rgb(
        tmp_path / "in.mp4",
        turned,
        codec="libx264",
        options={"crf": "0"},
        matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
    )
    summary = enhance(clip, tmp_path / "out.mp4", replace(darken, output=OutputSettings(crf=0)))
    assert summary.tracks == 1
    one, other = decoded(clip)[10], decoded(tmp_path / "out.mp4")[10]
    change = np.rot90(other[0].astype(int) - one[0].astype(int), -1)
    assert abs(change[64, 69] - round(-0.2 * 219)) <= 2
    assert not change[:36].any()
    assert not change[:, 110:].any()


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("scale", [2, 4])
def test_scale_enlarges_picture_and_face(tmp_path: Path, darken: Settings, scale: int) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(6))
    plain = replace(LOSSLESS, output=OutputSettings(codec="ffv1", scale=scale))
    enhance(clip, tmp_path / "plain.mkv", plain)
    enhance(clip, tmp_path / "out.mkv", replace(plain, restore=darken.restore))
    one, other = decoded(tmp_path / "plain.mkv")[3], decoded(tmp_path / "out.mkv")[3]
    assert one[0].shape == (128 * scale, 192 * scale)
    change = other[0].astype(int) - one[0].astype(int)
    assert abs(change[64 * scale, 65 * scale] - round(-0.2 * 219)) <= 1
    assert not change[: 38 * scale].any()


@pytest.mark.usefixtures("square_detector")
def test_an_error_while_rendering_leaves_the_work_done_before(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Darken):
        def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
            raise OutputError("no space")

    row = Row(lambda loader: Failing(0.2))
    monkeypatch.setitem(restorers.RESTORERS, "failing", row)
    settings = replace(LOSSLESS, restore=RestoreSettings(restorer="failing"))
    with pytest.raises(OutputError, match="no space"):
        enhance(clip, tmp_path / "out.mkv", settings)
    assert leftovers(tmp_path) == ["out.mkv.videnhance"]
    assert not list((tmp_path / "out.mkv.videnhance" / "segments").iterdir())
    assert not [t for t in threading.enumerate() if t.name.startswith("videnhance")]


@pytest.mark.usefixtures("square_detector")
def test_a_clip_without_faces_and_a_clip_of_one_frame(tmp_path: Path) -> None:
    empty = write_clip(tmp_path / "in.mp4", codec="libx264")
    summary = enhance(empty, tmp_path / "out.mp4", LOSSLESS)
    assert (summary.frames, summary.tracks) == (12, 0)
    single = write_rgb(tmp_path / "in.mkv", square_frames(1))
    settings = replace(LOSSLESS, track=TrackSettings(min_eyes=5.0))
    assert enhance(single, tmp_path / "one.mkv", settings).faces == 1


@pytest.mark.parametrize("rate", ["frame", "field"])
def test_a_restorer_is_told_how_the_recording_was_coded(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch, rate: str
) -> None:
    """A picture for each field does not halve the bits that a recorded frame was coded with."""
    clip = write_clip(tmp_path / "in.mkv", pts=range(40), codec="mpeg4")
    told: list[Coding] = []

    def make(loader: Loader) -> Identity:
        told.append(loader.coding)
        return Identity()

    monkeypatch.setitem(restorers.RESTORERS, restorers.AUTO, Row(make, learned=True))
    settings = replace(
        LOSSLESS,
        restore=RestoreSettings(),
        clean=CleanSettings(deinterlace="bwdif", rate=rate),
    )
    enhance(clip, tmp_path / "out.mkv", settings)
    info = probe(clip)
    assert told == [coding_of(info, read_timeline(info))]
