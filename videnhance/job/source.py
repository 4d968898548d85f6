"""The files of a source as they are when a job begins: what they must still be when it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from videnhance.errors import InputError
from videnhance.files import sha256_of
from videnhance.media.reading.pictures import files_of


@dataclass(frozen=True)
class SourceFiles:
    """One file, or the pictures of a row."""

    path: Path
    """As the source was named."""
    states: tuple[tuple[str, int, int], ...]
    """Name, size in bytes and time of change (ns) of every file."""

    @staticmethod
    def of(path: Path) -> SourceFiles:
        """As they are now; raises OSError, InputError."""
        stats = [(file.name, file.stat()) for file in files_of(path)]
        return SourceFiles(
            path, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
        )

    def sha256(self, tell: Callable[[int, int], None]) -> str:
        """SHA-256 of the content. Of pictures, it is that of what `sha256sum` writes of them in
        their order: a line each, "DIGEST  NAME". `tell` gets (bytes read, bytes in all)."""
        size = sum(size for _, size, _ in self.states)
        files, lines, done = files_of(self.path), [], 0
        for file in files:
            before = done

            def read(count: int, before: int = before) -> None:
                tell(before + count, size)

            lines.append(f"{sha256_of(file, progress=read)}  {file.name}\n")
            done += file.stat().st_size
        if files == (self.path,):
            return lines[0].split()[0]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def refuse_changed(self) -> None:
        """Raises InputError where the source was written to since."""
        try:
            now = SourceFiles.of(self.path)
        except (OSError, InputError) as error:
            reason = getattr(error, "strerror", None) or "no picture is left"
            raise InputError(
                f"{self.path}: is gone since the work began ({reason}); put it back "
                "under this name, then go on"
            ) from error
        if now != self:
            raise InputError(
                f"{self.path}: was changed while it was worked on; wait until it is complete, "
                "then begin again with --restart"
            )
