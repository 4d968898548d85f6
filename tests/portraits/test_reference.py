"""A portrait is held to its reference: what that frame shows beyond noise is given back."""

from __future__ import annotations

import cv2
import numpy as np

from tests.making.seen import SIDE, patch, truth
from videnhance.imaging.frames import FloatArray
from videnhance.portraits.accumulation import Placed, placed
from videnhance.portraits.patches import Patch
from videnhance.portraits.reference import held_to, significant
from videnhance.portraits.registration import Registered
from videnhance.portraits.superres import aperture

NOISE = 4.0
RESPONSE = aperture(4.0, 1.4), aperture(4.0, 1.4)


def seen(one: Patch) -> Placed:
    unmoved = np.zeros((SIDE, SIDE, 2), np.float32)
    registered = Registered(one.from_square, unmoved, np.ones((SIDE, SIDE), np.float32), 1.0, 0.0)
    return placed(one, registered, 0, SIDE)


def enlarged(one: Patch) -> FloatArray:
    plane = np.asarray(one.frame.planes[0], np.float32)[16:-16, 16:-16]
    return np.asarray(cv2.resize(plane, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC))


def test_noise_is_not_given_back() -> None:
    noise = np.random.default_rng(1).normal(0, 2, (96, 96)).astype(np.float32)

    kept = significant(noise, NOISE)

    assert kept.var() < 0.15 * noise.var()


def test_what_is_more_than_noise_is_kept_nearly_whole() -> None:
    rng = np.random.default_rng(1)
    mouth = np.zeros((96, 96), np.float32)
    mouth[50:60, 40:60] = -40

    kept = significant(mouth + rng.normal(0, 2, mouth.shape).astype(np.float32), NOISE)

    assert abs(kept - mouth)[48:62, 38:62].mean() < 3
    assert abs(kept)[:30].mean() < 0.7


def test_a_mouth_that_only_the_reference_opens_is_open_in_its_portrait() -> None:
    picture = truth()
    reference = patch(picture, 0, (0.0, 0.0), noise=2.0)
    plane = np.asarray(reference.frame.planes[0]).view(np.uint8)
    others = enlarged(reference)  # what the majority would show
    plane[36:44, 34:46] = 30

    held = held_to(others, reference, 0, seen(reference), NOISE, RESPONSE, SIDE)

    mouth = (slice(22 * 4, 26 * 4), slice(20 * 4, 28 * 4))
    assert abs(others[mouth].mean() - 30) > 40
    assert abs(held[mouth].mean() - 30) < 8
    away = (slice(0, 16 * 4), slice(0, 48 * 4))
    # Bicubic enlargement is blurred by the camera a second time, so a little is given back there.
    assert abs(held - others)[away].mean() < 1.5
