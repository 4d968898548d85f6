"""Files that are complete or absent, even after a power cut; locks, hashes, sizes.

Ours, because atomicwrites, the library for it, is archived.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from videnhance.errors import OutputError, cure_of, line_of

_CHUNK = 1 << 20


@contextmanager
def written(path: Path, part: Path | None = None) -> Iterator[Path]:
    """Provides a name to write a file under, which is then renamed to `path`.

    The name is `part`, by default `path` with ".part" added; both must be on one file system. If
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
            f"{path}: cannot be written ({line_of(error)}); "
            f"{cure_of(error, 'choose another folder')}"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def put_in_place(part: Path, final: Path) -> None:
    """Rename a finished file like `written`; raises OutputError."""
    with written(final, part):
        pass


def rename(part: Path, final: Path) -> None:
    """Rename a finished file to its final name, with file and folder synced; raises OSError."""
    # Without the first fsync a power cut can leave the new name on a file without its content.
    with part.open("rb") as finished:
        os.fsync(finished.fileno())
    part.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def lock(path: Path) -> int | None:
    """Lock the file `path`, making it and its folder; None while another process holds it.

    Returns a descriptor. It is the kernel's lock: it ends when that is closed or the process ends,
    however it ends. Raises OSError. Ours because the package `filelock` would save only these few
    lines: it cannot say who holds a lock without taking it, as job.directory.entering.holder does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:  # the holder has just removed the folder
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Or has removed it since: then this lock is on a file that is gone.
        if path.stat().st_ino == os.fstat(file).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(file)
    return None


def is_device(path: Path) -> bool:
    """Whether a path is a device, pipe or socket, or is among the devices (but for /dev/shm, which
    is memory used as a disk)."""
    folders = path.absolute().parents
    if Path("/dev") in folders and Path("/dev/shm") not in folders:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def sha256_of(
    path: Path, size: int | None = None, progress: Callable[[int], None] = lambda done: None
) -> str:
    """Hexadecimal SHA-256 of a file's first `size` bytes, or of the whole file; raises OSError."""
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
