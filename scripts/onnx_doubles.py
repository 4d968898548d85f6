"""Networks with random weights in the layout in which they are published, written as ONNX files.

For the tests and the benches: the work is that of the published files, the pictures mean nothing.
GPEN's network is after the paper (Tao Yang and others, "GAN Prior Embedded Network for Blind Face
Restoration in the Wild", CVPR 2021): an encoder whose features are the noise of a StyleGAN2, joined
to its features instead of added.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STYLE = 512


def write(network: nn.Module, path: Path, side: int, opset: int = 17) -> Path:
    """Write a network of pictures (1, 3, side, side) as such files are published: sizes fixed, one
    input called "input", one output called "output"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's of itself
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, side, side),),
            str(path),
            input_names=["input"],
            output_names=["output"],
            opset_version=opset,
            dynamo=False,  # the other needs the package onnxscript
        )
    return path


def gpen(side: int, multiplier: int, narrow: float, seed: int = 0) -> nn.Module:
    """GPEN with random weights: 512, 2, 1.0 is the authors' GPEN-BFR-512 (71 million numbers), 256,
    1, 0.5 their GPEN-BFR-256 (19 million)."""
    torch.manual_seed(seed)
    wide = {4: 512, 8: 512, 16: 512, 32: 512}
    wide |= {64 * 2**k: 256 * multiplier // 2**k for k in range(5)}
    return _Gpen(side, {s: int(n * narrow) for s, n in wide.items()}).requires_grad_(False)


class _Gpen(nn.Module):
    def __init__(self, side: int, channels: dict[int, int]) -> None:
        super().__init__()
        sides = [4 * 2**k for k in range(side.bit_length() - 2)]
        self.encoder = nn.ModuleList([nn.Conv2d(3, channels[side], 1)])
        for large, small in pairwise(sides[::-1]):
            self.encoder.append(_Smaller(channels[large], channels[small]))
        self.style = nn.Linear(channels[4] * 16, STYLE)
        self.mapping = nn.ModuleList(nn.Linear(STYLE, STYLE) for _ in range(8))
        self.start = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.first = _Styled(channels[4], channels[4])
        self.picture = _ToPicture(channels[4])
        self.levels = nn.ModuleList(
            _Level(channels[small], channels[large]) for small, large in pairwise(sides)
        )

    def forward(self, x: Tensor) -> Tensor:
        read = []
        for layer in self.encoder:
            x = F.leaky_relu(layer(x), 0.2)
            read.append(x)
        style = F.leaky_relu(self.style(x.flatten(1)), 0.2)
        style = style * torch.rsqrt(style.square().mean(1, keepdim=True) + 1e-8)
        for linear in self.mapping:
            style = F.leaky_relu(linear(style), 0.2) * 2**0.5
        painted = self.first(self.start, style, read.pop())
        picture: Tensor = self.picture(painted, style)
        for level in self.levels:
            painted, added = level(painted, style, read.pop())
            picture = _larger(picture) + added
        return picture


class _Smaller(nn.Module):
    """Blurred, then a convolution that halves the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2)
        nn.init.normal_(self.conv.weight, std=(2.0 / (9 * inputs)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(_blurred(x, 2, 1.0))
        return y


class _Modulated(nn.Module):
    """A convolution whose weights are scaled by a style and then brought to unit energy."""

    def __init__(self, inputs: int, outputs: int, kernel: int, plain: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.modulation = nn.Linear(STYLE, inputs)
        nn.init.ones_(self.modulation.bias)
        self.plain = plain
        self.scale: float = (inputs * kernel**2) ** -0.5

    def weights(self, style: Tensor) -> Tensor:
        """(outputs, inputs, kernel, kernel), of the style (1, STYLE) of one face."""
        scales: Tensor = self.modulation(style)[0, None, :, None, None]
        weight = self.scale * self.weight * scales
        if self.plain:
            return weight
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        return weight


class _Styled(nn.Module):
    def __init__(self, inputs: int, outputs: int, doubles: bool = False) -> None:
        super().__init__()
        self.conv = _Modulated(inputs, outputs, 3)
        self.noise = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1, 2 * outputs, 1, 1))
        self.doubles = doubles

    def forward(self, x: Tensor, style: Tensor, read: Tensor) -> Tensor:
        weight = self.conv.weights(style)
        if self.doubles:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = _blurred(x, 1, 4.0)
        else:
            x = F.conv2d(x, weight, padding=1)
        joined = torch.cat([x, self.noise * read], 1)
        return 2**0.5 * F.leaky_relu(joined + self.bias, 0.2)


class _ToPicture(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _Modulated(2 * channels, 3, 1, plain=True)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        added: Tensor = 0.1 * F.conv2d(x, self.conv.weights(style)) + self.bias
        return added


class _Level(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = _Styled(2 * inputs, outputs, doubles=True)
        self.same = _Styled(2 * outputs, outputs)
        self.picture = _ToPicture(outputs)

    def forward(self, x: Tensor, style: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        x = self.same(self.up(x, style, read), style, read)
        return x, self.picture(x, style)


def _blurred(x: Tensor, padding: int, gain: float) -> Tensor:
    """By StyleGAN2's kernel 1 3 3 1 a side."""
    return F.conv2d(x, _kernel(x, gain), padding=padding, groups=x.shape[1])


def _larger(x: Tensor) -> Tensor:
    """A picture at twice the side: zeros between its pixels, blurred."""
    return F.conv_transpose2d(x, _kernel(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def _kernel(x: Tensor, gain: float) -> Tensor:
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
    kernel = gain * (line[:, None] * line[None, :]) / line.sum() ** 2
    return kernel.expand(x.shape[1], 1, 4, 4)
