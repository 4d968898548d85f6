"""Damaged files of every kind: no traceback, no hang, no half output, memory bounded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz.py"


@pytest.mark.slow
def test_no_damage_ends_in_anything_but_an_output_or_an_error_of_ours() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--cases", "324", "--workers", "2"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()[-1]
    counts = {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+Error|enhanced)", said)}
    assert said.startswith("324 cases")
    # Neither are all refused, nor was nothing damaged.
    assert counts["enhanced"] > 60
    assert counts["InputError"] > 60
    assert sum(counts.values()) == 324
