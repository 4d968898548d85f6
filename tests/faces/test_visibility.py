"""How much of a face is seen: faces made of numbers, half outside or one over another."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.faces.alignment import TEMPLATE, fit_poses
from videnhance.faces.tracklets import Tracklet
from videnhance.faces.visibility import Visible, seen_at_once, visible_in

PICTURE = (400, 300)


def track(
    number: int, x: float, y: float, side: float, start: int = 0, count: int = 1, turn: float = 0.0
) -> Tracklet:
    """A face whose crop's middle lies at (x, y), in `count` frames."""
    points = (TEMPLATE - 0.5) * side
    c, s = np.cos(turn), np.sin(turn)
    landmarks = np.repeat((points @ np.array([[c, s], [-s, c]]) + [x, y])[None], count, axis=0)
    scores = np.full(count, 0.9)
    return Tracklet(number, start, fit_poses(landmarks), landmarks, scores, False, False)


def seen(*tracks: Tracklet, frames: range = range(1)) -> dict[int, Visible]:
    return visible_in(frames, tracks, tracks, PICTURE)


def test_a_face_amid_the_picture_is_seen_wholly() -> None:
    found = seen(track(1, 200, 150, 100))[1]
    assert found.inside[0] == pytest.approx(1.0)
    assert found.covered[0] == 0.0


@pytest.mark.parametrize("turn", [0.0, 0.6, -2.0])
@pytest.mark.parametrize(("x", "y"), [(0.0, 150.0), (400.0, 150.0), (200.0, -2.0), (200.0, 298.0)])
def test_of_a_face_on_the_edge_of_the_picture_half_is_inside(
    x: float, y: float, turn: float
) -> None:
    # The ellipse lies 2 % of the side under the middle of the crop, when upright.
    assert seen(track(1, x, y, 100, turn=turn))[1].inside[0] == pytest.approx(0.5, abs=0.05)


def test_a_face_beyond_the_edge_is_not_seen_and_nothing_leaps_on_the_way() -> None:
    shares = [seen(track(1, x, 150, 100))[1].inside[0] for x in np.arange(-60.0, 61.0, 1.0)]
    assert shares[0] == 0.0
    assert shares[-1] == pytest.approx(1.0)
    assert min(np.diff(shares)) >= 0 and max(np.diff(shares)) < 0.03


def test_the_larger_face_hides_the_smaller() -> None:
    near, far = track(1, 200, 150, 150), track(2, 215, 140, 90)
    found = seen(near, far)
    assert found[1].covered[0] == 0.0
    assert found[2].covered[0] > 0.95
    assert found[2].inside[0] == pytest.approx(1.0)


def test_a_face_behind_another_s_ear_is_hidden_in_part() -> None:
    # Their ellipses are 63 and 38 across to each side.
    shares = [
        seen(track(1, 200, 150, 150), track(2, 200 + x, 150, 90))[2].covered[0]
        for x in np.arange(0.0, 110.0, 2.0)
    ]
    assert shares[0] > 0.99
    assert shares[-1] == 0.0
    assert max(np.diff(shares)) <= 0
    assert min(np.diff(shares)) > -0.06


def test_faces_of_one_frame_are_seen_as_those_of_tracks_are() -> None:
    tracks = [track(1, 200, 150, 150), track(2, 230, 140, 90), track(3, 395, 100, 80)]
    shares = seen_at_once(np.concatenate([t.poses for t in tracks]), PICTURE)
    found = seen(*tracks)
    np.testing.assert_allclose(shares, [found[t.id].shares[0] for t in tracks], rtol=1e-12)
    assert 0.0 < shares[1] < 0.9 and 0.3 < shares[2] < 0.9
    assert seen_at_once(np.empty((0, 4)), PICTURE).shape == (0,)


def test_faces_of_one_size_hide_nothing_of_each_other() -> None:
    found = seen(track(1, 200, 150, 100), track(2, 230, 150, 100))
    assert found[1].covered[0] == found[2].covered[0] == 0.0
    slightly = [
        seen(track(1, 200, 150, s), track(2, 200, 150, 100))[2].covered[0]
        for s in np.arange(98.0, 120.0)
    ]
    assert slightly[0] == 0.0
    assert slightly[-1] > 0.95
    assert max(np.diff(slightly)) < 0.1


def test_two_in_front_hide_no_place_twice() -> None:
    one = track(3, 200, 150, 90)
    twice = seen(track(1, 200, 150, 150), track(2, 200, 150, 150), one)[3]
    assert twice.covered[0] == pytest.approx(seen(track(1, 200, 150, 150), one)[3].covered[0])
    assert twice.covered[0] <= 1.0 + 1e-9


def test_only_frames_that_both_have_count_and_only_those_asked_for() -> None:
    far, near = track(1, 200, 150, 90, start=2, count=6), track(2, 200, 150, 150, start=5, count=9)
    found = seen(far, near, frames=range(1, 7))
    assert (found[1].start, len(found[1].inside)) == (2, 5)
    np.testing.assert_allclose(found[1].covered > 0.9, [False, False, False, True, True])
    inside, covered = found[1].of(range(4, 6))
    np.testing.assert_array_equal(inside, found[1].inside[2:4])
    np.testing.assert_array_equal(covered, found[1].covered[2:4])
    assert seen(far, frames=range(20, 30)) == {}


def test_who_is_not_worked_on_may_stand_in_front() -> None:
    far, near = track(1, 200, 150, 90), track(2, 200, 150, 150)
    found = visible_in(range(1), [far], [far, near], PICTURE)
    assert list(found) == [1]
    assert found[1].covered[0] > 0.95
