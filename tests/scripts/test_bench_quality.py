"""Clips are degraded as asked, and every restorer is judged on the crops that a job would show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import av
import bench_quality
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from degrading import DEGRADATIONS, Degradation, degrade, eyes_of, factor, read_clean
from judging import Shown
from safetensors.torch import save_file
from trying import Recording, Trial, beside_truth, tried, within

from tests.making.clips import write_clip
from tests.making.detector import SquareDetector
from videnhance import restorers
from videnhance.errors import ModelError
from videnhance.faces.alignment import TEMPLATE
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.models.registry import Row
from videnhance.restorers.correction_network import Correction
from videnhance.settings.groups import DetectSettings, Settings

Image = npt.NDArray[np.uint8]
EYES = float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
"""Of the template's side."""


def scene(index: int, *, width: int = 160, height: int = 128, side: int = 96) -> Image:
    """A near-white face, which the tests' detector finds, on a soft coloured ground."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    picture = np.stack([60 + 0.5 * columns, 80 + 0.4 * rows, 120 - 0.3 * columns], axis=-1)
    x, y = 20 + index, 16
    face = picture[y : y + side, x : x + side]
    face[...] = 240 + 13 * (np.sin(columns / 3.5) * np.sin(rows / 3.0))[:side, :side, None]
    return np.asarray(np.rint(picture), np.uint8)


def scenes(count: int, **size: int) -> list[Image]:
    return [scene(k, **size) for k in range(count)]


def decoded(path: Path) -> list[Image]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in frames]


def rms(one: Sequence[Image], other: Sequence[Image]) -> float:
    return float(np.sqrt(((np.array(one, np.float64) - np.array(other)) ** 2).mean()))


def shift_between(crop: FloatArray, truth: FloatArray) -> tuple[float, float]:
    """Least squares amid the face: truth(x) = crop(x + shift), to first order."""
    middle = slice(len(crop) // 4, -len(crop) // 4)
    here, there = (image.mean(axis=2)[middle, middle] for image in (crop, truth))
    down, across = np.gradient(here)
    slopes = np.stack([across.ravel(), down.ravel()], axis=-1)
    x, y = np.linalg.lstsq(slopes, (there - here).ravel(), rcond=None)[0]
    return float(x), float(y)


class Nearer:
    """A restorer's double that knows how crops of `scene` are off: it adds `step`."""

    name = "nearer"
    batch = 1
    invents = False

    def __init__(self, step: float, radius: int = 0) -> None:
        self.step, self.radius = step, radius
        self.seen: list[CropWindow] = []

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        self.seen += windows
        return [w.crops[w.centre] + np.float32(self.step) for w in windows]


class Uneven(Nearer):
    """Does worst on frame 3."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        steps = [0.2 if w.frames[w.centre] == 3 else 0.01 for w in windows]
        return [w.crops[w.centre] - np.float32(s) for w, s in zip(windows, steps, strict=True)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clips" / "face.mkv"
    path.parent.mkdir()
    degrade(scenes(6), path, Degradation(blur=0.0, noise=0.0, crf=None), 1.0)
    return path


def test_without_blur_noise_and_loss_the_clip_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "same.mkv"
    clean = scenes(3)
    degrade(clean, path, Degradation(blur=0.0, noise=0.0, crf=None), 1.0)
    assert rms(decoded(path), clean) < 1.5  # what halving the colour's resolution does


def test_the_degraded_clip_says_how_its_colours_are_coded(tmp_path: Path) -> None:
    path = tmp_path / "tagged.mkv"
    degrade(scenes(1), path, Degradation(), 1.0)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (5, 1)


def test_a_clip_is_made_smaller_by_the_factor(tmp_path: Path) -> None:
    path = tmp_path / "small.mkv"
    degrade(scenes(2), path, Degradation(blur=0.0, noise=0.0, crf=None), 2.5)
    (first, _) = decoded(path)
    assert first.shape == (52, 64, 3)
    expected = cv2.resize(scene(0), (64, 52), interpolation=cv2.INTER_AREA)
    assert rms([first], [expected]) < 2.5


def test_noise_is_of_the_sigma_asked_and_always_the_same(tmp_path: Path) -> None:
    grey = [np.full((96, 128, 3), 120, np.uint8)] * 3
    wish = Degradation(blur=0.0, noise=10.0, crf=None)
    for name in ("one.mkv", "two.mkv"):
        degrade(grey, tmp_path / name, wish, 1.0)
    one, two = decoded(tmp_path / "one.mkv"), decoded(tmp_path / "two.mkv")
    assert rms(one, two) == 0.0
    luma = [picture @ np.array([0.299, 0.587, 0.114]) for picture in one]
    # Independent in each colour, so less in their weighted sum.
    assert np.std(luma) == pytest.approx(10.0 * np.hypot(np.hypot(0.299, 0.587), 0.114), rel=0.1)
    assert not np.array_equal(one[0], one[1])


def test_blur_is_in_pixels_of_the_small_picture(tmp_path: Path) -> None:
    columns = np.mgrid[:128, :192][1]
    wave = 2 * np.pi / 24.0  # a period of 12 pixels when half as large
    clean = [np.repeat(np.rint(128 + 80 * np.cos(wave * columns))[..., None], 3, 2)]
    strength = []
    for blur in (0.0, 1.5):
        path = tmp_path / f"{blur}.mkv"
        degrade([clean[0].astype(np.uint8)], path, Degradation(blur, noise=0.0, crf=None), 2.0)
        strength.append(decoded(path)[0][:, 16:-16].std())
    fall = np.exp(-0.5 * (2 * wave * 1.5) ** 2)
    assert strength[1] / strength[0] == pytest.approx(fall, rel=0.03)


def test_a_higher_crf_loses_more(tmp_path: Path) -> None:
    clean, losses = scenes(4), []
    for crf in (12, 28, 42):
        path = tmp_path / f"{crf}.mkv"
        degrade(clean, path, Degradation(blur=0.0, noise=0.0, crf=crf), 1.0)
        losses.append(rms(decoded(path), clean))
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize(("codec", "crf"), [("h265", 20), ("mjpeg", 3)])
def test_other_codecs_degrade_without_a_change_of_colour(
    tmp_path: Path, codec: str, crf: int
) -> None:
    clean, losses = [np.repeat(np.repeat(scene(0), 2, 0), 2, 1)] * 3, []
    degrade(clean, tmp_path / "kept.mkv", Degradation(blur=0.0, noise=0.0, crf=None), 1.0)
    kept = np.mean(decoded(tmp_path / "kept.mkv"), (0, 1, 2))
    for step in (crf, 3 * crf // 2):
        path = tmp_path / f"{step}.mkv"
        degrade(clean, path, Degradation(blur=0.0, noise=0.0, crf=step, codec=codec), 1.0)
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.name in (codec, "hevc")
        found = decoded(path)
        losses.append(rms(found, clean))
        assert np.abs(np.mean(found, (0, 1, 2)) - kept).max() < 1.5
    assert losses[0] < losses[1]


def test_clean_frames_are_read_upright_and_even(tmp_path: Path) -> None:
    quarter = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    plain = write_clip(tmp_path / "plain.mp4", size=(66, 48))
    turned = write_clip(tmp_path / "turned.mp4", size=(66, 48), matrix=quarter)
    upright = read_clean(turned, 3)
    assert [picture.shape for picture in upright] == [(66, 48, 3)] * 3
    with av.open(str(turned)) as container:
        turn = next(container.decode(video=0)).rotation
    assert abs(turn) == 90
    assert np.array_equal(upright[1], np.rot90(decoded(plain)[1], turn // 90))
    assert len(read_clean(plain, 0)) == 12
    assert read_clean(write_clip(tmp_path / "odd.mkv", size=(65, 49), codec="ffv1"), 1)[
        0
    ].shape == (48, 64, 3)


def test_the_eyes_are_measured_in_the_clean_clip() -> None:
    clean = scenes(6)
    measured = eyes_of(clean, SquareDetector())
    assert measured == pytest.approx(96 * EYES, rel=0.01)
    assert eyes_of([np.zeros((64, 64, 3), np.uint8)], SquareDetector()) == 0.0


@pytest.mark.parametrize(
    ("wish", "eyes", "down"),
    [
        (Degradation(eyes=20.0), 50.0, 2.5),
        (Degradation(eyes=20.0), 12.0, 1.0),  # never enlarged
        (Degradation(down=4.0), 12.0, 4.0),
    ],
)
def test_faces_are_made_as_small_as_asked(wish: Degradation, eyes: float, down: float) -> None:
    assert factor(wish, eyes) == down


def test_one_degradation_is_milder_and_one_harder_than_training() -> None:
    mild, hard = DEGRADATIONS["mild"], DEGRADATIONS["hard"]
    assert (mild.blur, mild.noise) == (0.0, 0.0)
    assert mild.eyes > 48.0
    assert mild.crf is not None and mild.crf < 18
    assert hard.blur > 1.3
    assert hard.noise > 12.0
    assert hard.crf is not None and hard.crf > 36
    cells = {(kind.eyes, kind.crf) for kind in DEGRADATIONS.values()}
    assert {(eyes, crf) for eyes in (13.0, 22.0, 31.0) for crf in (23, 28, 32)} <= cells


def test_each_restorer_sees_as_many_neighbours_as_it_wants() -> None:
    crops = tuple(np.full((8, 8, 3), k / 10, np.float32) for k in range(5))
    window = CropWindow(7, (10, 11, 12, 13, 14), crops, 3, 2.0)
    near = within(window, 1)
    assert (near.frames, near.centre, near.tracklet, near.zoom) == ((12, 13, 14), 1, 7, 2.0)
    assert near.crops[near.centre] is crops[3]
    assert within(window, 9).frames == window.frames

    wide, narrow = Nearer(0.1, radius=3), Nearer(0.2, radius=1)
    recording = Recording({"wide": wide, "narrow": narrow})
    (out,) = recording.restore([window])
    assert recording.radius == 3
    assert out is crops[3]
    assert [len(r.seen[0].crops) for r in (wide, narrow)] == [5, 3]
    kept = recording.kept[7, 13]
    assert list(kept) == ["bicubic", "wide", "narrow"]
    assert [float(c.mean()) for c in kept.values()] == pytest.approx([0.3, 0.4, 0.5])
    assert set(recording.milliseconds()) == {"wide", "narrow"}


def test_the_truth_is_the_same_place_of_the_clean_clip(
    tmp_path: Path, square_detector: str
) -> None:
    clean = scenes(5)
    path = tmp_path / "half.mkv"
    degrade(clean, path, Degradation(blur=0.0, noise=0.0, crf=None), 2.0)
    settings = Settings(detect=DetectSettings(detector=square_detector, every=1))
    tracklets, recording = tried(path, Trial(settings, ["identity"]))
    shown = beside_truth(clean, tracklets, recording.kept, (2.0, 2.0))
    assert [(item.tracklet, item.frame) for item in shown] == [(1, k) for k in range(5)]
    for item in shown:
        assert item.eyes == pytest.approx(48 * EYES, rel=0.05)
        crop = item.crops["bicubic"]
        assert np.array_equal(item.crops["identity"], crop)
        x, y = shift_between(crop, item.truth)
        assert np.hypot(x, y) < 0.1  # pixels of the crop, of which 5.3 are one of the clip
    assert Recording.name not in restorers.RESTORERS


def test_the_judge_writes_figures_and_pictures(
    clip: Path,
    tmp_path: Path,
    square_detector: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(restorers.RESTORERS, "brighter", Row(lambda loader: Nearer(0.1)))
    (clip.parent / "notes.txt").write_text("no video")
    (clip.parent / "broken.mp4").write_bytes(b"no video either")
    figures, pictures = tmp_path / "figures.json", tmp_path / "pictures"
    bench_quality.main(
        [
            *(str(clip.parent), "--detector", square_detector, "--frames", "5"),
            *("--restorer", "identity", "--restorer", "bicubic", "--restorer", "brighter"),
            *("--degradation", "face70-crf23", "--degradation", "mild", "--degradation", "clean"),
            *("--degradation", "noisy", "--json", str(figures), "--pictures", str(pictures)),
        ]
    )
    document = json.loads(figures.read_text())
    rows = {(row["degradation"], row["restorer"]): row for row in document["results"]}
    # The clip's 24 pixels between the eyes are fewer than either of the first asks for.
    assert {label for label, _ in rows} == {"face70-crf23", "mild", "clean", "noisy"}
    assert [left["clip"] for left in document["left_out"]] == ["broken.mp4"]
    assert document["degradations"]["noisy"]["noise"] == 10.0
    for label in ("face70-crf23", "noisy"):
        bicubic, same, brighter = (rows[label, n] for n in ("bicubic", "identity", "brighter"))
        assert {k: v for k, v in same.items() if k not in ("restorer", "milliseconds")} == {
            k: v for k, v in bicubic.items() if k not in ("restorer", "milliseconds")
        }
        assert same["psnr_gain"] == 0.0 and same["flicker"] == 1.0
        assert brighter["crops"] == 5
        assert brighter["psnr_gain"] < -3.0
        assert brighter["worse_blocks"] > 0.5
    assert rows["noisy", "bicubic"]["eyes"] == pytest.approx(22.0, rel=0.1)
    assert rows["noisy", "bicubic"]["psnr"] < rows["clean", "bicubic"]["psnr"]
    by_name = {(r["degradation"], r["restorer"]): r for r in document["overall"]}
    assert by_name["noisy", "brighter"]["least_clip"] == "face.mkv"
    grid = cv2.imread(str(pictures / "face.mkv.png"))
    assert grid is not None and grid.shape == (4 * 256, 4 * 256, 3)
    told = capsys.readouterr().out
    assert "broken.mp4  all: left out, cannot be read" in told
    assert "brighter" in told.split("Means over the clips")[1]
    assert "notes" not in told


def test_the_picture_is_of_the_worst_frame_of_the_last_restorer(
    clip: Path, tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(restorers.RESTORERS, "uneven", Row(lambda loader: Uneven()))
    rows: list[tuple[str, Shown]] = []

    def picture(wanted: Sequence[tuple[str, Shown]]) -> Image:
        rows.extend(wanted)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr("bench_quality.picture", picture)
    bench_quality.main(
        [
            *(str(clip), "--detector", square_detector, "--pictures", str(tmp_path)),
            *("--restorer", "identity", "--restorer", "uneven", "--down", "2"),
        ]
    )
    ((label, item),) = rows
    assert item.frame == 3
    assert label.startswith("own frame 3 -")


def test_weights_that_are_given_are_judged(
    clip: Path, tmp_path: Path, square_detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without further words, though they are not those published; here those of no correction."""
    given, figures = tmp_path / "mine.safetensors", tmp_path / "figures.json"
    save_file(Correction(16, 32, 1).state_dict(), given)
    common = [str(clip), "--detector", square_detector, "--frames", "2", "--down", "2"]
    names = ["--restorer", "fusion", "--restorer", "clarity", "--json", str(figures)]
    bench_quality.main([*common, *names, "--weights", f"clarity={given}"])
    rows = {row["restorer"]: row for row in json.loads(figures.read_text())["results"]}
    assert rows["clarity"]["psnr"] == pytest.approx(rows["fusion"]["psnr"], abs=1e-3)


def test_what_fails_is_left_out_and_told(
    clip: Path, tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    class Failing(Nearer):
        def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
            calls.append(1)
            if len(calls) == 1:
                raise ModelError("failing: no reason; try again")
            return super().restore(windows)

    monkeypatch.setitem(restorers.RESTORERS, "failing", Row(lambda loader: Failing(0.1)))
    blank = write_clip(tmp_path / "blank.mkv")
    figures = tmp_path / "figures.json"
    bench_quality.main(
        [
            *(str(blank), str(clip), "--detector", square_detector, "--restorer", "failing"),
            *("--degradation", "noisy", "--degradation", "clean", "--json", str(figures)),
        ]
    )
    document = json.loads(figures.read_text())
    left = [(row["clip"], row["degradation"], row["reason"]) for row in document["left_out"]]
    assert left == [
        ("blank.mkv", "noisy", "no face in the clean clip; give --down"),
        ("blank.mkv", "clean", "no face in the clean clip; give --down"),
        ("face.mkv", "noisy", "failing: no reason; try again"),
    ]
    assert {(r["clip"], r["degradation"]) for r in document["results"]} == {("face.mkv", "clean")}


def test_cells_that_would_be_the_same_are_judged_once(
    clip: Path, tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = tmp_path / "figures.json"
    small = DEGRADATIONS["face70-crf23"]
    monkeypatch.setitem(DEGRADATIONS, "larger", Degradation(eyes=60.0))
    assert eyes_of(scenes(2), SquareDetector()) < small.eyes
    bench_quality.main(
        [
            *(str(clip), "--detector", square_detector, "--frames", "3"),
            *("--restorer", "identity", "--json", str(figures)),
            *("--degradation", "face70-crf23", "--degradation", "larger"),
        ]
    )
    document = json.loads(figures.read_text())
    assert {row["degradation"] for row in document["results"]} == {"face70-crf23"}
    (left,) = document["left_out"]
    assert left["degradation"] == "larger"
    assert left["reason"] == "faces are too small: the same as face70-crf23"


def test_a_degradation_of_ones_own(
    clip: Path, tmp_path: Path, square_detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    own = ["--down", "2", "--noise", "0", "--blur", "0", "--crf", "-1"]
    common = [str(clip), "--detector", square_detector, "--json", str(figures)]
    bench_quality.main([*common, "--restorer", "identity", *own])
    document = json.loads(figures.read_text())
    kind = {"blur": 0.0, "eyes": 22.0, "down": 2.0, "noise": 0.0, "crf": None, "codec": "h264"}
    assert document["degradations"] == {"own": kind}
    assert document["results"][0]["eyes"] == pytest.approx(48 * EYES, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--restorer", "nonsense"], "--restorer nonsense: unknown"),
        (["--min-eyes", "90", "--restorer", "identity", "--down", "1"], "nothing could be judged"),
    ],
)
def test_what_cannot_be_judged_ends_with_a_line(
    clip: Path,
    square_detector: str,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    with pytest.raises(SystemExit, match=said):
        bench_quality.main([str(clip), "--detector", square_detector, *arguments])


def test_a_folder_without_videos_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no videos"):
        bench_quality.main([str(tmp_path)])


def test_what_comes_with_the_package_is_judged_by_default(
    clip: Path, square_detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench_quality.main([str(clip), "--detector", square_detector, "--frames", "3", "--down", "2"])
    told = capsys.readouterr().out
    free = [name for name in ("fusion", "clarity") if name in restorers.RESTORERS]
    assert "fusion" in free
    assert all(name in told for name in free)
