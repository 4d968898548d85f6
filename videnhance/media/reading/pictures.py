"""Sources made of pictures: one picture, a folder, or the matches of a name with %d or *.

FFmpeg's image2 demuxer only reads pictures of one kind whose names count without a gap. To make it
read any pictures, it is given links with such names, in a folder that exists as long as the source
is open. The n-th picture is frame n, whatever its number.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from videnhance.errors import InputError, cure_of
from videnhance.media.names import link_or_copy

DEMUXER = "image2"
"""FFmpeg's demuxer for pictures."""
KINDS = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".webp": "WebP"}
SUFFIXES = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif", **{s: s for s in KINDS}}
"""Suffixes of pictures, in lower case, and their kinds."""

_SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)
_NUMBER = re.compile(r"%(0?)(\d*)d")
_ORIENTATION = 0x0112
"""The tag Orientation of EXIF 2.32 and TIFF 6.0."""
_TURNS = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""Orientation to (a, b, c, d) of a display matrix: where the coded picture's x and y go."""


@dataclass(frozen=True)
class Pictures:
    """A source of pictures."""

    files: tuple[Path, ...]
    """In order; at least one."""
    kind: str
    """The one of KINDS that all of them are."""


@dataclass(frozen=True)
class Embedded:
    """Metadata stored in a picture, as bytes; None if it has none."""

    exif: bytes | None
    """A TIFF header and its directories (EXIF 2.32, 4.5.2)."""
    profile: bytes | None
    """An ICC profile."""


NOTHING = Embedded(None, None)


def pictures_of(source: Path) -> Pictures | None:
    """The pictures that a source consists of; None for any other file. Raises InputError."""
    named = _named(source)
    if named is None:
        kind = _kind_of(source) if source.suffix.lower() in SUFFIXES else None
        return Pictures((source,), kind) if kind is not None else None
    kinds = Counter(SUFFIXES[file.suffix.lower()] for file in named)
    if len(kinds) > 1:
        each = " and ".join(f"{count} {KINDS[kind]}" for kind, count in kinds.most_common())
        raise InputError(
            f"{source}: holds pictures of several kinds ({each}); name one kind in quotes, such as "
            f"'{(source if source.is_dir() else source.parent) / '*'}{kinds.most_common()[0][0]}'"
        )
    # Only the first is opened here: a file that is not such a picture is found when decoding.
    kind = _kind_of(named[0])
    if kind is None:
        raise InputError(f"{named[0]}: is no picture that can be read; take it out of the folder")
    return Pictures(named, kind)


def files_of(source: Path) -> tuple[Path, ...]:
    """The files a source consists of: itself, or its pictures. Raises InputError."""
    found = pictures_of(source)
    return (source,) if found is None else found.files


def is_row(source: Path) -> bool:
    """Whether the source is not a single file, but a folder or a name that matches several."""
    return source.is_dir() or (not source.exists() and _NUMBER.search(source.name) is not None)


def title_of(source: Path) -> str:
    """The name for files made from the source: its own without suffix, or that of its folder."""
    if not is_row(source):
        return source.stem
    return (source if source.is_dir() else source.parent).resolve().name or "pictures"


def natural(path: Path) -> tuple[tuple[tuple[str | int, ...], ...], str]:
    """Sort key: numbers by value, letters without case, so cam2 comes before cam10."""
    # Text and numbers alternate, text first, so that text is never compared with numbers.
    parts = (re.split(r"(\d+)", part.casefold()) for part in path.parts)
    return tuple(
        tuple(int(piece) if k % 2 else piece for k, piece in enumerate(pieces)) for pieces in parts
    ), str(path)


@contextmanager
def counted(pictures: Pictures) -> Iterator[Path]:
    """A name by which image2 can read the pictures; valid within the context."""
    with tempfile.TemporaryDirectory(prefix="videnhance-") as folder:
        for number, file in enumerate(pictures.files):
            link_or_copy(file, Path(folder) / f"{number:08d}{pictures.kind}")
        yield Path(folder.replace("%", "%%")) / f"%08d{pictures.kind}"


def embedded(picture: Path) -> Embedded:
    """The EXIF data and the colour profile of a picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(picture) as image:
            exif, profile = image.info.get("exif"), image.info.get("icc_profile")
            if exif is None and image.format == "TIFF":
                exif = _exif_of(int(image.getexif().get(_ORIENTATION, 1)))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return NOTHING
    return Embedded(exif.removeprefix(b"Exif\0\0") if exif else None, profile or None)


def display_matrix_of(picture: Path) -> tuple[int, ...] | None:
    """How a viewer turns the picture, as VideoInfo.display_matrix; None if it does not."""
    from PIL import Image

    exif = embedded(picture).exif
    if exif is None:
        return None
    found = Image.Exif()
    try:
        found.load(exif)
        turn = _TURNS.get(int(found.get(_ORIENTATION, 1)))
    except (OSError, ValueError, SyntaxError, TypeError):
        return None
    return None if turn is None else matrix(*turn)


def matrix(a: int, b: int, c: int, d: int) -> tuple[int, ...]:
    """A display matrix in FFmpeg's layout."""
    one = 1 << 16
    return (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)


def exif_of(display_matrix: tuple[int, ...] | None) -> bytes | None:
    """EXIF data that makes viewers turn a picture like this matrix; None if nothing is turned."""
    for orientation, turn in _TURNS.items():
        if display_matrix is not None and matrix(*turn)[:5] == display_matrix[:5]:
            return _exif_of(orientation)
    return None


def _exif_of(orientation: int) -> bytes | None:
    if orientation not in _TURNS:
        return None
    # one directory with one entry: a short
    entry = _ORIENTATION.to_bytes(2, "big") + b"\0\x03\0\0\0\x01" + bytes((0, orientation, 0, 0))
    return b"MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)


def _named(source: Path) -> tuple[Path, ...] | None:
    """The pictures in a folder, or those that match a pattern; None for the name of one file."""
    if source.is_dir():
        found = [file for file in source.iterdir() if _is_picture(file)]
        if not found:
            raise InputError(f"{source}: is a folder without pictures; name one video file in it")
        return tuple(sorted(found, key=natural))
    if source.exists() or not source.parent.is_dir():
        return None
    numbers = _NUMBER.findall(source.name)
    if len(numbers) == 1:
        return _numbered(source, *numbers[0])
    if any(sign in source.name for sign in "*?["):
        found = [file for file in source.parent.glob(source.name) if _is_picture(file)]
        if not found:
            raise InputError(f"{source}: no picture has such a name; check the folder and the name")
        return tuple(sorted(found, key=natural))
    return None


def _numbered(source: Path, zero: str, digits: str) -> tuple[Path, ...]:
    """The pictures that match a name with one %d, %5d or %05d, sorted by number."""
    before, after = _NUMBER.split(source.name)[0], _NUMBER.split(source.name)[-1]
    found = {}
    for file in source.parent.iterdir():
        text = file.name.removeprefix(before).removesuffix(after)
        whole = before + text + after == file.name
        if whole and text.isascii() and text.strip().isdigit() and _is_picture(file):
            number = int(text)
            wide = int(digits or 0)
            if text == (f"{number:0{wide}d}" if zero else f"{number:{wide}d}" if wide else text):
                found[number] = file
    if not found:
        raise InputError(
            f"{source}: no picture has such a name with a number in it; check the folder, and how "
            "many digits the numbers have"
        )
    return tuple(found[number] for number in sorted(found))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.name[:1] != "." and not file.is_dir()


def _kind_of(file: Path) -> str | None:
    """The kind of a picture, by its first bytes; None if it is not a picture, or an animation."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
    except OSError as error:
        if os.path.lexists(file):
            raise InputError(
                f"{file}: cannot be read ({error.strerror}); "
                f"{cure_of(error, 'copy it again from its source')}"
            ) from error
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if b"ANIM" in head[:64]:
            raise InputError(f"{file}: FFmpeg reads no moving WebP; convert it to a video first")
        return ".webp"
    kind = next((kind for sign, kind in _SIGNATURES if head.startswith(sign)), None)
    return None if kind == ".png" and b"acTL" in head else kind
