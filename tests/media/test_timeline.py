"""Timeline, segments and orientation: plain arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from videnhance.media.info import upright_affine
from videnhance.media.timeline import Timeline, segments_of

FULL = 65536


@pytest.mark.parametrize("frames", [1, 5, 10, 14, 15, 16, 29, 30, 31, 1000])
def test_segments_cover_every_frame_once(frames: int) -> None:
    segments = segments_of(0, frames, 10)
    assert [k for s in segments for k in range(s.start, s.stop)] == list(range(frames))
    assert [s.index for s in segments] == list(range(len(segments)))
    assert all(len(s) >= 5 for s in segments) or len(segments) == 1


@pytest.mark.parametrize(
    ("start", "stop", "borders"),
    [
        (0, 30, [0, 10, 20, 30]),
        (0, 34, [0, 10, 20, 34]),
        (0, 35, [0, 10, 20, 30, 35]),
        (5, 35, [5, 10, 20, 30, 35]),
        (6, 34, [6, 20, 34]),
        (20, 40, [20, 30, 40]),
        (3, 8, [3, 8]),
        (8, 12, [8, 12]),
        (8, 16, [8, 16]),
        (4, 12, [4, 12]),
        (17, 18, [17, 18]),
    ],
)
def test_the_segments_of_a_range_lie_on_the_borders_of_the_whole(
    start: int, stop: int, borders: list[int]
) -> None:
    segments = segments_of(start, stop, 10)
    assert [s.start for s in segments] == borders[:-1]
    assert [s.stop for s in segments] == borders[1:]
    assert [s.index for s in segments] == list(range(len(segments)))


def test_timeline_durations_and_keyframes() -> None:
    timeline = Timeline(Fraction(1, 100), (0, 4, 9, 30), (0, 2), 7)
    assert [timeline.duration_of(k) for k in range(4)] == [4, 5, 21, 7]
    assert [timeline.keyframe_before(k) for k in range(4)] == [0, 0, 2, 2]
    assert timeline.seconds(3) == pytest.approx(0.3)


def test_seconds_count_from_the_first_frame() -> None:
    timeline = Timeline(Fraction(1, 100), (250, 254, 300), (0,), 7)
    assert [timeline.seconds(k) for k in range(3)] == pytest.approx([0.0, 0.04, 0.5])


def test_a_part_of_a_timeline() -> None:
    timeline = Timeline(Fraction(1, 100), (10, 14, 19, 40, 45), (0, 2, 4), 7)
    assert timeline.part(1, 4) == Timeline(Fraction(1, 100), (14, 19, 40), (1,), 5)
    assert timeline.part(3, 5) == Timeline(Fraction(1, 100), (40, 45), (1,), 7)
    assert timeline.part(3, 4) == Timeline(Fraction(1, 100), (40,), (0,), 5)
    assert timeline.part(0, 5) == timeline


# (a, b, c, d) of the display matrix and what it makes of a 2 x 3 picture [[1, 2], [3, 4], [5, 6]].
ORIENTATIONS = [
    ((FULL, 0, 0, FULL), [[1, 2], [3, 4], [5, 6]]),
    ((0, FULL, -FULL, 0), [[5, 3, 1], [6, 4, 2]]),  # 90 degrees clockwise
    ((-FULL, 0, 0, -FULL), [[6, 5], [4, 3], [2, 1]]),
    ((0, -FULL, FULL, 0), [[2, 4, 6], [1, 3, 5]]),  # 90 degrees counter-clockwise
    ((-FULL, 0, 0, FULL), [[2, 1], [4, 3], [6, 5]]),
    ((FULL, 0, 0, -FULL), [[5, 6], [3, 4], [1, 2]]),
    ((0, FULL, FULL, 0), [[1, 3, 5], [2, 4, 6]]),
    ((0, -FULL, -FULL, 0), [[6, 4, 2], [5, 3, 1]]),
]


@pytest.mark.parametrize(("linear", "shown"), ORIENTATIONS)
def test_all_eight_orientations(linear: tuple[int, int, int, int], shown: list[list[int]]) -> None:
    a, b, c, d = linear
    affine, (width, height) = upright_affine(2, 3, (a, b, 0, c, d, 0, 0, 0, 1 << 30), Fraction(1))
    picture = np.array([[1, 2], [3, 4], [5, 6]])
    upright = np.zeros((height, width), int)
    for y in range(3):
        for x in range(2):
            u, v = affine @ [x + 0.5, y + 0.5, 1.0]
            upright[int(v), int(u)] = picture[y, x]
    assert upright.tolist() == shown


def test_wide_pixels_make_a_wider_picture() -> None:
    affine, size = upright_affine(720, 576, None, Fraction(16, 11))
    assert size == (1047, 576)
    np.testing.assert_allclose(affine @ [720, 576, 1], [720 * 16 / 11, 576])


def test_a_matrix_of_zeros_is_ignored() -> None:
    _, size = upright_affine(64, 48, (0,) * 9, Fraction(1))
    assert size == (64, 48)
