"""The network behind clarity: its input, its layers, and how it is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.imaging.frames import LUMA, FloatArray
from videnhance.imaging.optical_flow import enlarge, shrink
from videnhance.restorers.fusion import Fused

STEPS = (0, -3, -2, -1, 1, 2, 3)
"""The frames given to the network besides the fused crop, by how many frames later they are."""
PLANES = 3 + len(STEPS)

ZOOM = 3.0
"""Largest number of crop pixels per source pixel that the network works at. A finer grid holds no
more of the source, and so the network meets one size of noise and blocks, not ten."""
_CELL = 4
"""Side in pixels of the block that becomes one place of the network's grid: about a source pixel.
"""
_MULTIPLE = 2 * _CELL
"""Sides must be multiples of this: half of the grid must be whole, too."""
_WIDTH, _DEEP, _BLOCKS = 48, 96, 3
_GAIN = 8.0
"""Differences between frames are small: they are multiplied by this for the network."""


class Correction(nn.Module):
    """Maps a fused crop and its frames to the restored crop; fully convolutional.

    Residual blocks; the middle ones work on half the grid and so see twice as far (a one-level
    U-Net, Ronneberger et al. 2015, with sums). The correction starts at zero: untrained, the
    network returns the fused crop.
    """

    def __init__(self, width: int = _WIDTH, deep: int = _DEEP, blocks: int = _BLOCKS) -> None:
        super().__init__()
        cells = _CELL * _CELL
        self.head = nn.Conv2d(PLANES * cells + 4, width, 3, padding=1)
        self.before = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.down = nn.Conv2d(width, deep, 3, stride=2, padding=1)
        self.deep = nn.Sequential(*(_Block(deep) for _ in range(blocks)))
        self.up = nn.Conv2d(deep, 4 * width, 1)
        self.after = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, 3 * cells, 3, padding=1)
        for last in (self.up, self.tail):
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    @staticmethod
    def shaped(state: Mapping[str, Tensor]) -> Correction:
        """An untrained network with as many channels and blocks as these weights have; of the
        shipped size if they are not of such a network."""
        head, down = state.get("head.weight"), state.get("down.weight")
        if head is None or down is None or head.ndim != 4 or down.ndim != 4:
            return Correction()
        blocks = len([key for key in state if re.fullmatch(r"deep\.\d+\.first\.bias", key)])
        return Correction(len(head), len(down), blocks)

    def forward(self, planes: Tensor, zoom: Tensor, quantizer: Tensor) -> Tensor:
        """Restored RGB (B, 3, S, S) from `planes` (B, PLANES, S, S) made by `observed`, both
        nominally 0..1. `zoom` (B,): crop pixels per source pixel; `quantizer` (B,): NaN if it is
        not known. S is a multiple of 8."""
        cells = F.pixel_unshuffle(planes, _CELL)
        cells = cells.view(len(cells), PLANES, -1, *cells.shape[2:])
        fused = cells[:, :3]
        luma = (fused * fused.new_tensor(LUMA).view(1, 3, 1, 1, 1)).sum(1, keepdim=True)
        apart = cells[:, 3:] - luma
        # the difference of the frames shows noise and codec; the zoom, how wide their traces are
        noise = torch.log(apart.abs().mean((1, 2, 3, 4)) + 1e-3) / 2.0 + 2.0
        known = ~torch.isnan(quantizer)
        coarse = torch.where(known, (quantizer - 26.0) / 10.0, torch.zeros_like(quantizer))
        facts = torch.stack([torch.log2(zoom) - 1.5, noise, known.to(coarse), coarse], 1)
        x = torch.cat([fused - 0.5, apart * _GAIN], 1).flatten(1, 2)
        x = self.head(torch.cat([x, facts[..., None, None].expand(-1, -1, *x.shape[2:])], 1))
        y = self.before(x)
        y = y + F.pixel_shuffle(self.up(self.deep(self.down(y))), 2)
        y = self.after(y)
        return planes[:, :3] + F.pixel_shuffle(self.tail(x + y), _CELL)


class _Block(nn.Module):
    """A residual block of two convolutions; untrained, it is close to the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.normal_(self.second.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(F.relu(self.first(x)))
        return y


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
    network: nn.Module,
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
        changes = _run(network, seen, scales, quantizer)
        found |= {k: enlarge(c, planes[k].shape[-1]) for k, c in zip(these, changes, strict=True)}
    return [found[k] for k in range(len(sizes))]


def _at(planes: FloatArray, size: int) -> FloatArray:
    if planes.shape[-1] == size:
        return planes
    return np.stack([shrink(plane, size) for plane in planes])


def _run(
    network: nn.Module, seen: FloatArray, scales: Sequence[float], quantizer: float | None
) -> FloatArray:
    """The corrections (B, S, S, 3) for `seen` (B, PLANES, S, S)."""
    device = next(network.parameters()).device
    facts = [scales, [np.nan if quantizer is None else quantizer] * len(scales)]
    with torch.inference_mode():
        given = torch.from_numpy(seen).to(device)
        zoom, step = torch.tensor(facts, dtype=torch.float32, device=device)
        change = (network(given, zoom, step) - given[:, :3]).permute(0, 2, 3, 1)
        return np.ascontiguousarray(change.cpu().numpy(), np.float32)
