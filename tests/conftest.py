"""What several tests share, and how many processes they run in."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.making.clips import square_frames, write_rgb
from tests.making.detector import offer_squares
from videnhance import restorers

if "VIDENHANCE_CACHE" not in os.environ:  # else of the process that started this one
    # Compiled networks are kept for all tests of a run, not in the user's own folder.
    os.environ["VIDENHANCE_CACHE"] = tempfile.mkdtemp(prefix="videnhance-compiled-")
    atexit.register(shutil.rmtree, os.environ["VIDENHANCE_CACHE"], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker a core for folders of tests, four at most, as each may hold gigabytes of networks.

    Files and tests that are named run in the process that was started, which is there at once.
    """
    folders = all(Path(name).is_dir() for name in config.args)
    return min(4, os.cpu_count() or 1) if folders else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: Sequence[object]) -> None:
    """Workers share the cores, which torch and numpy would each take all of."""
    own = max(1, (os.cpu_count() or 1) // len(specs))
    os.environ.setdefault("OMP_NUM_THREADS", str(own))


@pytest.fixture
def fusion_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no restorer is named, fusion: the minutes of networks belong to their own tests."""
    monkeypatch.setitem(restorers.RESTORERS, restorers.AUTO, restorers.RESTORERS["fusion"])


@pytest.fixture
def square_detector(monkeypatch: pytest.MonkeyPatch, fusion_by_default: None) -> str:
    """The name of a detector that finds the squares of the tests' clips, for whole jobs."""
    return offer_squares(monkeypatch)


@pytest.fixture(scope="session")
def written_squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of the square that moves, lossless, with sound; to be copied, not to be changed."""
    path = tmp_path_factory.mktemp("squares") / "in.mkv"
    return write_rgb(path, square_frames(40), audio="aac")


@pytest.fixture
def square_clip(tmp_path: Path, written_squares: Path) -> Path:
    """The same as tmp_path/in.mkv, the test's own."""
    return Path(shutil.copy(written_squares, tmp_path / "in.mkv"))
