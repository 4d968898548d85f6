"""RestoreFormer's network: a VQGAN whose decoder looks up, by attention, what the face showed.

The gfpgan package holds it (Zhouxia Wang and others, "RestoreFormer: High-Quality Blind Face
Restoration from Undegraded Key-Value Pairs", CVPR 2022), and its GFPGANer feeds it as here: RGB in
[-1, 1]. Beside loading it, this module makes it choose its codes in float32, whatever the
precision: in bfloat16 the distances to many codes are equal, and which is taken were chance.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.models.running import fill
from videnhance.models.torchvision_bridge import bridge


def build(state: Mapping[str, Tensor], path: Path = Path("restoreformer")) -> nn.Module:
    """The network with the published weights `state`, float32 on the CPU, for inference.

    It takes (B, 3, 512, 512) RGB in [-1, 1] and returns the same shape, not clamped. Raises
    ModelError naming keys that are missing, unknown or of another shape, and `path`, from where
    they are.
    """
    bridge()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its libraries' remarks on their own code
        from gfpgan.archs.restoreformer_arch import RestoreFormer
    # 73 million random numbers would be drawn only to be replaced; and its decoder prints
    with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
        network = RestoreFormer()
    fill(network, state, path)
    network.quantize = _Codebook(network.quantize.embedding.weight)
    return _Picture(network).requires_grad_(False).eval()


class _Picture(nn.Module):
    """The first of what a network returns."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.network(x)[0]
        return picture


class _Codebook(nn.Module):
    """Replaces each place's features by the nearest code: VectorQuantizer less its training."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)

    def forward(self, z: Tensor) -> tuple[Tensor, None, None]:
        """z (B, C, H, W); the same shape, and, as the network expects, two it does not use."""
        places = z.permute(0, 2, 3, 1).float()
        codes = self.codes.float()
        # the square of z, the same for all codes, does not change which is the nearest
        distances = codes.square().sum(1) - 2.0 * (places @ codes.T)
        nearest = F.embedding(distances.argmin(-1), self.codes)
        return nearest.permute(0, 3, 1, 2).contiguous(), None, None
