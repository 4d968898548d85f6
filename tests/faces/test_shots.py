"""Cuts between drawn scenes; light, noise and motion within them are none."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from videnhance.faces.shots import THRESHOLD, difference, is_cut, signature_of
from videnhance.imaging.frames import Frame, PixelLayout

Luma = npt.NDArray[np.float64]


def layout(depth: int = 8) -> PixelLayout:
    name = "yuv420p" if depth == 8 else f"yuv420p{depth}le"
    return PixelLayout(name, "yuv", depth, (1, 1), False, (0.299, 0.114))


def scene(seed: int) -> Luma:
    """A picture (180, 320), 16..235: soft large shapes and some texture."""
    rng = np.random.default_rng(seed)
    shapes = cv2.GaussianBlur(rng.normal(size=(180, 360)), (0, 0), 25)
    texture = cv2.GaussianBlur(rng.normal(size=(180, 360)), (0, 0), 3)
    picture = shapes / shapes.std() * 40 + texture / texture.std() * 10 + 120
    return np.asarray(np.clip(picture, 16, 235), np.float64)


def frame(luma: Luma, depth: int = 8) -> Frame:
    scale = 1 << (depth - 8)
    dtype = np.uint8 if depth == 8 else np.uint16
    plane = np.clip(np.rint(luma * scale), 0, 256 * scale - 1).astype(dtype)
    chroma = np.full((90, 160), 128 * scale, dtype)
    return Frame(0, 0, (plane, chroma, chroma), layout(depth))


def cut(before: Luma, after: Luma) -> bool:
    return is_cut(signature_of(frame(before)), signature_of(frame(after)))


def test_signature_is_small_and_the_same_at_every_depth() -> None:
    signature = signature_of(frame(scene(0)))
    assert signature.shape == (16, 16)
    assert signature.dtype == np.float32
    np.testing.assert_allclose(signature, signature_of(frame(scene(0), 10)), atol=0.6)
    assert difference(signature, signature) == 0.0


def test_the_signature_of_a_large_picture_is_that_of_a_small_one() -> None:
    small = signature_of(frame(scene(3)))
    for times in (2, 5, 6):
        large = np.repeat(np.repeat(scene(3), times, axis=0), times, axis=1)
        assert np.abs(signature_of(frame(large)) - small).max() <= 1.0


@pytest.mark.parametrize("seed", range(20))
def test_another_scene_is_a_cut_both_ways(seed: int) -> None:
    a, b = scene(seed)[:, :320], scene(seed + 100)[:, :320]
    assert cut(a, b)
    assert cut(b, a)


def test_from_and_to_black_is_a_cut_and_black_with_noise_is_none() -> None:
    black = np.full((180, 320), 16.0)
    assert cut(black, scene(0)[:, :320])
    assert cut(scene(0)[:, :320], black)
    assert not cut(black, black)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert not cut(
            black + rng.normal(0, 10, black.shape), black + rng.normal(0, 10, black.shape)
        )


@pytest.mark.parametrize("seed", range(10))
def test_light_noise_and_motion_are_no_cut(seed: int) -> None:
    whole = scene(seed)
    a = whole[:, :320]
    rng = np.random.default_rng(seed)
    assert not cut(a, 16 + (a - 16) * 1.3)
    assert not cut(a, 16 + (a - 16) * 0.7)
    assert not cut(a, a + 30)
    assert not cut(a, a + rng.normal(0, 15, a.shape))
    assert not cut(a, whole[:, 16:336])
    passing = a.copy()
    passing[60:180, 40:90] = 30
    further = a.copy()
    further[60:180, 70:120] = 30
    assert not cut(passing, further)


def test_the_threshold_lies_well_between() -> None:
    whole = [scene(k) for k in range(20)]
    signatures = [signature_of(frame(w[:, :320])) for w in whole]
    cuts = [difference(a, b) for a in signatures for b in signatures if a is not b]
    moved = [
        difference(s, signature_of(frame(w[:, 10:330])))
        for s, w in zip(signatures, whole, strict=True)
    ]
    assert max(moved) < 0.7 * THRESHOLD
    assert np.percentile(cuts, 1) > 1.5 * THRESHOLD
