"""The files of a source as they are when a job begins: what they must still be when it ends.

A file that grew meanwhile is a recording in progress: it is worked on as it was at the start. That
its beginning is still the same is seen by samples of its bytes. The first of them do not count: a
recorder that ends writes length and index into the header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from videnhance.errors import InputError
from videnhance.files import megabytes
from videnhance.media.digests import source_sha256
from videnhance.media.reading.pictures import files_of

_HEADER = 1 << 16
"""Bytes at the beginning of a file that may change while it grows; at most half of the file."""
_SAMPLES, _SAMPLE = 64, 4096
"""Number of samples, and the bytes of each."""


@dataclass(frozen=True)
class SourceFiles:
    """One file, or the pictures of a row."""

    path: Path
    """As the source was named."""
    states: tuple[tuple[str, int, int], ...]
    """Name, size in bytes and time of change (ns) of every file."""
    sampled: str = ""
    """SHA-256 of the samples of a single file."""

    @staticmethod
    def of(path: Path) -> SourceFiles:
        """As they are now; raises OSError, InputError."""
        files = files_of(path)
        stats = [(file.name, file.stat()) for file in files]
        sampled = _sampled(path, stats[0][1].st_size) if files == (path,) else ""
        states = tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
        return SourceFiles(path, states, sampled)

    def sha256(self, tell: Callable[[int, int], None]) -> str:
        """SHA-256 of the content, as far as it was there then (media.digests.source_sha256)."""
        return source_sha256(self.path, tell, [size for _, size, _ in self.states])

    def growth(self) -> str | None:
        """One sentence if the source has grown since, None if it is as it was; raises InputError
        where it was changed in any other way."""
        try:
            now = SourceFiles.of(self.path)
        except (OSError, InputError) as error:
            reason = getattr(error, "strerror", None) or "no picture is left"
            raise InputError(
                f"{self.path}: is gone since the work began ({reason}); put it back "
                "under this name, then go on"
            ) from error
        if now == self:
            return None
        had, has = (sum(size for _, size, _ in one.states) for one in (self, now))
        if not (self.sampled and has > had and _sampled(self.path, had) == self.sampled):
            raise InputError(
                f"{self.path}: was changed while it was worked on; wait until it is complete, "
                "then begin again with --restart"
            )
        return (
            f"the source still grew while it was worked on, from {megabytes(had)} to "
            f"{megabytes(has)}: the result holds what was there at the start"
        )


def _sampled(path: Path, size: int) -> str:
    """SHA-256 of samples of a file's first `size` bytes; raises OSError."""
    begin = min(_HEADER, size // 2)
    step = max((size - begin) // _SAMPLES, _SAMPLE)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for place in (*range(begin, size, step), max(size - _SAMPLE, begin)):
            file.seek(place)
            digest.update(file.read(min(_SAMPLE, size - place)))
    return digest.hexdigest()
