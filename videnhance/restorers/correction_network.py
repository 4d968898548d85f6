"""The network behind clarity: its layers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.imaging.frames import LUMA, FloatArray
from videnhance.restorers.correction import CELL, PLANES

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
        cells = CELL * CELL
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
        return planes[:, :3] + self.change(prepared(planes, zoom, quantizer))

    def change(self, x: Tensor) -> Tensor:
        """What is added to the fused crop, (B, 3, S, S), from what `prepared` returns."""
        x = self.head(x)
        y = self.before(x)
        y = y + F.pixel_shuffle(self.up(self.deep(self.down(y))), 2)
        y = self.after(y)
        return F.pixel_shuffle(self.tail(x + y), CELL)

    def changes(self, planes: FloatArray, zoom: FloatArray, quantizer: FloatArray) -> FloatArray:
        """The same from and to arrays, on the device that the network is on (`corrections`)."""
        device = self.head.weight.device
        with torch.inference_mode():
            given = (torch.from_numpy(x).to(device) for x in (planes, zoom, quantizer))
            return np.asarray(self.change(prepared(*given)).cpu().numpy(), np.float32)


def prepared(planes: Tensor, zoom: Tensor, quantizer: Tensor) -> Tensor:
    """What the network's first layer reads, (B, PLANES * CELL^2 + 4, S / CELL, S / CELL), from the
    inputs of `Correction.forward`. It has no weights, costs little and is computed in float32 at
    any precision, as it subtracts frames that are nearly equal."""
    cells = F.pixel_unshuffle(planes, CELL)
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
    return torch.cat([x, facts[..., None, None].expand(-1, -1, *x.shape[2:])], 1)


class Prepared(nn.Module):
    """`prepared` as a network."""

    def forward(self, planes: Tensor, zoom: Tensor, quantizer: Tensor) -> Tensor:
        return prepared(planes, zoom, quantizer)


class Changing(nn.Module):
    """The rest, `Correction.change`, as a network."""

    def __init__(self, network: Correction) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.change(x)


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
