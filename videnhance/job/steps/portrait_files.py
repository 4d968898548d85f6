"""The files of a portrait: how they are written, and how finished ones are known.

The portrait's own file is written last of them. It says what it was made from, and holds its entry
of the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.frames import Array, FloatArray
from videnhance.media.writing.marks import Mark
from videnhance.media.writing.png import read_picture, read_text, write_png
from videnhance.portraits.integrate import Integrated
from videnhance.portraits.support import support_picture

METHOD = (
    "registration (track, affine, DIS flow), robust weights, super-resolution by regularised least "
    "squares (Farsiu et al. 2004), held to its reference frame (local Wiener filter, Lee 1980); no "
    "learned prior"
)
_BESIDE = "recorded", "bicubic", "support"


@dataclass(frozen=True)
class PortraitFiles:
    """Names of the files of one portrait."""

    folder: Path
    stem: str

    @property
    def picture(self) -> Path:
        return self.folder / f"{self.stem}.png"

    def beside(self, what: str) -> Path:
        return self.folder / f"{self.stem}_{what}.png"


def save(
    files: PortraitFiles,
    made: Integrated,
    entry: Mapping[str, Any],
    fingerprint: str,
    source: str,
    mark: Mark,
) -> None:
    """Write them all; raises OutputError. `source`: the video's name; `mark`: what the portrait
    says of itself."""
    text = {
        "Title": entry["said"],
        "Source": source,
        "Track": str(entry["track"]),
        "Frame": str(entry["reference"]["frame"]),
    }
    most = float(entry["support"]["most"])
    side = len(made.picture)
    support = cv2.resize(made.support, (side, side), interpolation=cv2.INTER_LINEAR)
    mapped = support_picture(np.asarray(support, np.float32), most)
    beside: dict[str, Array] = {
        "recorded": deep(made.original),
        "bicubic": deep(made.bicubic),
        "support": np.rint(mapped * 255).astype(np.uint8),
    }
    for what, picture in beside.items():
        path = files.beside(what)
        write_png(path, picture, {**text, "Title": what}, part_of(path))
    own = {**text, "Method": METHOD, "Portrait": fingerprint, "Record": json.dumps(entry)}
    own |= mark.text
    write_png(files.picture, deep(made.picture), own, part_of(files.picture))


def kept(files: PortraitFiles, fingerprint: str) -> dict[str, Any] | None:
    """The entry of a portrait that is there and was made from the same; else None."""
    text = read_text(files.picture)
    if text.get("Portrait") != fingerprint:
        return None
    if not all(read_text(files.beside(what)) for what in _BESIDE):
        return None
    try:
        entry: dict[str, Any] = json.loads(text["Record"])
    except (KeyError, ValueError):
        return None
    return entry


def deep(picture: FloatArray) -> npt.NDArray[np.uint16]:
    """(N, N, 3) uint16 of RGB 0..1."""
    return np.asarray(np.clip(np.rint(picture * 65535.0), 0, 65535).astype(np.uint16))


def read_back(path: Path) -> Array:
    picture = read_picture(path)
    assert picture is not None
    return picture


def part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
