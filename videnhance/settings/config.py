"""Files of settings that a user writes (`--config`): TOML, the names of options as keys."""

from __future__ import annotations

import tomllib
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from videnhance.errors import UsageError
from videnhance.settings.groups import SETTINGS


def read_config(path: Path) -> dict[str, Any]:
    """The values that the file holds, by `Setting.parameter`, as they are written on the command
    line; "preset" is the name of one. Raises UsageError naming the file and the key."""
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
    kinds |= {s.parameter: s.written_kind for s in SETTINGS.values() if s.panel.in_files}
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
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
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
