"""Tiny results with their records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from videnhance.evidence.document import Record
from videnhance.evidence.reading import read_record
from videnhance.evidence.writing import record_path
from videnhance.job.run import enhance
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)

FUSED = Settings(
    detect=DetectSettings(detector="square"),
    track=TrackSettings(persons=False),
    restore=RestoreSettings(restorer="fusion", drift="off"),
)
"""Without networks: persons and drift have tests of their own."""
LOSSLESS = replace(FUSED, output=OutputSettings(codec="ffv1"))


def enhanced(source: Path, output: Path, settings: Settings = FUSED) -> Record:
    """The record of what `enhance` makes of it."""
    enhance(source, output, settings)
    return read_record(record_path(output))
