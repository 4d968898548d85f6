"""Compiled networks kept for the next start: one file each, in a folder of the user's cache.

A file is the SHA-256 of the rest, in HEAD hexadecimal digits, then the rest. Its name is a digest
of all that it is a function of, so nothing in it can be out of date. Every failure to read or write
only costs time: the network is compiled again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from videnhance.files import written
from videnhance.inference.contract import Definition, Way

MOST = 4 * 2**30
"""Bytes kept in all; beyond that, what was not used for longest is removed."""
_SUFFIX = ".compiled"
HEAD = 64
"""Bytes before what was kept, which so is aligned for every processor."""


def folder() -> Path:
    """Where compiled networks are kept: VIDENHANCE_CACHE, or a folder in the user's cache."""
    named = os.environ.get("VIDENHANCE_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    return user_cache_path("videnhance", appauthor=False) / "compiled"


def place(definition: Definition, way: Way, facts: Sequence[Any]) -> Path | None:
    """The file of a compiled network; None where it is not to be kept.

    `facts`: what else it depends on, as JSON values, such as the processor.
    """
    if definition.weights is None:
        return None
    packages = ("videnhance", way.backend, *definition.packages)
    what = [
        [definition.name, definition.weights, definition.inputs, definition.outputs],
        [definition.also, definition.exact, [str(way), *facts]],
        {package: version_of(package) for package in packages},
        [
            _digest_of(module)
            for module in (*definition.code, __name__, f"{__package__}.on_{way.backend}")
        ],
    ]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    return folder() / f"{definition.name}-{way.precision}-{digest[:24]}{_SUFFIX}"


def kept(path: Path) -> mmap.mmap | None:
    """The file, in which what `keep` was given follows after HEAD bytes, mapped into memory; what
    is written there stays in this process. None where there is nothing whole."""
    with suppress(OSError):
        with path.open("rb") as file:
            digest, found = file.read(HEAD), hashlib.file_digest(file, "sha256")
            whole = found.hexdigest().encode() == digest
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if whole else None
        if mapped is not None:
            with suppress(OSError):
                os.utime(path)  # used last now
        return mapped
    return None


def keep(path: Path, content: bytes) -> None:
    """Write a file, in place by one rename, and remove what is too much; failing is no error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}.part")
        with written(path, new) as part, part.open("wb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode())
            file.write(content)
        _make_room(path)


def _make_room(newest: Path) -> None:
    """Remove files, the longest unused first, until the rest is at most MOST bytes."""
    found = [(path.stat(), path) for path in newest.parent.glob(f"*{_SUFFIX}")]
    total = 0
    for facts, path in sorted(found, key=lambda one: one[0].st_mtime_ns, reverse=True):
        total += facts.st_size
        if total > MOST and path != newest:
            path.unlink(missing_ok=True)


def _digest_of(module: str) -> str | None:
    """SHA-256 of a module's source, without importing it; None where there is no such file."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    with suppress(OSError):  # in an archive, the version of videnhance tells
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    return None


def version_of(package: str) -> str | None:
    """Of a distribution; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
