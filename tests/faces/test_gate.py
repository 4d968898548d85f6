"""The gate: rigid heads projected here, edges blurred by known amounts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from videnhance.errors import UsageError
from videnhance.faces.alignment import TEMPLATE, fit_poses
from videnhance.faces.gate import (
    RADIUS,
    UNLIMITED,
    Verdict,
    frames_around,
    judge,
    landmark_misfit,
    turned_away,
)
from videnhance.faces.tracklets import Tracklet
from videnhance.faces.visibility import Visible
from videnhance.imaging.frames import FloatArray
from videnhance.imaging.sharpness import sharpness
from videnhance.settings.groups import GateLimits

EYES = float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
LIMITS = GateLimits()


def head(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, eyes: float = 40.0) -> np.ndarray:
    """(1, 5, 2): the template with a nose, turned by degrees, seen from afar."""
    points = np.column_stack([TEMPLATE - TEMPLATE.mean(axis=0), np.zeros(5)]) / EYES * eyes
    points[2, 2] = 0.45 * eyes
    x, y, z = np.radians([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray((points @ (about_z @ about_x @ about_y).T)[None, :, :2] + [200.0, 150.0])


def tracklet(
    landmarks: np.ndarray | None = None, scores: np.ndarray | None = None, start: int = 100
) -> Tracklet:
    """Twenty frames of a face, sharp of score unless told otherwise."""
    points = np.repeat(head(), 20, axis=0) if landmarks is None else landmarks
    known = np.full(len(points), 0.9) if scores is None else scores
    return Tracklet(3, start, fit_poses(points), points, known, False, False)


def verdict(landmarks: np.ndarray) -> Verdict:
    return judge(tracklet(np.repeat(landmarks, 20, axis=0)), 110, (), LIMITS)


@pytest.mark.parametrize(
    ("yaw", "pitch"), [(0, 0), (30, 0), (-50, 0), (0, 25), (0, -40), (30, -20)]
)
@pytest.mark.parametrize("roll", [0, 70])
def test_turned_away_is_the_angle_of_a_rigid_head(yaw: float, pitch: float, roll: float) -> None:
    expected = np.degrees(np.arccos(np.cos(np.radians(yaw)) * np.cos(np.radians(pitch))))
    for eyes in (9.0, 90.0):
        assert turned_away(head(yaw, pitch, roll, eyes))[0] == pytest.approx(expected, abs=0.2)


def test_eyes_and_mouth_on_one_line_are_turned_away() -> None:
    flat = np.column_stack([np.arange(5.0), np.zeros(5)])[None]
    assert turned_away(flat)[0] == 90.0


def test_no_pose_is_a_misfit_but_a_landmark_out_of_place_is() -> None:
    assert landmark_misfit(head(40, -20, 15))[0] < 1e-9
    for eyes in (10.0, 80.0):
        moved = head(eyes=eyes)
        moved[0, 4] += [0.0, 0.5 * eyes]
        # A change d of the quadrilateral of eyes and mouth, which an affine map cannot follow, is
        # shared by four points: d / 2 of it is left, over the root of five.
        assert landmark_misfit(moved)[0] == pytest.approx(0.25 / np.sqrt(5), rel=0.12)


def test_frontal_faces_of_16_pixels_pass_and_of_8_are_skipped() -> None:
    assert verdict(head(eyes=16.01)) == Verdict(1.0, None)
    assert verdict(head(eyes=7.99)) == Verdict(0.0, "small")
    half = verdict(head(eyes=12.0))
    assert half.strength == pytest.approx(0.5, abs=0.01)
    assert half.reason == "small"


def test_turned_faces_are_held_back() -> None:
    assert verdict(head(yaw=40)) == Verdict(1.0, None)
    assert verdict(head(yaw=-66)) == Verdict(0.0, "turned away")
    assert verdict(head(pitch=55)).reason == "turned away"
    assert verdict(head(roll=80)) == Verdict(1.0, None)


def test_landmarks_that_fit_no_face_are_hidden() -> None:
    moved = head()
    moved[0, 3] += [25.0, -20.0]
    assert verdict(moved).reason == "hidden"


def test_low_scores_are_uncertain_and_gaps_are_filled_in() -> None:
    scores = np.full(20, np.nan)
    scores[[0, 19]] = 0.9
    assert judge(tracklet(scores=scores), 110, (), LIMITS) == Verdict(1.0, None)
    scores[[0, 19]] = 0.4
    half = judge(tracklet(scores=scores), 110, (), LIMITS)
    assert half.strength == pytest.approx(0.5)
    assert half.reason == "uncertain"
    never = tracklet(scores=np.full(20, np.nan))
    assert judge(never, 110, (), LIMITS) == Verdict(1.0, None)


def test_blur_counts_where_it_is_given() -> None:
    count = len(frames_around(tracklet(), 110))
    assert judge(tracklet(), 110, [0.5] * count, LIMITS) == Verdict(1.0, None)
    assert judge(tracklet(), 110, [0.2] * count, LIMITS) == Verdict(0.0, "blurred")
    assert judge(tracklet(), 110, [0.31] * count, LIMITS).strength == pytest.approx(0.5, abs=0.01)


def test_the_worst_measure_names_the_reason() -> None:
    small = np.repeat(head(eyes=13.0), 20, axis=0)
    worse, better = np.full(20, 0.35), np.full(20, 0.48)
    assert judge(tracklet(small, worse), 110, (), LIMITS).reason == "uncertain"
    assert judge(tracklet(small, better), 110, (), LIMITS).reason == "small"


def test_strength_moves_slowly_and_to_both_sides_alike() -> None:
    scores = np.where(np.arange(20) < 10, 0.9, 0.2)
    track = tracklet(scores=scores)
    strengths = [judge(track, k, (), LIMITS).strength for k in range(100, 120)]
    assert strengths[0] == 1.0
    assert strengths[-1] == 0.0
    assert max(np.abs(np.diff(strengths))) <= 0.21
    mirrored = tracklet(scores=scores[::-1].copy())
    back = [judge(mirrored, k, (), LIMITS).strength for k in range(119, 99, -1)]
    np.testing.assert_allclose(strengths, back)


def test_only_a_fixed_window_around_a_frame_counts() -> None:
    track = tracklet()
    assert frames_around(track, 110) == range(110 - RADIUS, 110 + RADIUS + 1)
    assert frames_around(track, 101) == range(100, 101 + RADIUS + 1)
    assert frames_around(track, 119) == range(119 - RADIUS, 120)
    scores = np.full(20, 0.2)
    scores[10 - RADIUS : 10 + RADIUS + 1] = 0.9
    assert judge(tracklet(scores=scores), 110, (), LIMITS) == Verdict(1.0, None)


def test_limits_can_be_set_and_taken_away() -> None:
    tiny = tracklet(np.repeat(head(eyes=5.0), 20, axis=0))
    assert judge(tiny, 110, (), GateLimits(eyes=None)) == Verdict(1.0, None)
    assert judge(tiny, 110, (), GateLimits(eyes=(2.0, 4.0))) == Verdict(1.0, None)
    for limits in ({"eyes": (16.0, 8.0)}, {"turned": (30.0, 60.0)}, {"score": (0.5, np.nan)}):
        with pytest.raises(UsageError, match=next(iter(limits))):
            GateLimits(**limits)


def shown(inside: float, covered: float) -> Visible:
    return Visible(100, np.full(20, inside), np.full(20, covered))


def test_who_can_hardly_be_seen_is_left_alone_by_every_restorer() -> None:
    for limits in (LIMITS, UNLIMITED):
        assert judge(tracklet(), 110, (), limits, shown(1.0, 0.0)) == Verdict(1.0, None)
        assert judge(tracklet(), 110, (), limits, shown(0.85, 0.24)) == Verdict(1.0, None)
        hidden = judge(tracklet(), 110, (), limits, shown(0.95, 0.7))
        assert hidden == Verdict(0.0, "hidden")
        outside = judge(tracklet(), 110, (), limits, shown(0.25, 0.05))
        assert outside == Verdict(0.0, "outside the picture")
        half = judge(tracklet(), 110, (), limits, shown(1.0, 0.5))
        assert half.strength == pytest.approx(0.5)
        assert half.reason == "hidden"


def test_a_restorer_that_invents_nothing_is_held_back_by_nothing_else() -> None:
    worst = tracklet(np.repeat(head(yaw=80, eyes=3.0), 20, axis=0), np.full(20, 0.1))
    assert judge(worst, 110, (), UNLIMITED, shown(1.0, 0.0)) == Verdict(1.0, None)


def test_who_passes_behind_another_fades_out_and_in() -> None:
    covered = np.where(np.abs(np.arange(20) - 10) < 3, 0.9, 0.0)
    seen = Visible(100, np.ones(20), covered)
    strengths = [judge(tracklet(), k, (), UNLIMITED, seen).strength for k in range(100, 120)]
    assert strengths[0] == strengths[-1] == 1.0
    assert strengths[10] < 0.3
    assert max(np.abs(np.diff(strengths))) <= 0.21


@pytest.mark.parametrize("shake", [1e-6, 1e-3])
def test_what_is_told_hangs_on_no_last_digit(shake: float) -> None:
    """Scores on the very limits, and two measures that leave the same."""
    rng = np.random.default_rng(4)
    for score, expected in ((0.3, "left"), (0.5, "whole"), (0.9, "whole")):
        for _ in range(50):
            scores = score + rng.uniform(-shake, shake, 20)
            found = judge(tracklet(scores=scores), 110, (), LIMITS)
            told = {0.0: "left", 1.0: "whole"}.get(found.strength, "lowered")
            assert told == expected
    even = np.repeat(head(eyes=12.0), 20, axis=0)
    for _ in range(50):
        scores = 0.4 * (1 + rng.uniform(-1e-6, 1e-6, 20))
        assert judge(tracklet(even, scores), 110, (), LIMITS).reason == "small"


def edges(blur: float, side: int = 512) -> FloatArray:
    """Steps on a crop, blurred by sigma in pixels of a crop of 64, drawn at 512."""
    image = np.full((512, 512), 0.3, np.float32)
    image[:, 256:] = 0.8
    soft = cv2.GaussianBlur(image, (0, 0), blur * 8) if blur else image
    small = cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(np.repeat(small[..., None], 3, axis=2), np.float32)


@pytest.mark.parametrize("blur", [2.0, 3.0, 4.0])
def test_sharpness_is_one_over_the_blur_of_an_edge(blur: float) -> None:
    # The strongest 8 % of pixels are the step's middle and some of its flanks.
    assert 1.0 / sharpness(edges(blur, 256), 1.0) == pytest.approx(blur, rel=0.2)


def test_sharpness_does_not_depend_on_size_contrast_or_enlargement() -> None:
    here = sharpness(edges(2.5), 0.5)
    assert sharpness(edges(2.5, 128), 1.0) == pytest.approx(here, rel=0.03)
    assert sharpness(edges(2.5, 512) * 0.3 + 0.4, 0.5) == pytest.approx(here, rel=0.03)
    enlarged = cv2.resize(edges(2.5, 64), (256, 256), interpolation=cv2.INTER_CUBIC)
    assert sharpness(enlarged, 4.0) == pytest.approx(here, rel=0.06)


def test_being_small_is_not_being_blurred() -> None:
    """A face of 32 source pixels a side, its edges 2 of these wide, enlarged eight times."""
    tiny = cv2.resize(edges(4.0, 32), (256, 256), interpolation=cv2.INTER_CUBIC)
    assert sharpness(tiny, 8.0) == pytest.approx(1.0 / 2.0, rel=0.2)


def test_noise_hardly_makes_a_large_blurred_face_sharp() -> None:
    noise = np.random.default_rng(1).normal(0.0, 10.0 / 255.0, (256, 256, 3)).astype(np.float32)
    blurred = edges(4.0, 256)
    assert sharpness(blurred + noise, 1.0) < 1.2 * sharpness(blurred, 1.0)


def test_a_flat_crop_is_not_sharp() -> None:
    assert sharpness(np.full((256, 256, 3), 0.5, np.float32), 1.0) == 0.0
