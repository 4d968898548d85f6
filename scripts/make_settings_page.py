"""Writes docs/settings.md from the declarations of the settings (videnhance/settings).

    python scripts/make_settings_page.py

tests/settings/test_page.py fails where the page is not what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from videnhance.cli.options import help_of
from videnhance.detectors import DETECTORS
from videnhance.identity import EMBEDDERS
from videnhance.media.writing.codecs import CODECS
from videnhance.restorers import RESTORERS
from videnhance.settings.groups import SETTINGS
from videnhance.settings.presets import PRESETS
from videnhance.settings.table import Setting

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
NAMES = {
    "codecs": list(CODECS),
    "detectors": ["auto", *DETECTORS],
    "embedders": list(EMBEDDERS),
    "restorers": list(RESTORERS),
}
"""What a setting chooses from, by `Setting.table`."""
INTRODUCTION = """# Settings

<!-- Written by scripts/make_settings_page.py from videnhance/settings. Do not edit. -->

Every setting of `enhance`, `detect` and `preview`: its option, and below that its name in Python
and in the `job.json` of a job. `--detect-every 2`, named `detect.every`, is
`Settings(detect=DetectSettings(every=2))`.

The last column says which steps of a job do their work again if it is continued with `--restart`
after the setting was changed; in brackets: only where the setting changes what this step sees. New
detections always mean new tracks, and new tracks mean that the part of the video in which they are
seen is rendered again.
"""


def page() -> str:
    """The whole page."""
    panels = dict.fromkeys(setting.panel for setting in SETTINGS.values())
    parts = [INTRODUCTION]
    for panel in panels:
        parts.append(f"## {panel.title}\n")
        if not panel.in_files:
            parts.append("Not allowed in presets and configuration files.\n")
        rows = [_row(setting) for setting in SETTINGS.values() if setting.panel == panel]
        parts.append(_table(("option", "default", "takes", "meaning", "made again"), rows))
    parts.append("## Presets\n")
    parts.append(
        "What `--preset NAME` sets; a file (`--config`) and the command line win over it.\n"
    )
    presets = [(name, ", ".join(_assignments(values))) for name, values in PRESETS.items()]
    parts.append(_table(("preset", "sets"), presets))
    return "\n".join(parts)


def _row(setting: Setting) -> tuple[str, ...]:
    option = f"`{setting.option}`<br>{setting.name}"
    return option, _default(setting), _takes(setting), help_of(setting), _remade(setting)


def _default(setting: Setting) -> str:
    written = setting.written(setting.default)
    if setting.kind is bool:
        return "on" if written else "off"
    return "" if written is None else f"{written:g}" if isinstance(written, float) else str(written)


def _takes(setting: Setting) -> str:
    if setting.kind is bool:
        return f"`--no-{setting.option.lstrip('-')}`" if setting.default else "a switch"
    if setting.table or setting.choices:
        return ", ".join(map(str, NAMES[setting.table] if setting.table else setting.choices))
    if setting.form is not None:
        return setting.form.shape
    if setting.within is not None:
        low, high = setting.within
        return f"{low:g} to {high:g}" + "".join(f", {other:g}" for other in setting.or_else)
    return ""


def _remade(setting: Setting) -> str:
    maybe = ", ".join(step for step in setting.may_remake if step not in setting.remakes)
    return ", ".join([*setting.remakes, *([f"({maybe})"] if maybe else [])])


def _assignments(values: dict[str, object]) -> Iterator[str]:
    for key, value in values.items():
        text = f'"{value}"' if isinstance(value, str) else f"{value:g}"
        yield f"`{key.replace('_', '-')} = {text}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
