"""How settings are written that are more than plain text, a number or a switch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from videnhance.errors import UsageError


@dataclass(frozen=True)
class TextForm:
    """A way to write a value."""

    kind: Any
    """The type in which it is given: str, Path, list[str] or a tuple."""
    shape: str
    """What may be written, in words, for messages and docs/settings.md."""
    parse: Callable[[Any], Any]
    """The value of what was written; raises ValueError where it is of another shape."""
    write: Callable[[Any], Any]
    """What `parse` makes the value of; None where there is nothing to write."""

    def read(self, option: str, written: Any) -> Any:
        """The value of what was written for an option; raises UsageError naming the shape."""
        try:
            return self.parse(written)
        except ValueError:
            raise UsageError(f"{option} {written}: takes {self.shape}") from None


def _pair(text: str) -> tuple[float, float]:
    first, second = map(float, text.split(","))
    return first, second


def _pair_text(value: tuple[float, float] | None) -> str | None:
    return None if value is None else f"{value[0]:g},{value[1]:g}"


def _different(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(text)
    return names


def _count(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(text)
    return int(text)


def _files(texts: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = (text.partition("=") for text in texts)
    return tuple((name, str(Path(file).absolute())) for name, _, file in pairs)


LIMIT = TextForm(
    str,
    "NONE,FULL such as 8,16, or off",
    lambda text: None if text == "off" else _pair(text),
    lambda value: _pair_text(value) or "off",
)
PAIR = TextForm(str, "K1,K2 such as -0.2,0", _pair, _pair_text)
DEVICES = TextForm(str, "different names such as cuda:0,cuda:1", _different, ",".join)
FILE_PAIR = TextForm(
    tuple[Path, Path],
    "two files",
    lambda pair: tuple(str(Path(file).absolute()) for file in pair),
    lambda pair: None if pair is None else tuple(map(Path, pair)),
)
"""Absolute, as the files are."""
COUNT = TextForm(
    str, "auto or a number from 1", _count, lambda value: str(value) if value else "auto"
)
"""0 is written auto."""
IDS = TextForm(
    str,
    "ids of tracks, such as 1,3",
    lambda text: tuple(sorted({int(part) for part in text.split(",")})),
    lambda ids: ",".join(map(str, ids)) or None,
)
PERSON_NUMBERS = replace(IDS, shape="numbers of persons, such as 1,3")
NAMES = TextForm(
    list[str], "names", lambda names: tuple(sorted(set(names))), lambda names: list(names) or None
)
FILES = TextForm(
    list[str], "NAME=FILE", _files, lambda pairs: [f"{n}={file}" for n, file in pairs] or None
)
"""Files become absolute, as a job may go on from another folder."""
FOLDER = TextForm(
    Path,
    "a folder",
    lambda path: str(Path(path).absolute()),
    lambda value: None if value is None else Path(value),
)
"""Absolute, as the files are."""
