"""Finished files get their names so that a power cut leaves them whole, or not there at all."""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
from collections.abc import Callable
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


_KIND = uuid.UUID("5d3f2c1e-8a47-4b9e-9d06-76696465686e")
_BOX = struct.Struct(">I4s16s32s32sdI")
_CHUNK = 1 << 20


def sha256_of(
    path: Path, size: int | None = None, progress: Callable[[int], None] = lambda done: None
) -> str:
    """Hexadecimal SHA-256 of a file's first `size` bytes, or of all; raises OSError."""
    digest = hashlib.sha256()
    size = path.stat().st_size if size is None else size
    done = 0
    with path.open("rb") as file:
        while block := file.read(min(_CHUNK, size - done)):
            digest.update(block)
            done += len(block)
            progress(done)
    return digest.hexdigest()
