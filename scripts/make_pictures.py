"""Makes the documents' pictures: faces of the sample, as recorded and as enhanced.

    python scripts/make_pictures.py        writes docs/faces.png, docs/contact_sheet.png

The first is the README's: all rows are cut from the same place of the same frame and enlarged alike
(bicubic); nothing else is done to them. The second, in docs/guide.md, is what `videnhance preview`
writes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

import videnhance

ROOT = Path(__file__).resolve().parent.parent
PLACES = ((96, (514, 56)), (96, (238, 28)), (170, (312, 76)))
"""Frame of the sample and the corner (x, y) of what is shown of it."""
WIDTH, HEIGHT, ENLARGED = 110, 110, 3

Image = npt.NDArray[np.uint8]


def frames(path: Path, wanted: Sequence[int]) -> dict[int, Image]:
    """Chosen frames of a clip, BGR."""
    with av.open(str(path)) as container:
        return {
            index: np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            for index, frame in enumerate(container.decode(video=0))
            if index in wanted
        }


def cell(image: Image, corner: tuple[int, int], label: str) -> Image:
    """A part of a frame, enlarged, with its label in a strip above."""
    x, y = corner
    part = image[y : y + HEIGHT, x : x + WIDTH]
    size = (WIDTH * ENLARGED, HEIGHT * ENLARGED)
    large = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)
    strip = np.full((22, size[0], 3), 32, np.uint8)
    cv2.putText(
        strip, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (235, 235, 235), 1, cv2.LINE_AA
    )
    return np.vstack([strip, large])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    docs = parser.parse_args().folder
    source = ROOT / "samples" / "cctv.mp4"
    wanted = [frame for frame, _ in PLACES]
    with tempfile.TemporaryDirectory() as folder:
        images = {"original": frames(source, wanted)}
        for name in ("fusion", "auto"):
            result = Path(folder) / f"{name}.mkv"
            settings = videnhance.Settings(
                restore=videnhance.RestoreSettings(restorer=name),
                output=videnhance.OutputSettings(codec="ffv1"),
            )
            videnhance.enhance(source, result, settings)
            images[name] = frames(result, wanted)
        shown = videnhance.Settings(part=videnhance.PartSettings(start="1.5", end="5"))
        videnhance.make_preview(
            source,
            Path(folder) / "preview.mp4",
            shown,
            sheet=docs / "contact_sheet.png",
            overwrite=True,
        )
    rows = []
    for name, seen in images.items():
        cells = [
            cell(seen[frame], corner, f"{name}, {frame / 25:.2f} s") for frame, corner in PLACES
        ]
        rows.append(np.hstack(cells))
    cv2.imwrite(str(docs / "faces.png"), np.vstack(rows))


if __name__ == "__main__":
    main()
