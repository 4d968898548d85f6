"""The table of requirements in docs/evidence.md: its commands run, and its tests are there."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.making.clips import square_frames, write_rgb
from tests.making.detector import SquareDetector
from tests.making.recorded import LOSSLESS, enhanced
from videnhance import detectors
from videnhance.cli.commands import app
from videnhance.models.registry import Row

ROOT = Path(__file__).resolve().parents[2]
WORKS_ON_FACES = ("enhance", "preview", "detect", "portrait")


def table() -> dict[str, str]:
    """What checks a requirement, by its number."""
    text = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (R\d+) \|(.*)\|(.*)\|(.*)\|$", text, re.MULTILINE)
    return {number: check.strip() for number, _, _, check in rows}


COMMANDS = sorted(
    {command for check in table().values() for command in re.findall(r"`(.*?)`", check)}
)
TESTS = sorted(
    {test for check in table().values() for test in re.findall(r"tests/[\w/.:]+", check)}
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with in.mkv, and out.mkv that was made of it, with its record."""
    folder = tmp_path_factory.mktemp("case")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(detectors.DETECTORS, "square", Row(lambda loader: SquareDetector()))
        write_rgb(folder / "in.mkv", square_frames(14), audio="aac")
        enhanced(folder / "in.mkv", folder / "out.mkv", LOSSLESS)
    return folder


def test_every_requirement_has_a_check() -> None:
    found = table()
    assert list(found) == [f"R{number}" for number in range(1, 22)]
    for number, check in found.items():
        assert re.search(r"`videnhance .*?`|tests/", check), number


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("square_detector")
def test_the_commands_of_the_table_run(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "case"))
    words = shlex.split(command)
    assert words.pop(0) == "videnhance"
    if words[0] in WORKS_ON_FACES:
        words += ["--detector", "square"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("test", TESTS)
def test_the_tests_of_the_table_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in functions or (not name and any(n.startswith("test_") for n in functions))
