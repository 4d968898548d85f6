"""Matching colours: exact where a closed form is, and harmless where there is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from videnhance.imaging.color_match import chroma_spread, is_grey, match_color
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray

SIDE = 256


def coloured(seed: int) -> FloatArray:
    """Broad random shapes whose three channels go their own ways."""
    rng = np.random.default_rng(seed)
    grain = rng.standard_normal((SIDE, SIDE, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 20.0)
    mix = np.array([[1.0, 0.3, 0.1], [0.6, 0.8, 0.2], [0.4, 0.2, 0.7]], np.float32)
    return np.asarray(0.5 + 0.12 * (soft / soft.std()) @ mix.T, np.float32)


def grey(seed: int) -> FloatArray:
    return np.ascontiguousarray(np.repeat(coloured(seed)[..., :1], 3, axis=2))


def fine(seed: int, strength: float) -> FloatArray:
    """Detail without broad shapes."""
    grain = np.random.default_rng(seed).standard_normal((SIDE, SIDE, 1)).astype(np.float32)
    detail = grain - cv2.GaussianBlur(grain, (0, 0), 2.0)[..., None]
    return np.asarray(detail * np.float32(strength), np.float32)


def cells(image: FloatArray) -> np.ndarray:
    return np.asarray(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).reshape(-1, 3))


def test_a_symmetric_change_of_colours_is_undone() -> None:
    """The Monge-Kantorovich map is the only symmetric positive one between two covariances."""
    source = coloured(1)
    change = np.array([[1.2, 0.1, -0.05], [0.1, 0.9, 0.08], [-0.05, 0.08, 1.1]], np.float32)
    restored = np.asarray(source @ change.T + np.array([0.1, -0.05, 0.02], np.float32), np.float32)
    for mask in (None, ellipse_mask(SIDE)):
        result = match_color(restored, source, mask, grey=False)
        np.testing.assert_allclose(result, source, atol=1.0 / 255.0)


def test_mean_and_covariance_become_the_sources() -> None:
    source, restored = coloured(1), coloured(2) * 0.8 + 0.15
    result = match_color(restored, source, None, grey=False)
    np.testing.assert_allclose(cells(result).mean(axis=0), cells(source).mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(np.cov(cells(result).T), np.cov(cells(source).T), atol=1e-4)


def test_only_what_is_under_the_mask_is_compared() -> None:
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[64:192, 64:192] = 1.0
    source = coloured(1)
    restored = source + np.float32(0.1)
    restored[:48] = (1.0, 0.0, 0.0)
    result = match_color(restored, source, mask, grey=False)
    np.testing.assert_allclose(result[64:192, 64:192], source[64:192, 64:192], atol=0.002)


def test_restored_detail_is_kept() -> None:
    source = coloured(1)
    detail = fine(3, 0.05)
    result = match_color(source + detail + np.float32(0.08), source, None, grey=False)
    np.testing.assert_allclose(result, source + detail, atol=0.01)


@pytest.mark.parametrize("flat", ["source", "restored", "both"])
def test_flat_colours_are_shifted_but_not_stretched(flat: str) -> None:
    even = np.full((SIDE, SIDE, 3), (0.5, 0.4, 0.3), np.float32)
    source = even if flat != "restored" else coloured(1)
    base = even + np.float32(0.1) if flat != "source" else coloured(2)
    noise = fine(4, 0.02)
    quiet = match_color(base, source, None, grey=False)
    noisy = match_color(base + noise, source, None, grey=False)
    assert float((noisy - quiet).std()) <= 2.05 * float(noise.std())
    np.testing.assert_allclose(quiet.mean(axis=(0, 1)), source.mean(axis=(0, 1)), atol=0.002)


def test_flat_noise_is_left_as_it_is() -> None:
    even = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    noise = np.random.default_rng(5).normal(0.0, 0.01, even.shape).astype(np.float32)
    result = match_color(even + noise, even, None, grey=False)
    np.testing.assert_allclose(result - even, noise, atol=0.003)


def test_a_grey_source_stays_exactly_grey() -> None:
    source = grey(1)
    result = match_color(coloured(2) + fine(3, 0.05), source, ellipse_mask(SIDE), grey=True)
    assert np.abs(result[..., 0] - result[..., 1]).max() < 1e-6
    assert np.abs(result[..., 0] - result[..., 2]).max() < 1e-6
    assert np.abs(result - source).max() > 0.02


def test_a_tint_and_chroma_noise_of_a_grey_source_stay_as_they_are() -> None:
    noise = np.random.default_rng(6).normal(0.0, 0.02, (SIDE, SIDE, 3)).astype(np.float32)
    source = grey(1) + np.array([0.05, -0.02, 0.04], np.float32) + noise
    result = match_color(coloured(2), source, None, grey=True)
    change = result - source
    np.testing.assert_allclose(change[..., 0], change[..., 1], atol=1e-6)
    np.testing.assert_allclose(change[..., 0], change[..., 2], atol=1e-6)


def test_grey_detail_is_the_restorers() -> None:
    source, detail = grey(1), fine(3, 0.05)
    result = match_color(source + detail, source, None, grey=True)
    np.testing.assert_allclose(result, source + detail, atol=0.01)


def test_values_beyond_white_are_kept_and_inputs_left_alone() -> None:
    source, restored = coloured(1) + 0.4, coloured(1) + 0.4
    kept = source.copy(), restored.copy()
    result = match_color(restored, source, None, grey=False)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, source, atol=1e-4)
    assert np.array_equal(kept[0], source)
    assert np.array_equal(kept[1], restored)


def test_colours_spread_and_grey_does_not_for_all_its_noise_and_tint() -> None:
    noise = np.random.default_rng(7).normal(0.0, 0.04, (SIDE, SIDE, 3)).astype(np.float32)
    tinted = grey(1) + np.array([0.1, 0.0, 0.1], np.float32)
    assert chroma_spread(coloured(1)) > 5.0
    assert chroma_spread(grey(1)) < 0.01
    assert is_grey([chroma_spread(tinted + noise)])
    assert not is_grey([chroma_spread(coloured(1) * 0.5)])


def test_the_spread_is_a_standard_deviation_in_8_bit_steps() -> None:
    ycc = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    ycc[: SIDE // 2, :, 1] += 3.0 / 255.0
    ycc[SIDE // 2 :, :, 1] -= 3.0 / 255.0
    ycc[:, : SIDE // 2, 2] += 4.0 / 255.0
    ycc[:, SIDE // 2 :, 2] -= 4.0 / 255.0
    image = np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.float32)
    assert chroma_spread(image) == pytest.approx(5.0, abs=0.01)


def test_the_middle_of_a_track_decides() -> None:
    assert is_grey([0.2, 0.3, 9.0])
    assert not is_grey([0.2, 6.0, 9.0])
    assert not is_grey([])
