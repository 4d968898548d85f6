"""GFPGAN's network against the authors' own program, with one set of random weights for both."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torch import nn
from torchvision_bridge import bridge

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.networks import by_torch, gfpgan_state
from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.job.run import enhance, make_portraits_of
from videnhance.media.writing.png import read_picture, read_text
from videnhance.models.loading import load_state
from videnhance.restorers.gfpgan import build
from videnhance.restorers.network import NetworkRestorer
from videnhance.settings.groups import (
    DetectSettings,
    GateLimits,
    ModelSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
)

pytestmark = pytest.mark.slow


def photograph(x: int, size: int) -> FloatArray:
    """(512, 512, 3) RGB of whole levels: a square of the portrait, enlarged."""
    square = data.astronaut()[10 : 10 + size, x : x + size]
    large = cv2.resize(square, (512, 512), interpolation=cv2.INTER_CUBIC)
    levels: FloatArray = large.astype(np.float32) / 255.0
    return levels


def windows(*crops: FloatArray) -> list[CropWindow]:
    return [CropWindow(k, (0,), (crop,), 0, 1.0) for k, crop in enumerate(crops)]


CROPS = (photograph(130, 190), photograph(200, 90))


@pytest.fixture(scope="module")
def authors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A file of weights as it is published, and GFPGANer with it, its noise the stored one."""
    bridge()
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        from gfpgan import GFPGANer

        path = tmp_path_factory.mktemp("weights") / "GFPGANv1.4.pth"
        torch.save({"params_ema": gfpgan_state()}, path)
        # neither is used for a crop that is aligned already, and both would be downloaded
        for name in ("init_detection_model", "init_parsing_model"):
            target = f"facexlib.utils.face_restoration_helper.{name}"
            patch.setattr(target, lambda *_, **__: None)
        program = GFPGANer(str(path), upscale=1, device=torch.device("cpu"))
    forward = program.gfpgan.forward
    program.gfpgan.forward = lambda x, **_: forward(x, return_rgb=False, randomize_noise=False)
    return path, program


@pytest.fixture(scope="module")
def network(authors: tuple[Path, Any]) -> nn.Module:
    path, _ = authors
    return build(load_state(path), path)


@pytest.fixture(scope="module")
def restored(network: nn.Module) -> list[FloatArray]:
    return NetworkRestorer("gfpgan", by_torch(network)).restore(windows(*CROPS))


def test_it_equals_the_authors_program(
    authors: tuple[Path, Any], restored: list[FloatArray]
) -> None:
    image = np.round(CROPS[0] * 255.0).astype(np.uint8)
    _, faces, _ = authors[1].enhance(np.ascontiguousarray(image[..., ::-1]), has_aligned=True)
    theirs = faces[0][..., ::-1].astype(np.float32) / 255.0
    assert np.abs(restored[0] - theirs).max() <= 1.0 / 255.0
    # a picture that were flat or saturated everywhere would prove nothing
    assert theirs.std() > 0.1
    assert ((theirs == 0.0) | (theirs == 1.0)).mean() < 0.1
    assert np.abs(restored[0] - restored[1]).mean() > 5.0 / 255.0


def test_it_does_without_nnpack(
    authors: tuple[Path, Any], restored: list[FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.nnpack, "is_available", lambda: False)
    path, _ = authors
    restorer = NetworkRestorer("gfpgan", by_torch(build(load_state(path), path)))
    result = restorer.restore(windows(CROPS[0]))[0]
    np.testing.assert_allclose(result, restored[0], atol=0.1 / 255.0)


def test_a_job_with_gfpgan_is_recorded_and_repeats_itself(
    tmp_path: Path, authors: tuple[Path, Any], square_detector: str
) -> None:
    path, _ = authors
    clip = write_rgb(tmp_path / "in.mkv", square_frames(2))
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="gfpgan"),
        gate=GateLimits(None, None, None, None, None),
        models=ModelSettings(files=(("gfpgan-1.4", str(path)),), trust=True, offline=True),
        output=OutputSettings(codec="ffv1"),
    )
    with pytest.raises(ModelError, match="is not the published gfpgan"):
        enhance(clip, tmp_path / "a.mkv", replace(wish, models=replace(wish.models, trust=False)))
    one = enhance(clip, tmp_path / "a.mkv", wish, keep_job=True)
    assert one.restorer == "gfpgan-1.4" and one.invents
    record = json.loads((tmp_path / "a.mkv.videnhance" / "job.json").read_text())
    used = record["models"]["gfpgan-1.4"]
    assert used["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert used["published"] is False
    enhance(clip, tmp_path / "b.mkv", wish)
    source = decoded(clip)
    first, second = decoded(tmp_path / "a.mkv"), decoded(tmp_path / "b.mkv")
    assert any((a[0] != b[0]).any() for a, b in zip(first, source, strict=True))
    for a, b in zip(first, second, strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_array_equal(p, q)


def test_beside_a_portrait_gfpgan_is_a_further_column_and_says_that_it_invents(
    tmp_path: Path, authors: tuple[Path, Any], square_detector: str
) -> None:
    path, _ = authors
    clip = write_rgb(tmp_path / "in.mkv", square_frames(6))
    plain = Settings(detect=DetectSettings(detector=square_detector, every=1))
    named = replace(
        plain,
        restore=RestoreSettings(restorer="gfpgan"),
        models=ModelSettings(files=(("gfpgan-1.4", str(path)),), trust=True, offline=True),
    )

    make_portraits_of(clip, tmp_path / "plain", plain)
    make_portraits_of(clip, tmp_path / "named", named)

    stem = "track001_view1_x2"
    column = tmp_path / "named" / f"{stem}_gfpgan-1.4-AI.png"
    assert "AI" in read_text(column)["Title"]
    without, beside = (read_picture(tmp_path / f / f"{stem}.png") for f in ("plain", "named"))
    made = read_picture(column)
    assert without is not None and made is not None
    np.testing.assert_array_equal(beside, without)
    picture = made[-len(without) :]  # below the bar that says what it is
    assert picture.shape == without.shape and len(made) > len(without)
    assert not np.array_equal(picture, without)
    record = json.loads((tmp_path / "named" / "portraits.json").read_text())
    assert record["models"]["gfpgan-1.4"] == hashlib.sha256(path.read_bytes()).hexdigest()
    sheets = [read_picture(tmp_path / f / "sheet.png") for f in ("plain", "named")]
    assert sheets[1].shape[1] > sheets[0].shape[1]  # type: ignore[union-attr]
