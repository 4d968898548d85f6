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

from videnhance.restorers.network import Convolution
from videnhance.torchvision_bridge import bridge
from videnhance.weights import check_state


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


def fill(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Give a network made on the device "meta" copies of weights, float32 on the CPU.

    It is made quicker, too (`quicken`). Raises ModelError as `check_state` does.
    """
    check_state(network, state, path)
    copies = {key: value.to(torch.float32, copy=True) for key, value in state.items()}
    network.load_state_dict(copies, assign=True)
    quicken(network)


def quicken(network: nn.Module) -> None:
    """Make its 3x3 convolutions `Convolution`, the quicker one on a CPU; weights stay the same."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and _is_plain(child):
                with torch.device("meta"):
                    quick = Convolution(child.in_channels, child.out_channels)
                quick.load_state_dict(child.state_dict(), assign=True)
                setattr(parent, name, quick)


def _is_plain(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and conv.padding == (1, 1)
        and conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.bias is not None
    )


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
