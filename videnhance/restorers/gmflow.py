"""GMFlow: optical flow by matching every place of one picture with every place of another.

Haofei Xu and others, "GMFlow: Learning Optical Flow via Global Matching", CVPR 2022. KEEP has it
inside; so its parts bear the names that the published weights have. In its plainest form: one scale
(an eighth of the picture), windows in halves, global matching, and the flow spread over what looks
alike. Ours, because no package has it without a training framework.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 128
"""Channels of its features."""
_SCALE = 8
"""Pixels of the picture to one place of the features, a side."""
_SPLITS = 2
"""Windows a side in which features attend to each other."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_APART = -100.0
"""What is added to the score of two places that only a shift brought into one window."""


class GMFlow(nn.Module):
    """The flow from the first picture to the second, in pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.transformer: Any = nn.Module()
        self.transformer.layers = nn.ModuleList(_Block(shifted=k % 2 == 1) for k in range(6))
        self.feature_flow_attn: Any = nn.Module()
        self.feature_flow_attn.q_proj = nn.Linear(WIDTH, WIDTH)
        self.feature_flow_attn.k_proj = nn.Linear(WIDTH, WIDTH)
        self.upsampler = nn.Sequential(
            nn.Conv2d(2 + WIDTH, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 9 * _SCALE**2, 1)
        )

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(B, 2, H, W), x and y, of two pictures (B, 3, H, W) RGB in [-1, 1], whose sides are
        multiples of 16."""
        count = len(one)
        pictures = torch.cat([one, other]) / 2.0 + 0.5
        mean, std = (pictures.new_tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _STD))
        features = self.backbone((pictures - mean) / std)
        high, wide = features.shape[2:]
        inner = _places(high // _SPLITS, wide // _SPLITS, features)
        features = features + inner.repeat(1, 1, _SPLITS, _SPLITS)
        x = features.permute(0, 2, 3, 1)
        apart = _apart(high, wide, features)
        for layer in self.transformer.layers:
            x = layer(x, torch.cat([x[count:], x[:count]]), apart)
        x = x.flatten(1, 2)  # (2B, places, channels)
        first, second = x[:count], x[count:]
        rows, columns = torch.meshgrid(
            torch.arange(high, dtype=x.dtype, device=x.device),
            torch.arange(wide, dtype=x.dtype, device=x.device),
            indexing="ij",
        )
        places = torch.stack([columns, rows], -1).reshape(1, -1, 2).expand(count, -1, -1)
        flow = _attended(first, second, places) - places
        # The key is made of the query, as the weights were trained.
        query = self.feature_flow_attn.q_proj(first)
        flow = _attended(query, self.feature_flow_attn.k_proj(query), flow)
        flow = flow.transpose(1, 2).reshape(count, 2, high, wide)
        first = first.transpose(1, 2).reshape(count, WIDTH, high, wide)
        return self._enlarged(flow, first)

    def _enlarged(self, flow: Tensor, features: Tensor) -> Tensor:
        """At the picture's size: each pixel's flow is a mean of the nine around it."""
        count, _, high, wide = flow.shape
        weights = self.upsampler(torch.cat([flow, features], 1))
        weights = weights.view(count, 1, 9, _SCALE, _SCALE, high, wide).softmax(2)
        around = F.unfold(_SCALE * flow, 3, padding=1).view(count, 2, 9, 1, 1, high, wide)
        mixed: Tensor = (weights * around).sum(2).permute(0, 1, 4, 2, 5, 3)
        return mixed.reshape(count, 2, _SCALE * high, _SCALE * wide)


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.layer1 = nn.Sequential(_Residual(64, 64, 1), _Residual(64, 64, 1))
        self.layer2 = nn.Sequential(_Residual(64, 96, 2), _Residual(96, 96, 1))
        self.layer3 = nn.Sequential(_Residual(96, WIDTH, 2), _Residual(WIDTH, WIDTH, 1))
        self.conv2 = nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.instance_norm(self.conv1(x)))
        found: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return found


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride))
        self.narrows = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(F.instance_norm(self.conv1(x)))
        y = F.relu(F.instance_norm(self.conv2(y)))
        if self.narrows:
            x = F.instance_norm(self.downsample(x))
        return F.relu(x + y)


class _Block(nn.Module):
    """Places attend to those of their own picture, then to the other picture's."""

    def __init__(self, shifted: bool) -> None:
        super().__init__()
        self.self_attn = _Attention()
        self.cross_attn_ffn: Any = _Attention()
        self.cross_attn_ffn.mlp = nn.Sequential(
            nn.Linear(2 * WIDTH, 8 * WIDTH, bias=False),
            nn.GELU(),
            nn.Linear(8 * WIDTH, WIDTH, bias=False),
        )
        self.cross_attn_ffn.norm2 = nn.LayerNorm(WIDTH)
        self.shifted = shifted

    def forward(self, x: Tensor, other: Tensor, apart: Tensor) -> Tensor:
        x = x + self.self_attn(x, x, apart, self.shifted)
        part = self.cross_attn_ffn
        told = part.mlp(torch.cat([x, part(x, other, apart, self.shifted)], -1))
        joined: Tensor = x + part.norm2(told)
        return joined


class _Attention(nn.Module):
    """(B, H, W, C) attending within windows, which may be shifted by half a window."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.k_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.v_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.merge = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm1 = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, other: Tensor, apart: Tensor, shifted: bool) -> Tensor:
        count, high, wide, _ = x.shape
        shift = (high // _SPLITS // 2, wide // _SPLITS // 2) if shifted else (0, 0)
        back = -shift[0], -shift[1]
        query, key, value = (
            _windows(torch.roll(part, back, (1, 2)))
            for part in (self.q_proj(x), self.k_proj(other), self.v_proj(other))
        )
        found = _attended(query, key, value, apart.repeat(count, 1, 1) if shifted else None)
        grid = found.view(count, _SPLITS, _SPLITS, high // _SPLITS, wide // _SPLITS, WIDTH)
        grid = grid.transpose(2, 3).reshape(count, high, wide, WIDTH)
        told: Tensor = self.norm1(self.merge(torch.roll(grid, shift, (1, 2))))
        return told


def _attended(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None = None) -> Tensor:
    """Attention of one head; `added` to its scores."""
    scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    found: Tensor = (scores if added is None else scores + added).softmax(-1) @ value
    return found


def _windows(x: Tensor) -> Tensor:
    """(B, H, W, C) as (B * windows, places, C)."""
    count, high, wide, channels = x.shape
    x = x.view(count, _SPLITS, high // _SPLITS, _SPLITS, wide // _SPLITS, channels)
    return x.transpose(2, 3).reshape(count * _SPLITS**2, -1, channels)


def _apart(high: int, wide: int, like: Tensor) -> Tensor:
    """(windows, places, places): _APART for two places that are not neighbours before the shift."""

    def regions(length: int) -> Tensor:
        window = length // _SPLITS
        place = torch.arange(length, device=like.device)
        return (place >= length - window).long() + (place >= length - window // 2).long()

    region = 3 * regions(high)[:, None] + regions(wide)[None, :]
    inside = _windows(region[None, :, :, None])[..., 0]
    unlike = inside[:, None, :] != inside[:, :, None]
    return torch.where(unlike, _APART, 0.0).to(like.dtype)


def _places(high: int, wide: int, like: Tensor) -> Tensor:
    """(1, C, H, W): sines of where each place is, y in the first half of the channels."""
    half = WIDTH // 2
    step = torch.arange(half, dtype=like.dtype, device=like.device)
    period = 10000.0 ** (2 * torch.div(step, 2, rounding_mode="floor") / half)

    def waves(length: int) -> Tensor:
        place = torch.arange(1, length + 1, dtype=like.dtype, device=like.device)
        angle = (place / (length + 1e-6) * 2 * math.pi)[:, None] / period
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], 2).flatten(1)

    y = waves(high).T[:, :, None].expand(-1, -1, wide)
    x = waves(wide).T[:, None, :].expand(-1, high, -1)
    return torch.cat([y, x])[None]
