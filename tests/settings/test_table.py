"""Settings are declared once, and every declaration is whole."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

import videnhance
from videnhance.cli.commands import app
from videnhance.cli.options import help_of
from videnhance.cli.parse import settings_of
from videnhance.errors import UsageError
from videnhance.settings import panels
from videnhance.settings.groups import DEFAULTS, SETTINGS, Settings, settings_with
from videnhance.settings.panels import panels_of
from videnhance.settings.presets import PRESETS
from videnhance.settings.table import Command, Panel, Setting, declared, group, setting
from videnhance.settings.text import COUNT, IDS

PACKAGE = Path(videnhance.__file__).parent
EVERY = pytest.mark.parametrize("known", SETTINGS.values(), ids=SETTINGS.keys())

VALUES: dict[str, tuple[Any, ...]] = {
    "gate.eyes": (None, (4.0, 12.5)),
    "gate.turned": (None, (70.0, 30.0)),
    "compute.devices": (("cpu",), ("cuda:0", "cuda:1")),
    "compute.batch_size": (0, 7),
    "models.files": ((), (("gfpgan-1.4", "/a=b/own.pth"), ("parsenet", "/p.pth"))),
    "models.accepted": ((), ("a", "b")),
    "clean.lens": (None, (-0.1, 0.025)),
    "output.frames": (None, "/frames"),
    "evidence.sign": (None, ("/chain.pem", "/key.pem")),
    "part.only": ((), (1, 3)),
    "part.only_person": ((), (1, 3)),
}
"""Values of settings that are written in a form of their own."""


def fields_used() -> set[str]:
    """The names of all attributes that the package reads, its settings left out."""
    files = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "settings"]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    return {
        node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


USED = fields_used()
OPTIONS = {
    name: {parameter.name for parameter in command.params}
    for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
}


@EVERY
def test_it_is_whole(known: Setting) -> None:
    assert known.option.startswith("--") and known.option == known.option.lower()
    assert len(help_of(known)) > 10 and "{" not in help_of(known)
    assert known.panel in vars(panels).values()
    assert known.panel.commands
    takers: tuple[Command, ...] = get_args(Command)
    for command in takers:
        taken = known.parameter in OPTIONS[command]
        assert taken == (command in known.panel.commands) == (known.panel in panels_of(command))
    assert not set(known.remakes) & set(known.may_remake)


@EVERY
def test_its_default_is_one_that_it_takes(known: Setting) -> None:
    known.check(known.default)
    kinds = get_args(known.kind) or (known.kind,)
    if known.form is None:
        assert type(known.default) in kinds


@EVERY
def test_what_is_out_of_its_range_is_refused_by_its_option(known: Setting) -> None:
    bad: list[Any] = ["nonesuch"] if known.choices else []
    if known.within is not None:
        low, high = known.within
        pair = known.name == "clean.lens"
        bad += [(low - 1.0, 0.0) if pair else low - 1, (0.0, high + 1.0) if pair else high + 1]
    for value in bad:
        with pytest.raises(UsageError, match=f"^{known.option} .*: takes "):
            settings_with({known.name: value})


@EVERY
def test_what_is_written_is_read_again(known: Setting) -> None:
    for value in (known.default, *VALUES.get(known.name, ())):
        assert known.read(known.written(value)) == value
        given = {known.parameter: known.written(value)}
        assert settings_of(given) == settings_with({known.name: value})


@EVERY
def test_something_uses_it(known: Setting) -> None:
    assert known.field in USED


def test_options_and_names_are_unique() -> None:
    assert len({known.option for known in SETTINGS.values()}) == len(SETTINGS)
    assert len({known.parameter for known in SETTINGS.values()}) == len(SETTINGS)
    assert all(name == known.name for name, known in SETTINGS.items())
    assert set(SETTINGS) == {
        f"{part}.{field}" for part, values in DEFAULTS.as_json().items() for field in values
    }


def test_every_form_is_tried() -> None:
    forms = [known.form for known in SETTINGS.values() if known.form is not None]
    tried = [SETTINGS[name].form for name in VALUES]
    assert all(form in tried for form in forms)


def test_enhance_has_every_setting_once() -> None:
    command = get_command(app).commands["enhance"]  # type: ignore[attr-defined]
    options = [option for parameter in command.params for option in parameter.opts]
    for known in SETTINGS.values():
        assert options.count(known.option) == 1, known.option
    defaults = {p.name: p.default for p in command.params}
    assert all(defaults[s.parameter] == s.written(s.default) for s in SETTINGS.values())


def test_presets_hold_settings_that_files_may_hold() -> None:
    known = {s.parameter: s for s in SETTINGS.values()}
    for values in PRESETS.values():
        for parameter, value in values.items():
            assert known[parameter].panel.in_files
            assert type(value) in (get_args(known[parameter].kind) or (known[parameter].kind,))


def test_settings_out_of_range_cannot_be_made() -> None:
    with pytest.raises(UsageError, match="--strength 2: takes 0 to 1"):
        Settings(restore=replace(DEFAULTS.restore, strength=2.0))


@dataclass(frozen=True)
class Toys:
    """A group that is declared here."""

    size: int = setting(3, "--toy-size", "One of {choices}.", choices=(1, 2, 3))
    share: float = setting(
        0.5, "--toy-share", "A share.", within=(0, 1), or_else=(7,), remakes=("track",)
    )
    ids: tuple[int, ...] = setting((), "--toys", "Some.", form=IDS, may_remake=("detect",))
    many: int = setting(0, "--toy-count", "How many.", form=COUNT, panel=Panel("Other"))


@dataclass(frozen=True)
class Room:
    toys: Toys = group(Toys(), Panel("Toys"), remakes=("render",))


def test_a_declaration_says_it_all() -> None:
    found = declared(Room)
    assert list(found) == ["toys.size", "toys.share", "toys.ids", "toys.many"]
    size, share, ids, many = found.values()
    assert (size.group, size.field, size.parameter, size.default) == ("toys", "size", "toy_size", 3)
    # What a setting does not say itself it has of its group.
    assert [s.panel.title for s in found.values()] == ["Toys", "Toys", "Toys", "Other"]
    assert [s.remakes for s in found.values()] == [("render",), ("track",), (), ("render",)]
    assert [s.may_remake for s in found.values()] == [(), (), ("detect",), ()]
    with pytest.raises(UsageError, match="--toy-size 4: takes 1, 2 or 3"):
        size.check(4)
    share.check(7)
    with pytest.raises(UsageError, match="--toy-share 6: takes 0 to 1"):
        share.check(6)
    assert ids.written_kind == str | None and ids.written(()) is None and ids.read(None) == ()
    assert many.written_kind is str and many.written(0) == "auto" and many.read("12") == 12
