"""Patches of a known picture, as a camera sees it: moved by known parts of a pixel, sampled by
square pixels, with noise."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from videnhance.imaging.affine import translation
from videnhance.imaging.frames import Array, FloatArray, Frame, PixelLayout
from videnhance.portraits.patches import Patch

SIDE = 48
"""Source pixels of the square."""
FINE = 8
"""Pixels of the truth per source pixel."""
_AROUND = 16
CENTRE = 2, 2
"""Chroma sites between the samples of luma, where the mean of four lies."""


def truth(seed: int = 3, period: float = 1.2) -> FloatArray:
    """(N, N) float32 levels, N = FINE (SIDE + 2 around): blobs with detail finer than a pixel of
    the source can hold."""
    rng = np.random.default_rng(seed)
    size = FINE * (SIDE + 2 * _AROUND)
    noise = rng.standard_normal((size, size)).astype(np.float32)
    broad = cv2.GaussianBlur(noise, (0, 0), 5.0 * FINE)
    fine = cv2.GaussianBlur(noise, (0, 0), period * FINE / 2.5)
    # Detail in places: a face has flat skin beside its eyes.
    where = np.clip(cv2.GaussianBlur(noise[::-1], (0, 0), 3.0 * FINE) * 60 - 0.3, 0, 1.3)
    mixed = broad / broad.std() + where * fine / fine.std()
    return np.asarray(np.clip(120 + 28 * mixed, 5, 250), np.float32)


def inner(picture: FloatArray, scale: int) -> FloatArray:
    """What of the truth the square shows, (SIDE scale)², as perfect pixels of that size."""
    part = picture[FINE * _AROUND : -FINE * _AROUND, FINE * _AROUND : -FINE * _AROUND]
    size = SIDE * scale
    return np.asarray(cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def patch(
    picture: FloatArray,
    index: int,
    shift: tuple[float, float],
    *,
    noise: float = 2.0,
    depth: int = 8,
    zoom: float = 1.0,
    color: bool = False,
) -> Patch:
    """What a camera sees of the truth after it moved by `shift` source pixels, grown by `zoom`;
    with `color` in 4:2:0, its Cb the darker where the luma is the brighter, its Cr everywhere 90.
    """
    size = SIDE + 2 * _AROUND
    middle = FINE * size / 2
    to_truth = np.array(
        [
            [1 / zoom, 0, middle - middle / zoom - FINE * shift[0] / zoom],
            [0, 1 / zoom, middle - middle / zoom - FINE * shift[1] / zoom],
        ]
    )
    moved = cv2.warpAffine(
        picture,
        to_truth,
        (FINE * size, FINE * size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    small = cv2.resize(moved, (size, size), interpolation=cv2.INTER_AREA)
    small = small + np.random.default_rng(100 + index).normal(0, noise, small.shape)
    unit = 1 << (depth - 8)
    kind = np.uint8 if depth == 8 else np.uint16
    samples: Array = np.clip(np.rint(small * unit), 0, 256 * unit - 1).astype(kind)
    deep = "" if depth == 8 else f"{depth}le"
    shift_of, name = ((1, 1), "yuv420p") if color else ((0, 0), "gray")
    layout = PixelLayout(
        f"{name}{deep}", "yuv" if color else "gray", depth, shift_of, True, (0.299, 0.114), CENTRE
    )
    planes = [samples]
    if color:
        half = cv2.resize(255 - small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        planes += [np.clip(np.rint(p * unit), 0, None).astype(kind) for p in (half, half * 0 + 90)]
    # As a track would have it: right within a pixel, not better.
    rough = np.random.default_rng(200 + index).normal(0, 0.3, 2) if index else np.zeros(2)
    there = translation(_AROUND + shift[0] + rough[0], _AROUND + shift[1] + rough[1])
    if zoom != 1.0:
        half = SIDE / 2
        there = np.array([[zoom, 0, there[0, 2]], [0, zoom, there[1, 2]]])
        there[:, 2] += half - zoom * half
    return Patch(Frame(index, index, tuple(planes), layout), there, key=index == 0)


def walking(
    picture: FloatArray,
    frames: int,
    *,
    depth: int = 8,
    noise: float = 2.0,
    far: float = 4.0,
    color: bool = False,
) -> list[Patch]:
    """Patches of a picture that moves by parts of a pixel; the first is not moved."""
    steps = np.random.default_rng(7).uniform(-far, far, (frames, 2))
    steps[0] = 0
    return [
        patch(picture, k, (float(x), float(y)), depth=depth, noise=noise, color=color)
        for k, (x, y) in enumerate(steps)
    ]


def still(picture: FloatArray, frames: int, *, color: bool = False) -> Sequence[Patch]:
    """Patches of a picture that does not move at all, as a poster before a fixed camera."""
    return [patch(picture, k, (0.0, 0.0), color=color) for k in range(frames)]


def decibels(made: FloatArray, wanted: FloatArray) -> float:
    """PSNR of levels 0..255 within the square, without its border."""
    rim = len(wanted) // 8
    apart = (made - wanted)[rim:-rim, rim:-rim]
    return float(10 * np.log10(255.0**2 / np.mean(apart.astype(np.float64) ** 2)))
