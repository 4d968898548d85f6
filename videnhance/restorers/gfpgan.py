"""GFPGAN's network (versions 1.2 to 1.4): a U-Net that reads the face, a StyleGAN2 that paints it.

GFPGANv1Clean of the gfpgan package (Xintao Wang and others, "Towards Real-World Blind Face
Restoration with Generative Facial Prior", CVPR 2021), arranged for inference:

- A style scales the input and output of a convolution instead of its weights, so one set of weights
  serves all faces of a batch ("Analyzing and Improving the Image Quality of StyleGAN", appendix B).
- The noise is the one stored with the weights: the same face gives the same texture.
- 1x1 convolutions come before the enlargement instead of after it: both are linear, and it costs a
  quarter.

Ours, because spandrel has the network as published, which takes about twice the time on a CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.inference.convolution import Convolution, convolve
from videnhance.models.loading import check_state

STYLE = 512
"""Length of a style vector."""
EXACT = ("MatMul",)
"""The operations to be computed in f32 amid bf16: those that make scales and gains of styles, and
planes of features. Each is wrong for a whole channel. With random weights bf16 then differs from
f32 by 1.6 levels instead of 2.2 (root of the mean square), and takes 5 % longer."""
_SIDES = (8, 16, 32, 64, 128, 256, 512)
_PAINTED = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}
"""StyleGAN2's channels by side in pixels; the U-Net has half as many."""
_READ = {side: channels // 2 for side, channels in _PAINTED.items()}


def build(state: Mapping[str, Tensor], path: Path = Path("gfpgan"), seed: int = 0) -> nn.Module:
    """The network with the published weights `state`, float32 on the CPU, for inference.

    It takes (B, 3, 512, 512) RGB in [-1, 1] and returns the same shape, float32, not clamped. Its
    noise is the one stored with the weights; a `seed` above 0 draws another.
    Raises ModelError if keys are missing, unknown or of another shape, naming them and `path`, the
    file they came from.
    """
    with torch.device("meta"):  # 86 million random numbers would be drawn only to be replaced
        network = GFPGAN()
    check_state(network, state, path)
    copies = {key: value.to(torch.float32, copy=True) for key, value in state.items()}
    if seed:
        draw = torch.Generator().manual_seed(seed)
        for key in (key for key in copies if ".noises." in key):
            copies[key] = torch.randn(copies[key].shape, generator=draw)
    network.load_state_dict(copies, assign=True)
    network.settle()
    return network.requires_grad_(False).eval()


class GFPGAN(nn.Module):
    """The network with the published keys; call `settle` after loading them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_body_first = nn.Conv2d(3, _READ[512], 1)
        self.conv_body_down = nn.ModuleList(
            _Down(_READ[side], _READ[side // 2]) for side in reversed(_SIDES)
        )
        self.final_conv = Convolution(_READ[4], _READ[4])
        self.conv_body_up = nn.ModuleList(_Up(_READ[side // 2], _READ[side]) for side in _SIDES)
        self.toRGB = nn.ModuleList(nn.Conv2d(_READ[side], 3, 1) for side in _SIDES)
        self.final_linear = nn.Linear(_READ[4] * 4 * 4, 2 * (len(_SIDES) + 1) * STYLE)
        self.stylegan_decoder = _Decoder()
        self.condition_scale = nn.ModuleList(_condition(_READ[side]) for side in _SIDES)
        self.condition_shift = nn.ModuleList(_condition(_READ[side]) for side in _SIDES)

    def settle(self) -> None:
        """Compute what depends on the weights alone, and drop what only training uses."""
        del self.toRGB
        self.stylegan_decoder.settle()

    def forward(self, x: Tensor) -> Tensor:
        feature = F.leaky_relu_(self.conv_body_first(x), 0.2)
        skips = []
        for down in self.conv_body_down:
            feature = down(feature)
            skips.append(feature)
        feature = F.leaky_relu_(self.final_conv(feature), 0.2)
        styles = self.final_linear(feature.flatten(1)).reshape(len(x), -1, STYLE)
        painted: Tensor
        picture: Tensor
        painted, picture = self.stylegan_decoder(styles)
        for level, up in enumerate(self.conv_body_up):
            feature = up(feature + skips.pop())
            scale = self.condition_scale[level](feature)
            shift = self.condition_shift[level](feature)
            painted, picture = self.stylegan_decoder.level(
                level, painted, picture, styles, scale, shift
            )
        return picture


class _Down(nn.Module):
    """A residual block that halves the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = Convolution(inputs, inputs)
        self.conv2 = Convolution(inputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = F.avg_pool2d(F.leaky_relu_(self.conv1(x), 0.2), 2)
        out = F.leaky_relu_(self.conv2(out), 0.2)
        return out.add_(self.skip(F.avg_pool2d(x, 2)))


class _Up(nn.Module):
    """A residual block that doubles the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = Convolution(inputs, inputs)
        self.conv2 = Convolution(inputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = _doubled(F.leaky_relu_(self.conv1(x), 0.2))
        out = F.leaky_relu_(self.conv2(out), 0.2)
        return out.add_(_doubled(self.skip(x)))


class _Modulated(nn.Module):
    """The weights of a convolution and the linear map from a style to its input's scales."""

    energy: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, outputs, inputs, kernel, kernel))
        self.modulation = nn.Linear(STYLE, inputs)

    def settle(self) -> None:
        """Make `weight` a plain convolution's, and set `energy` (inputs, outputs), the sum of
        squares of each kernel."""
        self.weight = nn.Parameter(self.weight[0].detach(), requires_grad=False)
        energy = self.weight.square().sum((2, 3)).T.contiguous()
        self.register_buffer("energy", energy, persistent=False)


class _StyleConv(nn.Module):
    """A 3x3 convolution modulated by a style, with noise; `doubles`: at twice the side."""

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, doubles: bool) -> None:
        super().__init__()
        self.modulated_conv = _Modulated(inputs, outputs, 3)
        self.weight = nn.Parameter(torch.empty(1))
        self.bias = nn.Parameter(torch.empty(1, outputs, 1, 1))
        self.doubles = doubles

    def settle(self, noise: Tensor) -> None:
        self.modulated_conv.settle()
        self.register_buffer("noise", self.weight.detach() * noise, persistent=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        conv = self.modulated_conv
        scales = conv.modulation(style)
        # in f32: the sum of squares of large scales exceeds fp16
        power = scales.float().square() @ conv.energy.float()
        gains = (torch.rsqrt(power + 1e-8) * 2**0.5).to(x.dtype)
        x = x * scales[:, :, None, None]
        out = convolve(_doubled(x) if self.doubles else x, conv.weight)
        out = out.mul_(gains[:, :, None, None]).add_(self.noise).add_(self.bias)
        return F.leaky_relu_(out, 0.2)


class _ToPicture(nn.Module):
    """The RGB that a level adds to the picture; float32, as the picture is a sum of eight."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.modulated_conv = _Modulated(inputs, 3, 1)
        self.bias = nn.Parameter(torch.empty(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        conv = self.modulated_conv
        weights = conv.modulation(style)[:, None] * conv.weight[:, :, 0, 0]  # (B, 3, inputs)
        planes = torch.bmm(weights, x.flatten(2)).reshape(len(x), 3, *x.shape[2:])
        return planes.float() + self.bias.float()


class _Decoder(nn.Module):
    """StyleGAN2's generator; the U-Net's conditions scale and shift half of its features."""

    def __init__(self) -> None:
        super().__init__()
        # part of the published weights but unused: the styles come ready-made from the U-Net
        layers: list[nn.Module] = [nn.Identity()]
        for _ in range(8):
            layers += [nn.Linear(STYLE, STYLE), nn.LeakyReLU(0.2)]
        self.style_mlp = nn.Sequential(*layers)
        self.constant_input = nn.Module()
        self.constant_input.weight = nn.Parameter(torch.empty(1, _PAINTED[4], 4, 4))
        self.style_conv1 = _StyleConv(_PAINTED[4], _PAINTED[4], doubles=False)
        self.to_rgb1 = _ToPicture(_PAINTED[4])
        self.style_convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        self.noises = nn.Module()
        self.noises.register_buffer("noise0", torch.empty(1, 1, 4, 4))
        for k, side in enumerate(_SIDES):
            inputs, outputs = _PAINTED[side // 2], _PAINTED[side]
            self.style_convs.append(_StyleConv(inputs, outputs, doubles=True))
            self.style_convs.append(_StyleConv(outputs, outputs, doubles=False))
            self.to_rgbs.append(_ToPicture(outputs))
            for layer in (2 * k + 1, 2 * k + 2):
                self.noises.register_buffer(f"noise{layer}", torch.empty(1, 1, side, side))

    def settle(self) -> None:
        for k, conv in enumerate([self.style_conv1, *self.style_convs]):
            conv.settle(self.noises.get_buffer(f"noise{k}"))
        for to_rgb in [self.to_rgb1, *self.to_rgbs]:
            to_rgb.modulated_conv.settle()
        del self.noises, self.style_mlp

    def forward(self, styles: Tensor) -> tuple[Tensor, Tensor]:
        """The features and the picture at 4x4, from styles (B, 16, 512)."""
        # not by get_parameter, which torch.export follows only from torch 2.5 on
        start = cast(Tensor, self.constant_input.weight)
        painted = self.style_conv1(start.expand(len(styles), -1, -1, -1), styles[:, 0])
        return painted, self.to_rgb1(painted, styles[:, 1])

    def level(
        self,
        level: int,
        painted: Tensor,
        picture: Tensor,
        styles: Tensor,
        scale: Tensor,
        shift: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The features and the picture at twice the side."""
        first = 2 * level + 1
        painted = self.style_convs[2 * level](painted, styles[:, first])
        kept, shifted = painted.chunk(2, 1)
        painted = torch.cat([kept, (shifted * scale).add_(shift)], 1)
        painted = self.style_convs[2 * level + 1](painted, styles[:, first + 1])
        return painted, self.to_rgbs[level](painted, styles[:, first + 2]) + _doubled(picture)


def _condition(channels: int) -> nn.Sequential:
    return nn.Sequential(
        Convolution(channels, channels), nn.LeakyReLU(0.2, True), Convolution(channels, channels)
    )


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
