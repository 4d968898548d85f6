"""The portraits of a record, where there are any: read from their folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videnhance.errors import InputError
from videnhance.job.steps.portraits import FORMAT, RECORD
from videnhance.media.writing.png import read_picture
from videnhance.report.model import Picture, Portrait
from videnhance.report.pictures import eight_bits, lossless, shrunk
from videnhance.report.sources import Found

_SIDE = 320
"""Pixels of a portrait's side on the page."""
_BESIDE = (
    ("recorded", "Best frame, its own pixels"),
    ("bicubic", "The same, enlarged"),
    ("", "Portrait"),
    ("support", "What carries it: white, the most frames"),
)


def portraits_in(folder: Path | None, found: Found) -> dict[int, tuple[Portrait, ...]]:
    """By track id. `folder`: where they are; else it is looked for beside the record. Raises
    InputError where a folder that was named holds none of this input."""
    for place in [folder] if folder else _places(found):
        document = _document(place)
        if document is None or document["source"]["sha256"] != found.record.input.sha256:
            continue
        made: dict[int, tuple[Portrait, ...]] = {}
        for entry in document["portraits"]:
            track = int(entry["track"])
            made[track] = (*made.get(track, ()), _portrait(place, entry))
        return made
    if folder is not None:
        raise InputError(
            f"{folder}: holds no portraits of {found.record.input.name}; name the folder that "
            "videnhance portrait made of it"
        )
    return {}


def _places(found: Found) -> list[Path]:
    if found.record.kind == "portrait":
        return [(found.folder / found.record.output.name).parent]
    wish = found.folder_of("output.portraits")
    if wish is None:
        return []
    return [wish, found.folder / wish.name]


def _document(folder: Path) -> Mapping[str, Any] | None:
    try:
        document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(document, dict) and document.get("format") == FORMAT
    return document if known else None


def _portrait(folder: Path, entry: Mapping[str, Any]) -> Portrait:
    said = str(entry["said"])
    if entry["file"] is None:
        return Portrait((), said)
    stem = Path(entry["file"]).stem
    pictures: list[tuple[str, Picture]] = []
    for what, name in _BESIDE:
        path = folder / (f"{stem}_{what}.png" if what else entry["file"])
        picture = read_picture(path) if path.exists() else None
        if picture is not None:
            pictures.append((name, lossless(shrunk(eight_bits(picture), _SIDE))))
    return Portrait(tuple(pictures), said)
