"""A job with a restorer of clips: wherever it is divided or stopped, the frames are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded
from tests.making.restorers import Trailing
from videnhance import restorers
from videnhance.errors import Stopped
from videnhance.job import plan
from videnhance.job.run import enhance
from videnhance.models.registry import Row
from videnhance.restorers.clips import Clips
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

WISH = Settings(
    detect=DetectSettings(detector="square", every=1),
    restore=RestoreSettings(restorer="trailing", drift="off"),
    output=OutputSettings(codec="ffv1"),
)


@pytest.fixture(params=[False, True], ids=["faithful", "invents"])
def made(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, square_detector: str
) -> list[Trailing]:
    """All that are made; one that invents is held steady and matched, too."""
    found: list[Trailing] = []

    def make(loader: object) -> Clips:
        found.append(Trailing(12, 3, invents=request.param))
        return Clips(found[-1])

    monkeypatch.setitem(restorers.RESTORERS, "trailing", Row(make, invents=request.param))
    return found


def same(one: Path, other: Path) -> None:
    for a, b in zip(decoded(one), decoded(other), strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_array_equal(p, q)


def test_segments_and_a_stop_change_no_bit(
    tmp_path: Path, square_clip: Path, made: list[Trailing], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out, folder = (tmp_path / name for name in ("whole.mkv", "out.mkv", "job"))
    enhance(square_clip, whole, WISH)
    assert max(made[-1].calls) == 12
    identity = replace(WISH, restore=replace(WISH.restore, restorer="identity"))
    enhance(square_clip, tmp_path / "same.mkv", identity)
    before, after = (decoded(tmp_path / name)[20][0] for name in ("same.mkv", "whole.mkv"))
    assert np.abs(before.astype(int) - after.astype(int)).max() > 5
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", 8)
    with pytest.raises(Stopped):
        enhance(
            square_clip,
            out,
            WISH,
            job_dir=folder,
            stop=lambda: len(list(folder.glob("segments/*"))) >= 2,
        )
    assert len(list(folder.glob("segments/*"))) == 2
    enhance(square_clip, out, WISH, job_dir=folder)
    same(whole, out)
