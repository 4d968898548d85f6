"""A build that cannot invent: no network restores or enlarges, and the record says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.restorers import Darken
from videnhance import make_preview, restorers
from videnhance.errors import JobError, UsageError
from videnhance.job.run import enhance, make_portraits_of, resume
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
)

WISH = Settings(detect=DetectSettings(detector="square"), output=OutputSettings(codec="ffv1"))
pytestmark = pytest.mark.usefixtures("square_detector")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rgb(tmp_path_factory.mktemp("no_ai") / "in.mkv", square_frames(8))


@pytest.fixture(params=["option", "variable"])
def forbidden(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Settings], Settings]:
    """The settings, with AI forbidden by them or by the machine."""
    if request.param == "variable":
        monkeypatch.setenv("VIDENHANCE_NO_AI", "1")
        return lambda settings: settings
    return lambda settings: replace(settings, restore=replace(settings.restore, no_ai=True))


def test_auto_is_fusion_and_that_is_said_and_recorded(
    tmp_path: Path,
    clip: Path,
    forbidden: Callable[[Settings], Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(loader: Loader) -> object:
        raise AssertionError("a network that learned was made")

    monkeypatch.setitem(restorers.RESTORERS, "auto", Row(never, learned=True))
    summary = enhance(clip, tmp_path / "out.mkv", forbidden(WISH), keep_job=True)
    assert summary.restorer == "fusion" and not summary.invents
    (note,) = [note for note in summary.notes if "no network" in note]
    assert note.endswith(
        ": auto is fusion, no network restores or enlarges anything; the detector is one, and only "
        "finds faces"
    )
    assert note.split(":")[0] in ("--no-ai", "VIDENHANCE_NO_AI")
    kept = json.loads((tmp_path / "out.mkv.videnhance/job.json").read_text())
    assert kept["settings"]["restore"]["no_ai"] is True
    assert kept["settings"]["restore"]["restorer"] == "fusion"
    enhance(clip, tmp_path / "by_name.mkv", replace(WISH, restore=RestoreSettings("fusion")))
    pairs = zip(decoded(tmp_path / "out.mkv"), decoded(tmp_path / "by_name.mkv"), strict=True)
    assert all((a == b).all() for one, other in pairs for a, b in zip(one, other, strict=True))
    # The same job is gone on with, as what it is.
    assert resume(tmp_path / "out.mkv.videnhance").restorer == "fusion"


@pytest.mark.parametrize("name", [n for n, row in restorers.RESTORERS.items() if row.invents])
def test_what_invents_is_refused_before_any_work(
    tmp_path: Path, clip: Path, forbidden: Callable[[Settings], Settings], name: str
) -> None:
    wish = forbidden(replace(WISH, restore=RestoreSettings(name)))
    ways: list[Callable[[], object]] = [
        lambda: enhance(clip, tmp_path / "out.mkv", wish),
        lambda: make_preview(clip, tmp_path / "out.mp4", wish),
        lambda: make_portraits_of(clip, tmp_path / "out", wish),
        lambda: restorers.create(Loader(wish)),
    ]
    for way in ways:
        with pytest.raises(UsageError) as refused:
            way()
        told = str(refused.value)
        assert told.startswith(f"--restorer {name}: is a network, which ") and "\n" not in told
        assert told.endswith("forbids; name fusion")
    assert list(tmp_path.iterdir()) == []


def test_so_are_clarity_and_networks_that_enlarge(
    tmp_path: Path, clip: Path, forbidden: Callable[[Settings], Settings]
) -> None:
    with pytest.raises(UsageError, match=r"^--restorer clarity: is a network, which "):
        enhance(
            clip, tmp_path / "a.mkv", forbidden(replace(WISH, restore=RestoreSettings("clarity")))
        )
    output = replace(WISH.output, scale=2, upscaler="realesrgan-x2")
    with pytest.raises(UsageError, match=r"^--upscaler realesrgan-x2: is a network, .*lanczos$"):
        enhance(clip, tmp_path / "a.mkv", forbidden(replace(WISH, output=output)))


def test_a_restorer_that_no_table_knows_is_refused_by_what_it_says_itself(
    forbidden: Callable[[Settings], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        restorers.RESTORERS, "net", Row(lambda loader: Darken(0.1, "net", invents=True))
    )
    with pytest.raises(UsageError, match=r"^--restorer net: is a network"):
        restorers.create(Loader(forbidden(replace(WISH, restore=RestoreSettings("net")))))


@pytest.mark.parametrize("name", ["fusion", "identity"])
def test_what_learned_nothing_is_free(
    tmp_path: Path, clip: Path, forbidden: Callable[[Settings], Settings], name: str
) -> None:
    summary = enhance(
        clip, tmp_path / "out.mkv", forbidden(replace(WISH, restore=RestoreSettings(name)))
    )
    assert summary.restorer == name


@pytest.mark.parametrize(("value", "allowed"), [("", True), ("0", True), ("1", False)])
def test_the_variable_is_off_if_empty_or_0(
    monkeypatch: pytest.MonkeyPatch, value: str, allowed: bool
) -> None:
    monkeypatch.setenv("VIDENHANCE_NO_AI", value)
    assert (restorers.ai_forbidden_by(WISH) == "") == allowed


def test_a_job_begun_with_ai_is_not_gone_on_with_where_it_is_forbidden(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(restorers.RESTORERS, "net", Row(lambda loader: Darken(0.1), learned=True))
    wish = replace(WISH, restore=RestoreSettings("net"))
    enhance(clip, tmp_path / "out.mkv", wish, keep_job=True)
    (tmp_path / "out.mkv").unlink()
    monkeypatch.setenv("VIDENHANCE_NO_AI", "1")
    with pytest.raises(UsageError, match=r"^--restorer net: is a network, which VIDENHANCE_NO_AI"):
        resume(tmp_path / "out.mkv.videnhance")
    with pytest.raises(JobError, match=r"was begun otherwise: .*--no-ai"):
        enhance(clip, tmp_path / "out.mkv", WISH)
