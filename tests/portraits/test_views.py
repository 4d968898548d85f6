"""Which frames of a track make a portrait."""

from __future__ import annotations

import numpy as np

from videnhance.faces.alignment import TEMPLATE
from videnhance.portraits.views import features, views


def turned(aside: float, *, mouth: float = 0.0, side: float = 100.0, at: float = 0.0) -> np.ndarray:
    """A face whose nose stands aside by so many distances between the eyes."""
    points = TEMPLATE * side + at
    eyes = np.hypot(*(points[1] - points[0]))
    points = points.copy()
    points[2, 0] += aside * eyes
    points[3:, 1] += mouth * eyes
    return np.asarray(points)


def test_features_do_not_depend_on_place_size_or_tilt() -> None:
    turn = np.array([[0.9, -0.4], [0.4, 0.9]])
    same = np.stack([turned(0.1), turned(0.1, side=37, at=11), turned(0.1) @ turn.T])

    found = features(same)

    assert np.allclose(found, found[0])


def test_a_head_that_turns_all_the_time_has_a_view_of_some_frames_only() -> None:
    landmarks = np.stack([turned(aside) for aside in np.linspace(-0.5, 0.5, 41)])

    (view,) = views(landmarks, np.full(41, 100.0), np.ones(41), 1, 200)

    nose = np.linspace(-0.5, 0.5, 41)
    assert 5 <= len(view.rows) < 15
    assert abs(nose[list(view.rows)] - nose[view.reference]).max() <= 0.12 + 1e-9


def test_two_views_share_no_frame_and_the_better_comes_first() -> None:
    landmarks = np.stack([turned(0.0)] * 12 + [turned(0.4)] * 6)
    worth = np.array([1.0] * 12 + [0.9] * 6)

    first, second = views(landmarks, np.full(18, 100.0), worth, 2, 200)

    assert first.rows == tuple(range(12))
    assert second.rows == tuple(range(12, 18))


def test_an_open_mouth_is_another_view() -> None:
    landmarks = np.stack([turned(0.0)] * 6 + [turned(0.0, mouth=0.3)] * 4)

    (view,) = views(landmarks, np.full(10, 100.0), np.ones(10), 1, 200)

    assert view.rows == tuple(range(6))


def test_much_smaller_faces_are_left_out() -> None:
    sides = np.array([100.0] * 5 + [50.0] * 5)
    landmarks = np.stack([turned(0.0, side=side) for side in sides])
    worth = np.array([1.0] * 5 + [0.5] * 5)

    (view,) = views(landmarks, sides, worth, 1, 200)

    assert view.rows == (0, 1, 2, 3, 4)


def test_of_too_many_frames_the_best_are_taken_with_the_reference_among_them() -> None:
    landmarks = np.stack([turned(0.0)] * 30)
    worth = np.linspace(0.5, 1.0, 30)

    (view,) = views(landmarks, np.full(30, 100.0), worth, 1, 10)

    assert view.reference in view.rows
    assert 10 <= len(view.rows) <= 11
    assert min(view.rows) >= 19


def test_frames_of_no_worth_are_never_used() -> None:
    landmarks = np.stack([turned(0.0)] * 6)

    (view,) = views(landmarks, np.full(6, 100.0), np.array([0, 1, 1, 0, 1, 1.0]), 1, 200)

    assert view.rows == (1, 2, 4, 5)
    assert views(landmarks, np.full(6, 100.0), np.zeros(6), 1, 200) == []
