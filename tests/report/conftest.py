"""What the tests of reports share: a finished job, and a browser, which takes a second to start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.making.clips import square_frames, write_rgb
from tests.making.detector import offer_squares
from tests.making.pages import FEW, browser, why_no_browser
from videnhance.cli.commands import app


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The driver of a browser; `downloads` is where its downloads go."""
    reason = why_no_browser()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("downloads")
    with browser(folder) as driver:
        driver.downloads = folder
        yield driver


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with in.mkv, out.mkv, its record, the job and portraits; to be copied."""
    folder = tmp_path_factory.mktemp("made")
    source = write_rgb(folder / "in.mkv", square_frames(24, noise=3.0), audio="aac")
    with pytest.MonkeyPatch.context() as patch:
        offer_squares(patch)
        patch.chdir(folder)
        wish = ("enhance", str(source), "-o", str(folder / "out.mkv"), "--keep-job", *FEW)
        done = CliRunner().invoke(app, wish)
    assert done.exit_code == 0, done.stderr
    return folder


@pytest.fixture
def folder(
    made: Path, tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The test's own."""
    own = Path(shutil.copytree(made, tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    return own
