"""Which settings win: the command line, then a file (`--config`), then a preset (`--preset`), then
the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer import Context

from videnhance.errors import chosen
from videnhance.settings.config import read_config
from videnhance.settings.presets import PRESETS


def layered(context: Context) -> tuple[dict[str, Any], str | None]:
    """The parameters of a command with those of its preset and file filled in, and where they came
    from, in one line; None where there is neither.

    Raises UsageError naming the file and the key for what it does not take.
    """
    given = dict(context.params)
    # Older releases of typer keep in the context the text of what commands get as a path.
    own = read_config(Path(given["config"])) if given.get("config") else {}
    name = given.get("preset") or own.get("preset")
    preset = chosen("--preset", name, PRESETS) if name is not None else {}
    told = []
    for what, values in ((f"preset {name}", preset), (str(given.get("config")), own)):
        taken = []
        for key, value in values.items():
            if key in given and key != "preset" and _is_unsaid(context, key):
                given[key] = value
                taken.append(key.replace("_", "-"))
        if taken:
            told.append(f"{', '.join(taken)} from {what}")
    return given, "; ".join(told) or None


def _is_unsaid(context: Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is None or source.name in ("DEFAULT", "DEFAULT_MAP")
