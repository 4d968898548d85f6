"""The weighted mean of a face and its registered neighbours, place by place, and its sharpening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.imaging.buffers import Buffers
from videnhance.imaging.frames import Array, FloatArray
from videnhance.imaging.optical_flow import enlarge, shrink

# Variances are in squared 8-bit steps. "Measured" means: on clips shrunk by 1, 2 and 4, with noise
# of sigma 4 to 10 and H.264 of crf 23 to 34, crops of 256, compared with the clean crops.
# LivePortrait d0, video-retalking 1, TPS driving, child_512, woman_far and webcam_man were used to
# choose values, other clips to check them. "Native" crops are not enlarged.

CELLS = 64
"""Disagreement and weights are on a grid of this many cells a side. Measured: as good as full
resolution with a Gaussian of one cell (4 px of a crop of 256)."""

_CEILING = 256.0
"""The largest disagreement that counts as noise: that of noise of sigma 16 to 20 in the source.
More means another picture, even if the window's other frames show nothing else."""

_BESIDE = 2.0
"""The noise is at most this multiple of what the adjacent frames show. Measured, woman_far (a
dancer) at full size, crf 23: -0.03 dB and flicker 1.000 without this limit, +0.01 and 0.996 with 2;
1 costs other clips up to 0.36 dB."""

_FALL = 1.0
"""How fast weight falls: exp(-excess / (FALL * noise)). 0.7 to 1.5 measure within 0.05 dB; smaller
values remove bad blocks in fast motion."""
_FLOW_ERROR = 1.0
"""Expected error of the flow, in 1/256 of the crop's side. Times the picture's gradient it gives an
error variance that lowers weights as in an inverse-variance mean; without it native crops would
lose most at their edges. Measured: 1 instead of 0.5 gives +0.06 dB there and -0.05 on enlarged
noise."""

_SHARPEN = 0.5
"""Largest share of the luma detail that is added once more. Measured with `_SHARPEN_CORE`: +0.1 dB
for faces of less than 128 source pixels, SSIM unchanged; without it, or on larger faces, worse."""
_SHARPEN_CORE = 30.0
"""Detail of this variance is sharpened by half: flat skin, where noise shows, has 0 to 7, the
features of an enlarged face 10 to 100."""

_EDGES = 256
"""Largest side at which the edges of a crop are measured."""


@dataclass(frozen=True)
class Planes:
    """A crop as it is fused: luma (W, W); R - Y and B - Y, weighed as in YCrCb, (2, V, V). float32
    8-bit steps."""

    luma: FloatArray
    chroma: FloatArray


@dataclass(frozen=True)
class Neighbour:
    """Another frame, registered to the centre: by how many frames it is later, and how far it may
    take part, above 0 to 1."""

    step: int
    planes: Planes
    part: float


def weighted_mean(
    centre: Planes, others: Sequence[Neighbour], floor: float, buffers: Buffers
) -> tuple[Planes, FloatArray]:
    """The fusion itself. `floor`: the least disagreement that counts as noise.

    Returns the fused planes, which are in `buffers`, and the share of a frame's own noise that was
    averaged away, 0..1, per cell (C, C): 0 where every neighbour was rejected."""
    luma = buffers("mean", centre.luma.shape)
    chroma = buffers("mean chroma", centre.chroma.shape)
    np.copyto(luma, centre.luma)
    np.copyto(chroma, centre.chroma)
    if not others:
        return Planes(luma, chroma), np.zeros((CELLS, CELLS), np.float32)
    unlike = np.stack([_disagreement(other.planes, centre, buffers) for other in others])
    parts = np.array([other.part for other in others], np.float32)
    # The median: the minimum over the neighbours would be 0 wherever blocks were skipped.
    usual = _median(unlike, parts)
    # In fast motion distant neighbours register badly, which is not noise: use the adjacent ones.
    adjacent = [k for k, other in enumerate(others) if abs(other.step) == 1] or [
        *range(len(others))
    ]
    beside = _median(unlike[adjacent], parts[adjacent])
    noise = min(max(min(usual, _BESIDE * beside), floor), _CEILING)
    doubt = noise / (noise + _edge_variance(centre.luma, buffers))
    weights = doubt * np.exp(np.minimum(noise - unlike, 0.0) / (_FALL * noise))
    weights *= parts[:, None, None]
    total = 1.0 + weights.sum(axis=0)
    fine = buffers("weight", luma.shape)
    coarse = buffers("weight", chroma[0].shape)
    for other, weight in zip(others, weights, strict=True):
        cv2.accumulateProduct(enlarge(weight, len(luma), fine), other.planes.luma, luma)
        broad = enlarge(weight, len(coarse), coarse)
        for plane, mean in zip(other.planes.chroma, chroma, strict=True):
            cv2.accumulateProduct(broad, plane, mean)
    cv2.divide(luma, enlarge(total, len(luma), fine), luma)
    broad = enlarge(total, len(coarse), coarse)
    for mean in chroma:
        cv2.divide(mean, broad, mean)
    return Planes(luma, chroma), 1.0 - 1.0 / total


def sharpen(luma: FloatArray, sigma: float, share: FloatArray, buffers: Buffers) -> None:
    """Add detail finer than `sigma` pixels to `luma` (W, W) once more, in place: where it is
    structure, little where it is noise, and in proportion to `share` (C, C)."""
    fine, squared = buffers("fine", luma.shape), buffers("squared", luma.shape)
    cv2.GaussianBlur(luma, (0, 0), sigma, fine)
    cv2.subtract(luma, fine, fine)
    variance = _cells(cv2.multiply(fine, fine, squared))
    gain = share * _SHARPEN * variance / (variance + _SHARPEN_CORE)
    cv2.accumulateProduct(fine, enlarge(gain, len(luma), squared), luma)


def _median(cells: FloatArray, parts: FloatArray) -> float:
    """The median of all cells (N, C, C), each weighted by its neighbour's part."""
    if np.all(parts == 1.0):
        return float(np.median(cells))
    values = cells.reshape(len(cells), -1)
    weights = np.broadcast_to(parts[:, None].astype(np.float64), values.shape).ravel()
    order = np.argsort(values, axis=None, kind="stable")
    weights = weights[order]
    return float(
        np.interp(0.5, (np.cumsum(weights) - weights / 2) / weights.sum(), values.ravel()[order])
    )


def _disagreement(one: Planes, other: Planes, buffers: Buffers) -> FloatArray:
    """Squared difference of luma and chroma, per cell."""
    pairs = [(one.luma, other.luma), *zip(one.chroma, other.chroma, strict=True)]
    total = np.zeros((CELLS, CELLS), np.float32)
    for a, b in pairs:
        squared = buffers("squared", a.shape)
        cv2.subtract(a, b, squared)
        total += shrink(cv2.multiply(squared, squared, squared), CELLS)
    return _soften(total)


def _edge_variance(luma: FloatArray, buffers: Buffers) -> FloatArray:
    """The error variance that the flow's own error causes in this picture, per cell."""
    small = luma if len(luma) <= _EDGES else shrink(luma, _EDGES)
    x, y = buffers("fine", small.shape), buffers("squared", small.shape)
    soft = cv2.GaussianBlur(small, (0, 0), len(small) / 256.0)
    error = _FLOW_ERROR * len(small) / 256.0
    cv2.Sobel(soft, cv2.CV_32F, 1, 0, x, scale=error / 8.0)
    cv2.Sobel(soft, cv2.CV_32F, 0, 1, y, scale=error / 8.0)
    cv2.multiply(x, x, x)
    cv2.accumulateSquare(y, x)
    return _cells(x)


def _cells(image: Array) -> FloatArray:
    """Mean around each cell of the coarse grid, (W, W) -> (C, C)."""
    return _soften(shrink(np.asarray(image, np.float32), CELLS))


def _soften(cells: FloatArray) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), 1.0), np.float32)
