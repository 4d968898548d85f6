"""Where a worker finds the files that a job's record names: under the same path, or another one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videnhance.errors import InputError, UsageError, line_of
from videnhance.files import written
from videnhance.inference import cache
from videnhance.media.digests import source_sha256
from videnhance.media.reading.pictures import files_of
from videnhance.settings.groups import Settings


@dataclass(frozen=True)
class PathMap:
    """What lies below one folder on the machine where a job began lies below another one here."""

    there: Path
    here: Path

    @staticmethod
    def read(text: str) -> PathMap:
        """From FROM=TO; raises UsageError."""
        there, equals, here = text.partition("=")
        if not (equals and there and here):
            raise UsageError(
                f"--map-path {text}: must be FROM=TO, such as /archive=/mnt/archive: the folder as "
                "the job has it, and as this machine has it"
            )
        return PathMap(Path(there), Path(here))


def mapped(path: Path, maps: Sequence[PathMap]) -> Path:
    """The path as it is here, by the first map that it falls under."""
    for one in maps:
        if path.is_relative_to(one.there):
            return one.here / path.relative_to(one.there)
    return path


def mapped_settings(settings: Settings, maps: Sequence[PathMap]) -> Settings:
    """The same, with files of weights where they are here."""
    files = tuple((name, str(mapped(Path(file), maps))) for name, file in settings.models.files)
    return replace(settings, models=replace(settings.models, files=files))


def refuse_other_source(
    recorded: Path, here: Path, sha256: str | None, *, by_content: bool
) -> None:
    """Raises InputError where there is no source on this machine, or, `by_content`, where its
    content is not the job's, with this SHA-256. The content is read once by machine."""
    if not here.exists() and not files_of_row(here):
        told = f" ({recorded} in the job)" if here != recorded else ""
        raise InputError(
            f"{here}: is not on this machine{told}; say where it is with --map-path FROM=TO"
        )
    if by_content and sha256 is not None and (found := content_of(here)) != sha256:
        raise InputError(
            f"{here}: is not the job's source {recorded}: its content has the SHA-256 "
            f"{found[:12]}, not {sha256[:12]}; name the right folder with --map-path FROM=TO"
        )


def files_of_row(path: Path) -> bool:
    """Whether it is the name of a row of pictures that are here."""
    try:
        return bool(files_of(path)) and all(file.exists() for file in files_of(path))
    except (OSError, InputError):
        return False


def content_of(path: Path) -> str:
    """SHA-256 of a source, kept for this machine by the names, sizes and times of its files."""
    try:
        stats = [(str(file.absolute()), file.stat()) for file in files_of(path)]
        facts = [(name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in stats]
        known = cache.folder() / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}.sha256"
        try:
            return known.read_text(encoding="ascii")
        except OSError:
            pass
        found = source_sha256(path, lambda done, total: None)
        try:
            known.parent.mkdir(parents=True, exist_ok=True)
            with written(known, known.with_name(f"{known.name}.{os.getpid()}.part")) as part:
                part.write_text(found, encoding="ascii")
        except OSError:
            pass  # it is computed again next time
        return found
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({line_of(error)}); check its permissions, or name another "
            "folder with --map-path FROM=TO"
        ) from error
