"""What every detector keeps to (faces.detection.Detector), whatever network it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.making import detecting
from tests.making.networks import retinaface
from tests.making.portraits import Image, portraits
from videnhance.detectors import DETECTORS, yunet
from videnhance.detectors.centerface import CenterFace
from videnhance.detectors.retinaface import Name, RetinaFace, definition, of_file
from videnhance.faces.detection import Detector
from videnhance.faces.tracklets import Faces
from videnhance.inference import Execution, compiled

RANDOM: dict[str, Name] = {"retinaface": "resnet50", "retinaface-mobile": "mobile0.25"}
"""Those whose weights are not here, and what they are made of: random ones do as well."""
FILES = {"retinaface-mv2": detecting.retinaface, "yunet-2026may": detecting.yunet}
"""The same, of those that are ONNX files."""
THRESHOLDS = {
    "centerface": 0.1,
    "retinaface": 0.55,
    "retinaface-mobile": 0.55,
    "retinaface-mv2": 0.97,
    "yunet-2026may": 0.85,
}
"""At which each finds faces in most of the pictures below."""
Make = Callable[[float], Detector]


@pytest.fixture(scope="module", params=DETECTORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def make(name: str, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The detector at a threshold."""
    if name == "centerface":
        return CenterFace
    path = tmp_path_factory.mktemp(name) / "weights.pth"
    if name in FILES:
        FILES[name](path)
        if name == "yunet-2026may":
            tiny = compiled(yunet.definition(path))
            return lambda threshold: yunet.YuNet(tiny, threshold)
        file = compiled(of_file(name, path))
        return lambda threshold: RetinaFace(file, "mobile0.25", threshold)
    torch.save(retinaface(RANDOM[name]).state_dict(), path)
    network = compiled(definition(RANDOM[name], path), Execution(backend="torch"))
    return lambda threshold: RetinaFace(network, RANDOM[name], threshold)


@pytest.fixture(scope="module")
def detector(name: str, make: Make) -> Detector:
    return make(THRESHOLDS[name])


def pictures() -> list[Image]:
    """Of unlike sizes: a face, a part of one, and two that score differently."""
    face, _, part, _ = portraits()
    return [face, part, np.hstack([face, face[:, ::-1] // 2])]


@pytest.fixture(scope="module")
def found(detector: Detector) -> list[Faces]:
    return detector.detect(pictures())


def test_nobody_is_found_as_nothing_of_the_right_shape(make: Make) -> None:
    for none in make(1.0).detect(pictures()[:1]):
        assert len(none) == 0
        assert none.boxes.shape == (0, 4)
        assert none.landmarks.shape == (0, 5, 2)
        assert none.scores.shape == (0,)
    assert make(0.5).detect([]) == []


def test_the_best_comes_first(found: list[Faces], name: str) -> None:
    assert max(map(len, found)) > 1
    for faces in found:
        assert (np.diff(faces.scores) <= 0).all()
        assert (faces.scores >= THRESHOLDS[name]).all()
        assert (faces.scores <= 1).all()


def test_boxes_lie_in_their_own_picture(found: list[Faces]) -> None:
    for image, faces in zip(pictures(), found, strict=True):
        for array in (faces.boxes, faces.landmarks, faces.scores):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()
        if len(faces) == 0:
            continue
        height, width = image.shape[:2]
        x0, y0, x1, y1 = faces.boxes.T
        assert ((x0 < x1) & (y0 < y1)).all()
        assert ((x0 < width) & (y0 < height) & (x1 > 0) & (y1 > 0)).all()
        assert faces.boxes.max() > 1  # pixels, not shares of the picture


def test_pictures_of_unlike_sizes_in_one_call_are_looked_at_as_alone(
    detector: Detector, found: list[Faces]
) -> None:
    for image, faces in zip(pictures(), found, strict=True):
        (alone,) = detector.detect([image])
        assert len(faces) == len(alone)
        np.testing.assert_allclose(faces.scores, alone.scores, atol=1e-5)
        if len(faces) == 0:
            continue
        # Faces of equal score may come in another order.
        rows, others = (
            np.concatenate([f.boxes, f.landmarks.reshape(-1, 10)], axis=1) for f in (faces, alone)
        )
        apart = np.abs(rows[:, None] - others).max(axis=2)
        assert apart.min(axis=0).max() < 1e-3 and apart.min(axis=1).max() < 1e-3


def test_the_same_picture_gives_the_same_faces_and_is_left_as_it_is(
    detector: Detector, found: list[Faces]
) -> None:
    given = pictures()
    for one, other in zip(detector.detect(given), found, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        np.testing.assert_array_equal(one.scores, other.scores)
    for image, untouched in zip(given, pictures(), strict=True):
        np.testing.assert_array_equal(image, untouched)
