"""The command line with small segments, the detector of the tests and a restorer that can be held.

    python -m tests.making.small_cli enhance IN -o OUT --detector square --restorer held

A process of its own, so that a test can stop, kill or crowd it.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.making.detector import SquareDetector
from videnhance import detectors, restorers
from videnhance.cli.commands import app
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.job import plan
from videnhance.job.workers import on_ray
from videnhance.models.registry import Row

SEGMENT_FRAMES = 8


class Held:
    """Darkens a little; in the second segment it waits as long as the file named by HOLD is there,
    and says that it does by a file beside it."""

    name = "held"
    radius = 1
    batch = 1
    invents = False

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        if any(w.frames[w.centre] // SEGMENT_FRAMES == 1 for w in windows) and "HOLD" in os.environ:
            hold = Path(os.environ["HOLD"])
            hold.with_suffix(".met").touch()
            while hold.exists():
                time.sleep(0.01)
        return [w.crops[w.centre] - 0.1 for w in windows]


def main(arguments: Sequence[str] | None = None, told: Path | None = None) -> None:
    """Runs the command and exits; with `told`, what it prints is dropped, and its complaints go
    into that file."""
    if told is not None:
        with told.open("wb") as complaints, Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
            os.dup2(complaints.fileno(), sys.stderr.fileno())
    offer()
    # Workers of Ray import this module by its name, whatever this process calls it.
    named = importlib.import_module("tests.making.small_cli")
    on_ray.RayCrew = partial(on_ray.RayCrew, prepare=named.offer)  # type: ignore[assignment, misc]
    app(arguments)


def offer() -> None:
    """Small segments, and what the tests find and restore with, in this process."""
    plan.SEGMENT_FRAMES = SEGMENT_FRAMES
    detectors.DETECTORS["square"] = Row(lambda loader: SquareDetector())
    restorers.RESTORERS["held"] = Row(lambda loader: Held())
    restorers.RESTORERS[restorers.AUTO] = restorers.RESTORERS["fusion"]  # quick


if __name__ == "__main__":
    main()
