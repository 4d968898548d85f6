"""The authors' own networks with random weights, so drawn that every one of them tells."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision_bridge import bridge

from tests.making.portraits import portraits
from videnhance.detectors.retinaface import Name
from videnhance.inference import LARGE, Definition, Execution, way_of
from videnhance.inference.on_torch import TorchNetwork


def by_torch(network: nn.Module, **wish: Any) -> TorchNetwork:
    """A module as the contract of networks has it, by torch, in float32 unless told otherwise."""
    definition = Definition("n", ((1, 3, 512, 512),), LARGE, lambda: network)
    asked = Execution(backend="torch", **{"precision": "f32", **wish})
    return TorchNetwork(definition, way_of(LARGE, asked))


def gfpgan_state() -> dict[str, Tensor]:
    """Weights of GFPGANv1Clean with GFPGANer's own arguments, about 350 MB."""
    bridge()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gfpgan.archs.gfpganv1_clean_arch import GFPGANv1Clean

        with torch.device("meta"):
            published = GFPGANv1Clean(
                out_size=512,
                channel_multiplier=2,
                fix_decoder=False,
                input_is_latent=True,
                different_w=True,
                sft_half=True,
            ).state_dict()
    draw = torch.Generator().manual_seed(3)
    return {key: _drawn(key, value.shape, draw) for key, value in published.items()}


def _drawn(key: str, shape: torch.Size, draw: torch.Generator) -> Tensor:
    """Random weights with which every kind of weight tells, and the picture stays in range."""
    if key.endswith("modulation.bias"):
        return torch.ones(shape)  # as before training
    if len(shape) == 1 and shape[0] == 1:
        return torch.tensor([0.1])  # the noise's strength
    values = torch.randn(shape, generator=draw)
    if key.endswith("bias"):
        return 0.05 * values
    if "noises" in key or "constant_input" in key:
        return values
    inputs = shape[2:] if "modulated_conv.weight" in key else shape[1:]
    scale = 0.05 if "to_rgb" in key and len(shape) > 2 else 1.0
    weights: Tensor = scale * values / float(inputs.numel()) ** 0.5
    return weights


def restoreformer() -> nn.Module:
    bridge()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from gfpgan.archs.restoreformer_arch import RestoreFormer

        torch.manual_seed(0)
        network: nn.Module = RestoreFormer().eval().requires_grad_(False)
    # codes as far apart as the features they stand for, so that rounding cannot change the choice
    network.get_parameter("quantize.embedding.weight").normal_(generator=torch.manual_seed(2))
    return network


def codeformer() -> nn.Module:
    """Skips the test that asks for it where the extra `codeformer` is not installed."""
    pytest.importorskip("spandrel_extra_arches", reason="the extra codeformer is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

        torch.manual_seed(0)
        network: nn.Module = CodeFormer().eval().requires_grad_(False)
    # codes apart, a voice for every place, so that the choice differs and rounding cannot tip it
    network.get_parameter("quantize.embedding.weight").normal_(generator=torch.manual_seed(2))
    network.get_parameter("position_emb").normal_(generator=torch.manual_seed(3))
    return network


def shortened(network: nn.Module) -> nn.Module:
    """CodeFormer with next to no encoder and generator: a place's mean to codes, codes to RGB."""
    draw = torch.Generator().manual_seed(4)
    inward, outward = nn.Conv2d(3, 256, 1, bias=False), nn.Conv2d(256, 3, 1, bias=False)
    inward.weight = nn.Parameter(torch.randn(inward.weight.shape, generator=draw))
    outward.weight = nn.Parameter(torch.randn(outward.weight.shape, generator=draw) / 16.0)
    network.get_submodule("encoder").blocks = nn.ModuleList([nn.AvgPool2d(32), inward])
    network.get_submodule("generator").blocks = nn.ModuleList([outward])
    return network.requires_grad_(False)


def retinaface(network: Name) -> Any:
    """facexlib's, which finds something in every portrait."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.detection.retinaface import RetinaFace

        torch.manual_seed(3)
        made: Any = RetinaFace(network_name=network, device=torch.device("cpu"))
    picture = torch.from_numpy(portraits()[0].transpose(2, 0, 1)[None].astype(np.float32))
    with torch.no_grad():
        # Statistics of the net's own features keep random answers in a range that differs.
        made.train()
        for _ in range(3):
            made(picture)
        made.eval()
        for head in made.ClassHead:
            head.conv1x1.weight.mul_(20)
    return made
