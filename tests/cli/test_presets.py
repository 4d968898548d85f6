"""Which settings win: the command line, then a file, then a preset, then the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from videnhance.cli.options import takes
from videnhance.cli.parse import settings_of
from videnhance.cli.presets import layered
from videnhance.errors import UsageError
from videnhance.settings.groups import Settings
from videnhance.settings.presets import PRESETS


def chosen(*arguments: str) -> tuple[Settings, str | None]:
    """What a command with these arguments makes of them."""
    app = typer.Typer()
    found: list[Any] = []

    @app.command()
    @takes("preview")
    def command(context: typer.Context, overwrite: bool = False) -> None:
        layers = layered(context)
        found.append((settings_of(layers.given), layers.told))

    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    settings, told = found[0]
    return settings, told


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_nothing_named_is_the_defaults() -> None:
    assert chosen() == (Settings(), None)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_valid_and_told(name: str) -> None:
    settings, told = chosen("--preset", name)
    settings.check()
    assert settings != Settings()
    assert told is not None
    assert told.endswith(f"from preset {name}")
    assert all(key.replace("_", "-") in told for key in PRESETS[name])


def test_command_line_wins_over_file_over_preset(tmp_path: Path) -> None:
    own = write(tmp_path / "my.toml", "denoise = 0.5\ndeblock = 0.6\ngate-eyes = [6, 12]\n")
    settings, told = chosen("--preset", "cctv", "--config", own, "--deblock", "0.1")
    assert settings.clean.denoise == 0.5
    assert settings.clean.deblock == 0.1
    assert settings.clean.levels == "auto"
    assert settings.gate.eyes == (6.0, 12.0)
    assert told is not None
    assert "deblock" not in told.partition(";")[2]
    assert "denoise, gate-eyes from" in told


def test_a_file_can_name_a_preset(tmp_path: Path) -> None:
    own = write(tmp_path / "my.toml", 'preset = "archive"\ncodec = "h265"\n')
    settings, _ = chosen("--config", own)
    assert (settings.output.codec, settings.clean.denoise) == ("h265", 0.3)
    settings, _ = chosen("--config", own, "--preset", "film")
    assert (settings.output.codec, settings.clean.denoise) == ("h265", 0.1)


def test_even_a_default_said_on_the_command_line_wins() -> None:
    settings, _ = chosen("--preset", "cctv", "--deinterlace", "off")
    assert settings.clean.deinterlace == "off"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("colour = 1", r"my\.toml: colour: no such setting; take"),
        ("overwrite = true", r"my\.toml: overwrite: no such setting"),
        ('denoise = "much"', r"my\.toml: denoise = 'much': takes a number"),
        ("detect-every = 1.5", r"detect-every = 1.5: takes a whole number"),
        ("match-color = 1", r"match-color = 1: takes true or false"),
        ("codec = true", r"codec = True: takes text"),
        ('weights = "a.pth"', r"weights = 'a.pth': takes a list"),
        ("[clean]\ndenoise = 1", r"my\.toml: clean: no such setting"),
        ("denoise", r"my\.toml: is no TOML \(.*\); write lines such as"),
        ('preset = "tv"', r"takes|tv"),
        ("denoise = 7", r"--denoise 7: takes 0 to 1"),
    ],
)
def test_what_a_file_may_not_hold(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as told:
        chosen("--config", write(tmp_path / "my.toml", text))
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: cannot be read"):
        chosen("--config", str(tmp_path / "none.toml"))


def test_an_unknown_preset_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="cctv"):
        chosen("--preset", "tv")


def test_the_documents_tell_what_presets_set() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "settings.md").read_text().splitlines()
    for name, values in PRESETS.items():
        (line,) = (text for text in lines if text.startswith(f"| {name} | `"))
        told = {}
        for part in line.split("|")[2].split(","):
            key, _, value = part.strip().strip("`").partition(" = ")
            told[key.replace("-", "_")] = value.strip('"')
        assert told == {key: f"{v:g}" if not isinstance(v, str) else v for key, v in values.items()}
