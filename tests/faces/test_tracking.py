"""Tracks of faces made of moving points, where the truth is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from videnhance.faces.alignment import TEMPLATE, eye_distance
from videnhance.faces.tracking import track
from videnhance.faces.tracklets import Faces, Tracklet
from videnhance.settings.groups import TrackSettings

Vector = npt.NDArray[np.float64]
SETTINGS = TrackSettings(max_gap=0.5, min_eyes=10.0, smoothness=0.1)


def face(x: float, y: float, side: float, angle: float = 0.0, score: float = 0.9) -> Faces:
    """A face whose template centroid lies at (x, y)."""
    turn = side * np.exp(1j * angle)
    unit = (TEMPLATE - TEMPLATE.mean(axis=0)) @ np.array([1, 1j])
    z = turn * unit + complex(x, y)
    landmarks = np.stack([z.real, z.imag], axis=-1)
    middle, half = np.array([x, y]), np.array([0.25, 0.33]) * side
    box = np.concatenate([middle - half, middle + half])
    return Faces(
        box[None].astype(np.float32),
        landmarks[None].astype(np.float32),
        np.array([score], np.float32),
    )


def together(*faces: Faces) -> Faces:
    return Faces(
        np.concatenate([f.boxes for f in faces]),
        np.concatenate([f.landmarks for f in faces]),
        np.concatenate([f.scores for f in faces]),
    )


def seconds(n: int, rate: float = 30.0) -> Vector:
    return np.arange(n) / rate


def walk(
    times: Vector,
    position: Callable[[float], tuple[float, float]],
    side: float = 100.0,
    every: int = 1,
) -> dict[int, Faces]:
    return {k: face(*position(times[k]), side) for k in range(0, len(times), every)}


def test_one_moving_face_is_one_track_where_it_is() -> None:
    times = seconds(61)
    found = track(times, walk(times, lambda t: (100 + 80 * t, 200), every=3), (), SETTINGS)
    assert [(t.id, t.start, t.stop) for t in found] == [(1, 0, 61)]
    (one,) = found
    truth = np.stack([100 + 80 * times, np.full(61, 200.0)], axis=1)
    np.testing.assert_allclose(one.poses[:, :2], truth, atol=0.1)
    np.testing.assert_allclose(np.exp(one.poses[:, 2]), 100.0, rtol=1e-3)
    np.testing.assert_allclose(one.landmarks.mean(axis=1), truth, atol=0.1)
    np.testing.assert_array_equal(np.flatnonzero(one.observed), np.arange(0, 61, 3))
    assert one.opens_shot
    assert one.closes_shot


def test_nothing_found_is_no_track() -> None:
    assert track(seconds(5), {0: Faces.none(), 3: Faces.none()}, (), SETTINGS) == ()
    assert track(seconds(5), {}, (), SETTINGS) == ()


def test_a_single_frame_with_a_face_is_a_track_of_one_frame() -> None:
    (one,) = track(seconds(1), {0: face(50, 50, 100)}, (), SETTINGS)
    assert (one.start, one.stop, one.opens_shot, one.closes_shot) == (0, 1, True, True)
    np.testing.assert_allclose(one.poses[0], [50, 50, np.log(100), 0], atol=1e-5)


@pytest.mark.parametrize(("times_seen", "tracks"), [(1, 0), (2, 0), (3, 1)])
def test_a_face_seen_once_or_twice_in_a_long_shot_is_a_false_alarm(
    times_seen: int, tracks: int
) -> None:
    looks = {k: Faces.none() for k in range(0, 60, 3)}
    for k in range(30, 30 + 3 * times_seen, 3):
        looks[k] = face(50, 50, 100)
    assert len(track(seconds(60), looks, (), SETTINGS)) == tracks


def test_a_short_shot_needs_no_more_detections_than_it_had_looks() -> None:
    looks = {0: Faces.none(), 10: face(50, 50, 100), 13: face(50, 50, 100), 14: Faces.none()}
    (one,) = track(seconds(20), looks, (10, 14), SETTINGS)
    assert (one.start, one.stop, one.opens_shot, one.closes_shot) == (10, 14, True, True)


@pytest.mark.parametrize("merged", [False, True])
def test_faces_that_cross_keep_who_they_are(merged: bool) -> None:
    times = seconds(61)
    looks = {}
    for k in range(0, 61, 3):
        a, b = 100 + 200 * times[k], 500 - 200 * times[k]
        left, right = face(a, 200, 100), face(b, 210, 100)
        # Where they overlap the detector's suppression leaves one of them.
        hidden = merged and abs(a - b) < 30
        looks[k] = left if hidden else together(right, left)
    first, second = track(times, looks, (), SETTINGS)
    assert (len(first), len(second)) == (61, 61)
    np.testing.assert_allclose(first.poses[:, 0], 100 + 200 * times, atol=6)
    np.testing.assert_allclose(second.poses[:, 0], 500 - 200 * times, atol=6)


def test_neighbours_of_different_size_are_not_mixed_up() -> None:
    times = seconds(31)
    looks = {k: together(face(200, 200, 300), face(270 + 2 * k, 200, 60)) for k in range(0, 31, 3)}
    big, small = track(times, looks, (), SETTINGS)
    assert np.exp(big.poses[:, 2]) == pytest.approx(300, rel=0.01)
    assert np.exp(small.poses[:, 2]) == pytest.approx(60, rel=0.01)


def test_a_gap_is_bridged_up_to_max_gap_in_seconds_not_frames() -> None:
    # The same ten missing frames: 0.37 s at 30 frames a second, 1.1 s at 10.
    for rate, tracks in ((30.0, 1), (10.0, 2)):
        times = seconds(41, rate)
        looks = walk(times, lambda t: (100 + 60 * t, 200))
        for k in range(15, 25):
            looks[k] = Faces.none()
        found = track(times, looks, (), SETTINGS)
        assert len(found) == tracks
        if tracks == 1:
            assert not found[0].observed[15:25].any()
            np.testing.assert_allclose(found[0].poses[:, 0], 100 + 60 * times, atol=0.5)
        else:
            assert [(t.start, t.stop) for t in found] == [(0, 15), (25, 41)]
            assert not found[0].closes_shot
            assert not found[1].opens_shot


@pytest.mark.parametrize(("jump", "tracks"), [(20.0, 1), (300.0, 2)])
def test_a_face_far_from_where_one_was_is_another(jump: float, tracks: int) -> None:
    looks = {k: face(100 if k < 15 else 100 + jump, 200, 100) for k in range(30)}
    assert len(track(seconds(30), looks, (), SETTINGS)) == tracks


def test_a_face_that_turns_up_elsewhere_does_not_take_over_one_that_is_missing() -> None:
    looks = {k: face(100, 200, 100) for k in range(30)}
    for k in range(12, 18):
        looks[k] = face(400, 200, 100)
    assert [len(t) for t in track(seconds(30), looks, (), SETTINGS)] == [30, 6]


def test_long_waiting_does_not_widen_the_gate_without_end() -> None:
    # 0.43 s later, one and a half box widths off: somebody else.
    looks = {k: face(100 if k < 15 else 186, 200, 100) for k in range(40) if k < 15 or k > 27}
    assert len(track(seconds(40), looks, (), SETTINGS)) == 2


def test_a_face_that_went_and_one_that_came_do_not_disturb_a_third() -> None:
    # All three paired at the least cost, gate aside, the large face would get the newcomer.
    looks = {}
    for k in range(30):
        other = face(100, 300, 60) if k < 15 else face(1000, 300, 60)
        looks[k] = together(face(400, 300, 300), other)
    found = sorted(track(seconds(30), looks, (), SETTINGS), key=len)
    assert [len(t) for t in found] == [15, 15, 30]
    assert found[-1].observed.all()


def test_slow_video_is_followed_from_look_to_look() -> None:
    times = seconds(6, 1.0)
    (one,) = track(times, walk(times, lambda t: (100 + 5 * t, 200)), (), SETTINGS)
    assert len(one) == 6


def test_uneven_times_are_taken_as_they_are() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.005, 0.08, 80))
    (one,) = track(
        times, walk(times, lambda t: (100 + 90 * t, 300 - 30 * t), every=4), (), SETTINGS
    )
    np.testing.assert_allclose(one.poses[:, 0], 100 + 90 * times[: len(one)], atol=0.2)


def test_a_cut_ends_every_track() -> None:
    times = seconds(40)
    found = track(times, walk(times, lambda t: (100, 100)), (20,), SETTINGS)
    assert [(t.id, t.start, t.stop, t.opens_shot, t.closes_shot) for t in found] == [
        (1, 0, 20, True, True),
        (2, 20, 40, True, True),
    ]


def test_numbers_run_by_first_frame_then_left_to_right() -> None:
    looks = {k: together(face(500, 100, 100), face(100, 100, 100)) for k in range(0, 30)}
    for k in range(10, 30):
        looks[k] = together(looks[k], face(20, 400, 100))
    found = track(seconds(30), looks, (), SETTINGS)
    assert [t.id for t in found] == [1, 2, 3]
    assert [t.start for t in found] == [0, 0, 10]
    assert [round(float(t.poses[0, 0])) for t in found] == [100, 500, 20]


def test_min_eyes_is_in_pixels_and_does_not_flicker() -> None:
    per_side = float(eye_distance(np.zeros((1, 4)))[0])

    def found(eyes: Callable[[int], float]) -> tuple[Tracklet, ...]:
        looks = {k: face(100, 100, eyes(k) / per_side) for k in range(30)}
        return track(seconds(30), looks, (), SETTINGS)

    assert len(found(lambda k: 9.5)) == 0
    assert len(found(lambda k: 10.5)) == 1
    hovering = found(lambda k: 10.5 if k % 2 else 9.5)
    assert [len(t) for t in hovering] == [30]


def test_angles_pass_half_a_turn_unwrapped() -> None:
    times = seconds(60)
    looks = {k: face(200, 200, 100, angle=2.5 + 1.2 * times[k]) for k in range(0, 60, 3)}
    (one,) = track(times, looks, (), SETTINGS)
    turns = one.poses[:, 3] - one.poses[0, 3]
    np.testing.assert_allclose(turns, 1.2 * times[: len(one)], atol=0.01)


def test_jitter_falls_to_a_tenth_and_an_expression_stays() -> None:
    times = seconds(121)
    rng = np.random.default_rng(0)
    looks = {}
    for k in range(121):
        one = face(300 + 5 * np.sin(times[k]), 200, 200)
        smile = np.zeros((5, 2), np.float32)
        smile[3:, 0] = [-8, 8]
        noisy = one.landmarks + smile + rng.normal(size=(1, 5, 2)).astype(np.float32) * 0.5
        looks[k] = Faces(one.boxes, noisy, one.scores)
    (found,) = track(times, looks, (), SETTINGS)
    raw = np.array([looks[k].landmarks[0] for k in range(121)])
    jitter = np.diff(found.landmarks, 2, axis=0).std() / np.diff(raw, 2, axis=0).std()
    assert jitter < 0.1
    assert np.linalg.norm(found.landmarks - raw, axis=-1).mean() < 1.0


def shaken(looks: dict[int, Faces], rng: np.random.Generator, share: float, part: float) -> Any:
    """The same detections with other last digits of their scores, or more than those."""
    found = {}
    for k, faces in looks.items():
        size = len(faces)
        scores = faces.scores * (1 + rng.uniform(-share, share, size)) + rng.uniform(
            -part, part, size
        )
        found[k] = Faces(faces.boxes, faces.landmarks, scores.astype(np.float32))
    return found


def moved(looks: dict[int, Faces], rng: np.random.Generator, pixels: float) -> dict[int, Faces]:
    """The same detections, each a little elsewhere, and in any order."""
    found = {}
    for k, faces in looks.items():
        off = rng.uniform(-pixels, pixels, (len(faces), 1, 2)).astype(np.float32)
        boxes = faces.boxes + np.tile(off[:, 0], 2)
        found[k] = Faces(boxes, faces.landmarks + off, faces.scores)[rng.permutation(len(faces))]
    return found


def level(count: int = 30) -> dict[int, Faces]:
    """A crowd of faces alike: two stacked over each other, three in a row, all from frame 0 on."""
    places = [(100, 100), (100, 300), (300, 200), (500, 200), (700, 200)]
    return {k: together(*(face(x, y, 100) for x, y in places)) for k in range(count)}


@pytest.mark.parametrize(("share", "part"), [(1e-6, 0.0), (0.0, 1e-3)])
def test_tracks_and_ids_do_not_hang_on_the_digits_of_scores(share: float, part: float) -> None:
    rng = np.random.default_rng(1)
    plain = track(seconds(30), level(), (), SETTINGS)
    assert [t.id for t in plain] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose([t.poses[0, 1] for t in plain], [100, 300, 200, 200, 200], atol=0.1)
    for _ in range(5):
        found = track(seconds(30), shaken(level(), rng, share, part), (), SETTINGS)
        for one, other in zip(plain, found, strict=True):
            assert (one.id, one.start, one.stop) == (other.id, other.start, other.stop)
            np.testing.assert_array_equal(one.poses, other.poses)


def test_ids_do_not_hang_on_the_digits_of_places_nor_on_the_order_of_detections() -> None:
    rng = np.random.default_rng(2)
    plain = track(seconds(30), level(), (), SETTINGS)
    for _ in range(10):
        found = track(seconds(30), moved(level(), rng, 1e-3), (), SETTINGS)
        for one, other in zip(plain, found, strict=True):
            assert (one.id, one.start, one.stop) == (other.id, other.start, other.stop)
            np.testing.assert_allclose(one.poses, other.poses, atol=0.01)


@pytest.mark.parametrize(
    "after",
    [
        ((130, 200), (160, 200)),  # in a line: both by 30, or one by 60 and the other not at all
        ((115, 226), (115, 174)),  # the other diagonal of a square: as far either way
    ],
)
def test_of_two_pairings_that_cost_the_same_it_is_always_one(after: Any) -> None:
    rng = np.random.default_rng(3)
    times = seconds(9)
    kinds = set()
    for _ in range(20):
        looks = {k: together(face(100, 200, 100), face(130, 200, 100)) for k in range(4)}
        looks |= {k: together(*(face(x, y, 100) for x, y in after)) for k in range(4, 9)}
        looks = moved(looks, rng, 1e-3)
        found = track(times, looks, (), SETTINGS)
        assert [len(t) for t in found] == [9, 9]
        kinds.add(
            tuple(tuple(int(v) for v in np.rint(t.landmarks[-1].mean(0) / 10)) for t in found)
        )
    assert len(kinds) == 1


def test_a_face_of_just_the_least_size_counts() -> None:
    per_side = float(eye_distance(np.zeros((1, 4)))[0])
    for size in (10.0, 10.0 * (1 - 1e-6), 10.0 * (1 + 1e-6)):
        looks = {k: face(100, 100, size / per_side) for k in range(30)}
        assert len(track(seconds(30), looks, (), SETTINGS)) == 1


def seen(faces: Faces, *persons: int) -> Faces:
    """With thumbnails of these persons."""
    small = [
        np.random.default_rng(p).integers(40, 200, (4, 4)).repeat(4, 0).repeat(4, 1)
        for p in persons
    ]
    return replace(faces, thumbnails=np.array(small, np.uint8))


def turns(persons: Sequence[int], apart: float) -> tuple[Vector, dict[int, Faces]]:
    """One face at one place, of these persons in turn, `apart` seconds from one to the next."""
    looks = {k: seen(face(200, 200, 100), person) for k, person in enumerate(persons)}
    return seconds(len(persons), 1 / apart), looks


def test_people_who_take_turns_at_one_place_are_not_one() -> None:
    times, looks = turns([1, 1, 1, 2, 2, 2, 2, 1], 60.0)
    found = track(times, looks, (), SETTINGS)
    assert [(t.id, t.start, t.stop) for t in found] == [(1, 0, 3), (2, 3, 7), (3, 7, 8)]
    # Nothing to ease in from, or out to: the frames beside show another minute.
    assert all(t.opens_shot and t.closes_shot for t in found)


def test_in_a_time_lapse_one_sighting_is_enough() -> None:
    times, looks = turns([1, 2, 1, 2], 60.0)
    assert [len(t) for t in track(times, looks, (), SETTINGS)] == [1, 1, 1, 1]
    # As a frame of a video it is a false alarm.
    times, looks = turns([1, 2, 1, 2], 0.1)
    assert [len(t) for t in track(times, looks, (), SETTINGS)] == [4]


def test_in_a_video_place_joins_whatever_it_looks_like() -> None:
    times, looks = turns([1, 1, 1, 2, 2, 2], 0.3)
    assert [len(t) for t in track(times, looks, (), SETTINGS)] == [6]
    times, looks = turns([1, 1, 1, 2, 2, 2], 0.31)
    assert [len(t) for t in track(times, looks, (), SETTINGS)] == [3, 3]


def test_where_thumbnails_are_not_known_place_joins() -> None:
    times, looks = turns([1, 2, 1, 2], 60.0)
    blind = {k: replace(faces, thumbnails=None) for k, faces in looks.items()}
    assert [len(t) for t in track(times, blind, (), SETTINGS)] == [4]


def test_two_who_change_places_in_a_time_lapse_go_with_their_thumbnails() -> None:
    times = seconds(6, 1 / 60)
    left, right = face(200, 200, 100), face(260, 200, 100)
    looks = {k: seen(together(left, right), *((1, 2) if k < 3 else (2, 1))) for k in range(6)}
    found = track(times, looks, (), SETTINGS)
    assert [len(t) for t in found] == [6, 6]
    assert found[0].poses[0, 0] < found[0].poses[-1, 0]


def test_the_arguments_are_left_as_they_were() -> None:
    times = seconds(10)
    looks = walk(times, lambda t: (100, 100))
    before = {k: f.landmarks.copy() for k, f in looks.items()}
    first = track(times, looks, (), SETTINGS)
    second = track(times, looks, (), SETTINGS)
    for k, landmarks in before.items():
        np.testing.assert_array_equal(looks[k].landmarks, landmarks)
    np.testing.assert_array_equal(first[0].poses, second[0].poses)
    assert first[0].id == second[0].id == 1


def test_what_tracking_computes_with_is_imported_when_it_is_needed() -> None:
    """It takes half a second, which can pass beside detection (`prepare`)."""
    script = (
        "import sys, videnhance.job.run\nfrom videnhance.faces.tracking import prepare\n"
        "def there(): print(*(name in sys.modules for name in ('scipy', 'filterpy')))\n"
        "there(); prepare(); there()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "True", "True"], done.stderr
