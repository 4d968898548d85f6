"""Finished files get their names so that a power cut leaves them whole, or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

from videnhance.errors import OutputError


def rename(part: Path, final: Path) -> None:
    """Rename a finished file to its name, file and folder synced; raises OSError."""
    with part.open("rb") as finished:
        os.fsync(finished.fileno())
    part.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def put_in_place(part: Path, final: Path) -> None:
    """The same for what a job writes; raises OutputError."""
    try:
        rename(part, final)
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be written ({error.strerror}); make room or choose another folder"
        ) from error
