"""Every error a user can meet, with its exit code on the command line.

VidenhanceError                 1   anything below, or an error without a class of its own
├── UsageError        ValueError    2   an option or argument that cannot be used
├── InputError        ValueError    3   the source cannot be read as a video
│   ├── TruncatedError              3   it opens, but ends before it should
│   └── DamagedError                3   a frame is missing or damaged, found while decoding
├── CheckError        RuntimeError  3   the finished output does not agree with the source
├── OutputError       OSError       4   the result cannot be written
│   └── ContainerError              4   the container cannot hold one of the streams
├── JobError          RuntimeError  6   a job directory is in use, or belongs to another job
├── ModelError        RuntimeError  5   a detector or restorer cannot be loaded or failed
└── Stopped                       130   stopped on request; finished work is kept

A message is one line: the file or option, the cause, then the cure.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class VidenhanceError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1
    job: Path | None = None
    """Directory in which finished work was kept, if there is any."""


class UsageError(VidenhanceError, ValueError):
    """An option or argument cannot be used."""

    exit_code = 2


def chosen(option: str, name: str, table: Mapping[str, T]) -> T:
    """The table's entry of that name; raises UsageError, listing the known names."""
    if name not in table:
        raise UsageError(f"{option} {name}: unknown; choose from {', '.join(table)}")
    return table[name]


class InputError(VidenhanceError, ValueError):
    """The source is missing, is not a video, or cannot be decoded."""

    exit_code = 3


class TruncatedError(InputError):
    """The source opens, but ends before its declared frame count or duration."""


class DamagedError(InputError):
    """A frame is missing, damaged or of another size, found while decoding."""


class CheckError(VidenhanceError, RuntimeError):
    """The finished output differs from its source in something that must not change."""

    exit_code = 3


class OutputError(VidenhanceError, OSError):
    """The result cannot be written where the user asked for it."""

    exit_code = 4


class ContainerError(OutputError):
    """The output container cannot hold one of the streams."""


class ModelError(VidenhanceError, RuntimeError):
    """A detector or restorer cannot be loaded, or failed on a frame."""

    exit_code = 5


class JobError(VidenhanceError, RuntimeError):
    """A job directory is in use, was begun with other settings, or is not a job directory."""

    exit_code = 6


class Stopped(VidenhanceError):
    """The work was stopped on request, at a point from which it can be resumed."""

    exit_code = 130


def cure_of(error: BaseException, elsewhere: str) -> str:
    """What helps where something cannot be read or written, by what the system says: rights, room,
    or else only `elsewhere`, such as "choose another folder"."""
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return f"check its permissions or {elsewhere}"
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"make room or {elsewhere}"
    return elsewhere


def line_of(error: object) -> str:
    """What an error of a library says, as part of one line: its first 120 characters."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = " ".join(str(said).split())
    return line if len(line) <= 120 else f"{line[:120]}..."
