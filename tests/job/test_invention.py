"""Jobs with --invention: maps beside the stills, shares in the summary, the job and the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.making.clips import square_frames, write_rgb
from videnhance import restorers
from videnhance.errors import UsageError
from videnhance.evidence.reading import read_record
from videnhance.evidence.settings import settings_in
from videnhance.evidence.writing import record_path
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.job.run import enhance, resume
from videnhance.media.reading.marks import TERMS
from videnhance.media.writing.marks import INVENTED
from videnhance.media.writing.png import read_text
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.settings.groups import (
    DetectSettings,
    EvidenceSettings,
    GateLimits,
    OutputSettings,
    RestoreSettings,
    Settings,
)


class Noise:
    """Adds noise that each variation draws anew."""

    name, radius, batch, invents = "noise", 0, 1, True
    made = 0

    def __init__(self, loader: Loader) -> None:
        Noise.made += 1
        self._seed = loader.variation

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        def drawn(crop: FloatArray) -> FloatArray:
            values = np.random.default_rng(self._seed).normal(0, 0.1, crop.shape)
            return np.asarray(crop + values, np.float32)

        return [drawn(window.crops[window.centre]) for window in windows]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_rgb(tmp_path / "in.mkv", square_frames(6))


@pytest.fixture
def wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, square_detector: str) -> Settings:
    monkeypatch.setitem(restorers.RESTORERS, "noise", Row(Noise, invents=True))
    return Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="noise", match_color=False, steady=0.0),
        gate=GateLimits(None, None, None, None, None),
        output=OutputSettings(codec="ffv1", stills=str(tmp_path / "stills")),
        evidence=EvidenceSettings(invention=4),
    )


def test_maps_stand_beside_the_stills_and_the_share_is_told_everywhere(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    summary = enhance(clip, tmp_path / "out.mkv", wish, keep_job=True)
    assert summary.invention.keys() == {1} and summary.invention[1] > 0.9
    (note,) = [note for note in summary.notes if "is a guess" in note]
    assert (
        note.startswith("track 1: ")
        and "% of this face's detail is a guess: so much of what " in note
    )
    assert "noise added differs among 4 variations" in note
    folder = tmp_path / "stills"
    document = json.loads((folder / "invention.json").read_text())
    assert (document["variations"], document["restorer"]) == (4, "noise")
    assert document["tracks"] == {"1": round(summary.invention[1], 4)}
    for moment in document["moments"]:
        path = folder / moment["file"]
        assert path.name == f"track001_frame{moment['frame']:06d}_invention-AI.png"
        assert TERMS + INVENTED in read_text(path)["XML:com.adobe.xmp"]
        picture = cv2.imread(str(path))
        assert picture is not None and picture.shape[1] > 3 * 240 and picture.shape[0] > 250
        assert 0.9 < moment["share"] <= 1.0
        assert moment["levels"] == pytest.approx(25.5, rel=0.2)
    assert len(document["moments"]) == len(list(folder.glob("*_noise-AI.png")))
    known = {"variations": 4, "tracks": document["tracks"]}
    job = json.loads((tmp_path / "out.mkv.videnhance/job.json").read_text())
    assert job["invention"] == known and job["check"] is not None
    record = read_record(record_path(tmp_path / "out.mkv"))
    assert record.videos[0].invention == known
    # It is not done again for a result that is in place, nor for a replay.
    made = Noise.made
    assert resume(tmp_path / "out.mkv.videnhance").invention == summary.invention
    assert Noise.made == made + 1
    assert settings_in(record).evidence.invention == 0


def test_without_stills_there_is_no_place_for_it(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    nowhere = replace(wish, output=OutputSettings(codec="ffv1"))
    with pytest.raises(UsageError, match=r"^--invention 4: its maps stand .*; add --stills DIR$"):
        enhance(clip, tmp_path / "out.mkv", nowhere)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize("name", ["fusion", "identity"])
def test_what_invents_nothing_has_no_map(
    tmp_path: Path, clip: Path, wish: Settings, name: str
) -> None:
    own = replace(wish, restore=RestoreSettings(name))
    with pytest.raises(UsageError, match=rf"^--invention 4: {name} invents nothing; leave it out"):
        enhance(clip, tmp_path / "out.mkv", own)


@pytest.mark.parametrize("count", [1, -1, 65])
def test_one_variation_says_nothing(count: int) -> None:
    with pytest.raises(UsageError, match=rf"^--invention {count}: takes 2 to 64$"):
        EvidenceSettings(invention=count)
        Settings(evidence=EvidenceSettings(invention=count))
