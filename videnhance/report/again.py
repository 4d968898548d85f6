"""The command that makes a result again: its options, as the command line takes them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from videnhance.settings.groups import SETTINGS, Settings
from videnhance.settings.table import Setting

_NOT_AGAIN = (
    *("part.only", "part.skip"),
    *("output.frames", "output.stills", "output.portraits", "models.files"),
)
"""What the page chooses anew, and what names a folder or a file of the machine it was made on."""


def settings_in(recorded: Mapping[str, Any]) -> Settings:
    """Settings from values by name, as a record holds them; those that this version does not know
    are left out. Raises KeyError or TypeError where a value is of another kind, and UsageError."""
    groups: dict[str, dict[str, Any]] = Settings().as_json()
    for name, value in recorded.items():
        if name in SETTINGS:
            groups[SETTINGS[name].group][SETTINGS[name].field] = value
    return Settings.from_json(groups)


def options_of(settings: Settings) -> str:
    """All options that are not at their default, quoted for a shell."""
    return " ".join(_options(settings))


def _options(settings: Settings) -> Iterator[str]:
    defaults = Settings()
    for name, setting in SETTINGS.items():
        value = settings.value(name)
        if name in _NOT_AGAIN or value == defaults.value(name):
            continue
        if setting.kind is bool:
            yield _switch(setting, value)
        else:
            written = setting.written(value)
            for one in written if isinstance(written, list) else [written]:
                yield f"{setting.option} {shlex.quote(str(one))}"


def _switch(setting: Setting, on: bool) -> str:
    return setting.option if on else f"--no-{setting.option.removeprefix('--')}"
