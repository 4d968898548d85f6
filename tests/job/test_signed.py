"""Jobs whose results are signed (C2PA)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.making.certificates import chain
from tests.making.clips import decoded, square_frames, write_rgb
from tests.media.writing.test_signing import manifest
from videnhance.errors import UsageError
from videnhance.job.run import enhance
from videnhance.media.reading.marks import TERMS
from videnhance.media.writing.marks import ENHANCED
from videnhance.settings.groups import (
    DetectSettings,
    EvidenceSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
)

WISH = Settings(
    detect=DetectSettings(detector="square"),
    restore=RestoreSettings(restorer="fusion"),
    output=OutputSettings(),
)
pytestmark = pytest.mark.usefixtures("square_detector")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    return write_rgb(folder / "in.mp4", square_frames(8), codec="libx264", audio="aac")


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.avi", "out.png"])
def test_the_result_is_signed_and_passes_its_check(tmp_path: Path, clip: Path, name: str) -> None:
    pair = chain(tmp_path)
    part = PartSettings("2f", "3f") if name == "out.png" else PartSettings()
    output = OutputSettings(audio="none") if name == "out.avi" else OutputSettings()
    wish = replace(WISH, part=part, output=output)
    enhance(clip, tmp_path / f"plain{name[3:]}", wish)
    signed = replace(wish, evidence=EvidenceSettings(sign=pair))
    summary = enhance(clip, tmp_path / name, signed)
    assert "signed (C2PA) by signer of the tests" in summary.notes
    assert summary.check is not None
    own, wrong = manifest(tmp_path / name)
    assert not wrong and own["title"] == name
    assert own["ingredients"][0]["title"] == "in.mp4"
    assert len(own["ingredients"][0]["description"]) == len("SHA-256 ") + 64
    (actions,) = (one["data"] for one in own["assertions"] if "actions" in one["label"])
    assert actions["actions"][1]["digitalSourceType"] == TERMS + ENHANCED
    pairs = zip(decoded(tmp_path / f"plain{name[3:]}"), decoded(tmp_path / name), strict=True)
    assert all((a == b).all() for one, other in pairs for a, b in zip(one, other, strict=True))
    # No path in the record: where a key lies is nobody's business.
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["settings"]["evidence.sign"]["value"] == ["chain.pem", "key.pem"]
    assert str(tmp_path) not in json.dumps(record)


def test_a_bad_key_is_known_before_any_work(tmp_path: Path, clip: Path) -> None:
    pair = chain(tmp_path)
    wish = replace(WISH, evidence=EvidenceSettings(sign=(pair[0], pair[0])))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"--sign .*is no private key in PEM"):
        enhance(clip, tmp_path / "out.mp4", wish)
    assert sorted(tmp_path.iterdir()) == before
