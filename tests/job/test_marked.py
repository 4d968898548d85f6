"""Whole jobs: what invents says so, in every frame and in the file; all else says what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.restorers import Darken
from videnhance import restorers
from videnhance.cli.report import summary_text
from videnhance.evidence.reading import read_record
from videnhance.evidence.verify import Places, verify
from videnhance.evidence.writing import record_path, write_record
from videnhance.job.run import enhance
from videnhance.media.reading.marks import TERMS, marks_in
from videnhance.media.reading.source import probe
from videnhance.media.writing.marks import ENHANCED, INVENTED
from videnhance.models.registry import Row
from videnhance.settings.groups import (
    DetectSettings,
    EvidenceSettings,
    FinishSettings,
    GateLimits,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
)

FRAMES = 12


@pytest.fixture
def wish(monkeypatch: pytest.MonkeyPatch, square_detector: str) -> Settings:
    """A restorer that invents, of faces large enough for it."""
    row = Row(lambda loader: Darken(0.2, name="net", invents=True))
    monkeypatch.setitem(restorers.RESTORERS, "net", row)
    return Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="net", match_color=False, steady=0.0),
        gate=GateLimits(None, None, None, None, None),
        output=OutputSettings(codec="ffv1"),
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rgb(tmp_path_factory.mktemp("marked") / "in.mkv", square_frames(FRAMES))


def test_every_frame_carries_the_label_and_its_corner_is_the_only_exception(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    summary = enhance(clip, tmp_path / "out.mkv", wish, keep_job=True)
    plain = replace(wish, evidence=EvidenceSettings(label=False))
    without = enhance(clip, tmp_path / "plain.mkv", plain, keep_job=True)
    mark = json.loads((tmp_path / "out.mkv.videnhance/job.json").read_text())["mark"]
    assert mark["digital source type"] == TERMS + INVENTED
    assert mark["label"]["text"] == "AI-restored faces" == summary.label
    x0, y0, x1, y1 = mark["label"]["box"]
    pairs = zip(decoded(tmp_path / "out.mkv"), decoded(tmp_path / "plain.mkv"), strict=True)
    for ours, others in pairs:
        assert (ours[0][y0:y1, x0:x1] != others[0][y0:y1, x0:x1]).mean() > 0.8
        outside = np.ones(ours[0].shape, bool)
        outside[y0:y1, x0:x1] = False
        np.testing.assert_array_equal(ours[0][outside], others[0][outside])
    said = summary_text(summary)
    assert '  marked: "AI-restored faces" in a corner of every frame; its metadata say' in said
    assert without.label is None and "  marked: no label in its frames; its meta" in summary_text(
        without
    )
    kept = json.loads((tmp_path / "plain.mkv.videnhance/job.json").read_text())
    assert kept["settings"]["evidence"]["label"] is False and kept["mark"]["label"] is None


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
def test_every_container_says_it(tmp_path: Path, clip: Path, wish: Settings, suffix: str) -> None:
    """The check of the output has passed, and a reading of ours finds the mark."""
    codec = {".webm": "av1"}.get(suffix, "h264")
    out = tmp_path / f"out{suffix}"
    enhance(clip, out, replace(wish, output=OutputSettings(codec=codec)))
    assert marks_in(probe(out)).terms == (INVENTED,)
    assert len(decoded(out)) == FRAMES
    assert len([k for k in probe(out).streams if k.is_video]) == 1


def test_what_does_not_invent_is_enhanced_and_a_dry_run_is_nothing(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    fusion = replace(wish, restore=RestoreSettings(restorer="fusion"))
    summary = enhance(clip, tmp_path / "a.mp4", replace(fusion, output=OutputSettings()))
    assert (summary.label, summary.mark, summary.marked) == (None, ENHANCED, "")
    assert marks_in(probe(tmp_path / "a.mp4")).terms == (ENHANCED,)
    dry = replace(wish, restore=RestoreSettings(restorer="identity"))
    assert enhance(clip, tmp_path / "b.mkv", dry).mark is None
    assert marks_in(probe(tmp_path / "b.mkv")).terms == ()
    graded = replace(dry, finish=FinishSettings(brightness=0.1))
    assert enhance(clip, tmp_path / "c.mkv", graded).mark == ENHANCED


def test_where_there_is_no_face_nothing_is_claimed(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    nobody = replace(wish, part=PartSettings(skip=(1,)))
    summary = enhance(clip, tmp_path / "out.mkv", nobody)
    assert (summary.label, summary.mark) == (None, None)
    for one, other in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_a_mark_of_the_input_is_carried_on_and_told(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    first = tmp_path / "first.mp4"
    enhance(clip, first, replace(wish, output=OutputSettings()))
    fusion = replace(wish, restore=RestoreSettings(restorer="fusion"), output=OutputSettings())
    for name in ("second.mkv", "third.mp4"):
        summary = enhance(first, tmp_path / name, fusion)
        assert summary.mark == INVENTED and summary.label is None
        assert f"the input is marked {INVENTED} (IPTC)" in " ".join(summary.notes)
        assert marks_in(probe(tmp_path / name)).terms == (INVENTED,)
        first = tmp_path / name


def test_frames_are_not_copied_past_the_label(tmp_path: Path, wish: Settings) -> None:
    """A clip whose first seconds are empty: with a label none of them may be the source's own."""
    empty = [np.full((128, 192, 3), 90, np.uint8)] * 50
    clip = write_rgb(
        tmp_path / "in.mp4",
        [*empty, *square_frames(20)],
        codec="libx264",
        options={"g": "10", "bf": "0", "x264-params": "scenecut=0:open-gop=0"},
    )
    wish = replace(wish, output=OutputSettings())
    labelled = enhance(clip, tmp_path / "a.mp4", wish)
    assert labelled.check is not None and labelled.check.untouched == 0
    assert any("every frame carries the label" in note for note in labelled.notes)
    plain = replace(wish, evidence=EvidenceSettings(label=False))
    copied = enhance(clip, tmp_path / "b.mp4", plain)
    assert copied.check is not None and copied.check.untouched > 0


def test_stills_show_it_too(tmp_path: Path, clip: Path, wish: Settings) -> None:
    import cv2

    from videnhance.media.writing.png import read_text

    heights = {}
    for label in (True, False):
        folder = tmp_path / f"stills{label}"
        settings = replace(
            wish,
            output=replace(wish.output, stills=str(folder)),
            evidence=EvidenceSettings(label=label),
        )
        enhance(clip, tmp_path / f"{label}.mkv", settings)
        path = sorted(folder.iterdir())[0]
        still = cv2.imread(str(path))
        assert still is not None and path.name.endswith("_net-AI.png")
        assert TERMS + INVENTED in read_text(path)["XML:com.adobe.xmp"]
        heights[label] = still.shape[0]
    assert heights[True] > heights[False] + 10  # a bar with the words


def test_a_frame_as_png_says_it(tmp_path: Path, clip: Path, wish: Settings) -> None:
    out = tmp_path / "out.png"
    enhance(clip, out, replace(wish, part=PartSettings("3f", "4f")))
    assert marks_in(probe(out)).terms == (INVENTED,)


@pytest.mark.parametrize("corner", ["top-right", "bottom-left"])
def test_verify_knows_the_label_and_nothing_beside_it(
    tmp_path: Path, clip: Path, wish: Settings, corner: str
) -> None:
    output = tmp_path / "out.mkv"
    enhance(clip, output, replace(wish, evidence=EvidenceSettings(label_place=corner)))
    path = record_path(output)
    found = {line.what: line for line in verify(Places(path, clip, None))}
    assert found["outside"].state == "holds", found["outside"]
    record = read_record(path)
    (video,) = record.videos
    assert video.mark is not None and video.mark["label"]["text"] == "AI-restored faces"
    x0, y0, x1, y1 = video.mark["label"]["box"]
    smaller = {**video.mark, "label": {"text": "", "box": [x0, y0, x1, y1 - 4]}}
    write_record(path, replace(record, videos=(replace(video, mark=smaller),)))
    found = {line.what: line for line in verify(Places(path, clip, None))}
    assert found["outside"].state != "holds"
