"""Poses, affines and the warp, against arithmetic done elsewhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from videnhance.faces.alignment import (
    TEMPLATE,
    crop_to_frame,
    eye_distance,
    fit_poses,
    template_to_frame,
)
from videnhance.imaging.affine import (
    bounds,
    compose,
    invert,
    place,
    scaling,
    translation,
    warp,
    zoom_of,
)
from videnhance.imaging.frames import Matrix

Vector = npt.NDArray[np.float64]

POSES = np.array(
    [
        [300.0, 200.0, np.log(180.0), 0.0],
        [12.5, 700.25, np.log(40.0), 0.7],
        [900.0, 3.0, np.log(600.0), -2.9],
    ]
)


def turned(angle: float, zoom: float, x: float = 0.0, y: float = 0.0) -> Matrix:
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def ramp(height: int, width: int, a: float, b: float, c: float) -> npt.NDArray[np.float32]:
    """a x + b y + c at pixel centres (x, y) in continuous pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.asarray(a * x + b * y + c, np.float32)


def test_fit_recovers_known_poses() -> None:
    landmarks = np.stack([place(TEMPLATE, template_to_frame(p)) for p in POSES])
    np.testing.assert_allclose(fit_poses(landmarks), POSES, atol=1e-9)
    assert fit_poses(np.empty((0, 5, 2), np.float32)).shape == (0, 4)


def test_fit_is_the_least_squares_similarity_of_scikit_image() -> None:
    transform = pytest.importorskip("skimage.transform")
    rng = np.random.default_rng(0)
    for pose in POSES:
        points = place(TEMPLATE, template_to_frame(pose)) + rng.normal(0, 3, (5, 2))
        theirs = transform.estimate_transform("similarity", TEMPLATE, points)
        ours = template_to_frame(fit_poses(points[None])[0])
        np.testing.assert_allclose(ours, theirs.params[:2], atol=1e-8)


def test_pose_says_where_the_centroid_is_and_how_large_the_unit_square() -> None:
    for pose in POSES:
        affine = template_to_frame(pose)
        np.testing.assert_allclose(place(TEMPLATE.mean(axis=0), affine), pose[:2])
        side = place(np.array([[0.0, 0.0], [1.0, 0.0]]), affine)
        np.testing.assert_allclose(np.linalg.norm(side[1] - side[0]), np.exp(pose[2]))
        np.testing.assert_allclose(zoom_of(affine), np.exp(pose[2]))
    eyes = place(TEMPLATE[:2], template_to_frame(POSES[1]))
    np.testing.assert_allclose(np.linalg.norm(eyes[1] - eyes[0]), eye_distance(POSES)[1])


@pytest.mark.parametrize("size", [64, 512])
def test_crop_pixels_land_where_the_template_does(size: int) -> None:
    affine = crop_to_frame(POSES[1], size)
    expected = place(TEMPLATE, template_to_frame(POSES[1]))
    np.testing.assert_allclose(place(TEMPLATE * size, affine), expected)


def test_compose_applies_the_inner_first_and_invert_undoes() -> None:
    outer, inner = turned(0.4, 2.0, 5, -3), turned(-1.0, 0.3, 1, 2)
    points = np.random.default_rng(0).normal(size=(4, 7, 2))
    np.testing.assert_allclose(
        place(points, compose(outer, inner)), place(place(points, inner), outer)
    )
    np.testing.assert_allclose(place(place(points, outer), invert(outer)), points)
    np.testing.assert_allclose(place(points, scaling(2, 3)), points * [2, 3])
    np.testing.assert_allclose(place(points, translation(2, 3)), points + np.array([2, 3]))


def test_bounds_of_a_turned_picture() -> None:
    quarter = np.array([[0.0, -1.0, 20.0], [1.0, 0.0, 0.0]])
    assert bounds(quarter, (20, 30)) == (0.0, 0.0, 20.0, 30.0)


def test_warp_by_identity_and_by_half_a_pixel() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (20, 30)).astype(np.uint8)
    np.testing.assert_allclose(warp(image, translation(0, 0), (20, 30)), image, atol=1e-3)
    line = np.zeros((9, 9), np.float32)
    line[:, 4] = 1.0
    half = warp(line, translation(0.5, 0.0), (9, 9))
    # A bicubic (Keys, a = -0.75 in OpenCV) halfway: 0.59 on the two neighbours, -0.09 beyond.
    np.testing.assert_allclose(half[4, 2:6], [-0.09375, 0.59375, 0.59375, -0.09375], atol=0.01)


@pytest.mark.parametrize(("angle", "zoom"), [(0.0, 0.5), (0.3, 0.7), (-1.2, 1.0), (0.2, 3.0)])
def test_a_ramp_stays_a_ramp(angle: float, zoom: float) -> None:
    image = ramp(120, 160, 0.7, -0.4, 60.0)
    affine = turned(angle, zoom, 80, 60)
    affine = compose(affine, translation(-10, -10))
    seen = warp(image, affine, (20, 20))
    y, x = np.mgrid[:20, :20] + 0.5
    where = place(np.stack([x, y], axis=-1), affine)
    expected = 0.7 * where[..., 0] - 0.4 * where[..., 1] + 60
    # Not exact: OpenCV's bicubic (a = -0.75) shifts a ramp by up to 0.047 pixels each way, and
    # positions are rounded to 1/32. A whole or half pixel wrong would be 0.2 and more.
    np.testing.assert_allclose(seen, expected, atol=0.047 * 1.1 + 0.02)


def test_warp_reads_only_its_part_and_repeats_the_border() -> None:
    image = ramp(40, 50, 1.0, 0.0, 0.0)
    far = warp(image, translation(200, 300), (8, 8))
    np.testing.assert_allclose(far, 49.5, atol=1e-3)
    colour = np.repeat(image[..., None], 3, axis=2)
    part = warp(colour, translation(20, 10), (8, 6))
    assert part.shape == (8, 6, 3)
    assert part.dtype == np.float32
    np.testing.assert_allclose(part[..., 0], image[10:18, 20:26], atol=1e-3)


@pytest.mark.parametrize("shrink", [3.0, 6.0])
def test_shrinking_does_not_alias(shrink: float) -> None:
    """Stripes finer than the target can hold come out grey, wherever the target's pixels fall."""
    x = np.arange(240)
    stripes = np.tile(100 + 100 * np.cos(np.pi * x * 0.9), (240, 1)).astype(np.float32)
    for shift in (0.0, 0.3, 0.7):
        small = warp(stripes, compose(translation(shift, 0), scaling(shrink)), (40, 40))
        assert small[4:36, 4:36].std() < 2.0
    size = int(240 / shrink)
    assert warp(ramp(240, 240, 1, 0, 0), scaling(shrink), (size, size))[5, 10] == pytest.approx(
        10.5 * shrink, abs=0.05
    )
