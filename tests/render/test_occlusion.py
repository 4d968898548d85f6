"""Occlusion: masks against onnxruntime with random weights; what is hidden stays as recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from skimage import data

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.onnx_files import blurring, bright, segmenting
from tests.making.restorers import Darken
from videnhance import restorers
from videnhance.errors import ModelError, UsageError
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray
from videnhance.inference import Execution, compiled
from videnhance.models.catalog import WEIGHTS
from videnhance.models.registry import Row
from videnhance.render.occlusion import Occlusion, definition
from videnhance.render.rows import MASKERS
from videnhance.settings.groups import (
    DetectSettings,
    ModelSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
)


def occlusion(path: Path, backend: str = "openvino") -> Occlusion:
    return Occlusion(compiled(definition(path), Execution(backend=backend, precision="f32")))


def crop(side: int) -> FloatArray:
    square = data.astronaut()[10:200, 130:320]
    levels = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    levels /= np.float32(255.0)
    return np.asarray(levels, np.float32)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
@pytest.mark.parametrize("side", [256, 448])
def test_a_mask_is_what_onnxruntime_says_softened(tmp_path: Path, backend: str, side: int) -> None:
    """0 wherever that says "hidden", and beside it; 1 where that is far away, times the ellipse."""
    path = segmenting(tmp_path / "xseg.onnx")
    image = crop(side)
    (mask,) = occlusion(path, backend).masks([image])
    x = image[..., ::-1]
    if side != 256:
        x = cv2.resize(x, (256, 256), interpolation=cv2.INTER_AREA)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": np.ascontiguousarray(x[None])})
    assert mask.shape == (side, side) and mask.dtype == np.float32
    hidden = (found[0, ..., 0] < 0.5).astype(np.uint8)
    whole = cv2.resize(hidden, (side, side), interpolation=cv2.INTER_NEAREST) == 1
    assert 0.02 < whole.mean() < 0.98
    assert not mask[whole].any()
    away = cv2.distanceTransform(1 - hidden, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    far = cv2.resize((away > 15).astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    assert (far == 1).sum() > 50
    np.testing.assert_allclose(mask[far == 1], ellipse_mask(side)[far == 1], atol=1e-6)


@pytest.mark.parametrize("width", [2, 30])
def test_what_hides_a_face_is_not_painted(tmp_path: Path, width: int) -> None:
    """A black bar, even a thin one, has 0; away from it the mask is the ellipse."""
    image = np.full((256, 256, 3), 0.6, np.float32)
    image[:, 128 : 128 + width] = 0.0
    (mask,) = occlusion(bright(tmp_path / "xseg.onnx")).masks([image])
    assert not mask[:, 126 : 130 + width].any()
    np.testing.assert_allclose(mask[:, :100], ellipse_mask(256)[:, :100], atol=1e-4)
    assert (np.abs(np.diff(mask[128, 40:210])) < 0.3).all()  # softly


def test_a_hand_stays_as_recorded(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From file to file: a black bar before a white square, which the restorer would darken."""
    from videnhance.job.run import enhance

    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(restorers.RESTORERS, "darken", Row(lambda loader: Darken(0.3, radius=0)))
    frames = square_frames(3)
    for frame in frames:
        frame[:, 60:68] = 0
    clip = write_rgb(tmp_path / "in.mkv", frames)
    given = bright(tmp_path / "given.onnx")
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="darken", mask="occlusion"),
        output=OutputSettings(codec="ffv1"),
        models=ModelSettings(files=(("xseg", str(given)),), trust=True),
    )
    with pytest.raises(UsageError, match=r"GPL-3\.0; .*--accept-license xseg"):
        enhance(clip, tmp_path / "out.mkv", wish)
    wish = replace(wish, models=replace(wish.models, accepted=("xseg",)))
    enhance(clip, tmp_path / "out.mkv", wish)
    for source, result in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(result[0][:, 60:68], source[0][:, 60:68])
        change = source[0].astype(int) - result[0]
        assert change[60:70, 50:55].min() > 30 and change[60:70, 73:78].min() > 30


def test_a_network_that_fails_is_one_line(tmp_path: Path) -> None:
    broken = crop(256)
    broken[3, 3] = np.nan
    with pytest.raises(ModelError, match=r"^xseg: [^\n]*no numbers[^\n]*--mask ellipse$"):
        occlusion(segmenting(tmp_path / "xseg.onnx")).masks([broken])
    with pytest.raises(ModelError, match=r"b\.onnx: takes 1 x 3 x 32 x 32 instead of"):
        definition(blurring(tmp_path / "b.onnx"))
    with pytest.raises(ModelError, match=r"s\.onnx: takes 1 x 64 x 64 x 3 instead of"):
        definition(segmenting(tmp_path / "s.onnx", 64))


def test_its_row() -> None:
    weights = WEIGHTS[MASKERS["occlusion"].weights or ""]
    assert weights.licence == "GPL-3.0" and weights.consent
