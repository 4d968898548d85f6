"""dlib's face recognition network: a ResNet whose 128 outputs are near for faces of one person.

Davis King, "High quality face recognition with deep metric learning", dlib's blog, 2017; the layers
are those of dlib's example dnn_face_recognition_ex.cpp. The weights are those that face-api ships,
in whole numbers of 8 bits (identity.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 150
"""Pixels of a face's picture at each side."""
LENGTH = 128
MEAN = (122.782, 117.001, 104.298)
"""Of the pictures it learned from, RGB in 8-bit steps."""
BLOCKS = (
    *(f"conv32_{k}" for k in (1, 2, 3)),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
"""Names of the residual blocks in turn, each of as many channels as its name says."""


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2 if halves else 1, 0 if halves else 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.halves:
            x = F.avg_pool2d(x, 2)
            # What is smaller in height, width or channels gets zeros behind it.
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu(x + y)


class Embedding(nn.Module):
    """From pictures (B, 3, SIDE, SIDE), RGB 0..1, to embeddings (B, LENGTH), about 1.4 long."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) / 255.0, persistent=False)
        self.conv32_down = nn.Conv2d(3, 32, 7, 2)
        self.blocks = nn.ModuleList()
        channels = 32
        for name in BLOCKS:
            outputs = int(name.removeprefix("conv").partition("_")[0])
            self.blocks.append(_Block(channels, outputs, halves="down" in name))
            channels = outputs
        self.fc = nn.Linear(channels, LENGTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv32_down((x - self.mean) * (255.0 / 256.0)))
        x = F.max_pool2d(x, 3, 2)
        for block in self.blocks:
            x = block(x)
        found: Tensor = self.fc(x.mean((2, 3)))
        return found


def restored(kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `Embedding` from weights as they are kept.

    A tensor is float32, or whole numbers of 8 bits, which NAME.scale and NAME.least make weights
    of. Each convolution has a factor and a summand for its outputs, which are put into its weights.
    """
    values = {
        name: value.float() * kept[f"{name}.scale"] + kept[f"{name}.least"]
        if value.dtype == torch.uint8
        else value
        for name, value in kept.items()
        if value.ndim
    }
    state = {"fc.weight": values.pop("fc.weight")}
    for name in [n.removesuffix(".factor") for n in values if n.endswith(".factor")]:
        block, _, rest = name.partition(".")
        key = f"blocks.{BLOCKS.index(block)}.{rest}" if rest else block
        factor = values[f"{name}.factor"]
        state[f"{key}.weight"] = values[f"{name}.weight"] * factor[:, None, None, None]
        state[f"{key}.bias"] = values[f"{name}.bias"] * factor + values[f"{name}.summand"]
    return state
