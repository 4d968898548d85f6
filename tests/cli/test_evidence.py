"""verify and replay on the command line: lines, exit codes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.making.clips import square_frames, write_rgb
from videnhance.cli.commands import app

ASKED = ("--detector", "square", "--restorer", "fusion", "--codec", "ffv1")


def run(*arguments: str | Path) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, and stderr."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout.splitlines(), done.stderr


@pytest.fixture
def case(tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder one is in, with in.mkv, and out.mkv made of it."""
    monkeypatch.chdir(tmp_path)
    write_rgb(tmp_path / "in.mkv", square_frames(8), audio="aac")
    assert run("enhance", "in.mkv", "-o", "out.mkv", *ASKED, "-q") == (0, [], "")
    return tmp_path


def test_one_line_for_each_thing_and_exit_code_3_where_it_does_not_hold(case: Path) -> None:
    code, said, err = run("verify", "out.mkv.json")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in said} == {"ok"}
    assert len(said) == 9  # with the weights that drift is measured with
    with (case / "out.mkv").open("ab") as file:
        file.write(b"x")
    code, said, err = run("verify", "out.mkv.json")
    assert (code, err) == (3, "")
    assert [line.split()[:2] for line in said if line.startswith("WRONG")] == [["WRONG", "output"]]
    code, said, err = run("verify", "out.mkv.json", "--quiet")
    assert (code, len(said)) == (3, 1)


def test_a_replay_ends_well_only_if_all_is_equal(case: Path) -> None:
    code, said, err = run("replay", "out.mkv.json", "in.mkv", "-o", "again.mkv")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in said} == {"ok"}
    assert (case / "again.mkv.json").exists()
    code, _, err = run("replay", "out.mkv.json", "in.mkv", "-o", "again.mkv")
    assert code == 4
    assert "exists already" in err
    code, said, err = run("replay", "out.mkv.json", "out.mkv")
    assert code == 3
    assert "is not the input of this record" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [("verify",), ("replay",)])
def test_what_is_no_record_is_told_in_one_line(case: Path, command: tuple[str, ...]) -> None:
    more = ["in.mkv"] if command == ("replay",) else []
    for name, content, told in (
        ("none.json", None, "cannot be read"),
        ("in.mkv", None, "cannot be read as JSON"),
        ("other.json", b'{"format": "videnhance tracks"}', "is no record of videnhance"),
        ("new.json", b'{"format": "videnhance record", "version": 9}', "version 9"),
    ):
        if content is not None:
            (case / name).write_bytes(content)
        code, said, err = run(*command, name, *more)
        assert (code, said, err.count("\n")) == (3, [], 1)
        assert told in err


def test_the_record_says_who_chose_a_setting(case: Path) -> None:
    (case / "case.toml").write_text("strength = 0.8\ncrf = 20\n")
    more = ("--preset", "film", "--config", "case.toml", "--ease", "0.3")
    assert run("enhance", "in.mkv", "-o", "two.mkv", *ASKED[:-2], *more, "-q")[0] == 0
    settings = json.loads((case / "two.mkv.json").read_text())["settings"]
    assert settings["restore.ease"]["source"] == "option"
    assert settings["restore.strength"]["source"] == "file case.toml"
    assert settings["output.crf"]["source"] == "file case.toml"
    assert settings["clean.denoise"]["source"] == "preset film"
    assert settings["gate.eyes"]["source"] == "default"


def test_files_may_be_elsewhere(case: Path) -> None:
    away = case / "away"
    away.mkdir()
    (case / "in.mkv").rename(away / "source.mkv")
    (case / "out.mkv").rename(away / "result.mkv")
    code, said, _ = run("verify", "out.mkv.json")
    assert code == 3
    assert any("name it with --input" in line for line in said)
    places = ("--input", away / "source.mkv", "--output", away / "result.mkv")
    assert run("verify", "out.mkv.json", *places)[0] == 0
    code, said, _ = run("replay", "out.mkv.json", away / "source.mkv")
    assert code == 0
