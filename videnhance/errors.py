"""Every error a user can meet, each with the exit code the command line gives it.

VidenhanceError                 1   anything below, or a fault we have no name for
├── UsageError        ValueError    2   an option or argument that cannot be honoured
├── InputError        ValueError    3   the source cannot be read as a video
│   └── TruncatedError              3   it opens, but ends before it should
├── OutputError       OSError       4   the result cannot be written
│   └── ContainerError              4   the container cannot hold one of the streams
└── ModelError        RuntimeError  5   a detector or restorer cannot be loaded or failed

A message is one line: the file or option, the cause, then the cure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class VidenhanceError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(VidenhanceError, ValueError):
    """An option or argument that cannot be honoured."""

    exit_code = 2


def chosen(option: str, name: str, table: Mapping[str, T]) -> T:
    """The table's entry of that name; raises UsageError naming those there are."""
    if name not in table:
        raise UsageError(f"{option} {name}: unknown; choose from {', '.join(table)}")
    return table[name]


class InputError(VidenhanceError, ValueError):
    """The source is missing, is no video, or cannot be decoded."""

    exit_code = 3


class TruncatedError(InputError):
    """The source opens but ends before its own index or duration says it should."""


class OutputError(VidenhanceError, OSError):
    """The result cannot be written where it was asked for."""

    exit_code = 4


class ContainerError(OutputError):
    """The output container cannot hold one of the streams."""


class ModelError(VidenhanceError, RuntimeError):
    """A detector or restorer cannot be loaded, or failed on a frame."""

    exit_code = 5
