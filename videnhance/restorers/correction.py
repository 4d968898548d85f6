"""What the network behind clarity is given, and how it is run. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from videnhance.imaging.frames import LUMA, FloatArray
from videnhance.imaging.optical_flow import enlarge, shrink
from videnhance.restorers.fusion import Fused

Change: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""Correction.changes: from the planes (B, PLANES, S, S), zooms (B,) and quantizers (B,) to what is
added to the fused crops, (B, 3, S, S)."""

STEPS = (0, -3, -2, -1, 1, 2, 3)
"""The frames given to the network besides the fused crop, by how many frames later they are."""
PLANES = 3 + len(STEPS)

ZOOM = 3.0
"""Largest number of crop pixels per source pixel that the network works at. A finer grid holds no
more of the source, and so the network meets one size of noise and blocks, not ten."""
CELL = 4
"""Side in pixels of the block that becomes one place of the network's grid: about a source pixel.
"""
_MULTIPLE = 2 * CELL
"""Sides must be multiples of this: half of the grid must be whole, too."""


def work_side(side: int, zoom: float) -> int:
    """Side in pixels at which the network sees a crop of `side`; a multiple of 8."""
    steps = max(round(side * ZOOM / zoom / _MULTIPLE), 8)
    return side if zoom <= ZOOM else steps * _MULTIPLE


def observed(fused: Fused) -> FloatArray:
    """The network's input: (PLANES, S, S) float32, nominally 0..1, RGB of the fused crop, then the
    luma of each of STEPS, or the fused crop's own luma if there is no such neighbour."""
    side = len(fused.crop)
    own = np.asarray(fused.crop @ np.array(LUMA, np.float32), np.float32)
    lumas = [_luma(fused.luma, step, own, side) for step in STEPS]
    return np.concatenate([fused.crop.transpose(2, 0, 1), np.stack(lumas)])


def _luma(luma: Mapping[int, FloatArray], step: int, own: FloatArray, side: int) -> FloatArray:
    return enlarge(luma[step], side) / np.float32(255.0) if step in luma else own


def corrections(
    change: Change,
    planes: Sequence[FloatArray],
    zooms: Sequence[float],
    quantizer: float | None,
) -> list[FloatArray]:
    """What the network adds to each fused crop, (S, S, 3); `planes`: from `observed`.

    Crops it sees at the same size are computed together; the last digits may depend on how many
    there are.
    """
    sizes = [work_side(plane.shape[-1], zoom) for plane, zoom in zip(planes, zooms, strict=True)]
    found: dict[int, FloatArray] = {}
    for size in dict.fromkeys(sizes):
        these = [k for k, other in enumerate(sizes) if other == size]
        seen = np.stack([_at(planes[k], size) for k in these])
        scales = [zooms[k] * size / planes[k].shape[-1] for k in these]
        changes = _run(change, seen, scales, quantizer)
        found |= {k: enlarge(c, planes[k].shape[-1]) for k, c in zip(these, changes, strict=True)}
    return [found[k] for k in range(len(sizes))]


def _at(planes: FloatArray, size: int) -> FloatArray:
    if planes.shape[-1] == size:
        return planes
    return np.stack([shrink(plane, size) for plane in planes])


def _run(
    change: Change, seen: FloatArray, scales: Sequence[float], quantizer: float | None
) -> FloatArray:
    """The corrections (B, S, S, 3) for `seen` (B, PLANES, S, S)."""
    step = np.nan if quantizer is None else quantizer
    facts = np.array([scales, [step] * len(scales)], np.float32)
    return np.ascontiguousarray(change(seen, *facts).transpose(0, 2, 3, 1))
