"""Files that are whole or not there at all, even after a power cut; hashes and sizes of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from videnhance.errors import OutputError, line_of

_CHUNK = 1 << 20


@contextmanager
def written(path: Path, part: Path | None = None) -> Iterator[Path]:
    """Gives the name under which to write a file, which is then renamed `path`.

    That name is `part`, by default `path` with ".part" added; both must be on one file system. When
    the body fails, what was written is removed and a file that was at `path` before stays as it
    was. Raises OutputError for the OSErrors of the body and of the renaming.
    """
    part = path.with_name(f"{path.name}.part") if part is None else part
    try:
        yield part
        rename(part, path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path}: cannot be written ({line_of(error)}); make room or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def put_in_place(part: Path, final: Path) -> None:
    """Rename a file that is finished already, as `written` does; raises OutputError."""
    with written(final, part):
        pass


def rename(part: Path, final: Path) -> None:
    """Rename a finished file to its name, file and folder synced; raises OSError."""
    # Without the first fsync a power cut can leave the new name on a file without its content.
    with part.open("rb") as finished:
        os.fsync(finished.fileno())
    part.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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


def megabytes(size: int, decimals: int = 1) -> str:
    """A number of bytes for people: "12.3 MB"."""
    return f"{size / 1e6:.{decimals}f} MB"
