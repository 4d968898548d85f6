"""The command that makes a result again: its options, as the command line takes them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from videnhance.settings.groups import SETTINGS, Settings
from videnhance.settings.table import Setting

_PERSONS = "part.only", "part.skip", "part.only_person", "part.skip_person"
_NOT_AGAIN = (*_PERSONS, "models.files", "models.trust")
"""What the page chooses anew, and what names a file of the machine it was made on."""


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
