"""Drift tells a restorer that makes somebody else of a face, and leaves honest ones in peace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.making.faces import SIDE, ShotDetector, person, write_shots
from tests.making.onnx_files import channel_means
from videnhance import detectors, restorers
from videnhance.evidence.columns import unrolled
from videnhance.evidence.reading import read_record
from videnhance.evidence.writing import record_path
from videnhance.faces.tracklets import CropWindow
from videnhance.files import sha256_of
from videnhance.identity.drift import MOMENTS, USUAL, Drift, drift_of, usual
from videnhance.identity.embedding import SAME, SFACE
from videnhance.imaging.frames import FloatArray
from videnhance.job.run import enhance
from videnhance.models.catalog import BUNDLED
from videnhance.models.registry import Row
from videnhance.settings.groups import DetectSettings, ModelSettings, RestoreSettings, Settings


class Another:
    """A restorer that pastes another person's face."""

    name, radius, batch, invents = "another", 0, 1, False

    def __init__(self, share: float = 1.0) -> None:
        self._share = np.float32(share)

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        crops = [window.crops[window.centre] for window in windows]
        return [crop + self._share * (person(7, len(crop)) - crop) for crop in crops]


@pytest.fixture(autouse=True)
def _doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(detectors.DETECTORS, "shots", Row(lambda loader: ShotDetector()))
    monkeypatch.setitem(restorers.RESTORERS, "another", Row(lambda loader: Another()))


def wish(restorer: str, drift: str = "auto", max_drift: float | None = None) -> Settings:
    restore = RestoreSettings(restorer=restorer, drift=drift, max_drift=max_drift, ease=0.0)
    return Settings(detect=DetectSettings(detector="shots"), restore=restore)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shots(tmp_path_factory.mktemp("drift") / "in.mkv", ((0,),), frames=14)


def test_the_yardstick_is_the_larger_of_both() -> None:
    still = {k: np.full(128, 0.0, np.float32) for k in (3, 9, 5)}
    assert drift_of({3: 0.3, 9: 0.5, 5: 0.4}, still, 20.0) == Drift(0.4, USUAL[20.0], 3)
    moving = {k: np.eye(128, dtype=np.float32)[0] * k / 5 for k in (0, 3, 6)}
    assert drift_of({0: 0.7}, moving, 20.0) == Drift(0.7, 0.6, 1)
    assert drift_of({}, still, 20.0) is None


def test_what_a_size_loses_lies_between_the_sizes_measured() -> None:
    assert usual(8.0) == USUAL[10.0] and usual(90.0) == USUAL[40.0]
    assert USUAL[20.0] < usual(17.0) < USUAL[15.0]


def test_another_face_is_flagged_wherever_somebody_looks(tmp_path: Path, clip: Path) -> None:
    summary = enhance(clip, tmp_path / "out.mkv", wish("another"))
    drift = summary.drifts[1]
    assert drift.is_beyond and drift.median > 0.5 and 1 < drift.faces <= MOMENTS
    (note,) = [note for note in summary.notes if "drifts" in note]
    assert note.startswith(f"track 1: drifts {drift.median:.2f} from its source, which explains")
    record = read_record(record_path(tmp_path / "out.mkv"))
    assert record.method.weights["identity"].sha256 == sha256_of(BUNDLED["identity"])
    assert "7485 people" in record.method.weights["identity"].trained_on
    (track,) = record.videos[0].tracks
    values = list(unrolled(track.drift))
    known = [value for value in values if value is not None]
    assert len(values) == len(track) and len(known) == drift.faces
    assert track.drift_median == drift.median == pytest.approx(np.median(known), abs=2e-3)
    assert track.drift_explained == drift.yardstick


def test_another_network_measures_if_it_is_named(tmp_path: Path, clip: Path) -> None:
    given = channel_means(tmp_path / "means.onnx", SFACE.side)
    models = ModelSettings(identity="sface", files=(("sface", str(given)),), trust=True)
    summary = enhance(clip, tmp_path / "out.mkv", replace(wish("another"), models=models))
    weights = read_record(record_path(tmp_path / "out.mkv")).method.weights
    assert weights["sface"].sha256 == sha256_of(given) and "identity" not in weights
    # it knows nothing but the faces' mean colours
    crops = np.stack([person(0, 256), person(7, 256)]).mean((1, 2))
    one, other = crops / np.linalg.norm(crops, axis=1, keepdims=True)
    apart = float(np.linalg.norm(one - other)) * SAME / 1.128
    assert summary.drifts[1].median == pytest.approx(apart, abs=0.1)


def test_fusion_is_not(tmp_path: Path, clip: Path) -> None:
    summary = enhance(clip, tmp_path / "out.mkv", wish("fusion"))
    assert 0.0 < summary.drifts[1].median < 0.2 and not summary.drifts[1].is_beyond
    assert not any("drift" in note for note in summary.notes)
    assert any("track 1: drift" in line for line in summary.details)


def test_all_faces_are_measured_where_that_is_asked_for_and_none_where_not(
    tmp_path: Path, clip: Path
) -> None:
    summary = enhance(clip, tmp_path / "a.mkv", wish("another", "all"))
    assert summary.drifts[1].faces == 14
    off = enhance(clip, tmp_path / "b.mkv", wish("another", "off"))
    assert not off.drifts and not any("drift" in note for note in off.notes)
    dry = enhance(clip, tmp_path / "c.mkv", wish("identity"))
    assert not dry.drifts and not any("drift" in note for note in dry.notes)


def test_it_does_not_matter_how_a_video_is_cut_into_segments(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = enhance(clip, tmp_path / "a.mkv", wish("another")).drifts
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 5, raising=False)
    assert enhance(clip, tmp_path / "b.mkv", wish("another")).drifts == whole


def test_faces_that_are_too_small_are_not_measured_and_that_is_said(tmp_path: Path) -> None:
    small = write_shots(tmp_path / "in.mkv", ((0,),), side=round(SIDE * 7.2 / 23.6))
    summary = enhance(small, tmp_path / "out.mkv", wish("another", "all"))
    assert not summary.drifts
    (note,) = [note for note in summary.notes if "drift" in note]
    assert note.startswith("drift was not measured in 1 of 1 tracks: faces of fewer than 8 pixels")


@pytest.mark.parametrize(
    ("restorer", "limit", "ceiling"), [("another", 0.3, 0.0), ("fusion", 0.3, 1.0)]
)
def test_max_drift_lowers_the_strength_or_leaves_the_face_alone(
    tmp_path: Path, clip: Path, restorer: str, limit: float, ceiling: float
) -> None:
    summary = enhance(clip, tmp_path / "out.mkv", wish(restorer, max_drift=limit))
    (track,) = read_record(record_path(tmp_path / "out.mkv")).videos[0].tracks
    strengths = set(unrolled(track.strength))
    assert strengths <= {0.0, 0.25, 0.5, 0.75, 1.0} and len(strengths) == 1
    assert all(drift.median <= limit for drift in summary.drifts.values())
    reasons = set(unrolled(track.reason))
    assert reasons == ({None} if strengths == {1.0} else {"drifts too far from its source"})
    assert (strengths == {1.0}) == (ceiling == 1.0)


def test_the_largest_strength_that_keeps_the_limit_is_taken(tmp_path: Path, clip: Path) -> None:
    full = enhance(clip, tmp_path / "a.mkv", wish("another")).drifts[1].median
    limit = full / 2
    held = enhance(clip, tmp_path / "b.mkv", wish("another", max_drift=limit))
    (track,) = read_record(record_path(tmp_path / "b.mkv")).videos[0].tracks
    (strength,) = set(unrolled(track.strength))
    assert strength in (0.25, 0.5, 0.75)
    assert held.drifts[1].median <= limit
    (note,) = [note for note in held.notes if "--max-drift" in note]
    assert note == f"track 1: with {strength:g} of the strength, for --max-drift {limit:g}"
    more = replace(
        wish("another"), restore=replace(wish("another").restore, strength=strength + 0.25)
    )
    assert enhance(clip, tmp_path / "c.mkv", more).drifts[1].median > limit
