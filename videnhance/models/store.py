"""The store of weights: found on this machine, fetched once, or given by the user; and verified.

FOLDER/FILE                   the published file, bit for bit; there complete or not at all; it may
                              be a link to another program's (models/finding.py)
FOLDER/FILE.part, .part.json  while it is fetched (models/download.py)
FOLDER/locks/FILE             held by the process that fetches it
FOLDER/verified/*.json        results of hashing: path, size, times, SHA-256
FOLDER/accepted/NAME.json     a licence that was accepted

FOLDER is `catalog.folder()`. Only `obtain` uses the network in videnhance, and only if a file is
missing or damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.errors import ModelError, Stopped, UsageError, chosen, cure_of
from videnhance.files import lock, megabytes, sha256_of, written
from videnhance.models.catalog import BUNDLED, WEIGHTS, Weights, folder, located
from videnhance.models.download import fetch, on_disk


@dataclass(frozen=True)
class Obtained:
    """Weights ready to be loaded."""

    name: str
    path: Path
    sha256: str
    """Of this file."""
    trusted: bool
    """Whether it is not the published file, but one that the user trusts."""
    accepted: str | None
    """The licence that had to be accepted, and was; None if none had to be."""


def bundled(name: str, given: str | None = None, *, trust: bool = False) -> Obtained:
    """The weights of that name that come with the package (BUNDLED), or a file given instead.

    Raises UsageError for a given file without `trust`, ModelError if there is no such file.
    """
    path = BUNDLED[name] if given is None else Path(given)
    if given is not None and not trust:
        raise UsageError(
            f"--weights {name}={given}: is not what comes with videnhance; add --trust-weights if "
            "you trust where it comes from"
        )
    try:
        return Obtained(name, path, sha256_of(path), trusted=given is not None, accepted=None)
    except OSError as error:
        cure = "install videnhance again" if given is None else "check the name and the folder"
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {cure}") from error


@dataclass(frozen=True)
class Checked:
    """What `verify` found out about one file."""

    name: str
    path: Path
    sha256: str
    good: bool
    """Whether it is the published file."""
    linked: Path | None = None
    """Where the file really lies, if `path` is a symbolic link to it (models/finding.py)."""


def obtain(
    name: str,
    *,
    given: Path | None = None,
    trust: bool = False,
    offline: bool = False,
    accepted: Collection[str] = (),
    progress: Progress = silent,
    tell: Callable[[str], None] = lambda line: None,
    stop: Stop = never,
) -> Obtained:
    """The weights of that name: those on this machine, or fetched once, which `tell` announces.

    `given`: a file to use instead (--weights); if it is not the published one, nor another that is
    known of the same network (Weights.also), it is refused unless `trust`. `accepted`: names of
    weights whose licences are accepted now; that is remembered. Damaged files are fetched again.
    Raises UsageError for an unknown name or a licence not accepted, ModelError if the weights
    cannot be obtained, Stopped if `stop` returns true.
    """
    weights = chosen("weights", name, WEIGHTS)
    licence = _agreed(weights, accepted)
    if given is not None:
        digest, trusted = _given(weights, given, trust, progress)
        return Obtained(name, given, digest, trusted, licence)
    path = folder() / weights.file
    if not weights.sha256:
        raise ModelError(
            f"{name}: the SHA-256 of its file is not known, so it is not fetched; get "
            f"{weights.url} yourself and give it with --weights {name}=FILE --trust-weights"
        )
    if not _is_published(weights, progress):
        if offline:
            state = "is not the published file" if path.exists() else "is not here"
            raise ModelError(
                f"{path}: {state}, and --offline forbids to fetch it; run `videnhance models pull "
                f"{name}` where there is a network, or give the file with --weights FILE"
            )
        with _held(
            folder() / "locks" / path.name,
            stop=stop,
            waits=lambda: tell(f"{name}: another process fetches it; waiting"),
        ):
            if not _is_published(weights, progress):  # another process may just have fetched it
                size = "" if weights.size is None else f" ({megabytes(weights.size, 0)})"
                tell(f"{name}: fetching {weights.url}{size} into {path.parent}, once")
                fetch(
                    weights.url,
                    path,
                    size=weights.size,
                    sha256=weights.sha256,
                    progress=progress,
                    stop=stop,
                )
                _remember(path, weights.sha256, _facts(path))
    return Obtained(name, path, weights.sha256, False, licence)


def verify(names: Collection[str] = (), progress: Progress = silent) -> list[Checked]:
    """Hash the files on this machine, all or the named ones, even if their hashes are known.

    A link that leads nowhere is a file that is not good, with the hash "". Raises UsageError for
    an unknown name, ModelError if a file cannot be read.
    """
    wanted = [chosen("weights", name, WEIGHTS) for name in names] or list(WEIGHTS.values())
    found = []
    for weights in wanted:
        path = folder() / weights.file
        linked = path.readlink() if path.is_symlink() else None
        if path.is_file() or linked is not None:
            digest = digest_of(path, progress, again=True) if path.is_file() else ""
            good = digest != "" and digest == weights.sha256
            found.append(Checked(weights.name, path, digest, good, linked))
    return found


def _given(weights: Weights, given: Path, trust: bool, progress: Progress) -> tuple[str, bool]:
    """SHA-256 of a file that the user gave, and whether it had to be trusted."""
    if not given.is_file():
        raise ModelError(f"--weights {given}: no such file; check the name and the folder")
    digest = digest_of(given, progress)
    if digest in weights.hashes:
        return digest, False
    if not trust:
        known = next((w.name for w in WEIGHTS.values() if digest in w.hashes), None)
        published = f"published {weights.sha256}" if weights.sha256 else "the published one unknown"
        what = f"is {known}" if known else f"its SHA-256 is {digest}, {published}"
        raise ModelError(
            f"--weights {given}: is not the published {weights.name} ({what}); give that file, or "
            "add --trust-weights if you know where this one is from"
        )
    return digest, True


def _is_published(weights: Weights, progress: Progress) -> bool:
    """Whether the file is on this machine and is, bit for bit, the published one."""
    path = located(weights.name)
    return path is not None and digest_of(path, progress) == weights.sha256


def digest_of(path: Path, progress: Progress, *, again: bool = False) -> str:
    """A file's SHA-256, from memory if the file is unchanged; `again`: hash it anyway."""
    try:
        facts = _facts(path)
        with suppress(OSError, ValueError, AttributeError, TypeError):
            note = json.loads(_note(path).read_text(encoding="utf-8"))
            digest = note.pop("sha256", None)
            if not again and note == facts and isinstance(digest, str):
                return digest
        size = path.stat().st_size
        digest = sha256_of(path, progress=lambda done: progress("hash", done, size))
    except OSError as error:
        cure = cure_of(error, "fetch or copy the file again")
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
    _remember(path, digest, facts)
    return digest


def _remember(path: Path, digest: str, facts: dict[str, object]) -> None:
    """Store a file's SHA-256. `facts` were read before hashing, so a change meanwhile voids it."""
    with suppress(OSError):  # a read-only folder only costs time: the file is hashed each time
        _write(_note(path), {**facts, "sha256": digest})


def _facts(path: Path) -> dict[str, object]:
    """What shows that a file changed; unlike its mtime, its ctime cannot be set back."""
    found = path.stat()
    return {
        "path": str(path.resolve()),
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
    }


def _note(path: Path) -> Path:
    """Where a file's SHA-256 is stored: in our folder, as a given file's folder is not ours."""
    key = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return folder() / "verified" / f"{key[:32]}.json"


def _agreed(weights: Weights, accepted: Collection[str]) -> str | None:
    """The licence, if it must be accepted, or None; raises UsageError if it was not accepted."""
    for name in accepted:
        chosen("--accept-license", name, WEIGHTS)
    if not weights.consent:
        return None
    note = folder() / "accepted" / f"{weights.name}.json"
    if weights.name in accepted:
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        with suppress(OSError):  # then it must be accepted again next time
            _write(note, {"licence": weights.licence, "when": when})
        return weights.licence
    with suppress(OSError, ValueError, KeyError, TypeError):
        # If the licence has changed since, it must be accepted again.
        if json.loads(note.read_text(encoding="utf-8"))["licence"] == weights.licence:
            return weights.licence
    raise UsageError(
        f"{weights.name}: is under the {weights.licence}; if you accept that, add "
        f"--accept-license {weights.name}, once"
    )


def _write(path: Path, content: dict[str, object]) -> None:
    """Write a small JSON file, put in place by one rename; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path, path.with_name(f"{path.name}.{os.getpid()}.part")) as part:
        part.write_text(json.dumps(content, indent=2), encoding="utf-8")


@contextmanager
def _held(path: Path, *, stop: Stop, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path`. If another process holds it, call `waits` once, and wait.

    Raises Stopped if `stop` returns true meanwhile, ModelError if the folder cannot be written.
    """
    file = _try(path)
    if file is None:
        waits()
    while file is None:
        if stop():
            raise Stopped(f"{path}: stopped while another process fetches the file")
        time.sleep(0.1)
        file = _try(path)
    try:
        yield
    finally:
        os.close(file)


def _try(path: Path) -> int | None:
    with on_disk(path.parent):
        return lock(path)
