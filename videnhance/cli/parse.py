"""From the parameters of a command to the settings of a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videnhance.errors import UsageError
from videnhance.models.catalog import WEIGHTS
from videnhance.restorers import RESTORERS
from videnhance.settings.groups import SETTINGS, Settings, settings_with


def settings_of(given: Mapping[str, Any]) -> Settings:
    """The settings of a command's parameters by name; those it lacks are at their defaults.

    Raises UsageError.
    """
    restorer = str(given.get("restorer", ""))
    files = [_named(text, restorer) for text in given.get("weights") or ()]
    written = {**given, "weights": files or None}
    return settings_with(
        {
            setting.name: setting.read(written[setting.parameter])
            for setting in SETTINGS.values()
            if setting.parameter in written
        }
    )


def _named(text: str, restorer: str) -> str:
    """NAME=FILE of what was given for --weights; without a NAME it is the restorer's. A NAME may
    also be that of a restorer, and then is that of its weights."""
    name, equals, file = text.partition("=")
    if equals and name not in WEIGHTS and name in RESTORERS:
        name = RESTORERS[name].weights or name
    if not (equals and name in WEIGHTS):
        row = RESTORERS.get(restorer)
        name, file = (row.weights if row is not None else None) or "", text
    if name not in WEIGHTS:
        raise UsageError(
            f"--weights {text}: {restorer} has no weights; write NAME=FILE, with a name as "
            "`videnhance models list` has it"
        )
    return f"{name}={file}"


def refuse_mixed(
    sources: list[Path],
    output: Path | None,
    out_dir: Path | None,
    recursive: bool,
    persons: object,
) -> None:
    """Raises UsageError where it is not clear what goes where."""
    if (output is None) == (out_dir is None):
        raise UsageError("name one result with --output (-o), or a folder for many with --out-dir")
    if out_dir is not None and persons:
        raise UsageError("--tracks, --only, --skip: are of one video; leave --out-dir out")
    if output is not None and len(sources) > 1:
        raise UsageError(
            f"--output {output}: is one file for {len(sources)} inputs; use --out-dir, or name the "
            "folder of a video's pictures"
        )
    if output is not None and recursive:
        raise UsageError("--recursive: is for folders; name a folder for the results, --out-dir")
