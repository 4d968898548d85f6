"""RetinaFace against facexlib's own detect_faces, with one set of random weights for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.making.networks import retinaface
from tests.making.portraits import portraits
from videnhance.detectors.retinaface import OVERLAP, Name, RetinaFace, definition
from videnhance.detectors.suppression import NEARLY
from videnhance.errors import ModelError, UsageError
from videnhance.inference import Execution, compiled

NETWORKS: tuple[Name, ...] = ("mobile0.25", "resnet50")
THRESHOLD = 0.55


def retinaface_of(
    path: Path, name: Name, threshold: float, device: str = "cpu", nearly: float = NEARLY
) -> RetinaFace:
    network = compiled(definition(name, path), Execution(device, backend="torch"))
    return RetinaFace(network, name, threshold, nearly=nearly)


@pytest.fixture(scope="module", params=NETWORKS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, RetinaFace]:
    network: Name = request.param
    theirs = retinaface(network)
    path = tmp_path_factory.mktemp(network) / "weights.pth"
    torch.save({f"module.{key}": value for key, value in theirs.state_dict().items()}, path)
    return theirs, retinaface_of(path, network, THRESHOLD, nearly=0.0)


def test_it_finds_what_facexlib_finds(both: tuple[Any, RetinaFace]) -> None:
    theirs, ours = both
    for image in portraits():
        with torch.no_grad():
            expected = theirs.detect_faces(
                np.ascontiguousarray(image[..., ::-1]), THRESHOLD, OVERLAP
            )
        (found,) = ours.detect([image])
        assert len(found) == len(expected) > 5
        np.testing.assert_allclose(found.boxes, expected[:, :4], atol=1e-3)
        np.testing.assert_allclose(found.scores, expected[:, 4], atol=1e-5)
        np.testing.assert_allclose(found.landmarks.reshape(-1, 10), expected[:, 5:], atol=1e-3)
        assert found.boxes.dtype == found.landmarks.dtype == found.scores.dtype == np.float32
        assert (np.diff(found.scores) <= 0).all()


def test_wrong_weights_and_devices_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = retinaface("mobile0.25").state_dict()
    lost = sorted(state)[0]
    del state[lost]
    torch.save(state, path)
    with pytest.raises(ModelError, match=f"{path}: .*missing .{lost}"):
        retinaface_of(path, "mobile0.25", 0.5)
    with pytest.raises(UsageError, match="--devices abacus"):
        retinaface_of(path, "mobile0.25", 0.5, device="abacus")
