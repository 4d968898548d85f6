"""RestoreFormer's network: a VQGAN whose decoder attends to the features of the input face.

Zhouxia Wang and others, "RestoreFormer: High-Quality Blind Face Restoration from Undegraded
Key-Value Pairs", CVPR 2022. The network comes from spandrel: bit for bit that of the authors'
gfpgan package, without the training programs that importing gfpgan loads (2 seconds). It is fed
as their GFPGANer feeds it: RGB in [-1, 1]. Besides loading it, this module makes it choose its
codes in float32 at any precision: in bfloat16 the distances to many codes are equal, and the choice
would be arbitrary.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.models.loading import fill


def build(state: Mapping[str, Tensor], path: Path = Path("restoreformer")) -> nn.Module:
    """The network with the published weights `state`, float32 on the CPU, for inference.

    It takes (B, 3, 512, 512) RGB in [-1, 1] and returns the same shape, not clamped. Raises
    ModelError if keys are missing, unknown or of another shape, naming them and `path`, the file
    they came from.
    """
    from spandrel.architectures.RestoreFormer import RestoreFormer

    with torch.device("meta"):  # 73 million random numbers would be drawn only to be replaced
        network = RestoreFormer()
    fill(network, state, path)
    network.quantize = _Codebook(network.quantize.embedding.weight)
    return _Picture(network).requires_grad_(False).eval()


class _Picture(nn.Module):
    """A network reduced to the first of its outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.network(x)[0]
        return picture


class _Codebook(nn.Module):
    """Replaces the features at each place by the nearest code: VectorQuantizer without training."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)

    def forward(self, z: Tensor) -> tuple[Tensor, None, None]:
        """The codes nearest to z (B, C, H, W), in its shape, and two unused outputs that the
        network expects."""
        places = z.permute(0, 2, 3, 1).float()
        codes = self.codes.float()
        # the square of z is the same for all codes, so it does not change which is nearest
        distances = codes.square().sum(1) - 2.0 * (places @ codes.T)
        nearest = F.embedding(distances.argmin(-1), self.codes)
        return nearest.permute(0, 3, 1, 2).contiguous(), None, None
