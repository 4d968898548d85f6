"""Tiny pictures of faces: what changes them, and what does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from videnhance.faces.alignment import TEMPLATE, fit_poses
from videnhance.faces.likeness import (
    AGREEMENT,
    SIDE,
    SLIGHT,
    STAYS,
    SURELY,
    agreement,
    apart,
    needed,
    thumbnails_of,
)

Picture = np.ndarray


def texture(seed: int, side: int = 96) -> Picture:
    """(side, side, 3) uint8: blotches of a few cells, another for each seed."""
    coarse = np.random.default_rng(seed).uniform(40, 200, (6, 6)).astype(np.float32)
    fine = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(fine, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def thumbnail(picture: Picture) -> np.ndarray:
    return thumbnails_of(picture, fit_poses(TEMPLATE[None] * len(picture)))


def test_a_look_is_the_face_s_luma_wherever_it_lies() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[50:146, 120:216] = texture(1)
    found = thumbnails_of(picture, fit_poses(TEMPLATE[None] * 96 + [120, 50]))
    assert found.shape == (1, SIDE, SIDE)
    assert found.dtype == np.uint8
    small = cv2.resize(texture(1), (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., 0]
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(found[0].astype(float) - small)[inner].max() < 10
    assert thumbnails_of(picture, np.empty((0, 4))).shape == (0, SIDE, SIDE)


def test_light_contrast_and_noise_do_not_make_another_person() -> None:
    here = texture(1)
    dark = (here * 0.4 + 10).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, here.shape)
    noisy = np.clip(here + noise, 0, 255).astype(np.uint8)
    for other in (here, dark, noisy):
        assert agreement(thumbnail(here), thumbnail(other))[0, 0] > 0.95


def test_other_faces_do_not_agree() -> None:
    thumbnails = np.concatenate([thumbnail(texture(k)) for k in range(8)])
    found = agreement(thumbnails, thumbnails)
    np.testing.assert_allclose(np.diag(found), 1.0, atol=1e-9)
    assert found[~np.eye(8, dtype=bool)].max() < AGREEMENT


def test_what_is_flat_tells_nothing() -> None:
    flat, other = np.full((96, 96, 3), 90, np.uint8), np.full((96, 96, 3), 60, np.uint8)
    assert agreement(thumbnail(flat), thumbnail(other))[0, 0] == pytest.approx(1.0)
    assert agreement(thumbnail(flat), thumbnail(texture(1)))[0, 0] < SLIGHT


def test_more_is_asked_for_the_longer_it_is() -> None:
    assert not apart(STAYS)
    assert not apart(0.1 + 0.2)
    assert apart(0.31)
    assert needed(STAYS) == pytest.approx(SLIGHT)
    assert needed(SURELY) == needed(60.0) == pytest.approx(AGREEMENT)
    assert SLIGHT < needed(1.0) < AGREEMENT
