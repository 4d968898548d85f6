"""Pictures beside the video: what they show, what they say, and that a stopped job finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.timelines import read_timeline
from videnhance import Settings, enhance
from videnhance.errors import OutputError, Stopped
from videnhance.imaging.frames import Frame, PixelLayout
from videnhance.media.reading.decoding import read_frames
from videnhance.media.reading.source import probe
from videnhance.media.writing.png import FrameFiles, picture_of, read_text, write_png
from videnhance.settings.clean_up import CleanSettings
from videnhance.settings.groups import DetectSettings, OutputSettings


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_rgb(tmp_path / "in.mkv", square_frames(20))


@pytest.fixture
def wish(tmp_path: Path, square_detector: str) -> Callable[..., Settings]:
    def settings(**output: str) -> Settings:
        return Settings(
            detect=DetectSettings(detector=square_detector, every=1),
            output=OutputSettings(codec="ffv1", **output),  # type: ignore[arg-type]
        )

    return settings


def test_a_png_says_in_any_letters_what_it_is(tmp_path: Path) -> None:
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    path = tmp_path / "a.png"
    write_png(path, picture, {"Source": "clip.mp4", "Title": "Камера 3"}, tmp_path / "part")
    assert read_text(path) == {"Source": "clip.mp4", "Title": "Камера 3"}
    with Image.open(path) as image:  # another reader finds the same
        image.load()
        assert isinstance(image, PngImageFile)
        assert image.text == {"Source": "clip.mp4", "Title": "Камера 3"}
        np.testing.assert_array_equal(np.asarray(image), picture)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    path.write_bytes(path.read_bytes()[:-20])
    assert read_text(path) == {}


@pytest.mark.parametrize(
    ("layout", "samples", "expected"),
    [
        (PixelLayout("gray", "gray", 8, (0, 0), False, (0.299, 0.114)), (16 + 219,), 255),
        (PixelLayout("gray10le", "gray", 10, (0, 0), True, (0.299, 0.114)), (1023,), 65535),
        (
            PixelLayout("gbrp", "gbr", 8, (0, 0), True, (0.299, 0.114)),
            (20, 30, 10),
            (10, 20, 30),
        ),
        (
            PixelLayout("yuv444p12le", "yuv", 12, (0, 0), False, (0.2126, 0.0722)),
            (16 * 16, 2048, 2048),
            (0, 0, 0),
        ),
    ],
    ids=lambda value: value.pix_fmt if isinstance(value, PixelLayout) else None,
)
def test_pictures_are_full_range_at_the_frame_s_depth(
    layout: PixelLayout, samples: tuple[int, ...], expected: int | tuple[int, ...]
) -> None:
    kind = np.uint8 if layout.depth == 8 else np.uint16
    frame = Frame(0, 0, tuple(np.full((4, 6), s, kind) for s in samples), layout)
    picture = picture_of(frame)
    assert picture.dtype == kind
    assert (picture == np.array(expected)).all()


def test_alpha_is_kept() -> None:
    layout = PixelLayout("gbrap", "gbr", 8, (0, 0), True, (0.299, 0.114))
    frame = Frame(0, 0, tuple(np.full((4, 6), s, np.uint8) for s in (20, 30, 10, 77)), layout)
    assert picture_of(frame)[2, 3].tolist() == [10, 20, 30, 77]


def test_every_frame_is_a_picture_with_its_time(
    tmp_path: Path, clip: Path, wish: Callable[..., Settings]
) -> None:
    folder = tmp_path / "frames"
    enhance(clip, tmp_path / "out.mkv", wish(frames=str(folder)))
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 20
    assert names[3] == "frame000003_pts120.png"
    text = read_text(folder / names[3])
    assert text["Source"] == "in.mkv"
    assert (text["PTS"], text["Time base"], text["Time"]) == ("120", "1/1000", "0.120000 s")
    assert text["Result"] == "fusion: from the clip's own frames"
    info = probe(tmp_path / "out.mkv")
    frames = read_frames(info, read_timeline(info), 0, 20, info.pix_fmt)  # lossless
    for path, frame in zip(sorted(folder.iterdir()), frames, strict=True):
        seen = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert seen is not None
        np.testing.assert_array_equal(seen[..., ::-1], picture_of(frame))


def test_a_stopped_job_makes_the_missing_pictures_and_no_others(
    tmp_path: Path,
    clip: Path,
    wish: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 5)
    folder, out = tmp_path / "frames", tmp_path / "out.mkv"
    settings = wish(frames=str(folder))
    seen = 0

    def stop() -> bool:
        return seen >= 8

    def watch(step: str, done: int, total: int) -> None:
        nonlocal seen
        seen = done if step == "render" else 0

    with pytest.raises(Stopped):
        enhance(clip, out, settings, progress=watch, stop=stop)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert 0 < len(before) < 20
    (folder / "frame000002_pts80.png").write_bytes(b"spoilt")
    enhance(clip, out, settings)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(after) == 20
    assert read_text(folder / "frame000002_pts80.png")["Frame"] == "2"
    kept = [name for name in before if after[name] == before[name]]
    assert len(kept) == len(before) - 5  # all of the segment that was spoilt are made again


def test_best_moments_stand_beside_the_original(
    tmp_path: Path, clip: Path, wish: Callable[..., Settings]
) -> None:
    folder = tmp_path / "stills"
    summary = enhance(clip, tmp_path / "out.mkv", wish(stills=str(folder)))
    paths = sorted(folder.iterdir())
    assert 1 <= len(paths) <= 3
    assert f"{len(paths)} stills in {folder}" in summary.notes
    text = read_text(paths[0])
    assert paths[0].name.startswith("track001_frame")
    assert paths[0].name.endswith("s_fusion.png")
    assert (text["Track"], text["Source"]) == ("1", "in.mkv")
    picture = cv2.imread(str(paths[0]))
    assert picture is not None
    side = (picture.shape[1] - 2) // 2
    left, right = picture[:, :side].astype(int), picture[:, side + 2 :].astype(int)
    assert left.shape == right.shape
    assert np.abs(left - right).mean() < 20  # the same place of the same face


@pytest.mark.parametrize("rate", ["frame", "field"])
def test_stills_show_the_recorded_frame_of_the_same_moment(
    tmp_path: Path, wish: Callable[..., Settings], rate: str
) -> None:
    """Each recorded frame holds two fields, so the n-th field was recorded in frame n // 2. Every
    frame's wall has a brightness of its own, which tells which one a still shows."""
    walls = 60 + 4 * np.arange(30)
    frames = square_frames(60)
    for index, picture in enumerate(frames):
        picture[picture.min(axis=2) < 200] = walls[index // 2]
    woven = [one.copy() for one in frames[::2]]
    for picture, other in zip(woven, frames[1::2], strict=True):
        picture[1::2] = other[1::2]
    clip = write_rgb(tmp_path / "woven.mkv", woven, pix_fmt="yuv444p")
    folder = tmp_path / "stills"
    clean = CleanSettings(deinterlace="bwdif", rate=rate)
    enhance(clip, tmp_path / "out.mkv", replace(wish(stills=str(folder)), clean=clean))
    paths = sorted(folder.iterdir())
    assert len(paths) >= 2
    for path in paths:
        frame = int(read_text(path)["Frame"]) // (2 if rate == "field" else 1)
        still = cv2.imread(str(path))
        assert still is not None
        side = (still.shape[1] - 2) // 2
        left, right = still[:, :side].astype(int), still[:, side + 2 :].astype(int)
        assert np.median(left[:, :4]) == pytest.approx(walls[frame], abs=1.5)
        assert np.abs(left - right).mean() < 10


@pytest.mark.parametrize("option", ["frames", "stills"])
def test_a_folder_of_others_is_not_written_to(
    tmp_path: Path, clip: Path, wish: Callable[..., Settings], option: str
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "holiday.png").write_bytes(b"mine")
    settings = wish(**{option: str(folder)})
    with pytest.raises(OutputError, match=rf"is not empty; name another folder after --{option}"):
        enhance(clip, tmp_path / "out.mkv", settings)
    assert [path.name for path in folder.iterdir()] == ["holiday.png"]
    enhance(clip, tmp_path / "out.mkv", settings, overwrite=True)
    assert (folder / "holiday.png").read_bytes() == b"mine"


def test_stills_that_cannot_be_written_cost_no_video(
    tmp_path: Path,
    clip: Path,
    wish: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OutputError("a.png: cannot be written (No space left on device)")

    settings, out = wish(stills=str(tmp_path / "stills")), tmp_path / "out.mkv"
    with monkeypatch.context() as patch:
        patch.setattr("videnhance.show.stills.write_png", full)
        with pytest.raises(OutputError, match=r"No space.*out\.mkv itself is finished"):
            enhance(clip, out, settings)
    assert len(decoded(out)) == 20
    before = out.stat().st_mtime_ns
    enhance(clip, out, settings)
    assert out.stat().st_mtime_ns == before
    assert len(list((tmp_path / "stills").iterdir())) >= 1


def test_pictures_of_other_settings_are_not_believed(tmp_path: Path) -> None:
    layout = PixelLayout("gray", "gray", 8, (0, 0), True, (0.299, 0.114))
    files = FrameFiles(tmp_path, Fraction(1, 25), {})
    frame = Frame(4, -7, (np.zeros((4, 6), np.uint8),), layout)
    files.write(frame, "one")
    assert files.holds(4, -7, "one")
    assert not files.holds(4, -7, "other")
    assert not files.holds(5, -7, "one")
    assert [path.name for path in tmp_path.iterdir()] == ["frame000004_pts-7.png"]
