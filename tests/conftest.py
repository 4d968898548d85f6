"""What several tests share."""

from __future__ import annotations

import pytest

from tests.making.detector import SquareDetector
from videnhance import detectors, restorers
from videnhance.models.registry import Row


@pytest.fixture(autouse=True)
def quick_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done when nobody asks is fusion here: a network's minutes belong to its own tests."""
    monkeypatch.setitem(restorers.RESTORERS, restorers.AUTO, restorers.RESTORERS["fusion"])


@pytest.fixture
def square_detector(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which the detector above stands in the table."""
    monkeypatch.setitem(detectors.DETECTORS, "square", Row(lambda equipment: SquareDetector()))
    return "square"
