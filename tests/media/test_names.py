"""Names that FFmpeg would take for something other than a file: each is the file of that name."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import av
import pytest
from PIL import Image

import videnhance
from tests.making.clips import decoded, packets, square_frames, times, write_rgb
from videnhance import Settings, enhance
from videnhance.media.reading.source import probe
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings

PACKAGE = Path(videnhance.__file__).parent
ONLY_FILES = ("as_file(", "as_part(", "stack.enter_context(shown(")
"""Names made in media/names.py, and an open file."""
MEMORY = {"memory", "io.BytesIO()", "io.BytesIO(whole)"}

NAMES = (
    *("10:30:00", "http:cam", "pipe:0", "concat:other", "file:x", "crypto:a", "subfile,,:b"),
    *("c%03d", "100%", "a*", "b?", "d{1,2}", "-dash", "#1&2'\"\\", "d:1/x", "%d/x", "http:/x"),
)


@pytest.fixture
def wish(square_detector: str) -> Settings:
    return Settings(
        detect=DetectSettings(detector=square_detector, every=4),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1"),
    )


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("short") / "in.mkv"
    return write_rgb(path, square_frames(6), audio="aac")


def opened_by(path: Path) -> list[str]:
    """The first argument of each av.open of a module, as source."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [ast.unparse(c.args[0]) for c in calls if ast.unparse(c.func) == "av.open"]


def test_every_opening_is_of_memory_or_of_a_name_that_can_only_be_a_file() -> None:
    found = {str(path.relative_to(PACKAGE)): opened_by(path) for path in PACKAGE.rglob("*.py")}
    files = {
        name: sum(first not in MEMORY for first in firsts)
        for name, firsts in found.items()
        if set(firsts) - MEMORY
    }
    # Whoever adds one looks whether its name can be another's: `lone` for what a user names.
    assert files == {
        "media/reading/source.py": 2,
        "media/reading/joined.py": 3,
        "media/digests.py": 2,
        "media/check/frames.py": 1,
        "media/check/untouched.py": 1,
        "media/check/witness.py": 2,
        "media/writing/metadata.py": 1,
        "media/writing/mux.py": 2,
        "media/writing/origin.py": 1,
        "media/writing/packets.py": 1,
        "media/writing/segment.py": 2,
    }
    for firsts in found.values():
        assert all(first in MEMORY or first.startswith(ONLY_FILES) for first in firsts)
    for path in PACKAGE.rglob("*.py"):  # no other way to a container
        assert "av.container.open" not in path.read_text()
        assert "from av import open" not in path.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_video_is_read_and_written_by_any_name(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch, short: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    source = Path(shutil.copy(short, f"{name}.mkv"))
    out = Path(f"{name}.out.mkv")
    summary = enhance(source, out, wish)
    assert summary.check is not None and summary.check.witnessed == 6
    assert times(tmp_path / out) == times(short)
    assert packets(tmp_path / out, "audio") == packets(short, "audio")


@pytest.mark.parametrize("name", ["x%d", "y*", "z?"])
def test_a_moving_picture_is_no_row_of_pictures(tmp_path: Path, name: str) -> None:
    """FFmpeg reads one frame of such a name."""
    path = tmp_path / f"{name}.png"
    moving = [Image.new("RGB", (32, 32), (40 * k, 0, 0)) for k in range(5)]
    moving[0].save(tmp_path / "plain.png", save_all=True, append_images=moving[1:], duration=40)
    shutil.copy(tmp_path / "plain.png", path)
    (tmp_path / "x0.png").write_bytes(b"no picture")
    assert probe(path).container == "apng"


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [("10:30", "f:%03d.png"), ("100%d", "*:*.png"), ("a*b", "f:%03d.png"), ("http:", "")],
)
def test_rows_of_pictures_by_any_name(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch, folder: str, pattern: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "50%d off"))
    Path("50%d off").mkdir()
    Path(folder).mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48), (40 * number, 0, 0)).save(f"{folder}/f:{number:03d}.png")
    enhance(Path(folder) / pattern, Path("10:30.mkv"), wish)
    shown = decoded(tmp_path / "10:30.mkv")
    assert [int(planes[2].mean()) for planes in shown] == [0, 40, 80]


def test_what_is_named_is_opened_and_no_other(tmp_path: Path, wish: Settings) -> None:
    """The name that FFmpeg reads as `the file other.mkv, joined to nothing`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        write_rgb(Path("other.mkv"), square_frames(3))
        with av.open("concat:other.mkv") as container:
            assert sum(1 for _ in container.decode(video=0)) == 3
        write_rgb(tmp_path / "concat:other.mkv", square_frames(5))
        assert enhance(Path("concat:other.mkv"), Path("out.mkv"), wish).frames == 5
