"""The training of clarity: it goes on where it was stopped, and what it exports is what ships."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.data import astronaut

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import train_clarity  # noqa: E402
from clarity_data import RECORDED_EYES, as_recorded, size_of, sources  # noqa: E402
from filming import SOUND, Camera, filmed  # noqa: E402
from growing import grown  # noqa: E402
from moving import moved  # noqa: E402

from videnhance.inference import Execution, compiled  # noqa: E402
from videnhance.models.loading import load_state  # noqa: E402
from videnhance.restorers.clarity import definitions  # noqa: E402
from videnhance.restorers.correction import PLANES  # noqa: E402
from videnhance.restorers.correction_network import Correction  # noqa: E402

RNG = np.random.default_rng(7)
AT_SIX = np.array([5 * 124.0, 5 * 112.0, np.log(6.0), 0.0])
"""From a pose in a picture to that in one six times as large."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for kind, count in (("train", 3), ("valid", 2)):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for k in range(count):
            truth = rng.integers(60, 190, (2, 3, 256, 256))
            planes = np.clip(truth[:, :1] + rng.normal(0, 9, (2, PLANES, 256, 256)), 0, 255)
            levels = np.concatenate([planes, truth], axis=1).astype(np.uint8)
            told = "nan" if k == 1 else "28.00"
            np.save(tmp_path / "data" / kind / f"{k:06d}_{2.0 + 3 * k:.4f}_{told}.npy", levels)
    return tmp_path / "data"


def train(
    data: Path, run: Path, steps: int, *more: object, threads: int = 1
) -> dict[str, torch.Tensor]:
    words = ["train", data, run, "--steps", steps, "--every", 2, "--batch", 2, "--patch", 32]
    words += ["--threads", threads, "--width", 16, "--blocks", 2, *more]
    train_clarity.main([*map(str, words)])
    held = torch.load(run / "checkpoint.pt", weights_only=True)
    assert held["step"] == steps
    return dict(held["average"])


def test_it_goes_on_where_it_was_stopped(data: Path, tmp_path: Path) -> None:
    whole = train(data, tmp_path / "whole", 4)
    train(data, tmp_path / "parts", 2)
    parts = train(data, tmp_path / "parts", 4)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0)
    assert len((tmp_path / "whole" / "log.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "whole" / "grid.png").is_file()


def test_there_is_a_checkpoint_in_time(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between validations, too: they may be an hour apart on a busy machine."""

    def stop(*arguments: object) -> dict[str, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_clarity, "SAVE", 0.0)
    monkeypatch.setattr(train_clarity, "validate", stop)
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "run", 2)
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 1


def test_threads_share_a_batch_and_learn_the_same(data: Path, tmp_path: Path) -> None:
    alone = train(data, tmp_path / "alone", 2)
    shared = train(data, tmp_path / "shared", 2, threads=2)
    for name, value in alone.items():
        torch.testing.assert_close(shared[name], value, rtol=1e-3, atol=1e-5)


def test_it_learns_in_bf16(data: Path, tmp_path: Path) -> None:
    learned = train(data, tmp_path / "run", 2, "--bf16")
    assert {value.dtype for name, value in learned.items() if "weight" in name} == {torch.float32}
    assert all(value.isfinite().all() for value in learned.values())


def test_a_larger_network_begins_as_the_smaller_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = Correction(8, 16, 1)
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    large = Correction(12, 20, 2)
    grown(large, small.state_dict())
    seen = torch.rand(2, PLANES, 16, 16)
    facts = torch.tensor([2.0, 3.0]), torch.tensor([28.0, math.nan])
    with torch.inference_mode():
        torch.testing.assert_close(large(seen, *facts), small(seen, *facts), rtol=1e-5, atol=1e-5)
    large(seen, *facts).square().mean().backward()
    gradient = large.tail.weight.grad
    assert gradient is not None
    assert gradient[:, 8:].abs().max() > 0  # and then learns with what is new


def test_the_people_held_out_are_never_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, unused = train_clarity.held_out()
    assert {"tps_driving", "v005", "p016"} <= held
    assert unused == {"p020", "p021"}
    for name in ("b.mp4", "a.jpg", "c.png", "README.md", "v005.mp4", "p016.jpg", "p020.jpg"):
        (tmp_path / name).touch()
    names = ["a.jpg", "b.mp4", "c.png", "p016.jpg", "p020.jpg", "v005.mp4"]
    assert [path.name for path in sources([tmp_path])] == names
    filled: dict[str, list[str]] = {}

    def fill(files: Sequence[Path], folder: Path, *more: int) -> None:
        filled[folder.name] = [file.name for file in files]

    monkeypatch.setattr(train_clarity, "fill", fill)
    train_clarity.main(["prepare", str(tmp_path / "data"), str(tmp_path)])
    train_clarity.main(["prepare", str(tmp_path / "data"), str(tmp_path), "--valid", "8"])
    assert filled == {"train": ["a.jpg", "b.mp4", "c.png"], "valid": ["p016.jpg", "v005.mp4"]}


def test_a_photograph_moves_a_little_from_frame_to_frame() -> None:
    photo = np.ascontiguousarray(astronaut()[:300, 100:400], np.uint8)
    pose = np.array([124.0, 112.0, np.log(150.0), 0.0])  # 37 pixels between the eyes
    found = [moved(photo, pose, 8, np.random.default_rng(k)) for k in range(3)]
    for scene in found:
        height, width = scene[0].shape[:2]
        assert len(scene) == 8
        assert height == width
        assert height % 2 == 0
        steps = [np.abs(b.astype(float) - a).mean() for a, b in pairwise(scene)]
        assert min(steps) > 0.0
        assert max(steps) < 30.0
        again = [np.abs(x.astype(float) - scene[0]).mean() for x in scene[1:]]
        assert max(again) > min(steps)
    large = moved(cv2.resize(photo, None, fx=6, fy=6), pose + AT_SIX, 2, RNG)
    assert len(large[0]) <= 7 * 130  # no larger than is of use


def test_a_scene_is_recorded_twice_where_that_is_drawn() -> None:
    kinds = [Camera.first(np.random.default_rng(k)) for k in range(50)]
    assert {kind.codec for kind in kinds} == {"libx264", "mjpeg"}
    assert max(kind.quality for kind in kinds if kind.codec == "libx264") < 30
    assert size_of(np.zeros((101, 203, 3), np.float32), 0.5) == (50, 102)


def test_a_truth_may_itself_be_a_small_recording() -> None:
    """A mark is where the matrix says; the face is as small as wished, and softer than if it had
    only been made smaller."""
    scene = [astronaut()[:400, :480].copy() for _ in range(8)]
    for picture in scene:
        picture[200:, 240:] = (255, 0, 0)
    softer = []
    for seed in range(4):
        recording, matrix = as_recorded(scene, 80.0, np.random.default_rng(seed))
        assert len(recording) == len(scene)
        assert recording[0].shape[1::-1] == (round(480 * matrix[0, 0]), round(400 * matrix[1, 1]))
        assert RECORDED_EYES[0] - 3 < 80.0 * matrix[0, 0] < RECORDED_EYES[1] + 3
        x, y = (matrix @ [360.0, 300.0, 1.0])[:2]
        red, green, _ = recording[0][round(y), round(x)].astype(int)
        assert red > green + 100
        size = recording[0].shape[1::-1]
        small = cv2.resize(scene[0], size, interpolation=cv2.INTER_AREA).astype(float)
        softer.append(np.abs(np.diff(recording[0].astype(float), axis=1)).mean())
        softer[-1] /= np.abs(np.diff(small, axis=1)).mean()
    assert np.median(softer) < 0.97


def test_what_is_exported_is_what_the_restorer_takes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(data, tmp_path / "run", 2)
    file = tmp_path / "new.safetensors"
    train_clarity.main(["export", str(tmp_path / "run"), str(file)])
    assert file.stat().st_size < 10 << 20
    train_clarity.main(["judge", str(data / "valid"), str(file)])
    told = capsys.readouterr().out
    assert '"file": "new.safetensors", "pairs": 2, "gain": ' in told
    mean = tmp_path / "mean.safetensors"
    small = Correction(8, 16, 1)
    save_file(small.state_dict(), tmp_path / "small.safetensors")
    train_clarity.main(
        [
            "export",
            str(tmp_path / "run"),
            str(mean),
            "--mean-with",
            str(tmp_path / "small.safetensors"),
        ]
    )
    quarter = tmp_path / "quarter.safetensors"
    train_clarity.export(tmp_path / "run", quarter, tmp_path / "small.safetensors", 0.25)
    new, both, old = load_state(file), load_state(mean), small.state_dict()
    for name, value in old.items():  # where the small network was; what it did not have stays
        place = tuple(slice(n) for n in value.shape)
        expected = (new[name].float()[place] + value) / 2
        torch.testing.assert_close(both[name].float()[place], expected, atol=1e-3, rtol=1e-3)
        expected = new[name].float()[place] * 0.75 + value * 0.25
        found = load_state(quarter)[name].float()[place]
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert "  25 to 40 px       1" in told
    [compiled(part, Execution(backend="torch")) for part in definitions(file)]


def test_a_camera_does_what_it_says() -> None:
    rng = np.random.default_rng(0)
    scene = [np.full((64, 96, 3), 120.0, np.float32)] * 3
    quiet, loud = (replace(SOUND, noise=noise, quality=6) for noise in (0.0, 10.0))
    pictures, quantizer = filmed(scene, (32, 48), quiet, rng)
    clean = np.stack(pictures).astype(float)
    assert clean.shape == (3, 32, 48, 3)
    assert np.abs(clean - 120).max() <= 2
    pictures, other = filmed(scene, (32, 48), loud, rng)
    noisy = np.stack(pictures).astype(float)
    assert 5.0 < noisy.std() < 12.0
    assert quantizer is not None
    assert other is not None
    assert 0.0 <= quantizer <= other < 20.0
    assert filmed(scene, (32, 48), replace(quiet, codec="mjpeg"), rng)[1] is None
    kinds = [Camera.random(np.random.default_rng(k)) for k in range(200)]
    assert {kind.codec for kind in kinds} == {"libx264", "libx265", "mjpeg"}
    assert any(kind.grey for kind in kinds)
    assert any(kind.night for kind in kinds)
    assert any(kind.comb for kind in kinds)
