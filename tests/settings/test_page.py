"""docs/settings.md is what the declarations say."""

from __future__ import annotations

from make_settings_page import PAGE, page

from videnhance.settings.groups import SETTINGS
from videnhance.settings.presets import PRESETS

NOW = page()
"""Made here, before the fixtures of the tests change the table of restorers."""


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == NOW, "run python scripts/make_settings_page.py"


def test_the_page_has_every_setting_and_preset() -> None:
    rows = [line.split(" | ") for line in NOW.splitlines() if line.startswith("| ")]
    first = [row[0] for row in rows]
    for setting in SETTINGS.values():
        assert first.count(f"| `{setting.option}`<br>{setting.name}") == 1, setting.name
    assert all(f"| {name}" in first for name in PRESETS)
    assert {len(row) for row in rows} == {5, 2}
