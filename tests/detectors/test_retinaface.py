"""RetinaFace against facexlib's own detect_faces, with one set of random weights for both."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from skimage import data

from videnhance.detectors.retinaface import OVERLAP, Network, RetinaFace
from videnhance.errors import ModelError, UsageError

Image = npt.NDArray[np.uint8]
NETWORKS: tuple[Network, ...] = ("mobile0.25", "resnet50")
THRESHOLD = 0.55


def published(network: Network) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.detection.retinaface import RetinaFace as Published

        torch.manual_seed(3)
        return Published(network_name=network, device=torch.device("cpu"))


@pytest.fixture(scope="module", params=NETWORKS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, RetinaFace]:
    network: Network = request.param
    theirs = published(network)
    with torch.no_grad():
        # Statistics of the net's own features keep random answers in a range that differs.
        theirs.train()
        for _ in range(3):
            theirs(torch.from_numpy(pictures()[0].transpose(2, 0, 1)[None].astype(np.float32)))
        theirs.eval()
        for head in theirs.ClassHead:
            head.conv1x1.weight.mul_(20)
    path = tmp_path_factory.mktemp(network) / "weights.pth"
    torch.save({f"module.{key}": value for key, value in theirs.state_dict().items()}, path)
    return theirs, RetinaFace(path, network, THRESHOLD)


def pictures() -> list[Image]:
    """Noisy, so that no two places score the same: chance would then decide between them."""
    face = data.astronaut().astype(np.float64)
    noisy = face + np.random.default_rng(5).normal(0, 12, face.shape)
    whole: Image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return [
        whole[20:180, 120:330],
        whole[:160, 100:310],
        whole[200:300, 40:168],
        whole[30:190, 90:300],
    ]


def test_it_finds_what_facexlib_finds(both: tuple[Any, RetinaFace]) -> None:
    theirs, ours = both
    for image in pictures():
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


def test_a_batch_finds_what_single_pictures_give(both: tuple[Any, RetinaFace]) -> None:
    _, ours = both
    together = ours.detect(pictures())
    for image, faces in zip(pictures(), together, strict=True):
        (alone,) = ours.detect([image])
        assert len(faces) == len(alone)
        np.testing.assert_allclose(faces.scores, alone.scores, atol=1e-5)
        # Faces of equal score may come in another order.
        rows, others = (
            np.concatenate([f.boxes, f.landmarks.reshape(-1, 10)], axis=1) for f in (faces, alone)
        )
        apart = np.abs(rows[:, None] - others).max(axis=2)
        assert apart.min(axis=0).max() < 1e-3 and apart.min(axis=1).max() < 1e-3
    assert ours.detect([]) == []


def test_no_face_is_none(both: tuple[Any, RetinaFace], tmp_path: Path) -> None:
    theirs, _ = both
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    network: Network = "resnet50" if theirs.backbone == "Resnet50" else "mobile0.25"
    strict = RetinaFace(tmp_path / "w.pth", network, 1.0)
    (none,) = strict.detect(pictures()[:1])
    assert len(none) == 0 and none.landmarks.shape == (0, 5, 2)


def test_wrong_weights_and_devices_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = published("mobile0.25").state_dict()
    lost = sorted(state)[0]
    del state[lost]
    torch.save(state, path)
    with pytest.raises(ModelError, match=f"{path}: .*missing .{lost}"):
        RetinaFace(path, "mobile0.25", 0.5)
    with pytest.raises(UsageError, match="--devices abacus"):
        RetinaFace(path, "mobile0.25", 0.5, "abacus")
