"""The judge's figures are those of their references and of exact algebra."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from judging import (
    BICUBIC,
    BLOCK,
    Figures,
    Shown,
    flicker,
    gmsd,
    judged,
    overall,
    picture,
    psnr,
    ssim,
    worse_blocks,
)
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio

from videnhance.identity.embedding import LEAST_EYES
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray

SIDE = 128
WHOLE = np.ones((SIDE, SIDE), np.float32)
MASK = ellipse_mask(SIDE)
LUMA = np.array([0.299, 0.587, 0.114])


def scene(seed: int, sigma: float = 2.0) -> FloatArray:
    grain = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), sigma)
    return np.asarray(0.5 + 0.15 * soft / soft.std(), np.float32).clip(0, 1)


def shown(
    errors: dict[str, float | FloatArray], *, tracklet: int = 0, frame: int = 0, eyes: float = 20.0
) -> Shown:
    truth = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    crops = {name: np.asarray(truth + error, np.float32) for name, error in errors.items()}
    return Shown(tracklet, frame, eyes, truth, crops)


def embed(crops: Sequence[FloatArray]) -> npt.NDArray[np.float32]:
    """A double of a network: an embedding is the crop's mean colour."""
    return np.array([crop.mean(axis=(0, 1)) for crop in crops], np.float32)


def test_identity_is_how_far_embeddings_lie_from_the_truth_s_and_how_that_jitters() -> None:
    root = float(np.sqrt(3.0))
    steps = {1: (0.10, 0.30), 2: (0.20, 0.20)}
    items = [
        shown({BICUBIC: 0.25, "it": by}, tracklet=track, frame=k)
        for track, by_frame in steps.items()
        for k, by in enumerate(by_frame)
    ]
    items.append(shown({BICUBIC: 9.0, "it": 9.0}, tracklet=3, eyes=LEAST_EYES - 0.1))
    plain, it = judged("a", "b", items, {}, embed)
    assert plain.ids == pytest.approx(0.25 * root, abs=1e-3)
    assert plain.sigma_ids == pytest.approx(0.0, abs=1e-3)
    assert it.ids == pytest.approx(0.20 * root, abs=1e-3)
    assert it.ids_change == pytest.approx(-0.05 * root, abs=1e-3)
    assert it.sigma_ids == pytest.approx(np.sqrt(0.5) * 0.1 * root, abs=1e-3)  # of one track of two
    (_, over) = overall([plain, it])
    assert (over.nearer, over.embedded) == (1, 1) and over.ids == it.ids


def test_identity_is_left_out_where_all_faces_are_too_small_or_nothing_embeds() -> None:
    small = [shown({BICUBIC: 0.1, "it": 0.2}, eyes=LEAST_EYES - 0.1)]
    for embedder in (embed, None):
        _, it = judged("a", "b", small, {}, embedder)
        assert it.ids is it.ids_change is it.sigma_ids is None
        assert overall([it])[0].embedded == 0


def test_psnr_is_that_of_scikit_image_where_all_counts_alike() -> None:
    truth, image = scene(1), scene(2)
    expected = peak_signal_noise_ratio(truth, image, data_range=1.0)
    assert psnr(image, truth, WHOLE) == pytest.approx(expected, abs=1e-4)


def test_psnr_weighs_squared_errors_by_the_mask() -> None:
    truth, above = scene(1), np.arange(SIDE)[:, None] < SIDE // 2
    error = np.where(above, 0.1, 0.02).astype(np.float32)
    weight = np.where(above, 0.25, 1.0).astype(np.float32) * WHOLE
    image = truth + error[..., None]
    mean = (0.25 * 0.1**2 + 0.02**2) / 1.25
    assert psnr(image, truth, weight) == pytest.approx(-10 * np.log10(mean), abs=1e-3)


def test_ssim_is_that_of_its_formula() -> None:
    truth, image = scene(1), (0.6 * scene(1) + 0.4 * scene(2)).astype(np.float32)
    x, y = (a.astype(np.float64) @ LUMA for a in (image, truth))

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(ndimage.gaussian_filter(values, 1.5, truncate=3.5, mode="reflect"))

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    full = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert ssim(image, truth, WHOLE) == pytest.approx(full.mean(), abs=1e-4)
    assert ssim(image, truth, MASK) == pytest.approx((full * MASK).sum() / MASK.sum(), abs=1e-4)


def test_gmsd_is_that_of_the_paper() -> None:
    truth, image = scene(1), (0.6 * scene(1) + 0.4 * scene(2)).astype(np.float32)

    def gradient(values: FloatArray) -> FloatArray:
        luma = 255.0 * (values.astype(np.float64) @ LUMA)
        half = ndimage.uniform_filter(luma, 2, origin=-1)[::2, ::2]
        x, y = (ndimage.prewitt(half, axis, mode="mirror") / 3.0 for axis in (1, 0))
        return np.asarray(np.sqrt(x**2 + y**2))

    one, other = gradient(image), gradient(truth)
    alike = (2 * one * other + 170.0) / (one**2 + other**2 + 170.0)
    assert gmsd(image, truth, WHOLE) == pytest.approx(alike.std(), rel=1e-3)
    assert gmsd(truth, truth, WHOLE) == 0.0


def test_what_lies_outside_the_mask_counts_nowhere() -> None:
    truth, image = scene(1), scene(2)
    spoilt = image.copy()
    spoilt[:, :4] = 1.0
    assert MASK[:, :10].max() == 0.0  # as far as SSIM's window reaches
    for figure in (psnr, ssim, gmsd):
        assert figure(spoilt, truth, MASK) == pytest.approx(figure(image, truth, MASK), rel=1e-6)
        assert figure(image, truth, MASK) != pytest.approx(figure(image, truth, WHOLE), rel=1e-3)


def test_worse_blocks_are_counted_within_the_mask() -> None:
    side = SIDE // BLOCK
    inside = MASK.reshape(side, BLOCK, side, BLOCK).mean(axis=(1, 3)) > 0.5
    places = np.argwhere(inside)
    error = np.full((SIDE, SIDE, 1), 0.02, np.float32)
    for y, x in [*places[:3], (0, 0)]:  # the last is outside
        error[BLOCK * y : BLOCK * (y + 1), BLOCK * x : BLOCK * (x + 1)] = -0.03
    item = shown({BICUBIC: 0.02, "it": error})
    assert worse_blocks(item, "it") == pytest.approx(3 / len(places))
    assert worse_blocks(item, BICUBIC) == 0.0


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [(0.02, 0.0204, 0.0), (0.02, 0.0208, 1.0), (0.0001, 0.0008, 0.0), (0.0001, 0.0012, 1.0)],
)
def test_a_block_is_worse_only_where_it_can_be_seen(
    before: float, after: float, share: float
) -> None:
    assert worse_blocks(shown({BICUBIC: before, "it": after}), "it") == share


def test_flicker_is_the_change_of_the_error() -> None:
    signs = (1, -1, 1, -1)
    items = [
        shown({BICUBIC: 0.04 * s, "half": 0.02 * s, "steady": 0.1}, frame=k)
        for k, s in enumerate(signs)
    ]
    assert flicker(items, "half") == pytest.approx(0.5, rel=1e-4)
    assert flicker(items, "steady") == pytest.approx(0.0, abs=1e-4)
    assert flicker(items, BICUBIC) == 1.0


def test_flicker_is_between_frames_of_one_track_that_follow_each_other() -> None:
    def item(tracklet: int, frame: int, plain: float, it: float) -> Shown:
        return shown({BICUBIC: plain, "it": it}, tracklet=tracklet, frame=frame)

    items = [
        *(item(0, 0, 0.0, 0.0), item(0, 1, 0.04, 0.01)),
        item(1, 2, 0.3, 0.4),  # another face
        item(1, 4, 0.0, -0.4),  # after a gap
        item(1, 5, 0.03, -0.4),
    ]
    assert flicker(items, "it") == pytest.approx(np.sqrt(0.01**2 / (0.04**2 + 0.03**2)), rel=1e-3)
    assert flicker(items[1:4], "it") is None


def test_flicker_outside_the_mask_is_not_seen() -> None:
    rows = np.where(np.arange(SIDE) < 6, 0.3, 0.0)[:, None, None].astype(np.float32)
    items = [
        shown({BICUBIC: 0.04 * k, "it": np.asarray(0.04 * k + k * rows, np.float32)}, frame=k)
        for k in (0, 1)
    ]
    assert flicker(items, "it") == pytest.approx(1.0, rel=1e-5)


def test_judged_has_bicubic_as_zero_and_names_the_worst_frame() -> None:
    items = [
        shown({BICUBIC: 0.04, "it": 0.02}, frame=4, eyes=10.0),
        shown({BICUBIC: 0.04, "it": 0.08}, tracklet=3, frame=5, eyes=30.0),
        shown({BICUBIC: 0.04, "it": 0.01}, tracklet=3, frame=6, eyes=40.0),
    ]
    plain, it = judged("a.mp4", "hard", items, {"it": 7.0})
    double = 20 * np.log10(2)
    assert (plain.restorer, it.restorer, it.clip, it.degradation) == (
        *(BICUBIC, "it"),
        *("a.mp4", "hard"),
    )
    assert (plain.psnr_gain, plain.ssim_gain, plain.gmsd_change) == (0.0, 0.0, 0.0)
    assert (plain.worst_gain, plain.worse_blocks, plain.milliseconds) == (0.0, 0.0, 0.0)
    assert plain.psnr == pytest.approx(-20 * np.log10(0.04), abs=1e-3)
    assert it.psnr_gain == pytest.approx((double - double + 2 * double) / 3, abs=1e-3)
    assert it.psnr == pytest.approx(plain.psnr + it.psnr_gain)
    assert it.worst_gain == pytest.approx(-double, abs=1e-3)
    assert (it.worst_track, it.worst_frame, it.crops, it.eyes) == (3, 5, 3, 30.0)
    assert it.worse_blocks == pytest.approx(1 / 3)
    assert it.milliseconds == 7.0
    assert it.ssim - plain.ssim == pytest.approx(it.ssim_gain)


def test_crops_are_judged_as_they_are_shown() -> None:
    truth = np.ones((SIDE, SIDE, 3), np.float32)
    crops = {BICUBIC: truth - 0.1, "over": truth + 0.5}
    _, over = judged("a", "b", [Shown(0, 0, 20.0, truth, crops)], {})
    assert over.psnr == 120.0
    assert over.worse_blocks == 0.0


def test_crops_of_several_sizes_are_judged_together() -> None:
    big = np.full((2 * SIDE, 2 * SIDE, 3), 0.5, np.float32)
    items = [
        shown({BICUBIC: 0.04, "it": 0.02}),
        Shown(1, 1, 60.0, big, {BICUBIC: big + 0.04, "it": big + 0.01}),
    ]
    _, it = judged("a", "b", items, {})
    assert it.psnr_gain == pytest.approx(1.5 * 20 * np.log10(2), abs=1e-3)
    assert it.crops == 2


def figures(clip: str, gain: float, flickers: float | None, worst: float, worse: float) -> Figures:
    return Figures(
        clip=clip,
        degradation="hard",
        restorer="it",
        eyes=20.0,
        crops=3,
        psnr=30.0 + gain,
        psnr_gain=gain,
        ssim=0.9,
        ssim_gain=gain / 10,
        gmsd=0.1,
        gmsd_change=-gain / 20,
        flicker=flickers,
        worst_gain=worst,
        worst_track=0,
        worst_frame=0,
        worse_blocks=worse,
        milliseconds=10 * gain,
    )


def test_overall_is_the_mean_over_the_clips_and_the_least_of_them() -> None:
    rows = [
        figures("a", 1.0, 0.5, -0.2, 0.1),
        figures("b", 0.2, None, -0.7, 0.3),
        figures("c", 0.6, 0.9, 0.1, 0.2),
    ]
    (row,) = overall(rows)
    assert (row.degradation, row.restorer, row.clips) == ("hard", "it", 3)
    means = (row.psnr_gain, row.ssim_gain, row.gmsd_change, row.flicker, row.worse_blocks)
    assert means == pytest.approx((0.6, 0.06, -0.03, 0.7, 0.2))
    assert (row.least_gain, row.least_clip, row.worst_gain) == (0.2, "b", -0.7)
    assert row.milliseconds == pytest.approx(6.0)


def test_the_picture_shows_the_crops_side_by_side_and_the_truth_last() -> None:
    truth = np.zeros((SIDE, SIDE, 3), np.float32)
    truth[..., 2] = 1.0
    crops: dict[str, FloatArray] = {
        BICUBIC: np.roll(truth, 1, axis=2),
        "it": truth * np.float32(0.5),
    }
    item = Shown(0, 0, 20.0, truth, crops)
    grid = picture([("first", item), ("second", item)], side=64)
    assert grid.shape == (128, 192, 3)
    assert grid.dtype == np.uint8
    for row in (32, 96):
        colours = [tuple(grid[row, column]) for column in (32, 96, 160)]
        assert colours == [(255, 0, 0), (0, 0, 128), (0, 0, 255)]
