"""Choosing moments: what makes a face score more, and which spans follow from the scores."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from videnhance.faces.alignment import TEMPLATE
from videnhance.imaging.affine import place
from videnhance.imaging.frames import FloatArray, Frame
from videnhance.media.reading.decoding import layout_of
from videnhance.media.timeline import Timeline
from videnhance.show.moments import (
    LOOKS,
    best_moments,
    best_span,
    face_scores,
    frame_value,
    frames_to_look_at,
    frontalness,
    rows_seen,
    runs,
    seen_scores,
    sharpness,
    span_around,
)

EVERY_SECOND = Timeline(Fraction(1, 10), tuple(range(0, 1000, 10)), (0,), 10)
"""100 frames, one a second."""


def detailed(size: int = 96) -> FloatArray:
    """A crop with light from one side and dark strokes the width of brows and lips."""
    rows, columns = np.mgrid[:size, :size] * (96 / size)
    strokes = (np.abs((rows % 12) - 6) < 1.5) & (np.abs((columns % 18) - 9) < 6)
    gray = (np.where(strokes, 0.6, 0.8) - 0.005 * columns).astype(np.float32)
    return np.repeat(gray[..., None], 3, axis=2)


def blurred(crop: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.float32)


def noisy(crop: FloatArray, levels: float) -> FloatArray:
    noise = np.random.default_rng(3).normal(0, levels / 255, crop.shape)
    return (crop + noise).astype(np.float32)


def test_a_sharper_face_scores_more_than_a_blurred_one() -> None:
    measured = [sharpness(blurred(detailed(), sigma)) for sigma in (0.5, 1.0, 2.0, 4.0)]
    assert measured == sorted(measured, reverse=True)
    assert measured[0] > 3 * measured[-1]


def test_noise_is_not_taken_for_detail() -> None:
    sharp = sharpness(detailed())
    assert sharpness(noisy(blurred(detailed(), 4.0), 20)) < sharp / 2
    assert sharpness(noisy(detailed(), 10)) == pytest.approx(sharp, rel=0.1)
    flat = np.full((96, 96, 3), 0.5, np.float32)
    assert sharpness(flat) == 0
    assert sharpness(noisy(flat, 5)) < sharp / 2


def test_light_and_contrast_do_not_count() -> None:
    dark = detailed() * np.float32(0.5) + np.float32(0.1)
    # Not wholly: at low contrast the floor under it begins to tell.
    assert sharpness(dark) == pytest.approx(sharpness(detailed()), rel=0.2)


def turned(yaw: float, roll: float = 0.0, scale: float = 100.0) -> np.ndarray:
    """The landmarks of a head turned aside by `yaw`: the nose tip stands 0.45 eye distances out."""
    points = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.6, 0.45], [-0.4, 1.1, 0], [0.4, 1.1, 0]])
    x = points[:, 0] * np.cos(yaw) + points[:, 2] * np.sin(yaw)
    flat = np.stack([x, points[:, 1]], axis=1) * scale
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return np.asarray(flat @ turn.T + np.array([500, 300]))


@pytest.mark.parametrize("yaw", [0.0, 0.3, -0.3, 0.8, 1.2])
@pytest.mark.parametrize(("roll", "scale"), [(0.0, 100.0), (0.7, 100.0), (-2.0, 8.0)])
def test_frontalness_is_the_squared_cosine_of_the_angle(
    yaw: float, roll: float, scale: float
) -> None:
    assert frontalness(turned(yaw, roll, scale)[None])[0] == pytest.approx(np.cos(yaw) ** 2)


def test_frontalness_of_landmarks_that_are_no_face() -> None:
    assert frontalness(np.zeros((1, 5, 2)))[0] == 0
    assert frontalness(np.empty((0, 5, 2))).shape == (0,)


def test_larger_surer_and_more_frontal_faces_score_more() -> None:
    whole = np.ones(1)
    usual = face_scores(turned(0.2)[None], np.array([0.8]), whole)[0]
    assert 0 < usual < 1
    assert face_scores(turned(0.2, scale=200)[None], np.array([0.8]), whole)[0] > usual
    assert face_scores(turned(0.2)[None], np.array([0.9]), whole)[0] > usual
    assert face_scores(turned(0.1)[None], np.array([0.8]), whole)[0] > usual


def test_a_whole_face_scores_more_than_a_better_one_that_is_cut_off() -> None:
    whole = face_scores(turned(0.6)[None], np.array([0.6]), np.ones(1))[0]
    for share in (0.9, 0.7, 0.3, 0.0):
        cut = face_scores(turned(0.0)[None], np.array([0.8]), np.array([share]))[0]
        assert cut < whole


def test_the_pixels_count_where_they_are_seen() -> None:
    """Two faces of one frame with the same landmarks but for their place: the sharper wins."""
    crop = (detailed(192)[..., 0] * 255).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(crop, (0, 0), 6))
    layout = layout_of("gray", full_range=True, matrix=1)
    frame = Frame(0, 0, (np.hstack([crop, soft]),), layout)
    left = TEMPLATE * 192
    landmarks = np.stack([left, left + np.array([192, 0])])
    upright = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    sure, whole = np.array([0.9, 0.9]), np.ones(2)
    scores = seen_scores(frame, upright, landmarks, sure, whole)
    assert scores[0] > 1.2 * scores[1]
    # A turned video: the same pixels, seen through its own affine.
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 384.0]])
    again = seen_scores(frame, quarter, place(landmarks, quarter), sure, whole)
    np.testing.assert_allclose(again, scores, rtol=0.02)


def test_one_good_face_is_worth_more_than_two_poor_ones() -> None:
    assert frame_value(np.array([0.8])) > frame_value(np.array([0.4, 0.4]))
    assert frame_value(np.array([0.8, 0.4])) > frame_value(np.array([0.8]))
    assert frame_value(np.empty(0)) == 0


def test_the_span_lies_around_the_best_frame() -> None:
    values = {10: 0.2, 50: 0.9, 80: 0.5}
    assert best_span(EVERY_SECOND, values, 5.0) == (48, 53)


def test_the_span_stays_inside_the_video() -> None:
    assert best_span(EVERY_SECOND, {0: 1.0}, 5.0) == (0, 5)
    assert best_span(EVERY_SECOND, {99: 1.0}, 5.0) == (95, 100)
    assert best_span(EVERY_SECOND, {50: 1.0}, 1000.0) == (0, 100)


def test_a_face_that_stays_beats_one_that_flashes_by() -> None:
    values = dict.fromkeys(range(100), 0.0) | dict.fromkeys(range(60, 70), 0.5) | {20: 0.9}
    start, stop = best_span(EVERY_SECOND, values, 4.0) or (0, 0)
    assert 60 <= start < stop <= 70


def test_no_span_where_there_is_no_face() -> None:
    assert best_span(EVERY_SECOND, {3: 0.0, 60: 0.0}, 4.0) is None
    assert best_span(EVERY_SECOND, {}, 4.0) is None


def test_spans_count_time_not_frames() -> None:
    """Ten frames a second, then one a second."""
    pts = (*range(0, 100, 1), *range(100, 1000, 10))
    timeline = Timeline(Fraction(1, 10), pts, (0,), 10)
    start, stop = span_around(timeline, 50, 4.0)
    assert (timeline.seconds(start), stop - start) == (3.0, 40)
    start, stop = span_around(timeline, 150, 4.0)
    assert stop - start in (4, 5)
    single = Timeline(Fraction(1, 25), (7,), (0,), 1)
    assert span_around(single, 0, 4.0) == (0, 1)
    assert span_around(single, 0, 0.001) == (0, 1)


def test_moments_are_the_best_and_apart() -> None:
    values = {10: 0.9, 11: 0.8, 12: 0.7, 30: 0.6, 50: 0.5, 70: 0.4}
    assert best_moments(EVERY_SECOND, values, 3, 2.0) == (10, 12, 30)
    assert best_moments(EVERY_SECOND, values, 3, 3.0) == (10, 30, 50)
    assert best_moments(EVERY_SECOND, values, 9, 0.0) == (10, 11, 12, 30, 50, 70)
    assert best_moments(EVERY_SECOND, {}, 3, 1.0) == ()


def test_moments_do_not_hang_on_the_last_digits() -> None:
    """Where a processor gives other last digits, equal frames are taken in order of time."""
    rng = np.random.default_rng(3)
    plain = dict.fromkeys(range(0, 60, 3), 0.09) | {50: 0.2}
    expected = (0, 15, 30, 50)
    timeline = Timeline(Fraction(1, 25), tuple(range(60)), (0,), 1)
    assert best_moments(timeline, plain, 4, 0.5) == expected
    for _ in range(20):
        shaken = {k: v * (1 + rng.uniform(-1e-6, 1e-6)) for k, v in plain.items()}
        assert best_moments(timeline, shaken, 4, 0.5) == expected
        shaken = {k: v + rng.uniform(-1e-3, 1e-3) for k, v in plain.items()}
        assert best_moments(timeline, shaken, 4, 0.5) == expected


@pytest.mark.parametrize("shake", [1e-6, 1e-3])
def test_the_span_does_not_hang_on_the_last_digits(shake: float) -> None:
    rng = np.random.default_rng(4)
    plain = dict.fromkeys(range(100), 0.05) | dict.fromkeys(range(40, 50), 0.3)
    plain |= dict.fromkeys(range(70, 80), 0.3)
    expected = best_span(EVERY_SECOND, plain, 4.0)
    assert expected is not None and expected[0] >= 40 and expected[1] <= 50
    for _ in range(20):
        scores = {k: v * (1 + rng.uniform(-shake, shake)) for k, v in plain.items()}
        assert best_span(EVERY_SECOND, scores, 4.0) == expected


def test_looks_are_chosen_in_whole_numbers() -> None:
    timeline = Timeline(Fraction(1, 25), tuple(range(700)), tuple(range(0, 700, 10)), 1)
    found = frames_to_look_at(timeline, 1)
    # The 31 steps of 69 keyframes are never halves; each is the nearest.
    assert found == tuple(10 * round(k * 69 / 31) for k in range(32))
    single = Timeline(Fraction(1, 25), tuple(range(49)), (0,), 1)
    assert frames_to_look_at(single, 1) == tuple(k * 49 // 32 for k in range(32))


def test_rows_without_a_detection_are_left_out_unless_there_is_none() -> None:
    nan = float("nan")
    np.testing.assert_array_equal(rows_seen([nan, 0.5, nan]), [False, True, False])
    np.testing.assert_array_equal(rows_seen([nan, nan]), [True, True])


def test_keyframes_are_looked_at_where_there_are_enough() -> None:
    timeline = Timeline(Fraction(1, 25), tuple(range(18000)), tuple(range(0, 18000, 250)), 1)
    looks = frames_to_look_at(timeline, 1280 * 720)
    assert len(looks) == LOOKS
    assert set(looks) <= set(timeline.keyframes)
    assert looks[0] == 0
    assert looks[-1] == 17750
    assert runs(timeline, looks) == [(k,) for k in looks]


@pytest.mark.parametrize("pixels", [640 * 360, 1280 * 720, 3840 * 2160])
def test_a_long_video_with_one_keyframe_is_not_decoded_whole(pixels: int) -> None:
    timeline = Timeline(Fraction(1, 25), tuple(range(18000)), (0,), 1)
    looks = frames_to_look_at(timeline, pixels)
    assert len(looks) == LOOKS
    assert looks[-1] * pixels <= 1500 * 1280 * 720
    assert runs(timeline, looks) == [looks]


def test_a_short_video_is_looked_at_from_end_to_end() -> None:
    timeline = Timeline(Fraction(1, 25), tuple(range(300)), (0, 250), 1)
    looks = frames_to_look_at(timeline, 1280 * 720)
    assert {0, 250} <= set(looks)
    assert looks == tuple(sorted(set(looks)))
    assert max(np.diff(looks)) <= 16
    assert len(runs(timeline, looks)) == 2
    assert frames_to_look_at(Timeline(Fraction(1, 25), (0,), (0,), 1), 100) == (0,)
