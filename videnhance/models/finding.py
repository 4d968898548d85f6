"""Weights that other programs have fetched already: found in their folders, linked into ours.

A file is known by its SHA-256 alone. Names and sizes tell which files are worth hashing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from videnhance.callbacks import Progress, silent
from videnhance.errors import ModelError, UsageError, cure_of, line_of
from videnhance.models.catalog import WEIGHTS, Copy, Weights, folder, located
from videnhance.models.store import digest_of

# Where each program keeps weights, below the folder that it was cloned or installed into: what it
# is called, in lower case, its name, and its own folders.
_CLONED: dict[str, tuple[str, tuple[str, ...]]] = {
    "facefusion": ("FaceFusion", (".assets/models",)),
    "comfyui": ("ComfyUI", ("models",)),
    "stable-diffusion-webui": (
        "Stable Diffusion WebUI",
        ("models", "repositories/CodeFormer/weights"),
    ),
    "gfpgan": ("GFPGAN", ("gfpgan/weights", "experiments/pretrained_models")),
    "codeformer": ("CodeFormer", ("weights",)),
    "real-esrgan": ("Real-ESRGAN", ("weights", "experiments/pretrained_models")),
}
_ALSO_CALLED = {
    "facefusion.git": "facefusion",
    "facefusion-pinokio.git": "facefusion",
    "comfy": "comfyui",
    "automatic1111": "stable-diffusion-webui",
    "sd-webui": "stable-diffusion-webui",
    "sdnext": "stable-diffusion-webui",
    "stable-diffusion-webui-forge": "stable-diffusion-webui",
    "stable-diffusion-webui-reforge": "stable-diffusion-webui",
    "gfpgan-master": "gfpgan",
    "codeformer-master": "codeformer",
    "realesrgan": "real-esrgan",
}
_INSTALLERS = ("pinokio/api", "StabilityMatrix/Data/Packages")
"""Where programs that install others put them, below the home folder."""
_ELSEWHERE = ("/opt", "/workspace")
PROGRAMS = (*(program for program, _ in _CLONED.values()), "torch", "Hugging Face", "uniface")
"""Whose folders are looked into, besides packages beside this one (facexlib, gfpgan)."""


@dataclass(frozen=True)
class Found:
    """A file that may be weights of the catalogue."""

    path: Path
    program: str
    """Whose folder it lies in; "" for a folder that the user named."""
    name: str | None = None
    """The weights that it is, bit for bit; None if it is none of them."""
    looked_like: str = ""
    """Where it is none: the weights whose name or size it has."""
    state: str = ""
    """What became of it: "linked", "here" (already), "copy" (of others, to be given: Weights.also),
    "" (nothing), or why it could not be."""


def find(
    folders: Sequence[Path] = (),
    *,
    link: bool = True,
    home: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    progress: Progress = silent,
) -> list[Found]:
    """Look for weights in `folders` and all that is in them, or, without any, where other programs
    keep theirs; each file once. With `link`, those that are the published files, and not here yet,
    are linked into our folder: no byte is copied or moved.

    Raises UsageError for a folder that is not there.
    """
    for given in folders:
        if not given.is_dir():
            raise UsageError(f"models find {given}: no such folder; check the name")
    places = [(path, "") for path in folders] or list(_usual(home or Path.home(), environment))
    by_digest = {digest: w for w in reversed(WEIGHTS.values()) for digest in w.hashes}
    found, seen = [], set()
    for place, program in places:
        for path, like in _candidates(place):
            with suppress(OSError):
                file = path.stat()
                if (file.st_dev, file.st_ino) in seen:
                    continue  # one file with several names, as in Hugging Face's cache
                seen.add((file.st_dev, file.st_ino))
            try:
                digest = digest_of(path, progress)
            except ModelError as error:
                found.append(Found(path, program, None, like.name, line_of(error.__cause__)))
                continue
            weights = by_digest.get(digest)
            if weights is None:
                why = "" if like.sha256 else "no SHA-256 is published to know it by"
                found.append(Found(path, program, None, like.name, why))
            elif digest != weights.sha256:
                found.append(Found(path, program, weights.name, state="copy"))
            else:
                state = _settled(weights, path, link, progress)
                found.append(Found(path, program, weights.name, state=state))
    return found


def _settled(weights: Weights, path: Path, link: bool, progress: Progress) -> str:
    """Link the file, if it is wanted, and not here yet; Found.state."""
    target = located(weights.name)
    if target is not None and digest_of(target, progress) == weights.sha256:
        return "here"
    if not link:
        return ""
    _link(path, folder() / weights.file)
    return "linked"


def _link(path: Path, target: Path) -> None:
    """Give the file a second name, `target`, which may exist. Raises ModelError.

    A hard link where both lie on one disk and the system allows it, so that the weights stay if the
    other program goes; else a symbolic one.
    """
    source = path.resolve()
    part = target.with_name(f"{target.name}.{os.getpid()}.link")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            part.hardlink_to(source)
        except OSError:
            part.symlink_to(source)
        part.replace(target)
    except OSError as error:
        raise ModelError(
            f"{target}: cannot be linked to {source} ({line_of(error)}); "
            f"{cure_of(error, 'choose another folder with VIDENHANCE_MODELS')}"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _candidates(place: Path) -> Iterator[tuple[Path, Weights]]:
    """Files that have the published name or size of some weights, and these; in one order always.
    What cannot be read is passed over."""
    copies = [(copy, weights) for weights in WEIGHTS.values() for copy in weights.also]
    every: list[tuple[Copy | Weights, Weights]] = [
        *copies,
        *((weights, weights) for weights in WEIGHTS.values()),
    ]
    names = {file.file.lower(): weights for file, weights in every}
    sizes = {file.size: weights for file, weights in every if file.size}
    ours = folder().resolve()
    for at, inner, files in os.walk(place):
        inner[:] = sorted(name for name in inner if (Path(at) / name).resolve() != ours)
        for name in sorted(files):
            path, like = Path(at) / name, None
            with suppress(OSError):
                if path.is_file():
                    like = names.get(name.lower()) or sizes.get(path.stat().st_size)
            if like is not None:
                yield path, like


def _usual(home: Path, environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """The folders of other programs that are there, and whose they are."""
    bases = [home, *_inside(home), *(home / name for name in _INSTALLERS)]
    bases += [inner for name in _INSTALLERS for inner in _inside(home / name)]
    bases += [Path(name) for name in _ELSEWHERE] + [Path.cwd()]
    for base in dict.fromkeys(bases):
        for cloned in _inside(base):
            called = cloned.name.lower()
            program, places = _CLONED.get(_ALSO_CALLED.get(called, called), ("", ()))
            yield from ((cloned / name, program) for name in places if (cloned / name).is_dir())

    def named(variable: str, otherwise: Path) -> Path:
        value = environment.get(variable)
        return Path(value).expanduser() if value else otherwise

    cache = named("XDG_CACHE_HOME", home / ".cache")
    kept = [
        (named("TORCH_HOME", cache / "torch") / "hub" / "checkpoints", "torch"),
        (named("HF_HOME", cache / "huggingface") / "hub", "Hugging Face"),
        (named("UNIFACE_CACHE_DIR", home / ".uniface" / "models"), "uniface"),
        *((path / "weights", path.name) for path in map(_package, ("facexlib", "gfpgan")) if path),
        (Path.cwd() / "gfpgan" / "weights", "GFPGAN"),
    ]
    yield from ((path, program) for path, program in kept if path.is_dir())


def _inside(base: Path) -> list[Path]:
    """The folders in a folder, but for hidden ones; none where it cannot be read."""
    with suppress(OSError):
        return sorted(p for p in base.iterdir() if not p.name.startswith(".") and p.is_dir())
    return []


def _package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None
