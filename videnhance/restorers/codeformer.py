"""CodeFormer's network: a transformer predicts the codes of a face, a VQGAN paints them.

Shangchen Zhou and others, "Towards Robust Blind Face Restoration with Codebook Lookup
Transformer", NeurIPS 2022. Its code and its weights are under the S-Lab License 1.0, which forbids
commercial use. It therefore comes from a separate package, spandrel_extra_arches, which is not
installed with videnhance. Only that package's network is used, not its model wrapper: the wrapper
feeds values in 0..1 and a fixed fidelity of 0.5, whereas the authors (inference_codeformer.py) feed
RGB in [-1, 1] and w. Both run with the authors' adain=True.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.errors import ModelError, UsageError
from videnhance.models.loading import fill


def build(
    state: Mapping[str, Tensor], fidelity: float, path: Path = Path("codeformer")
) -> nn.Module:
    """The network with the published weights `state`, float32 on the CPU, for inference.

    It takes (B, 3, 512, 512) RGB in [-1, 1] and returns the same shape, not clamped. `fidelity` is
    the authors' w: 0 paints from the codes alone, 1 adds the most detail of the input face.
    Raises UsageError for a fidelity outside 0..1; ModelError if spandrel_extra_arches is not
    installed, or if keys are missing, unknown or of another shape, naming them and `path`, the
    file they came from.
    """
    if not 0.0 <= fidelity <= 1.0:
        raise UsageError(f"--fidelity {fidelity}: outside 0 to 1; give a value from 0 to 1")
    made = architecture()
    with torch.device("meta"):  # 94 million random numbers would be drawn only to be replaced
        network = made()
    fill(network, state, path)
    return _CodeFormer(network, fidelity).requires_grad_(False).eval()


def architecture(name: str = "codeformer") -> Any:
    """The class of CodeFormer's network. Raises ModelError, which names the restorer `name`, where
    the package is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns about its own code
            from spandrel_extra_arches.architectures.CodeFormer import CodeFormer
    except ImportError as error:
        raise ModelError(
            f"{name}: its network is in a package that cannot be imported ({error}); install "
            'it (its licence is non-commercial) with: pip install "videnhance[codeformer]"'
        ) from error
    return CodeFormer


class _CodeFormer(nn.Module):
    """The package's network at one fidelity, adapted to lower precisions."""

    def __init__(self, network: nn.Module, fidelity: float) -> None:
        super().__init__()
        self.network = network
        self.fidelity = fidelity
        norm, linear = network.get_submodule("idx_pred_layer").children()
        network.idx_pred_layer = nn.Sequential(norm, _InFloat32(linear))
        codes = network.get_parameter("quantize.embedding.weight")
        network.quantize = _Codebook(codes)

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.network(x, weight=self.fidelity)[0]
        return picture


class _InFloat32(nn.Module):
    """A linear layer without bias that computes in float32.

    The code with the largest output is taken. In bfloat16 several outputs would be equal, and the
    choice among them would be arbitrary.
    """

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.weight = linear.get_parameter("weight")

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.float(), self.weight.float())


class _Codebook(nn.Module):
    """Looks codes up by number; replaces the package's VectorQuantizer, which multiplies one-hot
    rows in float32."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)

    def get_codebook_feat(self, indices: Tensor, shape: Sequence[int]) -> Tensor:
        """The codes as (B, C, H, W); `indices` (B, H*W, 1), `shape` (B, H, W, C)."""
        found = F.embedding(indices.reshape(-1), self.codes).reshape(tuple(shape))
        return found.permute(0, 3, 1, 2).contiguous()
