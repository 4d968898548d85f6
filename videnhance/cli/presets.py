"""Which settings win: the command line, then a file (`--config`), then a preset (`--preset`), then
the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer import Context

from videnhance.errors import chosen
from videnhance.settings.config import read_config
from videnhance.settings.groups import SETTINGS
from videnhance.settings.presets import PRESETS

_SETTINGS = {setting.parameter: setting.name for setting in SETTINGS.values()}
"""The names of the settings by the parameters of commands."""


@dataclass(frozen=True)
class Layered:
    """The parameters of a command, those of its preset and file filled in."""

    given: dict[str, Any]
    origins: dict[str, str]
    """By name, where settings come from: "option", "preset NAME" or "file NAME"."""
    told: str | None
    """Where those come from that the command line does not say, in one line."""


def layered(context: Context) -> Layered:
    """The layers of a command on one another.

    Raises UsageError naming the file and the key for what it does not take.
    """
    given = dict(context.params)
    # Older releases of typer keep in the context the text of what commands get as a path.
    own = read_config(Path(given["config"])) if given.get("config") else {}
    name = given.get("preset") or own.get("preset")
    preset = chosen("--preset", name, PRESETS) if name is not None else {}
    told = []
    sources = {key: "option" for key in given if key in _SETTINGS and not _is_unsaid(context, key)}
    file = str(given.get("config"))
    layers = (
        (f"preset {name}", f"preset {name}", preset),
        (file, f"file {Path(file).name}", own),
    )
    for what, source, values in layers:
        taken = []
        for key, value in values.items():
            if key in given and key != "preset" and _is_unsaid(context, key):
                given[key] = value
                sources[key] = source
                taken.append(key.replace("_", "-"))
        if taken:
            told.append(f"{', '.join(taken)} from {what}")
    origins = {_SETTINGS[key]: source for key, source in sources.items() if key in _SETTINGS}
    return Layered(given, origins, "; ".join(told) or None)


def _is_unsaid(context: Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is None or source.name in ("DEFAULT", "DEFAULT_MAP")
