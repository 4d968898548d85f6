"""Standard output and error closed, full or unread; Ctrl-C before anything is begun; names that are
no files. What was asked for is done all the same, and what is said is one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_commands import refused, run
from tests.making.clips import decoded, square_frames, write_clip, write_rgb

PLAIN = "from videnhance.__main__ import main; main()"
COMMAND = """
import sys
from tests.making import small_cli
from videnhance import detectors
from videnhance.models.registry import Row
from videnhance.__main__ import main
detectors.DETECTORS["square"] = Row(lambda equipment: small_cli.SquareDetector())
sys.argv = ["videnhance", *sys.argv[1:]]
main()
"""
"""The command with the detector of the tests."""
UNWRITTEN = r"videnhance: standard output: cannot be written \((.*)\); send it to a file .*\n"
DONE = r"videnhance: the work is done, but what was done cannot be printed \((.*)\)\n"


def shell(streams: str, *arguments: str | Path, python: str = PLAIN) -> tuple[int, str, str]:
    """Exit code, standard output and error of the command with its streams as a shell has them."""
    words = [sys.executable, "-c", python, *map(str, arguments)]
    script = f'"$@" {streams}' if "|" not in streams else f'set -o pipefail; "$@" {streams}'
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rgb(tmp_path_factory.mktemp("streams") / "in.mkv", square_frames(4))


@pytest.mark.parametrize(
    ("streams", "told"),
    [
        (">/dev/full", "No space left on device"),
        ("2>&-", None),
        ("0<&- >&- 2>&-", None),
    ],
)
def test_the_result_is_written_wherever_the_words_go(
    tmp_path: Path, clip: Path, streams: str, told: str | None
) -> None:
    out = tmp_path / "out.mkv"
    asked = ("--detector", "square", "--restorer", "identity", "--codec", "ffv1")
    code, said, err = shell(streams, "enhance", clip, "-o", out, *asked, python=COMMAND)
    assert code == 0
    assert len(decoded(out)) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mkv", "out.mkv.json"]
    if told is not None:
        found = re.fullmatch(DONE, err)
        assert found is not None and found[1] == told
    else:
        assert err == ""
        assert ("4 frames at their times" in said) == (">&-" not in streams.replace("2>&-", ""))


@pytest.mark.parametrize(
    ("streams", "asked", "told"),
    [
        (">&-", "probe", "Bad file descriptor"),
        ("| true", "probe", "Broken pipe"),
        (">/dev/full", "--version", "No space left on device"),
    ],
)
def test_words_that_are_the_result_and_cannot_be_printed(
    clip: Path, streams: str, asked: str, told: str
) -> None:
    code, said, err = shell(streams, asked, *([clip] if asked == "probe" else ()))
    assert (code, said) == (4, "")
    found = re.fullmatch(UNWRITTEN, err)
    assert found is not None and found[1] == told


def test_help_that_cannot_be_printed() -> None:
    code, _, err = shell(">/dev/full", "enhance", "--help")
    assert code == 4
    assert re.fullmatch(UNWRITTEN, err)
    code, said, err = shell("| true", "enhance", "--help")
    assert (code, said, err) == (1, "", "")


def test_the_exit_code_tells_what_cannot_be_said(tmp_path: Path) -> None:
    assert shell("2>/dev/full", "probe", tmp_path / "missing.mp4") == (3, "", "")
    assert shell("2>/dev/full", "enhance", "--nonsense") == (2, "", "")


@pytest.mark.parametrize("module", ["videnhance.cli.streams", "videnhance.cli.session"])
def test_ctrl_c_while_modules_are_imported_leaves_no_trace(tmp_path: Path, module: str) -> None:
    script = f"""
import os, signal, sys
# Where the tests run in the background of a shell, the signal is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from videnhance.__main__ import main
main()
"""
    words = [sys.executable, "-c", script, "probe", str(tmp_path / "missing.mp4")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_little_is_imported_before_ctrl_c_is_seen_to() -> None:
    script = (
        "import sys; before = set(sys.modules); import videnhance.__main__; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True)
    named = [name for name in done.stdout.split() if name.partition(".")[0] == "videnhance"]
    assert named == ["videnhance", "videnhance.__main__"], done.stderr
    assert "typing" not in done.stdout.split()


def test_a_result_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = write_clip(tmp_path / "in.mp4")
    assert "name the file" in refused(tmp_path, clip, Path("-"))
    assert "is a device or a pipe" in refused(tmp_path, clip, Path("/dev/null"), "--overwrite")
    assert "is a device or a pipe" in refused(tmp_path, clip, Path("/dev/null.mkv"))
    assert "is a device or a pipe" in refused(tmp_path, clip, Path("/dev/stdout"), "--overwrite")
    os.mkfifo("pipe.mkv")
    assert "is a device or a pipe" in refused(tmp_path, clip, Path("pipe.mkv"), "--overwrite")
    code, said, err = run("detect", clip, "-o", "-")
    assert (code, said, err.count("\n")) == (2, "", 1)
    for more in (("-o", "-"), ("-o", "a.mp4", "--sheet", "-")):
        code, said, err = run("preview", clip, *more)
        assert (code, said, err.count("\n")) == (2, "", 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "pipe.mkv"]


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path: Path, square_detector: str) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(4))
    link = tmp_path / "out.mkv"
    link.symlink_to(tmp_path / "gone" / "kept.mkv")
    assert "is a link that leads nowhere" in refused(tmp_path, clip, link)
    assert link.is_symlink()
    code, _, err = run("enhance", clip, "-o", link, "--overwrite", "--detector", square_detector)
    assert (code, err) == (0, "")
    assert link.is_file() and not link.is_symlink()
