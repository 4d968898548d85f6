"""Detectors that are ONNX files, against OpenCV's detector and onnxruntime: random weights in files
with the published outputs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from tests.making import detecting
from tests.making.onnx_files import blurring
from tests.making.portraits import portraits
from videnhance import detectors
from videnhance.detectors import DETECTORS, yunet
from videnhance.detectors.retinaface import OVERLAP, RetinaFace, of_file
from videnhance.errors import ModelError
from videnhance.inference import Execution, compiled
from videnhance.models.catalog import WEIGHTS
from videnhance.models.loader import Loader
from videnhance.settings.groups import DetectSettings, ModelSettings, Settings

BACKENDS = ("openvino", "torch")  # the latter is OpenCV, or onnxruntime, for ONNX files


@pytest.mark.parametrize("backend", BACKENDS)
def test_yunet_finds_what_opencvs_detector_finds(tmp_path: Path, backend: str) -> None:
    """Sides that are no multiples of 32, too; without the mean of candidates, which is ours."""
    path, threshold = detecting.yunet(tmp_path / "y.onnx"), 0.85
    network = compiled(yunet.definition(path), Execution(backend=backend))
    ours = yunet.YuNet(network, threshold, nearly=0.0)
    for image in (portraits()[0], portraits()[0][:150, :237]):
        height, width = image.shape[:2]
        theirs = cv2.FaceDetectorYN.create(str(path), "", (width, height), threshold, 0.3, 5000)
        _, expected = theirs.detect(np.ascontiguousarray(image[..., ::-1]))
        assert expected is not None and len(expected) > 5
        (found,) = ours.detect([image])
        x, y, w, h = expected[:, :4].T
        limit = [width, height] * 2
        boxes = np.clip(np.stack([x, y, x + w, y + h], axis=1), 0, limit)
        inside = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        rows = np.concatenate([boxes, expected[:, 4:]], axis=1)[inside]
        mine = np.concatenate(
            [found.boxes, found.landmarks.reshape(-1, 10), found.scores[:, None]], axis=1
        )
        apart = np.abs(mine[:, None] - rows).max(axis=2)
        assert apart.min(axis=0).max() < 0.01
        # it drops a few more, as it rounds boxes to whole pixels before it compares them
        assert (apart.min(axis=1) < 0.01).mean() > 0.8


def test_yunets_outputs_are_taken_by_their_names(tmp_path: Path) -> None:
    path = detecting.yunet(tmp_path / "y.onnx")
    assert yunet.definition(path).outputs == yunet.OUTPUTS
    with pytest.raises(ModelError, match=r"y\.onnx: .*instead of 12"):
        yunet.definition(detecting.yunet(tmp_path / "y.onnx", leave_out="kps_16"))
    with pytest.raises(ModelError, match=r"y\.onnx: takes 1 x 3 x 64 x 64 instead of"):
        yunet.definition(detecting.yunet(tmp_path / "y.onnx", sides=(64, 64)))
    with pytest.raises(ModelError, match=r"b\.onnx: takes"):
        yunet.definition(blurring(tmp_path / "b.onnx"))


def test_a_cell_of_yunet_is_where_it_should_be() -> None:
    """A face of 16 x 24 pixels in the second row and third column of the cells of 8 pixels."""
    outputs = []
    for stride in yunet.STRIDES:
        cells = (64 // stride) ** 2
        outputs += [np.zeros((1, cells, n), np.float32) for n in (1, 1, 4, 10)]
    cell = 8 + 2
    outputs[0][0, cell], outputs[1][0, cell] = 0.9, 0.4
    outputs[2][0, cell] = [0.5, 0.25, np.log(2.0), np.log(3.0)]
    outputs[3][0, cell] = np.arange(10) / 10.0
    faces = yunet.decode(outputs, (64, 64), (50, 60), 0.5)
    np.testing.assert_allclose(faces.scores, [0.6], atol=1e-6)
    np.testing.assert_allclose(faces.boxes, [[12.0, 0.0, 28.0, 22.0]], atol=1e-5)
    points = [[16.0 + 0.8 * k, 8.0 + 0.8 * (k + 1)] for k in range(0, 10, 2)]
    np.testing.assert_allclose(faces.landmarks[0], points, atol=1e-5)
    assert len(yunet.decode(outputs, (64, 64), (50, 60), 0.7)) == 0
    assert len(yunet.decode(outputs, (64, 64), (50, 12), 0.5)) == 0  # in the padding


@pytest.mark.parametrize("backend", BACKENDS)
def test_retinaface_of_a_file_finds_what_facexlib_makes_of_it(tmp_path: Path, backend: str) -> None:
    """The same file by onnxruntime, decoded by facexlib's functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.detection.retinaface import generate_config
        from facexlib.detection.retinaface_utils import (
            PriorBox,
            decode,
            decode_landm,
            py_cpu_nms,
        )
    path, threshold = detecting.retinaface(tmp_path / "r.onnx"), 0.97
    network = compiled(of_file("retinaface-mv2", path), Execution(backend=backend))
    ours = RetinaFace(network, "mobile0.25", threshold, nearly=0.0)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    config = generate_config("mobile0.25")
    for image in (portraits()[0], portraits()[0][:150, :237]):
        height, width = image.shape[:2]
        x = image[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
        given = np.ascontiguousarray(x.transpose(2, 0, 1)[None])
        places, sure, points = (torch.from_numpy(o[0]) for o in session.run(None, {"input": given}))
        priors: Any = PriorBox(config, image_size=(height, width)).forward()
        boxes = decode(places, priors, config["variance"]) * torch.tensor([width, height] * 2)
        marks = decode_landm(points, priors, config["variance"]) * torch.tensor([width, height] * 5)
        keep = sure[:, 1] > threshold
        rows = torch.cat([boxes, sure[:, 1:], marks], dim=1)[keep].numpy()
        rows = rows[rows[:, 4].argsort()[::-1]]
        rows = rows[py_cpu_nms(np.ascontiguousarray(rows[:, :5]), OVERLAP)]
        (found,) = ours.detect([image])
        assert len(found) == len(rows) > 5
        np.testing.assert_allclose(found.boxes, rows[:, :4], atol=2e-2)
        np.testing.assert_allclose(found.scores, rows[:, 4], atol=1e-4)
        np.testing.assert_allclose(found.landmarks.reshape(-1, 10), rows[:, 5:], atol=2e-2)


@pytest.mark.parametrize("name", ["retinaface-mv2", "yunet-2026may"])
def test_its_row(name: str, tmp_path: Path) -> None:
    """It is made from a file of the user's; its licence asks for nothing; auto never takes it."""
    row = DETECTORS[name]
    weights = WEIGHTS[row.weights or ""]
    assert (weights.licence, weights.consent, row.rank) == ("MIT", False, 0)
    make = detecting.yunet if name.startswith("yunet") else detecting.retinaface
    given = make(tmp_path / "given.onnx")
    models = ModelSettings(files=((name, str(given)),), trust=True)
    settings = Settings(detect=DetectSettings(detector=name, threshold=0.9), models=models)
    (faces,) = detectors.create(Loader(settings)).detect([portraits()[0]])
    assert len(faces) > 0
    given.write_bytes(given.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"^[^\n]*given\.onnx: [^\n]*; [^\n]*$"):
        detectors.create(Loader(settings))
