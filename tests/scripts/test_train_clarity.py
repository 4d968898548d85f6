"""The training of clarity: it goes on where it was stopped, and what it exports is what ships."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import train_clarity  # noqa: E402
from filming import SOUND, Camera, filmed  # noqa: E402

from videnhance.models.loading import load_state  # noqa: E402
from videnhance.restorers.clarity import Clarity  # noqa: E402
from videnhance.restorers.correction import PLANES  # noqa: E402


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


def train(data: Path, run: Path, steps: int) -> dict[str, torch.Tensor]:
    words = ["train", data, run, "--steps", steps, "--every", 2, "--batch", 2, "--patch", 32]
    train_clarity.main([*map(str, words), "--threads", "1"])
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


def test_what_is_exported_is_what_the_restorer_takes(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "run", 2)
    file = tmp_path / "new.safetensors"
    train_clarity.main(["export", str(tmp_path / "run"), str(file)])
    assert file.stat().st_size < 10 << 20
    Clarity("clarity", load_state(file), path=file)


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
