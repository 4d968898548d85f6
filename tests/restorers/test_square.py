"""The squares that networks take: templates as they are published, and pictures there and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.making.crops import textured
from videnhance.faces.alignment import TEMPLATE, crop_to_frame, fit_poses
from videnhance.imaging.affine import compose, invert, place
from videnhance.restorers.square import ARCFACE, Part, Whole, square_in_crop


def test_the_templates_are_those_of_the_peers() -> None:
    """FaceFusion 3.8's "ffhq_512" and "arcface_128" (facefusion/face_helper.py)."""
    ffhq = [
        [0.37691676, 0.46864664],
        [0.62285697, 0.46912813],
        [0.50123859, 0.61331904],
        [0.39308822, 0.72541100],
        [0.61150205, 0.72490465],
    ]
    arcface = [
        [0.36167656, 0.40387734],
        [0.63696719, 0.40235469],
        [0.50019687, 0.56044219],
        [0.38710391, 0.72160547],
        [0.61507734, 0.72034453],
    ]
    np.testing.assert_allclose(TEMPLATE, ffhq, atol=6e-9)
    np.testing.assert_allclose(ARCFACE, arcface, atol=6e-9)


def test_the_template_is_insightfaces_with_a_border() -> None:
    """Its arcface_dst (insightface/utils/face_align.py) is for 112 pixels; at 128 it has 8 more at
    both sides, and 16 below."""
    points = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366]]
    points += [[41.5493, 92.3655], [70.7299, 92.2041]]
    np.testing.assert_allclose(128.0 * ARCFACE, np.add(points, [8.0, 0.0]), atol=1e-9)


def test_the_square_is_where_the_face_would_be_aligned_by_it() -> None:
    """A face whose landmarks are exactly our template's, and one that is moved and turned."""
    for scale, turn, shift in ((1.0, 0.0, 0.0), (80.0, 0.3, 40.0)):
        spin = scale * np.exp(1j * turn)
        z = spin * (TEMPLATE @ np.array([1, 1j])) + shift * (1 + 2j)
        landmarks = np.stack([z.real, z.imag], -1)
        (pose,) = fit_poses(landmarks[None])
        ours = compose(crop_to_frame(pose, 1), square_in_crop(ARCFACE))
        # by definition: the similarity from the template to the landmarks
        a, b = ARCFACE @ np.array([1, 1j]), z
        k = ((b - b.mean()) * (a - a.mean()).conj()).sum() / (abs(a - a.mean()) ** 2).sum()
        corner = np.array([[0.0, 0.0], [1.0, 1.0]])
        expected = k * (corner @ np.array([1, 1j]) - a.mean()) + b.mean()
        np.testing.assert_allclose(
            place(corner, ours), np.stack([expected.real, expected.imag], -1), atol=1e-9 * scale
        )


def test_it_shows_less_of_the_forehead_and_stays_in_the_crop() -> None:
    corners = place(
        np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), Part(ARCFACE, 256).to_crop
    )
    assert corners.min() > 0.0 and corners[:, 0].max() < 1.0
    assert corners[:2, 1].min() > 0.05 and corners[2:, 1].max() < 1.02


def tensor(seed: int, size: int = 256) -> torch.Tensor:
    crop = torch.from_numpy(textured(seed, fine=6.0)).permute(2, 0, 1)[None]
    return (
        crop
        if size == 256
        else torch.nn.functional.interpolate(crop, (size, size), mode="bicubic").clamp(0, 1)
    )


@pytest.mark.parametrize("size", [256, 512])
def test_the_templates_points_are_where_the_faces_are(size: int) -> None:
    """A spot on each of our template's points comes out at the other's."""
    part = Part(ARCFACE, 256)
    y, x = np.mgrid[:size, :size] + 0.5
    for ours, theirs in zip(TEMPLATE, place(TEMPLATE, invert(part.to_crop)), strict=True):
        far = ((x / size - ours[0]) ** 2 + (y / size - ours[1]) ** 2) / 0.02**2
        spot = torch.from_numpy(np.exp(-far).astype(np.float32))[None, None].expand(1, 3, -1, -1)
        found = part.taken(spot)[0, 0].numpy()
        grid = np.mgrid[:256, :256] + 0.5
        middle = [float((axis * found).sum() / found.sum()) / 256 for axis in grid[::-1]]
        np.testing.assert_allclose(middle, theirs, atol=0.1 / 256)
    residual = place(TEMPLATE, invert(part.to_crop)) - ARCFACE
    assert np.abs(residual).max() < 0.03


@pytest.mark.parametrize("size", [256, 512])
def test_what_is_not_restored_comes_back_as_it_was(size: int) -> None:
    """Nearly, within the square, as it is resampled twice; exactly beyond it."""
    part, crop = Part(ARCFACE, 256), tensor(1, size)
    same = part.returned(part.taken(crop)[0], crop)
    assert same.shape == (3, size, size)
    assert float((same - crop[0]).abs().max()) < 0.03
    other = part.returned(1.0 - part.taken(crop)[0], crop)
    top = int(0.1 * size)
    assert torch.equal(other[:, :top], crop[0, :, :top])
    middle = slice(size // 3, size // 2)
    turned = other[:, middle, middle] - (1.0 - crop[0, :, middle, middle])
    assert float(turned.abs().max()) < 0.03


def test_a_smaller_network_takes_the_whole_crop_too() -> None:
    whole, crop = Whole(256), tensor(2, 512)
    assert whole.taken(crop).shape == (1, 3, 256, 256)
    back = whole.returned(whole.taken(crop)[0], crop)
    assert back.shape == (3, 512, 512)
    assert float((back - crop[0]).abs().mean()) < 0.01
