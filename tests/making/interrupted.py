"""What jobs that are interrupted, or shared by several processes, are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, packets, times
from tests.making.detector import offer_squares
from videnhance import restorers
from videnhance.job import plan
from videnhance.job.run import enhance
from videnhance.settings.groups import DetectSettings, OutputSettings, Settings

LOSSLESS = Settings(
    detect=DetectSettings(detector="square", every=1), output=OutputSettings(codec="ffv1")
)
SMALL = 8
"""Frames of a segment."""
PATIENCE = 600
"""Seconds after which a process hangs, however busy the machine."""
ROOT = Path(__file__).resolve().parents[2]


def undisturbed(clip: Path, folder: Path) -> Path:
    """What a job over the clip gives that nothing disturbed, in small segments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SEGMENT_FRAMES", SMALL)
        offer_squares(patch)
        patch.setitem(restorers.RESTORERS, restorers.AUTO, restorers.RESTORERS["fusion"])
        enhance(clip, folder / "whole.mkv", LOSSLESS)
    return folder / "whole.mkv"


def same(one: Path, other: Path) -> None:
    """Frames, times and sound are equal bit for bit."""
    for a, b in zip(decoded(one), decoded(other), strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_array_equal(p, q)
    assert times(one) == times(other)
    assert packets(one, "audio") == packets(other, "audio")
