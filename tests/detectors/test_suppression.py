"""One face of many candidates: the average of those that score nearly as well."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.detectors.suppression import faces_of, overlaps, suppress

Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]


def candidates(*each: tuple[float, float, float, float]) -> Candidates:
    """Boxes of a side at (x, y), with a score; their landmarks all lie in the middle."""
    x, y, side, scores = np.array(each, np.float32).T
    boxes = np.stack([x, y, x + side, y + side], axis=1)
    middle = np.stack([x + side / 2, y + side / 2], axis=1)
    return boxes, np.repeat(middle[:, None], 5, axis=1), scores.copy()


def test_overlap_is_intersection_over_union() -> None:
    boxes, _, _ = candidates((0, 0, 10, 1), (5, 0, 10, 1), (20, 0, 10, 1))
    np.testing.assert_allclose(overlaps(boxes[0], boxes), [1.0, 1 / 3, 0.0])
    empty = np.zeros((1, 4))
    np.testing.assert_array_equal(overlaps(empty[0], empty), [0.0])


def test_a_face_is_the_mean_of_what_scores_nearly_as_well() -> None:
    alike = candidates((0, 0, 100, 0.9), (4, 0, 100, 0.9), (8, 0, 100, 0.85), (9, 9, 100, 0.6))
    found = faces_of(*alike, 0.3)
    np.testing.assert_allclose(found.boxes, [[2, 0, 102, 100]], atol=1e-4)
    np.testing.assert_allclose(found.landmarks[0], np.tile([52, 50], (5, 1)), atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.9])
    strict = faces_of(*alike, 0.3, 0.0)
    np.testing.assert_array_equal(strict.boxes, [[0, 0, 100, 100]])


def test_the_face_beside_it_has_no_part_in_it() -> None:
    """Two faces that overlap by a quarter of their union."""
    found = faces_of(*candidates((0, 0, 100, 0.9), (60, 0, 100, 0.9)), 0.3)
    np.testing.assert_allclose(found.boxes[:, 0], [0, 60])


@pytest.mark.parametrize("amount", [1e-6, 1e-3])
def test_shaken_scores_move_no_face(amount: float) -> None:
    """Relative and absolute shakes of candidates that score alike, of which one was the best."""
    rng = np.random.default_rng(1)
    cells = [(x, y, 60.0, 0.9) for y in range(0, 12, 4) for x in range(0, 12, 4)]
    far = [(300.0 + x, 0.0, 60.0, 0.9) for x in range(0, 12, 4)]
    boxes, landmarks, scores = candidates(*cells, *far)
    plain = faces_of(boxes, landmarks, scores, 0.3)
    assert len(plain) == 2
    place = np.argsort(plain.boxes[:, 0])
    for _ in range(50):
        shaken = scores + rng.uniform(-amount, amount, len(scores)).astype(np.float32)
        found = faces_of(boxes, landmarks, shaken, 0.3)
        found = found[np.argsort(found.boxes[:, 0])]
        # A part of NEARLY by which a weight changes moves the mean by as much of the spread.
        moved = found.landmarks - plain.landmarks[place]
        assert np.abs(moved).max() < 300 * amount + 1e-4
        np.testing.assert_allclose(found.scores, plain.scores[place], atol=2 * amount)


def test_of_faces_alike_the_first_place_comes_first() -> None:
    rng = np.random.default_rng(2)
    # Each hides its neighbour: which stay depends on who is taken first.
    row = [(30.0 * k, 0.0, 60.0, 0.8) for k in range(5)]
    boxes, _, scores = candidates(*row)
    for _ in range(50):
        shaken = scores + rng.uniform(-1e-3, 1e-3, len(scores))
        np.testing.assert_array_equal(suppress(boxes, shaken, 0.3), [0, 2, 4])
    assert list(suppress(boxes, np.array([0.5, 0.9, 0.5, 0.6, 0.5]), 0.3)) == [1, 3]


def test_a_face_is_not_drawn_to_a_better_one_beside_it() -> None:
    """The better face has a candidate that overlaps the other by more than half."""
    found = faces_of(
        *candidates((0, 0, 100, 0.95), (25, 0, 100, 0.93), (60, 0, 100, 0.8), (61, 0, 100, 0.8)),
        0.3,
    )
    np.testing.assert_allclose(found.scores, [0.95, 0.8])
    np.testing.assert_allclose(found.boxes[1, 0], 60.5, atol=1e-3)


def test_a_box_without_area_stands_for_itself() -> None:
    found = faces_of(*candidates((5, 5, 0, 0.9)), 0.3)
    np.testing.assert_array_equal(found.boxes, [[5, 5, 5, 5]])


def test_nothing_is_no_face() -> None:
    none = faces_of(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0), 0.3)
    assert none.boxes.shape == (0, 4)
    assert none.landmarks.shape == (0, 5, 2)
    assert none.scores.dtype == np.float32
