"""replay: the same again is bit-equal; what is not the same is told, and by how much."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.making.clips import square_frames, write_rgb
from tests.making.detector import offer_squares
from tests.making.recorded import FUSED, enhanced
from tests.making.restorers import Darken
from videnhance import restorers
from videnhance.errors import InputError, UsageError
from videnhance.evidence.document import Record
from videnhance.evidence.reading import read_record
from videnhance.evidence.settings import settings_in
from videnhance.evidence.verify import Places, Statement, verify
from videnhance.evidence.writing import record_path, write_record
from videnhance.job.replay import Replay, replay
from videnhance.job.run import detect_tracks, enhance, make_portraits_of
from videnhance.models.registry import Row
from videnhance.settings.groups import OutputSettings, PartSettings, RestoreSettings

pytestmark = pytest.mark.usefixtures("square_detector")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with in.mkv, and a range of it enhanced, with its record."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        offer_squares(patch)
        source = write_rgb(folder / "in.mkv", square_frames(16, noise=6.0), audio="aac")
        enhanced(source, folder / "out.mp4", replace(FUSED, part=PartSettings("2f", "14f")))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "own"))


def lines(folder: Path, again: Path | None = None, tracks: Path | None = None) -> list[Statement]:
    places = Places(record_path(folder / "out.mp4"), folder / "in.mkv")
    return list(replay(Replay(places, again, tracks)))


def said(found: list[Statement], what: str) -> str:
    return next(line.said for line in found if line.what == what)


def rewritten(folder: Path, **changes: object) -> None:
    path = record_path(folder / "out.mp4")
    record: Record = replace(read_record(path), **changes)  # type: ignore[arg-type]
    write_record(path, record)


def test_the_same_again_is_bit_equal(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    found = lines(folder)
    assert {line.state for line in found} == {"holds"}
    assert [line.what for line in found] == ["versions", "machine", "tracks", "frames", "sound"]
    assert said(found, "frames").startswith("stream 0: all 12 frames are bit-equal, SHA-256 ")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_new_result_is_kept_with_its_own_record_where_it_is_named(folder: Path) -> None:
    lines(folder, again=folder / "again.mp4")
    old, new = (read_record(record_path(folder / name)) for name in ("out.mp4", "again.mp4"))
    assert old.videos == new.videos


def test_other_versions_and_machines_are_told_first(folder: Path) -> None:
    record = read_record(record_path(folder / "out.mp4"))
    rewritten(
        folder,
        versions={**record.versions, "numpy": "1.0"},
        machines=({**record.machines[0], "OpenCV threads": 99},),
    )
    found = lines(folder)
    assert [line.what for line in found[:2]] == ["versions", "machine"]
    assert ", recorded 1.0" in found[0].said
    assert "OpenCV threads: 99 there" in found[1].said
    assert {line.state for line in found[2:]} == {"holds"}


@pytest.mark.parametrize(("by", "kind"), [(0.001, "under 1 level"), (0.1, "more than 1 level")])
def test_by_how_much_frames_differ_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, by: float, kind: str
) -> None:
    """As where another machine computes otherwise: here by another restorer of the same name."""
    monkeypatch.setitem(restorers.RESTORERS, "moody", Row(lambda loader: Darken(0.05)))
    wish = replace(
        FUSED, restore=RestoreSettings(restorer="moody"), output=OutputSettings(codec="ffv1")
    )
    (folder / "out.mp4").unlink()
    record_path(folder / "out.mp4").unlink()
    enhance(folder / "in.mkv", folder / "out.mkv", wish)
    record_path(folder / "out.mkv").rename(record_path(folder / "out.mp4"))
    more = by * (1.0 if kind.startswith("under") else 8.0)
    monkeypatch.setitem(restorers.RESTORERS, "moody", Row(lambda loader: Darken(0.05 + more)))
    found = lines(folder)
    assert "16 of 16 frames are not those recorded: 0, 1, 2, 3, 4, ..." in said(found, "frames")
    assert kind in said(found, "levels")
    assert "PSNR" in said(found, "levels")
    (folder / "out.mkv").unlink()
    assert said(lines(folder), "levels").startswith("by how much is not known")


def test_another_input_is_refused(folder: Path) -> None:
    write_rgb(folder / "in.mkv", square_frames(16))
    with pytest.raises(InputError, match=r"in\.mkv: is not the input of this record \(in\.mkv\)"):
        lines(folder)
    (folder / "in.mkv").unlink()
    with pytest.raises(InputError, match="is not there; name the input"):
        lines(folder)


def test_settings_of_another_version_are_refused(folder: Path) -> None:
    record = read_record(record_path(folder / "out.mp4"))
    fresh = replace(record.settings["restore.strength"], option="--new")
    rewritten(folder, settings={**record.settings, "restore.new": fresh})
    with pytest.raises(InputError, match=r"has the setting restore\.new, which this"):
        lines(folder)
    wrong = replace(record.settings["restore.strength"], value=7.0)
    rewritten(folder, settings={**record.settings, "restore.strength": wrong})
    with pytest.raises(InputError, match="settings are not taken by this videnhance"):
        lines(folder)


def test_a_licence_is_not_accepted_for_who_replays(folder: Path) -> None:
    record = read_record(record_path(folder / "out.mp4"))
    accepted = replace(record.settings["models.accepted"], value=["codeformer"])
    settings = {**record.settings, "models.accepted": accepted}
    assert settings_in(replace(record, settings=settings)).models.accepted == ()


def test_tracks_that_were_given_must_be_given_again(folder: Path) -> None:
    tracks = folder / "tracks.json"
    detect_tracks(folder / "in.mkv", tracks, FUSED)
    enhance(folder / "in.mkv", folder / "out.mp4", FUSED, tracks=tracks, overwrite=True)
    with pytest.raises(UsageError, match="--tracks: the result was made with a tracks file"):
        lines(folder)
    assert {line.state for line in lines(folder, tracks=tracks)} == {"holds"}
    tracks.write_text(tracks.read_text() + "\n")
    with pytest.raises(InputError, match="is not the tracks file that was used"):
        lines(folder, tracks=tracks)


def test_portraits_are_replayed_too(folder: Path) -> None:
    make_portraits_of(folder / "in.mkv", folder / "faces", FUSED)
    places = Places(folder / "faces.json", folder / "in.mkv")
    assert {line.state for line in verify(places)} == {"holds"}
    found = list(replay(Replay(places)))
    assert {line.state for line in found} == {"holds"}
    assert "track001_view1_x2.png: its pixels are bit-equal" in [line.said for line in found]
