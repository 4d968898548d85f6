"""tests/lower-bounds.txt is the oldest release that pyproject.toml allows of each dependency."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENT = re.compile(r'^    "([A-Za-z0-9_-]+)>=([0-9.]+)[^"]*",', re.MULTILINE)
PIN = re.compile(r"^([A-Za-z0-9_-]+)==([0-9.]+)$", re.MULTILINE)


def test_every_lower_bound_is_pinned_to_its_first_release() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounds = dict(REQUIREMENT.findall(project))
    lines = (ROOT / "tests" / "lower-bounds.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(PIN.findall("\n".join(line for line in lines if not line.startswith("#"))))
    assert bounds.keys() == pins.keys()
    assert len(bounds) > 20
    for name, bound in bounds.items():
        least = tuple(map(int, bound.split(".")))
        pinned = tuple(map(int, pins[name].split(".")))
        assert pinned[: len(least)] == least, f"{name}: {pins[name]}, from {bound}"
