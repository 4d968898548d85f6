"""Which pictures are taken to be like each other."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.faces.stillness import Coarse, Part, changed, coarse, glimpse
from videnhance.imaging.frames import Frame
from videnhance.media.reading.decoding import layout_of


def alike(one: Coarse, other: Coarse) -> bool:
    return changed(one, other) is None


def shown(picture: np.ndarray, pix_fmt: str = "gray") -> Frame:
    layout = layout_of(pix_fmt, full_range=True, matrix=1)
    dtype = np.uint8 if layout.depth == 8 else np.uint16
    top = (1 << layout.depth) - 1
    return Frame(0, 0, (np.clip(np.rint(picture), 0, top).astype(dtype),), layout)


def noisy(seed: int, sigma: float, size: tuple[int, int] = (122, 163)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    room = 50 + 20 * np.sin(columns / 19) * np.sin(rows / 13)
    return np.asarray(room + np.random.default_rng(seed).normal(0, sigma, size))


@pytest.mark.parametrize("sigma", [0.0, 3.0, 8.0])
def test_noise_is_no_change(sigma: float) -> None:
    first = coarse(shown(noisy(0, sigma)))
    assert all(alike(first, coarse(shown(noisy(k, sigma)))) for k in range(1, 20))


@pytest.mark.parametrize("sigma", [0.0, 3.0, 8.0])
def test_a_small_faint_patch_is_one(sigma: float) -> None:
    first, other = noisy(0, sigma), noisy(1, sigma)
    other[50:66, 70:86] += 14
    assert not alike(coarse(shown(first)), coarse(shown(other)))


def test_another_light_is_one() -> None:
    assert not alike(coarse(shown(noisy(0, 3.0))), coarse(shown(noisy(1, 3.0) + 8)))


def test_ten_bits_are_compared_like_eight() -> None:
    first, other = noisy(0, 2.0), noisy(1, 2.0)
    cells = [coarse(shown(picture * 4, "gray10le")) for picture in (first, other, other + 10)]
    assert alike(cells[0], cells[1])
    assert not alike(cells[0], cells[2])


def test_the_part_that_changed_is_told() -> None:
    first, other = noisy(0, 3.0), noisy(1, 3.0)
    other[48:72, 80:112] += 40
    part = changed(coarse(shown(first)), coarse(shown(other)))
    assert part is not None
    assert 64 <= part.left <= 80 and 112 <= part.right <= 128
    assert 32 <= part.top <= 48 and 72 <= part.bottom <= 88
    assert changed(coarse(shown(noisy(0, 0, (2, 2)))), coarse(shown(noisy(0, 0, (2, 2))))) is None


@pytest.mark.parametrize("matrix", [np.eye(2), np.array([[0, -1], [1, 0]])])
def test_it_is_shown_upright_with_what_is_around_it(matrix: np.ndarray) -> None:
    picture = np.zeros((720, 1280))
    picture[300:332, 600:616] = 200
    upright = np.column_stack([matrix, [0.0, 0.0]])
    found = glimpse(shown(picture), Part(600, 300, 616, 332), upright, 0.5)
    assert found is not None and found.shape == (128, 128, 3)
    rows, columns = np.nonzero(found[..., 0] > 100)
    extent = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    assert extent == ((8, 16) if matrix[0, 0] else (16, 8))


@pytest.mark.parametrize(
    ("size", "part"), [((720, 1280), Part(0, 0, 600, 300)), ((120, 160), Part(0, 0, 16, 16))]
)
def test_much_of_a_picture_is_shown_whole(size: tuple[int, int], part: Part) -> None:
    assert glimpse(shown(np.zeros(size)), part, np.eye(2, 3), 1.0) is None
