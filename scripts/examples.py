"""The examples of clarity_data.py as the training uses them: patches, turned and lit at random."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from clarity_data import SIDE
from torch import Tensor

from videnhance.imaging.frames import LUMA
from videnhance.imaging.optical_flow import shrink
from videnhance.restorers.correction import PLANES, STEPS, work_side

HIDDEN = 0.1
"""Share of examples whose quantizer is hidden from the network, though it is known."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""planes (B, 2, PLANES, P, P), truth (B, 2, 3, P, P), zoom (B,), quantizer (B,)"""
Whole = tuple[npt.NDArray[np.float32], float, float | None]
"""(2, PLANES + 3, SIDE, SIDE) 0..1, the zoom, and the quantizer if it is known."""


class Examples:
    """The examples of a folder, drawn at random."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []

    def refresh(self) -> int:
        """Look for files that are new, and count all."""
        self._files = sorted(self._folder.glob("*.npy"))
        return len(self._files)

    def batch(self, count: int, patch: int, rng: np.random.Generator) -> Batch:
        """Patches of random examples, turned, mirrored and lit at random."""
        planes, truths, zooms, quantizers = [], [], [], []
        for k in rng.integers(len(self._files), size=count):
            zoom, quantizer = known_of(self._files[k])
            levels = np.load(self._files[k], mmap_mode="r")
            part = augmented(at_work(levels, zoom, patch, rng), rng)
            planes.append(part[:, :PLANES])
            truths.append(part[:, PLANES:])
            zooms.append(zoom * work_side(SIDE, zoom) / SIDE)
            hidden = quantizer is None or rng.uniform() < HIDDEN
            quantizers.append(math.nan if hidden else quantizer)
        return (
            torch.from_numpy(np.stack(planes)),
            torch.from_numpy(np.stack(truths)),
            torch.tensor(zooms),
            torch.tensor(quantizers, dtype=torch.float32),
        )

    def whole(self) -> list[Whole]:
        """Every example, as it is."""
        self.refresh()
        return [
            (np.load(file).astype(np.float32) / np.float32(255.0), *known_of(file))
            for file in self._files
        ]


def known_of(file: Path) -> tuple[float, float | None]:
    """The zoom and the quantizer, by an example's name."""
    zoom, quantizer = map(float, file.name.removesuffix(".npy").split("_")[1:])
    return zoom, None if math.isnan(quantizer) else quantizer


def at_work(
    levels: npt.NDArray[np.uint8], zoom: float, patch: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """A random patch (2, PLANES + 3, patch, patch), 8-bit steps, at the size the network works."""
    work = work_side(SIDE, zoom)
    if work == SIDE:
        y, x = rng.integers(SIDE - patch + 1, size=2)
        return np.asarray(levels[..., y : y + patch, x : x + patch], np.float32)
    wide = min(SIDE, -(-(patch + 8) * SIDE // work))
    y, x = rng.integers(SIDE - wide + 1, size=2)
    part = np.asarray(levels[..., y : y + wide, x : x + wide], np.float32)
    size = max(round(wide * work / SIDE), patch)
    small = [shrink(plane, size) for plane in part.reshape(-1, wide, wide)]
    y, x = rng.integers(size - patch + 1, size=2)
    whole = np.stack(small).reshape(*part.shape[:2], size, size)
    return whole[..., y : y + patch, x : x + patch]


def augmented(levels: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(2, PLANES + 3, P, P) 0..1 of 8-bit steps."""
    part = levels / np.float32(255.0)
    if rng.uniform() < 0.5:
        part = part[..., ::-1]
    if rng.uniform() < 0.05:  # seldom: faces stand upright
        part = part[..., ::-1, :]
    if rng.uniform() < 0.05:
        part = part.swapaxes(-1, -2)
    if rng.uniform() < 0.5:  # time runs backwards
        part = part[::-1]
        turned = [3 + STEPS.index(-step) for step in STEPS]
        part = part[:, [0, 1, 2, *turned, *range(PLANES, PLANES + 3)]]
    if rng.uniform() < 0.15:  # a tracklet's end, or a large face: neighbours are missing
        first, last = [(-2, 2), (0, 3), (-3, 0), (-1, 3), (-3, 1), (0, 0)][int(rng.integers(6))]
        gone = [3 + k for k, step in enumerate(STEPS) if not first <= step <= last]
        part = part.copy()
        part[:, gone] = np.tensordot(part[:, :3], LUMA, axes=(1, 0))[:, None]
    gain = np.float32(rng.uniform(0.6, 1.1))
    added = np.float32(rng.uniform(0.0, 1.0 - min(float(gain), 1.0)))
    return np.ascontiguousarray(part * gain + added, np.float32)
