"""The rule by which times are repaired (media/repair/timing.py), each case worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from videnhance.media.repair.timing import repaired

RUN = tuple(range(0, 800, 40))


@pytest.mark.parametrize(
    ("times", "expected", "spread"),
    [
        ((0, 40, 41, 90, 5000), (0, 40, 41, 90, 5000), ()),  # a gap is no fault
        ((-80, -40, 0), (-80, -40, 0), ()),
        ((0, 40, 80, 80, 160), (0, 40, 80, 120, 160), (3,)),
        ((0, None, None, 120, 160), (0, 40, 80, 120, 160), (1, 2)),
        ((None, None, 80, 120), (0, 40, 80, 120), (0, 1)),
        ((0, 40, 80, None, None), (0, 40, 80, 120, 160), (3, 4)),
        ((0, 40, 9999, 120, 160), (0, 40, 80, 120, 160), (2,)),  # a stray
        ((9999, 40, 80, 120), (0, 40, 80, 120), (0,)),
        # A frame too late by three; a few that jump, which are more than those they jump over.
        ((0, 40, 200, 120, 160, 200, 240), (0, 40, 80, 120, 160, 200, 240), (2,)),
        ((160, 40, 80, 120, 160), (0, 40, 80, 120, 160), (0,)),
        ((0, 40, 400, 440, 480, 80, 520), (0, 40, 400, 440, 480, 500, 520), (5,)),
        ((None, 0, 40, 80), (-40, 0, 40, 80), (0,)),
        # What repeats the last time kept, or the one in question, can be kept in no case.
        ((0, 40, 80, 40, 80, 120), (0, 40, 80, 93, 107, 120), (3, 4)),
        ((0, 40, 120, 80, 120, 160), (0, 40, 60, 80, 120, 160), (2,)),
        ((0, 40, 80, 10, 160), (0, 40, 80, 120, 160), (3,)),
        ((0, 40, 40), (0, 40, 80), (2,)),
        ((0, 1, 1, 2, 3), (0, 1, 2, 3, 4), (2, 3, 4)),  # no tick is free between 1 and 2
        ((None, None, None), (0, 25, 50), (0, 1, 2)),
        ((7,), (7,), ()),
        # As MPEG-PS has it: a time for every third frame, those after the last one as far apart.
        (
            (0, None, None, 120, None, None, 240, None, None),
            tuple(range(0, 360, 40)),
            (1, 2, 4, 5, 7, 8),
        ),
    ],
)
def test_the_rule(
    times: Sequence[int | None], expected: tuple[int, ...], spread: tuple[int, ...]
) -> None:
    found = repaired(times, range(len(times)), 25)
    assert found.pts == expected
    assert found.spread == spread
    assert found.set_back == ()
    assert not found.sorted


def test_a_clock_that_is_set_back_goes_on() -> None:
    found = repaired((5000, 5040, 5080, *RUN), range(3 + len(RUN)), 25)
    assert found.pts == (5000, 5040, 5080, *(5120 + t for t in RUN))
    assert found.set_back == (3,)
    assert found.spread == ()


def test_frames_without_times_have_their_place_where_a_clock_is_set_back() -> None:
    times = (5000, None, None, 5120, None, None, *RUN)
    found = repaired(times, range(len(times)), 25)
    assert found.pts == (*range(5000, 5240, 40), *(5240 + t for t in RUN))
    assert found.set_back == (6,)


def test_sixteen_frames_tell_a_clock_that_is_set_back() -> None:
    # The sixteenth after the fall is not later than the last before it; then, it is.
    falling = tuple(range(0, 840, 40))
    assert repaired((600, 640, *falling), range(23), 40).set_back == (2,)
    assert repaired((590, 630, *falling), range(23), 40).set_back == ()


def test_times_of_storing_are_sorted() -> None:
    # As AVI stores I P B B P B B: times rise with the packets, frames are shown in another order.
    found = repaired((1, 3, 4, 2, 6, 7, 5), (0, 2, 3, 1, 5, 6, 4), 1)
    assert found.pts == (1, 2, 3, 4, 5, 6, 7)
    assert found.sorted
    assert found.spread == ()
    # The same order with times as shown needs nothing.
    assert not repaired((1, 2, 3, 4, 5, 6, 7), (0, 2, 3, 1, 5, 6, 4), 1).sorted


def test_any_times_become_rising_and_good_ones_stay() -> None:
    random = np.random.default_rng(5)
    for _ in range(200):
        own = np.cumsum(random.integers(1, 60, 40)).tolist()
        broken: list[int | None] = list(own)
        for k in random.choice(40, random.integers(0, 3), replace=False):
            broken[k] = int(random.integers(0, 3000)) if random.random() < 0.5 else None
        found = repaired(broken, range(40), 30)
        assert all(a < b for a, b in pairwise(found.pts))
        if not found.set_back:
            same = [k for k in range(40) if k not in found.spread]
            assert [found.pts[k] for k in same] == [broken[k] for k in same]
        if broken == own:
            assert found.pts == tuple(own)
