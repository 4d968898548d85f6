"""What of each face is a guess, where `--invention` measured it: the record has the shares, the
folder of stills the maps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videnhance.errors import InputError
from videnhance.job.steps.invention import FILE, FORMAT
from videnhance.media.writing.png import read_picture
from videnhance.report.model import Picture
from videnhance.report.pictures import eight_bits, lossless, shrunk
from videnhance.report.sources import Found
from videnhance.show.invention import map_in

_SIDE = 256
"""Pixels of a map's side on the page."""


@dataclass(frozen=True)
class Guesses:
    """What was measured."""

    shares: Mapping[int, float] = field(default_factory=dict)
    """By track id, the share of its restored detail that is a guess, 0..1."""
    maps: Mapping[tuple[int, int], Picture] = field(default_factory=dict)
    """By track id and frame: how far the variations of that face lie apart."""


def guesses_in(folder: Path | None, found: Found) -> Guesses:
    """`folder`: the stills; else they are looked for beside the record. Raises InputError where a
    folder that was named holds no maps of this result."""
    known = (found.video.invention or {}).get("tracks", {})
    shares = {int(track): float(share) for track, share in known.items()}
    for place in [folder] if folder else _places(found):
        document = _document(place)
        if document is not None and known and document["tracks"] == known:
            return Guesses(shares, dict(_maps(place, document)))
    if folder is not None:
        raise InputError(
            f"{folder}: holds no invention map of {found.record.output.name}; name the folder that "
            "--stills made with --invention"
        )
    return Guesses(shares)


def _places(found: Found) -> list[Path]:
    wish = found.folder_of("output.stills")
    return [wish, found.folder / wish.name] if wish else []


def _document(folder: Path) -> Mapping[str, Any] | None:
    try:
        document = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(document, dict) and document.get("format") == FORMAT
    return document if known else None


def _maps(folder: Path, document: Mapping[str, Any]) -> Iterator[tuple[tuple[int, int], Picture]]:
    for entry in document["moments"]:
        path = folder / entry["file"]
        picture = read_picture(path) if path.exists() else None
        if picture is not None:
            shown = lossless(shrunk(eight_bits(map_in(picture)), _SIDE))
            yield (int(entry["track"]), int(entry["frame"])), shown
