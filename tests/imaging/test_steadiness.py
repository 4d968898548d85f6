"""Steady texture, on small truths made here: known pictures, known motion, known noise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest

from videnhance.imaging.frames import FloatArray
from videnhance.imaging.steadiness import RADIUS, prepare
from videnhance.imaging.steadiness import steady as steady_looks

SIDE = 256
INNER = np.s_[24:-24, 24:-24]
SIGMA = 6.0 / 255.0


def steady(
    crops: Sequence[FloatArray], restored: Sequence[FloatArray], centre: int, amount: float
) -> FloatArray:
    return steady_looks(
        [prepare(*pair) for pair in zip(crops, restored, strict=True)], centre, amount
    )


def field(seed: int, sigma: float, channels: int = 3, side: int = SIDE + 64) -> FloatArray:
    """Smooth random texture of standard deviation 1."""
    rng = np.random.default_rng(seed)
    grain = rng.standard_normal((side, side, channels)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), sigma).reshape(side, side, channels)
    return np.asarray(soft / soft.std(), np.float32)


def picture(seed: int, shift: int = 0) -> FloatArray:
    """A textured picture, moved left by whole pixels."""
    mixed = 0.5 + 0.1 * field(seed, 14.0) + 0.05 * field(seed + 1, 3.0)
    return np.ascontiguousarray(mixed[32 : 32 + SIDE, 32 + shift : 32 + shift + SIDE])


def invented(seed: int) -> FloatArray:
    """Luma texture of one frame alone, as a restorer makes it up."""
    return np.asarray(
        np.repeat(field(seed, 1.5, 1, SIDE), 3, axis=2) * np.float32(SIGMA), np.float32
    )


def run(
    crops: Sequence[FloatArray], restored: Sequence[FloatArray], amount: float = 1.0
) -> list[FloatArray]:
    """Every frame steadied within its own window."""
    results = []
    for t in range(len(crops)):
        low, high = max(t - RADIUS, 0), t + RADIUS + 1
        results.append(steady(crops[low:high], restored[low:high], t - low, amount))
    return results


def rms(image: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(image[INNER]))))


def flicker(errors: Sequence[FloatArray], step: int) -> float:
    """Change of the error from frame to frame, along a motion of `step` pixels to the left."""
    changes = [np.roll(after, step, axis=1) - before for before, after in pairwise(errors)]
    return float(np.sqrt(np.mean([rms(change) ** 2 for change in changes])))


@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize("amount", [1.0, 0.5])
def test_independent_texture_flickers_as_the_algebra_has_it(step: int, amount: float) -> None:
    crops = [picture(1, step * t) for t in range(8)]
    restored = [crop + invented(50 + t) for t, crop in enumerate(crops)]
    results = run(crops, restored, amount)

    before = flicker([r - c for r, c in zip(restored, crops, strict=True)][2:6], step)
    after = flicker([r - c for r, c in zip(results, crops, strict=True)][2:6], step)
    expected = np.hypot(1 - amount, amount / (2 * RADIUS + 1))
    assert 0.97 * expected <= after / before <= 1.03 * expected


def test_amount_zero_and_a_crop_alone_are_left_as_they_are() -> None:
    crops = [picture(1, t) for t in range(3)]
    restored = [crop + invented(t) for t, crop in enumerate(crops)]
    assert steady(crops, restored, 1, 0.0) is restored[1]
    assert steady(crops[:1], restored[:1], 0, 1.0) is restored[0]


def test_lasting_texture_stays() -> None:
    """What a restorer adds alike in every frame, moving with the face, is no flicker."""
    lasting = field(7, 1.5) * np.float32(2 * SIGMA)
    crops = [picture(1, 2 * t) for t in range(5)]
    added = [lasting[32 : 32 + SIDE, 32 + 2 * t : 32 + 2 * t + SIDE] for t in range(5)]
    restored = [crop + more for crop, more in zip(crops, added, strict=True)]
    result = steady(crops, restored, 2, 1.0)
    assert rms(result - restored[2]) < 0.12 * rms(added[2])


def test_noise_that_the_restorer_took_away_does_not_come_back() -> None:
    clean = picture(1)
    noise = [field(20 + t, 0.7, side=SIDE) * np.float32(8.0 / 255.0) for t in range(5)]
    result = steady([clean + each for each in noise], [clean] * 5, 2, 1.0)
    assert rms(result - clean) < 0.15 * rms(noise[2])


def edge(place: int, low: float, high: float, sigma: float) -> FloatArray:
    """A vertical edge over a still, textured ground."""
    ground = picture(1) * 0.4 + np.float32(low)
    ground[:, place:] = high
    return np.asarray(cv2.GaussianBlur(ground, (0, 0), sigma), np.float32)


def test_a_moving_edge_is_not_ghosted() -> None:
    places = [100 + 6 * t for t in range(5)]
    crops = [edge(x, 0.1, 0.9, 3.0) for x in places]
    restored = [edge(x, 0.1, 0.9, 0.8) for x in places]
    result = steady(crops, restored, 2, 1.0)
    plain = np.mean(restored, axis=0)
    near = np.s_[24:-24, 90:140]
    worst = float(np.abs(result - restored[2])[near].max())
    assert worst < 0.1
    assert worst < 0.2 * float(np.abs(plain - restored[2])[near].max())


SPOT = np.s_[96:160, 96:160]
WITHIN = np.s_[108:148, 108:148]


def spotted(image: FloatArray, value: float | tuple[float, float, float]) -> FloatArray:
    changed = image.copy()
    changed[SPOT] = value
    return np.asarray(changed, np.float32)


@pytest.mark.parametrize("changed", [2, 1])
def test_a_change_of_the_face_in_one_frame_is_not_smeared(changed: int) -> None:
    """A mouth that opens for one frame: in its own frame it stays, from others it keeps away."""
    crops, restored = [picture(1)] * 5, [picture(1) + invented(3)] * 5
    crops[changed] = spotted(crops[changed], 0.1)
    restored[changed] = spotted(restored[changed], 0.05)
    result = steady(crops, restored, 2, 1.0)
    assert np.abs(result - restored[2])[WITHIN].max() < 0.02


@pytest.mark.parametrize("changed", [2, 1])
def test_a_change_that_only_the_restorer_makes_in_one_frame_is_not_smeared(changed: int) -> None:
    crops, restored = [picture(1)] * 5, [picture(1)] * 5
    stripes = np.sin(np.arange(64, dtype=np.float32) / 1.5)[None, :, None] * np.float32(0.3)
    restored[changed] = restored[changed].copy()
    restored[changed][SPOT] += stripes
    result = steady(crops, restored, 2, 1.0)
    assert np.abs(result - restored[2])[WITHIN].max() < 0.02


def test_another_face_in_all_neighbours_gives_nothing() -> None:
    crops = [picture(5), picture(5), picture(1), picture(9), picture(9)]
    restored = [crop + invented(t) for t, crop in enumerate(crops)]
    result = steady(crops, restored, 2, 1.0)
    assert rms(result - restored[2]) < 0.5 * SIGMA


def test_invented_colour_is_steadied_too() -> None:
    crops = [picture(1)] * 5
    red = np.array([1.0, -0.5, -0.1], np.float32)  # hardly any luma
    noise = [field(30 + t, 4.0, 1, SIDE) * red * np.float32(SIGMA) for t in range(5)]
    restored = [crop + each for crop, each in zip(crops, noise, strict=True)]
    result = steady(crops, restored, 2, 1.0)
    assert rms(result - crops[2]) < 0.6 * rms(noise[2])


def test_light_that_fades_is_followed_at_once() -> None:
    """The window's first frame sees only later ones, which are brighter: it does not brighten."""
    crops = [np.asarray(picture(1) + t / 255.0, np.float32) for t in range(3)]
    restored = [crop + invented(t) for t, crop in enumerate(crops)]
    result = steady(crops, restored, 0, 1.0)
    assert abs(float((result - restored[0])[INNER].mean())) < 0.15 / 255.0


@pytest.mark.parametrize("side", [96, 512])
def test_gives_a_crop_of_the_same_kind_and_leaves_the_window_alone(side: int) -> None:
    crops = [cv2.resize(picture(1, t), (side, side)) * 1.4 - 0.2 for t in range(3)]
    restored = [crop + 0.01 for crop in crops]
    kept = [image.copy() for image in (*crops, *restored)]
    result = steady(crops, restored, 1, 1.0)
    assert result.shape == (side, side, 3)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, restored[1], atol=0.03)
    assert all(np.array_equal(a, b) for a, b in zip(kept, (*crops, *restored), strict=True))
