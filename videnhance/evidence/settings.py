"""The settings of a record, as they can be used again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from videnhance.errors import InputError, UsageError
from videnhance.evidence.document import Record
from videnhance.settings.groups import SETTINGS, Settings, settings_with
from videnhance.settings.text import FILE_PAIR, FILES, FOLDER


def settings_in(record: Record, weights: tuple[tuple[str, str], ...] = ()) -> Settings:
    """The settings that a result was made with, but for its signature, the folders of further
    pictures and the licences that were accepted: that is for each to do. `weights`: the files
    (name, path) for those that were given.

    Raises InputError for a setting that this version does not have, or whose value it does not
    take.
    """
    unknown = sorted(set(record.settings) - set(SETTINGS))
    if unknown:
        raise InputError(
            f"the record has the setting {unknown[0]}, which this videnhance does not have; use "
            f"videnhance {record.versions.get('videnhance', 'that made it')}"
        )
    values = {name: _tupled(setting.value) for name, setting in record.settings.items()}
    for name in values:
        form = SETTINGS[name].form
        if form in (FOLDER, FILE_PAIR):
            values[name] = None
        elif form is FILES:
            values[name] = tuple((name, str(Path(file).absolute())) for name, file in weights)
    try:
        settings = settings_with(values)
    except (UsageError, TypeError, ValueError) as error:
        raise InputError(
            f"the record's settings are not taken by this videnhance ({error}); use videnhance "
            f"{record.versions.get('videnhance', 'that made it')}"
        ) from error
    models = replace(settings.models, trust=bool(weights), accepted=())
    return replace(settings, models=models, evidence=replace(settings.evidence, invention=0))


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
