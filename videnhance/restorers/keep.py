"""KEEP's network: CodeFormer on the frames of a clip, each told what the frame before came to.

Ruicheng Feng and others, "Kalman-Inspired Feature Propagation for Video Face Super-Resolution",
ECCV 2024. The features of a frame are mixed with those of the result before it, which is moved to
this frame by GMFlow and encoded anew; a gain, estimated from all frames of the clip, says how far.
While it paints, each frame also attends to the one before.

KEEP's code and weights are under the S-Lab License 1.0, which forbids commercial use, as
CodeFormer's. What it has of CodeFormer comes from the package that codeformer.py takes it from; the
rest is written here after the paper and the layout of the authors' program (basicsr/archs/
keep_arch.py). It has not been run with the published weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.errors import ModelError, line_of
from videnhance.imaging.frames import Crop
from videnhance.inference import Network, is_memory
from videnhance.inference.devices import device_named
from videnhance.models.loading import fill
from videnhance.restorers.codeformer import architecture
from videnhance.restorers.gmflow import GMFlow
from videnhance.restorers.square import Whole

LENGTH, OVERLAP = 20, 4
"""Frames of a clip, as the authors run it, and of those that two share: theirs share none, so that
faces may change from one clip to the next."""
_SIDE = 512
_READ = {"16": 18, "32": 14, "64": 11}
"""By side, the block of the encoder whose features the painting gets (the authors' cft_list)."""
_PAINTED = {"16": 6, "32": 9, "64": 12}
"""By side, the block of the generator after which it is given them."""
_BEFORE = {"16": 512, "32": 256}
"""Channels by side at which a frame attends to the one before (cfa_list)."""
_CODE = 256


def build(state: Mapping[str, Tensor], path: Path = Path("keep")) -> nn.Module:
    """The network with the published weights `state`, float32 on the CPU, for inference.

    It takes (B, T, 3, 512, 512) RGB in [-1, 1], the frames of a clip, oldest first, and returns the
    same shape, not clamped. Raises ModelError if spandrel_extra_arches is not installed, or if keys
    are missing, unknown or of another shape, naming them and `path`, the file they came from.
    """
    with torch.device("meta"):  # 140 million random numbers would be drawn only to be replaced
        network = Keep()
    fill(network, state, path)
    return network.requires_grad_(False).eval()


class Keep(nn.Module):
    """The network with the published keys."""

    def __init__(self) -> None:
        super().__init__()
        known: Any = architecture("keep")(connect_list=[*_READ])
        self.flownet: Any = nn.Module()
        self.flownet.model = GMFlow()
        self.kalman_filter = _Filter(known)
        self.hq_encoder = copy.deepcopy(known.encoder)
        self.encoder: Any = known.encoder
        self.quantize: Any = known.quantize
        self.generator: Any = known.generator
        self.position_emb: Any = known.position_emb
        self.feat_emb: Any = known.feat_emb
        self.ft_layers: Any = known.ft_layers
        self.idx_pred_layer: Any = known.idx_pred_layer
        self.cft = known.fuse_convs_dict
        self.cfa = nn.ModuleDict({side: _Before(width) for side, width in _BEFORE.items()})

    def forward(self, clips: Tensor) -> Tensor:
        return torch.stack([self._clip(clip) for clip in clips])

    def _clip(self, frames: Tensor) -> Tensor:
        """(T, 3, 512, 512), of as many."""
        read = [self._read(frame[None]) for frame in frames]
        codes = torch.cat([code for code, _ in read])
        gains = self.kalman_filter(codes)
        painted: list[Tensor] = []
        before: dict[str, Tensor] = {}
        for k, (code, given) in enumerate(read):
            if k > 0:
                flow = self.flownet.model(frames[k : k + 1], frames[k - 1 : k])
                expected = self.hq_encoder(moved(painted[-1], flow))
                code = torch.lerp(code, expected, gains[k])
            painted.append(self._painted(self._chosen(code), given, before))
        return torch.cat(painted)

    def _read(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The code of a frame (1, 256, 16, 16), and features by side."""
        kept, wanted = {}, {at: side for side, at in _READ.items()}
        for k, block in enumerate(self.encoder.blocks):
            x = block(x)
            if k in wanted:
                kept[wanted[k]] = x
        return x, kept

    def _chosen(self, code: Tensor) -> Tensor:
        """The entries of the codebook that the transformer chooses for a code."""
        x = self.feat_emb(code.flatten(2).permute(2, 0, 1))
        place = self.position_emb[:, None]
        for layer in self.ft_layers:
            x = layer(x, query_pos=place)
        chosen = self.idx_pred_layer(x)[:, 0].argmax(-1)
        entries = F.embedding(chosen, self.quantize.embedding.weight)
        return entries.T.reshape(1, _CODE, *code.shape[2:])

    def _painted(self, x: Tensor, given: dict[str, Tensor], before: dict[str, Tensor]) -> Tensor:
        """A frame (1, 3, 512, 512). `before` has the features of the last one, and then of this."""
        wanted = {at: side for side, at in _PAINTED.items()}
        for k, block in enumerate(self.generator.blocks):
            x = block(x)
            side = wanted.get(k)
            if side is None:
                continue
            x = self.cft[side](given[side], x, 1)
            if side in self.cfa:
                if side in before:
                    x = self.cfa[side](x, before[side])
                before[side] = x
        return x


class _Filter(nn.Module):
    """How far each place of each frame's code is to be taken from the frame before, 0..1."""

    def __init__(self, known: Any) -> None:
        super().__init__()
        self.uncertainty_estimator = nn.ModuleList(_Uncertainty() for _ in range(3))
        block = type(known.encoder.blocks[1])  # a residual block
        self.kalman_gain_calculator = nn.Sequential(
            *(block(_CODE, _CODE) for _ in range(3)), nn.Conv2d(_CODE, 1, 1), nn.Sigmoid()
        )

    def forward(self, codes: Tensor) -> Tensor:
        """(T, 1, H, W) of the codes (T, 256, H, W) of a clip's frames."""
        x = codes.flatten(2).transpose(1, 2)
        for block in self.uncertainty_estimator:
            x = block(x)
        gains: Tensor = self.kalman_gain_calculator(x.transpose(1, 2).reshape(codes.shape))
        return gains


class _Uncertainty(nn.Module):
    """(T, places, 256): places attend to those of the first frame and of the frame before, then to
    the same place in all frames."""

    def __init__(self) -> None:
        super().__init__()
        self.attn1, self.attn_temp = _Attention(_CODE, 8, 48), _Attention(_CODE, 8, 48)
        self.norm1, self.norm3 = nn.LayerNorm(_CODE), nn.LayerNorm(_CODE)
        self.norm_temp, self.ff = nn.LayerNorm(_CODE), _Forward(_CODE)

    def forward(self, x: Tensor) -> Tensor:
        calm = self.norm1(x)
        earlier = torch.cat([calm[:1], calm[:-1]])  # the first has none before it but itself
        others = torch.cat([calm[:1].expand_as(calm), earlier], 1)
        x = self.attn1(calm, others) + x
        x = self.ff(self.norm3(x)) + x
        across = x.transpose(0, 1)
        calm = self.norm_temp(across)
        joined: Tensor = self.attn_temp(calm, calm) + across
        return joined.transpose(0, 1)


class _Before(nn.Module):
    """The features of a frame (1, C, H, W), which attend to those of the frame before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ff, self.attn = _Forward(width), _Attention(width, 4, 256)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        now, then = (part.flatten(2).transpose(1, 2) for part in (x, before))
        now = self.norm1(self.attn(now, then)) + now
        now = self.norm2(self.ff(now)) + now
        told: Tensor = now.transpose(1, 2).reshape(x.shape)
        return told


class _Attention(nn.Module):
    """Attention of several heads, (B, places, width), under the names that diffusers gives it."""

    def __init__(self, width: int, heads: int, head: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, heads * head, bias=False)
        self.to_k = nn.Linear(width, heads * head, bias=False)
        self.to_v = nn.Linear(width, heads * head, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(heads * head, width)])
        self.heads = heads

    def forward(self, x: Tensor, others: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x), self.to_k(others), self.to_v(others))
        )
        found = F.scaled_dot_product_attention(query, key, value)
        told: Tensor = self.to_out[0](found.transpose(1, 2).flatten(2))
        return told


class _Forward(nn.Module):
    """A gated layer four times as wide, and back, under the names that diffusers gives it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        gate: Any = nn.Module()
        gate.proj = nn.Linear(width, 8 * width)
        self.net = nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        first: Any = self.net[0]
        wide, gate = first.proj(x).chunk(2, -1)
        told: Tensor = self.net[2](wide * F.gelu(gate))
        return told


def moved(picture: Tensor, flow: Tensor) -> Tensor:
    """`picture` (1, C, H, W) seen from the frame that `flow` (1, 2, H, W), in pixels, leads to it
    from; 0 where it shows nothing of that."""
    high, wide = picture.shape[2:]
    rows, columns = torch.meshgrid(
        torch.arange(high, dtype=flow.dtype, device=flow.device),
        torch.arange(wide, dtype=flow.dtype, device=flow.device),
        indexing="ij",
    )
    x = 2.0 * (columns + flow[:, 0]) / max(wide - 1, 1) - 1.0
    y = 2.0 * (rows + flow[:, 1]) / max(high - 1, 1) - 1.0
    return F.grid_sample(picture, torch.stack([x, y], -1), align_corners=True)


class KeepRestorer:
    """A ClipRestorer around the network."""

    name, length, overlap, invents = "keep", LENGTH, OVERLAP, True

    def __init__(self, network: Network) -> None:
        self._network, self._square = network, Whole(_SIDE)
        self._device = device_named(network.way.device)

    def restore_clip(self, crops: Sequence[Crop]) -> list[Crop]:
        """As of a ClipRestorer. Raises ModelError for want of memory, and if the network returns
        NaN or infinity."""
        try:
            with torch.inference_mode():
                given = [
                    torch.as_tensor(c, device=self._device).permute(2, 0, 1)[None] for c in crops
                ]
                x = torch.cat([self._square.taken(crop) for crop in given])
                (found,) = self._network(x[None] * 2.0 - 1.0)
                pictures = (found[0] + 1.0) / 2.0
                back = [
                    self._square.returned(y, crop).permute(1, 2, 0)
                    for y, crop in zip(pictures, given, strict=True)
                ]
                finite = bool(torch.isfinite(found).all())
        except (RuntimeError, MemoryError) as error:
            self._network.free()
            if is_memory(error):
                raise ModelError(
                    f"keep: not enough memory for a clip of {len(crops)} frames; close other "
                    "programs, or use --devices cpu"
                ) from error
            raise ModelError(
                f"keep: the network failed ({line_of(error)}); use --devices cpu --precision f32"
            ) from error
        if not finite:
            raise ModelError("keep: the network returned no numbers (NaN or infinity); use another")
        return [
            y if isinstance(crop, Tensor) else y.contiguous().cpu().numpy()
            for y, crop in zip(back, crops, strict=True)
        ]
