"""Named sets of settings, files of one's own, and which of them wins.

The command line wins over a file (`--config`), a file over a preset (`--preset`), a preset over the
defaults.
"""

from __future__ import annotations

import sys
from inspect import signature
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from typer import Context

from videnhance.cli import options
from videnhance.errors import UsageError, chosen

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRESETS: dict[str, dict[str, Any]] = {
    "cctv": {
        "deinterlace": "auto",
        "deblock": 0.3,
        "denoise": 0.2,
        "levels": "auto",
        "detect_every": 2,
        "min_eyes": 5.0,
    },
    "phone": {"denoise": 0.1, "white_balance": "auto"},
    "film": {"deinterlace": "auto", "denoise": 0.1, "crf": 14},
    "archive": {
        "deinterlace": "auto",
        "deblock": 0.3,
        "denoise": 0.3,
        "levels": "auto",
        "white_balance": "auto",
        "codec": "ffv1",
    },
}
"""Parameters of the commands by preset. Their strengths, on three clips with noise of 2 to 10
levels and H.264 or MJPEG at five rates: denoise 0.2 gained up to 1.6 dB and lost 0.07 at most,
where much moves 0.5 lost 1.1; deblock 0.4 gained up to 0.85 on MJPEG and lost 0.1 at most."""

_GROUPS = (
    options.looking,
    options.cleaning,
    options.restoring,
    options.finishing,
    options.networks,
)
"""Groups of options that a file may hold: settings, not what is done with what."""


def layered(context: Context) -> tuple[dict[str, Any], str | None]:
    """The parameters of a command with those of its preset and file filled in, and where they came
    from, in one line; None where there is neither.

    Raises UsageError naming the file and the key for what it does not take.
    """
    given = dict(context.params)
    own = _read(given["config"]) if given.get("config") else {}
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


def _read(path: Path) -> dict[str, Any]:
    """Parameters by name, of the types that the options have."""
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); check the name after --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{path}: is no TOML ({reason}); write lines such as denoise = 0.2"
        ) from error
    kinds: dict[str, Any] = {"preset": str}
    for group in _GROUPS:
        for name, parameter in signature(group, eval_str=True).parameters.items():
            kinds[name] = get_args(parameter.annotation)[0]
    values: dict[str, Any] = {}
    for key, value in written.items():
        name = key.replace("-", "_")
        if name not in kinds:
            raise UsageError(
                f"{path}: {key}: no such setting; take the names of options, as "
                "`videnhance enhance --help` has them"
            )
        values[name] = _typed(f"{path}: {key} = {value!r}", value, kinds[name])
    return values


def _typed(where: str, value: Any, kind: Any) -> Any:
    """The value as the option takes it: numbers become text where a text of them is taken."""
    kinds = get_args(kind) or (kind,)
    if bool in kinds:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{where}: takes true or false")
    numbers = isinstance(value, (int, float)) and not isinstance(value, bool)
    if list[str] in kinds:
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return value
        raise UsageError(f'{where}: takes a list such as ["a"]')
    if float in kinds and numbers:
        return float(value)
    if int in kinds and numbers and isfinite(value) and value == int(value):
        return int(value)
    if str in kinds:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(n, (int, float)) for n in value):
            return ",".join(f"{n:g}" for n in value)
        if numbers:
            return f"{value:g}"
    wanted = "text" if str in kinds else "a whole number" if int in kinds else "a number"
    raise UsageError(f"{where}: takes {wanted}")
