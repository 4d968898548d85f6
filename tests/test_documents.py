"""The documents: they are there, what they name exists, and they leave out no option."""

from __future__ import annotations

import hashlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.main import get_command

import videnhance
from videnhance.cli.commands import app
from videnhance.media.writing.codecs import CODECS
from videnhance.restorers import RESTORERS
from videnhance.settings.groups import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "videnhance"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "samples/*.md", "videnhance/**/*.md")
    for path in ROOT.glob(pattern)
)
MANUAL = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
"""What a user reads."""
UNUSABLE: Any = typer.BadParameter.__base__
"""Of any words that a command does not take; typer has the class and does not export it."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(read(ROOT / "pyproject.toml"))
    return table


def commands() -> Iterator[tuple[str, Any]]:
    """("enhance", its command), ..., ("models pull", its command), ..."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        yield name, command
        for inner, command_within in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", command_within


def shown(kind: str, text: str) -> list[str]:
    """The lines of a document's blocks of one kind, each joined with those it continues on."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def set_up() -> list[str]:
    """The README's two commands."""
    return [line for line in shown("sh", read(ROOT / "README.md")) if "python3 -m venv" in line]


def anchors(text: str) -> set[str]:
    """What the headings of a document are called in links to them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_and_option_is_documented() -> None:
    manual = "\n".join(map(read, MANUAL))
    for name, command in commands():
        assert f"videnhance {name}" in manual
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--") and option != "--help":
                    assert re.search(rf"(?<![\w-]){option}(?![\w-])", manual), f"{name} {option}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_commands_in_the_documents_are_understood(path: Path) -> None:
    known = dict(commands())
    for line in shown("sh", read(path)):
        for part in line.partition("#")[0].split("&&"):
            words = shlex.split(part)
            if words[:1] != ["videnhance"] or words[-1] in ("--help", "--version"):
                continue
            name, given = words[1], words[2:]
            if f"{name} {' '.join(given[:1])}" in known:
                name, given = f"{name} {given[0]}", given[1:]
            try:
                known[name].make_context(name, given)
            except UNUSABLE as error:
                pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", read(path)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(read(target)), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_files_named_in_the_documents_exist(path: Path) -> None:
    folders = "scripts|docs|tests|videnhance|samples"
    for name in re.findall(rf"(?<![\w/.])(?:{folders})/[\w./-]*\w\.\w+", read(path)):
        if not name.endswith("/NAME.py"):
            assert (ROOT / name).exists(), name


def test_the_readme_leads_to_every_document_and_is_short() -> None:
    text = read(ROOT / "README.md")
    assert len(text.splitlines()) <= 200
    for path in MANUAL[1:]:
        assert f"]({named(path)})" in text, path.name


def test_ci_runs_the_readmes_test_command() -> None:
    """The second command of the README, step by step, is what CI runs, but for where and how
    loudly."""
    _, second = (
        line for line in shown("sh", read(ROOT / "README.md")) if "python3 -m venv" in line
    )
    ci = read(ROOT / ".ci" / "run").replace(" --quiet", "").splitlines()
    steps = second.split(" && ")
    assert steps[:2] == ["python3 -m venv .venv", ". .venv/bin/activate"]
    places = [ci.index(step) for step in steps[2:]]
    assert places == sorted(places)
    assert steps[-1] == ci[-1] == "python -m pytest"


def test_the_readmes_first_command_enhances_the_sample() -> None:
    first, _ = set_up()
    words = shlex.split(first.split(" && ")[-1])
    assert words[:2] == ["videnhance", "enhance"]
    assert (ROOT / words[2]).is_file()


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading, without its heading."""
    table = text[text.index(f"\n| {heading} |") + 1 :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()][
        2:
    ]


def test_defaults_in_the_guide_are_those_of_the_settings() -> None:
    by_option = {s.option: s for s in SETTINGS.values()}
    found = rows(read(ROOT / "docs" / "guide.md"), "option | default")
    assert len(found) > 5
    for option, default, _ in found:
        setting = by_option[option.strip("`")]
        assert str(setting.written(setting.default)) in (default, f"{default}.0"), option


def test_the_guide_lists_every_restorer() -> None:
    told = " ".join(cells[0] for cells in rows(read(ROOT / "docs" / "guide.md"), "`--restorer`"))
    assert set(re.findall(r"[\w.+-]+", told)) - {"default"} == set(RESTORERS)


def test_the_codecs_are_described_as_they_are() -> None:
    told = {}
    for name, quality, preset, _ in rows(read(ROOT / "docs" / "formats.md"), "`--codec`"):
        names = re.sub(r"\(.*?\)", "", name).replace(" ", "").split(",")
        figures = [int(n) for n in re.findall(r"\d+", quality.partition(", of")[0])]
        for position, one in enumerate(names):
            told[one] = (figures[position] if preset else None, preset.partition(",")[0] or None)
    assert told == {name: (row.crf, row.preset) for name, row in CODECS.items()}


def test_exit_codes_are_all_explained() -> None:
    told = {int(code) for code, _ in rows(read(ROOT / "docs" / "guide.md"), "exit code")}
    kinds = [getattr(videnhance, name) for name in videnhance.__all__]
    errors: list[Any] = [k for k in kinds if isinstance(k, type) and issubclass(k, Exception)]
    assert told == {0, *(e.exit_code for e in errors if e is not videnhance.VidenhanceError)}


def test_the_api_page_names_every_public_name() -> None:
    text = read(ROOT / "docs" / "api.md")
    for name in videnhance.__all__:
        assert re.search(rf"`(\w+: |videnhance\.)?{name}\b", text), name


def test_the_api_pages_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[videnhance.Settings] = []

    def enhance(source: str, output: str, settings: videnhance.Settings) -> SimpleNamespace:
        asked.append(settings)
        return SimpleNamespace(faces=0, tracks=0)

    monkeypatch.setattr(videnhance, "enhance", enhance)
    exec("\n".join(shown("python", read(ROOT / "docs" / "api.md"))), {})
    (settings,) = asked
    settings.check()
    assert settings != videnhance.Settings()


def test_the_licence_is_apaches_to_the_letter() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    about = project()["project"]
    assert about["license"] == "Apache-2.0"
    assert all((ROOT / name).is_file() for name in about["license-files"])


def test_types_and_the_model_card_are_installed_with_the_package() -> None:
    installed = project()["tool"]["setuptools"]["package-data"]["videnhance"]
    for name in ("py.typed", "restorers/clarity.md", "restorers/clarity.safetensors"):
        assert any(Path(name).match(pattern) for pattern in installed), name
        assert (ROOT / "videnhance" / name).is_file()


def test_the_newest_version_is_in_the_changelog() -> None:
    text = read(ROOT / "CHANGELOG.md")
    assert "## [Unreleased]" in text
    assert f"## [{project()['project']['version']}] - " in text


def test_the_architecture_shows_every_room_and_names_only_files_that_exist() -> None:
    text = read(ROOT / "docs" / "architecture.md")
    rooms = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert len(rooms) > 8
    for room in rooms:
        assert f"\n| `{room}` |" in text, room
    for name in re.findall(r"(?:videnhance/)?((?:\w+/)+\w+\.py)", text):
        if not name.endswith("/NAME.py"):
            assert (PACKAGE / name).is_file() or (ROOT / name).is_file(), name


def test_modules_named_in_the_notice_exist() -> None:
    words = {word.strip(",;.") for word in read(ROOT / "NOTICE").split()}
    modules = {word for word in words if word.startswith("videnhance/")}
    assert {"videnhance/restorers/gfpgan.py", "videnhance/faces/alignment.py"} <= modules
    assert all((ROOT / name).is_file() for name in modules)
