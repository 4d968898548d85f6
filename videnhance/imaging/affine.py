"""Affines between pictures and crops, and resampling through them.

Affines are (2, 3) float64, map (x, y) in continuous pixels, and are named source_to_target.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.frames import Array, FloatArray, Matrix


def place(points: npt.NDArray[np.floating], affine: Matrix) -> npt.NDArray[np.float64]:
    """Points (..., 2) mapped by an affine."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def scaling(x: float, y: float | None = None) -> Matrix:
    """The affine that multiplies x and y; `y` defaults to `x`."""
    return np.array([[x, 0.0, 0.0], [0.0, x if y is None else y, 0.0]])


def translation(x: float, y: float) -> Matrix:
    """The affine that adds `x` and `y`."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The affine that applies `inner`, then `outer`."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def invert(affine: Matrix) -> Matrix:
    """The inverse affine."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def zoom_of(affine: Matrix) -> float:
    """The factor by which lengths grow: the square root of the area's growth."""
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def warp(
    image: Array,
    target_to_source: Matrix,
    size: tuple[int, int],
    *,
    border: int = cv2.BORDER_REPLICATE,
) -> FloatArray:
    """Resample (H, W) or (H, W, C) into `size` (height, width), float32, bicubic.

    If the target is coarser than the source, the source is blurred first (`blur_for`), so that a
    large face neither aliases nor flickers. `border` is OpenCV's border mode for samples outside
    the image. Only the part of the source that the target covers is read.
    """
    sigma = blur_for(target_to_source)
    shape = (image.shape[0], image.shape[1])
    left, top, right, bottom = covered(target_to_source, size, shape, sigma)
    source = np.ascontiguousarray(image[top:bottom, left:right], np.float32)
    if sigma > 0.1:
        source = cv2.GaussianBlur(source, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    to_part = compose(translation(-left, -top), target_to_source)
    centres = compose(translation(-0.5, -0.5), compose(to_part, translation(0.5, 0.5)))
    return np.asarray(
        cv2.warpAffine(
            source,
            centres,
            (size[1], size[0]),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        ),
        np.float32,
    )


def blur_for(target_to_source: Matrix) -> float:
    """Sigma, in source pixels, of the blur before resampling to a coarser target: the Gaussian that
    turns a unit pixel's footprint into the target pixel's. 0 if the target is finer."""
    return 0.5 * float(np.sqrt(max(zoom_of(target_to_source) ** 2 - 1.0, 0.0)))


def bounds(affine: Matrix, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of the box around a (height, width) picture mapped by an affine."""
    height, width = size
    corners = place(np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]]), affine)
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def covered(
    affine: Matrix, size: tuple[int, int], shape: tuple[int, int], sigma: float
) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the part of an image of `shape` (height, width) that a bicubic
    `warp` with blur `sigma` reads. Never empty, so that edges can repeat."""
    pad = 4 + int(np.ceil(3 * sigma))
    x0, y0, x1, y1 = bounds(affine, size)
    left = int(np.clip(np.floor(x0) - pad, 0, shape[1] - 1))
    top = int(np.clip(np.floor(y0) - pad, 0, shape[0] - 1))
    right = int(np.clip(np.ceil(x1) + pad, left + 1, shape[1]))
    bottom = int(np.clip(np.ceil(y1) + pad, top + 1, shape[0]))
    return left, top, right, bottom
