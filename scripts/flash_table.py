"""Whether sound and picture of an output belong together as in its source, in every container.

    python scripts/flash_table.py [--to .mkv .mp4] [--only .avi]

Makes clips with a white picture and a click at known times, for all containers and codecs, with
B-frames and without, with late sound, late picture and times below 0 (tests/making/flash_rows.py),
enhances each without changing a pixel, decodes source and output, and prints by how much the click
and the white picture have moved. The truth is what was written, not what any reader says. Exits
with 1 if anything has moved by half a frame or more, or if frames differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.making.detector import SquareDetector
from tests.making.flash import CLICK, FLASH
from tests.making.flash_rows import Measured, all_rows, measured
from videnhance import detectors
from videnhance.errors import VidenhanceError
from videnhance.models.registry import Row as Detector


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", nargs="+", default=[".mkv"], help="suffixes of outputs")
    parser.add_argument("--only", help="this container")
    given = parser.parse_args()
    detectors.DETECTORS["square"] = Detector(lambda equipment: SquareDetector())
    apart = float((CLICK - FLASH) * 1000)
    print(f"written {apart:.0f} ms apart: white picture, click; all times in ms\n")
    heads = ("from", "codec", "B", "sound", "begin", "to", "apart", "moved", "allowed", "frames")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    worst: dict[str, float] = defaultdict(float)
    wrong = 0
    for row in all_rows():
        for begin in row.begins if given.only in (None, row.suffix) else ():
            for suffix in given.to:
                cells = (row.suffix, row.codec, "B" if row.reordered else "", row.sound[0], begin)
                try:
                    with tempfile.TemporaryDirectory() as folder:
                        found = measured(row, begin, Path(folder), suffix)
                except VidenhanceError as error:
                    print(f"| {' | '.join((*cells, suffix))} | refused: {error} | | | |")
                    continue
                print(f"| {' | '.join((*cells, suffix, *_told(found)))} |", flush=True)
                moved = max(abs(found.away), abs(found.first))
                worst[row.suffix] = max(worst[row.suffix], moved)
                wrong += moved >= found.half or not found.is_same
    print(f"\nlargest: {', '.join(f'{k} {v * 1000:.2f} ms' for k, v in worst.items())}")
    print(f"{wrong} moved by half a frame or more, or lost or changed a frame")
    sys.exit(1 if wrong else 0)


def _told(found: Measured) -> tuple[str, ...]:
    apart = float(CLICK - FLASH) + found.away
    return (
        f"{apart * 1000:.1f}",
        f"{max(found.away, found.first, key=abs) * 1000:+.2f}",
        f"{found.half * 1000:.0f}",
        f"{len(found.after.pictures)}, {'the same' if found.is_same else 'DIFFERENT'}",
    )


if __name__ == "__main__":
    main()
