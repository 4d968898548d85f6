"""The fusing restorer, on small truths made here: a known picture, moved and spoilt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.making.crops import NOISE, SIDE, noisy, textured, window
from videnhance.errors import UsageError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.restorers.fusion import Fusion
from videnhance.restorers.registration import registered


def restored(crops: list[FloatArray], centre: int, zoom: float = 1.0) -> FloatArray:
    return Fusion().restore([window(crops, centre, zoom)])[0]


def psnr(one: FloatArray, other: FloatArray) -> float:
    inner = np.s_[16:-16, 16:-16]
    return float(-10.0 * np.log10(max(np.mean((one[inner] - other[inner]) ** 2), 1e-12)))


@pytest.fixture(scope="module")
def moving() -> tuple[list[FloatArray], list[FloatArray]]:
    """Seven clean pictures, moving by 1.3 and 0.7 pixels a frame, and the same with noise."""
    clean = [textured(1, 1.3 * t, -0.7 * t) for t in range(7)]
    return clean, [noisy(each, 100 + t) for t, each in enumerate(clean)]


@pytest.mark.parametrize("zoom", [0.8, 2.5])
@pytest.mark.parametrize("centre", [3, 0])
def test_moving_noise_is_averaged_away(
    moving: tuple[list[FloatArray], list[FloatArray]], zoom: float, centre: int
) -> None:
    clean, crops = moving
    gain = psnr(restored(crops, centre, zoom), clean[centre]) - psnr(crops[centre], clean[centre])

    # Seven frames could give 8.5 dB, the four that the first frame sees 6.
    assert gain >= (7.3 if centre == 3 else 5.4)


def test_a_moving_clean_picture_keeps_its_detail() -> None:
    crops = [textured(4, 1.45 * t, 0.45 * t, fine=1.2) for t in range(7)]

    assert psnr(restored(crops, 3, zoom=0.7), crops[3]) >= 43.2


def test_half_size_work_helps_crops_much_enlarged() -> None:
    small = [
        cv2.resize(textured(1, 1.3 * t), (64, 64), interpolation=cv2.INTER_AREA) for t in range(7)
    ]
    rng = np.random.default_rng(0)
    spoilt = [each + rng.normal(0.0, NOISE, each.shape).astype(np.float32) for each in small]
    clean, crops = (
        [cv2.resize(e, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for e in s]
        for s in (small, spoilt)
    )
    result = restored([np.clip(c, 0.0, 1.0) for c in crops], 3, zoom=4.0)
    assert psnr(result, textured(1, 3.9)) >= psnr(crops[3], textured(1, 3.9)) + 2.0
    assert psnr(result, clean[3]) > psnr(crops[3], clean[3])


def test_another_picture_does_not_bleed_in(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    clean, crops = moving
    covered = list(crops)
    covered[4] = textured(2)
    assert psnr(restored(covered, 3), clean[3]) >= psnr(crops[3], clean[3]) + 4.0
    alone = restored([textured(1), textured(2)], 0)
    assert psnr(alone, textured(1)) >= 40.0


def test_a_neighbour_that_cannot_be_registered_has_no_part_and_those_beyond_it_have() -> None:
    here = textured(1)
    fused = Fusion().fuse(window([here, textured(2), here, here, textured(3)], 2))
    # Of the two pictures nothing is shown to what comes after, either.
    assert sorted(fused.luma) == [-2, 0, 1]
    np.testing.assert_array_equal(restored([here, textured(2)], 0), here)
    np.testing.assert_array_equal(restored([textured(2), here, textured(3)], 1), here)


def test_another_face_has_less_part_the_less_it_agrees() -> None:
    here, other = textured(1), textured(2)
    lumas = [
        np.asarray(255 * cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.float32) for p in (here, other)
    ]
    mixed = [
        registered(lumas[0] * (1 - k) + lumas[1] * k, lumas[0], 256.0)
        for k in np.arange(0, 1, 0.05)
    ]
    assert mixed[0] == mixed[1] == 1.0
    assert mixed[-1] == 0.0
    assert max(np.diff(mixed)) <= 0 and min(np.diff(mixed)) > -0.5
    # Of a small face as much noise is less of a disagreement.
    half = lumas[0] * 0.6 + lumas[1] * 0.4
    assert registered(half, lumas[0], 24.0) > registered(half, lumas[0], 64.0)
    flat = np.full_like(lumas[0], 90.0)
    assert registered(flat, flat + 5.0, 256.0) == 1.0


def test_far_neighbours_that_differ_a_little_are_not_taken_for_noise() -> None:
    """Fast motion: the next frames fit, the four beyond are off everywhere by a faint pattern."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    off = (0.05 * np.sin(rows / 6) * np.sin(columns / 6))[..., None]
    here = textured(1)
    crops = [here + off, here + off, here, here, here, here + off, here + off]
    assert psnr(restored(crops, 3), here) >= 60.0


def test_finely_coded_frames_are_not_mixed_where_they_differ_a_little() -> None:
    """A patch that is 3 levels lighter in the next frames: what H.264 leaves at a quantizer of 28,
    and never at 10."""
    here = textured(1)
    lighter = here.copy()
    lighter[96:160, 96:160] += 3.0 / 255.0
    seen = window([lighter, here, lighter], 1, 2.5)
    patch = np.s_[116:140, 116:140]

    def moved(coding: Coding) -> float:
        return float(255.0 * np.abs(Fusion(coding=coding).restore([seen])[0] - here)[patch].mean())

    assert moved(Coding(quantizer=10.0)) < 0.1
    assert moved(Coding(quantizer=28.0)) > 1.0
    assert moved(Coding(quantizer=28.0)) == moved(UNKNOWN_CODING)


def test_an_occluder_in_one_neighbour_leaves_its_place_alone() -> None:
    clean = textured(1)
    covered = clean.copy()
    covered[96:160, 96:160] = (0.9, 0.1, 0.1)
    for crops, centre in (([clean, covered, clean], 0), ([clean, covered, clean], 1)):
        result = restored(crops, centre)
        inside = np.s_[108:148, 108:148]
        assert np.abs(result[inside] - crops[centre][inside]).max() < 0.01


def test_a_change_of_colour_alone_is_disagreement() -> None:
    def flat(cr: float) -> FloatArray:
        ycc = np.full((SIDE, SIDE, 3), (0.5, cr, 0.5), np.float32)
        return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.float32)

    neutral, red = flat(0.5), flat(0.65)
    assert np.abs(restored([red, neutral, red], 1) - neutral).max() < 0.01


@pytest.mark.parametrize("zoom", [0.8, 2.5, 6.0])
def test_alone_a_crop_gains_nothing(zoom: float) -> None:
    crop = noisy(textured(1), 5)
    np.testing.assert_allclose(restored([crop], 0, zoom), crop, atol=1e-5)


def test_radius_zero_uses_no_neighbour(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    crops = moving[1]
    np.testing.assert_allclose(Fusion(0).restore([window(crops, 3)])[0], crops[3], atol=1e-5)


@pytest.mark.parametrize("zoom", [0.8, 1.5])
def test_a_still_clean_picture_stays(zoom: float) -> None:
    still = textured(1)
    np.testing.assert_allclose(restored([still] * 7, 3, zoom), still, atol=1.0 / 255.0)


def test_skipped_blocks_do_not_stop_fusion_elsewhere() -> None:
    """H.264 repeats blocks exactly, noise and all; only the refreshed third has news."""
    clean = textured(1)
    crops = [noisy(clean, 50)] * 7
    news = np.s_[:, 170:]
    fresh = []
    for t, crop in enumerate(crops):
        each = crop.copy()
        each[news] = (0.2 * noisy(clean, 60 + t) + 0.8 * clean)[news]
        fresh.append(each)
    result = restored(fresh, 3, zoom=2.0)
    inner, frozen = np.s_[16:-16, 190:-16], np.s_[16:-16, 16:150]
    before, after = (float(np.mean((x - clean)[inner] ** 2)) for x in (fresh[3], result))
    assert after < 0.5 * before
    assert np.abs(result - fresh[3])[frozen].mean() < 0.5 / 255.0


def test_sharpens_structure_of_enlarged_crops_only() -> None:
    def sharpness(image: FloatArray) -> float:
        return float(np.abs(np.diff(image, axis=1)).mean())

    tiny = cv2.resize(textured(3), (32, 32), interpolation=cv2.INTER_AREA)
    enlarged = np.clip(cv2.resize(tiny, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0, 1)
    assert sharpness(restored([enlarged] * 3, 1, zoom=8.0)) > 1.02 * sharpness(enlarged)
    rng = np.random.default_rng(9)
    grain = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE, 1)).astype(np.float32), (0, 0), 3.0)
    flat = np.repeat((0.5 + grain / grain.std() * 2.0 / 255.0)[..., None], 3, axis=-1)
    assert sharpness(restored([flat] * 3, 1, zoom=8.0)) < 1.1 * sharpness(flat)


def test_result_is_of_the_window_alone_bit_for_bit(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    _, crops = moving
    crops = crops + crops[::-1]
    sliding = Fusion(2)
    reach = range(len(crops))
    windows = [
        window(crops[max(0, t - 2) : t + 3], min(t, 2), zoom=1.9 + 0.2 * t, first=max(0, t - 2))
        for t in reach
    ]
    slid = [sliding.restore([each])[0] for each in windows]
    for cold_window, warm in zip(windows, slid, strict=True):
        assert np.array_equal(Fusion(2).restore([cold_window])[0], warm)
    backwards = Fusion(2).restore(windows[::-1])[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(backwards, slid, strict=True))


def test_the_number_of_threads_changes_no_bit(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    _, crops = moving
    before, results = cv2.getNumThreads(), []
    try:
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            results.append([restored(crops, 3, zoom) for zoom in (0.8, 2.5, 6.0)])
    finally:
        cv2.setNumThreads(before)
    assert all(
        np.array_equal(a, b)
        for other in results[1:]
        for a, b in zip(results[0], other, strict=True)
    )


def test_what_was_returned_stays_when_the_next_window_is_fused(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    _, crops = moving
    fusion = Fusion()
    fused = fusion.fuse(window(crops, 3))
    first = fusion.restore([window(crops, 2)])[0]
    kept = fused.crop.copy(), {k: luma.copy() for k, luma in fused.luma.items()}, first.copy()
    fusion.fuse(window(crops, 4))
    assert np.array_equal(fused.crop, kept[0])
    assert all(np.array_equal(fused.luma[k], luma) for k, luma in kept[1].items())
    assert np.array_equal(first, kept[2])


def test_frames_that_are_past_are_forgotten(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    _, crops = moving
    fusion = Fusion(1)
    for t in range(1, 6):
        fusion.restore([window(crops[t - 1 : t + 2], 1, first=t - 1)])
    assert {key.frame for key in fusion._memory._entries} == {4, 5, 6}


def test_a_wider_window_than_the_radius_changes_nothing(
    moving: tuple[list[FloatArray], list[FloatArray]],
) -> None:
    _, crops = moving
    wide = Fusion(1).restore([window(crops, 3)])[0]
    narrow = Fusion(1).restore([window(crops[2:5], 1, first=2)])[0]
    assert np.array_equal(wide, narrow)


def test_each_pair_is_registered_once_each_way(
    moving: tuple[list[FloatArray], list[FloatArray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, crops = moving
    fusion = Fusion()
    calls = []
    finder = fusion._flow_finder

    class Counting:
        def calc(self, *arguments: FloatArray) -> FloatArray:
            calls.append(1)
            return np.asarray(finder.calc(*arguments), np.float32)

    monkeypatch.setattr(fusion, "_flow_finder", Counting())
    for centre in range(len(crops)):
        fusion.restore([window(crops, centre)])
    assert len(calls) == 2 * (len(crops) - 1)


def test_tracklets_do_not_share_what_is_kept() -> None:
    fusion = Fusion()
    one = [noisy(textured(1, t), t) for t in range(3)]
    two = [noisy(textured(2, -t), t) for t in range(3)]
    fusion.restore([window(one, 1)])
    other = CropWindow(8, (0, 1, 2), tuple(two), 1, 1.0)
    assert np.array_equal(fusion.restore([other])[0], Fusion().restore([other])[0])


def test_what_is_kept_is_bounded(
    moving: tuple[list[FloatArray], list[FloatArray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, crops = moving
    monkeypatch.setattr("videnhance.restorers.fusion._MEMORY_BYTES", 2**20)
    fusion, roomy = Fusion(), Fusion()
    roomy._memory._limit = 2**30
    for centre in range(len(crops)):
        each = window(crops, centre)
        assert np.array_equal(fusion.restore([each])[0], roomy.restore([each])[0])
        held = sum(a.nbytes for entry in fusion._memory._entries.values() for a in entry)
        assert held <= 2**20


@pytest.mark.parametrize(("side", "zoom"), [(256, 0.7), (256, 9.0), (512, 1.2), (512, 3.5)])
def test_gives_crops_of_the_same_kind(side: int, zoom: float) -> None:
    crops = [
        cv2.resize(noisy(textured(1, 0.4 * t), t), (side, side)) * 1.3 - 0.15 for t in range(3)
    ]
    kept = [crop.copy() for crop in crops]
    results = Fusion().restore([window(crops, 0, zoom), window(crops, 2, zoom)])
    for result, crop in zip(results, (crops[0], crops[2]), strict=True):
        assert result.shape == (side, side, 3)
        assert result.dtype == np.float32
        # What a source holds beyond 0..1 is not cut off, and nothing far beyond it is made.
        assert abs(result.min() - crop.min()) < 0.1
        assert abs(result.max() - crop.max()) < 0.1
    assert all(np.array_equal(a, b) for a, b in zip(kept, crops, strict=True))


def test_refuses_a_negative_radius() -> None:
    with pytest.raises(UsageError, match="radius -1"):
        Fusion(-1)
