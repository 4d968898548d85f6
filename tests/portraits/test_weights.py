"""How much samples count: less where a frame shows something else, more in keyframes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.making.seen import SIDE, patch, truth, walking
from videnhance.portraits.noise import left_by_coding
from videnhance.portraits.patches import Patch
from videnhance.portraits.weights import Weighed, Weigher


def weighed(chief: Patch, one: Patch, *, keys: bool = True) -> Weighed:
    return Weigher(chief, SIDE, 5.0, keys).weigh(one)


def hand(one: Patch) -> Patch:
    """The patch with a hand before a corner of the face: bright, with fingers."""
    plane = np.array(one.frame.planes[0])
    plane[16:34, 16:36] = 200
    plane[16:34, 16:36:5] = 140
    return replace(one, frame=replace(one.frame, planes=(plane,)))


def test_what_is_before_the_face_does_not_count_and_the_rest_of_the_frame_does() -> None:
    picture = truth()
    chief, one = patch(picture, 0, (0.0, 0.0)), patch(picture, 1, (0.3, 0.2))

    _, _, plain = weighed(chief, one).planes[0]
    _, _, found = weighed(chief, hand(one)).planes[0]

    assert found[20:31, 20:32].max() < 0.1 * np.median(plain)
    assert np.median(found[44:60, 44:60]) > 0.8 * np.median(plain[44:60, 44:60])


@pytest.mark.parametrize(("keys", "more"), [(True, 1.4), (False, 1.0)])
def test_a_keyframe_counts_more_where_there_are_others(keys: bool, more: float) -> None:
    chief, one = walking(truth(), 2)

    _, _, plain = weighed(chief, one, keys=keys).planes[0]
    _, _, found = weighed(chief, replace(one, key=True), keys=keys).planes[0]

    assert np.allclose(found, more * plain)


def test_coding_leaves_no_more_than_the_detail_there_was() -> None:
    flat = np.full((40, 40), 90, np.float32)
    busy = np.random.default_rng(1).normal(90, 60, (40, 40)).astype(np.float32)

    assert left_by_coding(flat, 30.0) < 0.1
    assert 25 < left_by_coding(busy, 30.0) < 30
    assert left_by_coding(busy, 0.0) == 0
