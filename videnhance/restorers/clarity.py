"""The network that ships with the package: fusion's result, corrected by what was learned.

A small residual network is shown the fused crop and, registered to it, the frames that it was made
of, and adds a correction. It was trained for fidelity alone (the squared error, no adversary), so
that where it does not know it gives the mean of what may be: it blurs, it does not invent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.alignment import eye_distance
from videnhance.devices import device_named
from videnhance.faces import CropWindow
from videnhance.frames import FloatArray
from videnhance.registration import enlarge, shrink
from videnhance.restorers.fusion import Fused, Fusion
from videnhance.streams import UNTOLD, Coding
from videnhance.weights import check_state

STEPS = (0, -3, -2, -1, 1, 2, 3)
"""The frames that are shown besides the fused crop, by how much later they are."""
PLANES = 3 + len(STEPS)

ZOOM = 3.0
"""Crop pixels per source pixel at which the network works, where a crop has more: the finer grid
holds nothing that the source could tell. So it meets one size of noise and blocks, not ten."""
_CELL = 4
"""Pixels on a side of what becomes one place of the network's grid: about a source pixel."""
_MULTIPLE = 2 * _CELL
"""What a side must be a multiple of: half of the grid must be whole, too."""
_WIDTH, _DEEP, _BLOCKS = 48, 96, 3
LUMA = (0.299, 0.587, 0.114)
_GAIN = 8.0
"""Differences between frames are small: they are shown so many times larger."""


SIZES = (7.0, 10.0, 60.0, 80.0)
"""Pixels between the eyes: below the first and above the last fusion measures better, between the
others the correction counts in full. As all that follow, ramps, so that nothing flickers at a
border."""
SMALL = (24.0, 22.0)
QUANTIZER = (24.0, 30.0)
RATE = (0.14, 0.1)
QUIET = (5.0 / 255.0, 7.0 / 255.0)
"""From nothing to all of the correction. Faces that are not SMALL, in video that was finely coded
(which the quantizer of H.264 tells, of other codecs the bits a pixel) and that is not noisy, are
good as they are: fusion measures better there."""
_ALLOWED = 4.0
"""Variances of noise by which a result may differ from what was recorded: twice its deviation."""
_LEAST, _UNTOLD = (0.3 / 255.0) ** 2, (0.75 / 255.0) ** 2
"""Variance that is always there: 8-bit steps, and the warp to the crop. And where the quantizer is
not told."""


class Correction(nn.Module):
    """From a fused crop and its frames to the crop restored; fully convolutional.

    Residual blocks, of which those in the middle see twice as far on half the grid (a U-Net of one
    step, Ronneberger et al. 2015, with sums). What is new in the picture starts at zero: untrained,
    it gives the fused crop.
    """

    def __init__(self, width: int = _WIDTH, deep: int = _DEEP, blocks: int = _BLOCKS) -> None:
        super().__init__()
        cells = _CELL * _CELL
        self.head = nn.Conv2d(PLANES * cells + 4, width, 3, padding=1)
        self.before = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.down = nn.Conv2d(width, deep, 3, stride=2, padding=1)
        self.deep = nn.Sequential(*(_Block(deep) for _ in range(blocks)))
        self.up = nn.Conv2d(deep, 4 * width, 1)
        self.after = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, 3 * cells, 3, padding=1)
        for last in (self.up, self.tail):
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    def forward(self, planes: Tensor, zoom: Tensor, quantizer: Tensor) -> Tensor:
        """(B, 3, S, S) RGB of `planes` (B, PLANES, S, S) as `observed` gives them, both nominally
        0..1; `zoom` (B,), crop pixels per source pixel; `quantizer` (B,), NaN where it is not told.
        S: a multiple of 8."""
        cells = F.pixel_unshuffle(planes, _CELL).unflatten(1, (PLANES, -1))
        fused = cells[:, :3]
        luma = (fused * fused.new_tensor(LUMA).view(1, 3, 1, 1, 1)).sum(1, keepdim=True)
        apart = cells[:, 3:] - luma
        # how far the frames are apart tells noise and codec; the zoom, how wide their traces are
        noise = torch.log(apart.abs().mean((1, 2, 3, 4)) + 1e-3) / 2.0 + 2.0
        known = ~torch.isnan(quantizer)
        coarse = torch.where(known, (quantizer - 26.0) / 10.0, torch.zeros_like(quantizer))
        told = torch.stack([torch.log2(zoom) - 1.5, noise, known.to(coarse), coarse], 1)
        x = torch.cat([fused - 0.5, apart * _GAIN], 1).flatten(1, 2)
        x = self.head(torch.cat([x, told[..., None, None].expand(-1, -1, *x.shape[2:])], 1))
        y = self.before(x)
        y = y + F.pixel_shuffle(self.up(self.deep(self.down(y))), 2)
        y = self.after(y)
        return planes[:, :3] + F.pixel_shuffle(self.tail(x + y), _CELL)


class _Block(nn.Module):
    """Two convolutions beside a straight way; starts as the straight way alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.normal_(self.second.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(F.relu(self.first(x)))
        return y


def work_side(side: int, zoom: float) -> int:
    """Pixels on a side of what the network sees of a crop of `side`; a multiple of 8."""
    steps = max(round(side * ZOOM / zoom / _MULTIPLE), 8)
    return side if zoom <= ZOOM else steps * _MULTIPLE


def observed(fused: Fused) -> FloatArray:
    """What is known of a crop: (PLANES, S, S) float32, RGB of the fused crop and the luma of each
    of STEPS, nominally 0..1; where there is no such neighbour, that of the fused crop."""
    side = len(fused.crop)
    own = np.asarray(fused.crop @ np.array(LUMA, np.float32), np.float32)
    lumas = [_luma(fused.luma, step, own, side) for step in STEPS]
    return np.concatenate([fused.crop.transpose(2, 0, 1), np.stack(lumas)])


def _luma(luma: Mapping[int, FloatArray], step: int, own: FloatArray, side: int) -> FloatArray:
    return enlarge(luma[step], side) / np.float32(255.0) if step in luma else own


def correction(
    network: nn.Module, planes: FloatArray, zoom: float, quantizer: float | None
) -> FloatArray:
    """What the network adds to the fused crop (S, S, 3), by what `observed` gives."""
    side = planes.shape[-1]
    work = work_side(side, zoom)
    seen = np.stack([shrink(plane, work) for plane in planes]) if work != side else planes
    device = next(network.parameters()).device
    with torch.inference_mode():
        given = torch.from_numpy(seen)[None].to(device)
        told = [zoom * work / side, np.nan if quantizer is None else quantizer]
        scale, step = torch.tensor(told, dtype=torch.float32, device=device)[:, None]
        change = (network(given, scale, step) - given[:, :3])[0].permute(1, 2, 0)
        return enlarge(np.ascontiguousarray(change.cpu().numpy(), np.float32), side)


def strength_of(side: int, zoom: float, coding: Coding, noise: float = 0.0) -> float:
    """How much of the correction a face gets whose crop of `side` enlarges it `zoom` times, in
    video of this `coding` with `noise` (deviation, 0..1)."""
    eyes = float(eye_distance(np.array([0.0, 0.0, np.log(side / zoom), 0.0])))
    size = min(_ramp(eyes, *SIZES[:2]), _ramp(eyes, *SIZES[:1:-1]))
    if coding.quantizer is not None:
        coarse = _ramp(coding.quantizer, *QUANTIZER)
    else:
        coarse = _ramp(coding.bits, *RATE)
    return size * max(_ramp(eyes, *SMALL), coarse, _ramp(noise, *QUIET))


def _ramp(value: float, zero: float, one: float) -> float:
    return min(max((value - zero) / (one - zero), 0.0), 1.0)


def support(crop: FloatArray, planes: FloatArray, zoom: float, coding: Coding) -> FloatArray:
    """How far the input supports a result, 0..1, per source pixel (N, N).

    The result is made as small as the source again. Where it then differs from the frame that was
    recorded by no more than noise, which is how frames differ from each other and what the codec
    rounded off, it is supported wholly; beyond that, as much less as it differs more. `planes`: as
    `observed` gives them.
    """
    size = max(round(len(crop) / zoom), 8)
    luma = np.asarray(crop @ np.array(LUMA, np.float32), np.float32)
    away = _local(shrink(luma - planes[3], size))
    noise = noise_of(planes, zoom) + rounding(coding)
    return np.asarray(
        np.minimum(np.sqrt(_ALLOWED * noise / np.maximum(away, 1e-12)), 1.0), np.float32
    )


def rounding(coding: Coding) -> float:
    """The variance (of 0..1) of what the codec rounded off.

    The step of H.264 doubles with every six of its quantizer, and is 1 at 4 (ITU-T H.264, 8.5);
    rounding to a step leaves a twelfth of its square. Half a step is what is found in faces: most
    of what they change from frame to frame is rounded to nothing, and predicted well.
    """
    if coding.quantizer is None:
        return _UNTOLD
    step = float(np.exp2((coding.quantizer - 4.0) / 6.0)) / 255.0
    return _LEAST + (step / 2.0) ** 2 / 12.0


def noise_of(planes: FloatArray, zoom: float) -> FloatArray:
    """The variance of noise around each source pixel (N, N), by how frames differ."""
    size = max(round(planes.shape[-1] / zoom), 8)
    others = [_local(shrink(plane - planes[3], size)) for plane in planes[4:]]
    # of two frames each has its share of the difference
    return np.asarray(np.median(np.stack(others), axis=0) / 2.0, np.float32)


def _local(difference: FloatArray) -> FloatArray:
    """The mean square around each pixel."""
    return np.asarray(cv2.GaussianBlur(difference * difference, (0, 0), 1.0), np.float32)


class Clarity:
    """Fusion, then the network, then the guard.

    One object serves one video, as Fusion's.
    """

    batch = 1
    invents = False

    def __init__(
        self,
        name: str,
        state: Mapping[str, Tensor],
        device: str = "cpu",
        *,
        coding: Coding = UNTOLD,
        always: bool = True,
        path: Path = Path("clarity"),
    ) -> None:
        """In video of this `coding`. Unless `always`, only faces are corrected for which it
        measures better than fusion: SIZES, SMALL, QUANTIZER, RATE, QUIET.

        Raises ModelError for weights of another network."""
        self.name, self._coding, self._always = name, coding, always
        self._fusion = Fusion()
        self.radius = self._fusion.radius
        network = Correction()
        check_state(network, state, path)
        network.load_state_dict({key: value.float() for key, value in state.items()})
        network = network.eval().requires_grad_(False).to(device_named(device))
        self._network = network.to(memory_format=torch.channels_last)
        self._held_back: list[float | None] = []

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """The centre crop of each window, (S, S, 3) float32 RGB."""
        return [self._restore(window) for window in windows]

    def held_back(self) -> list[float | None]:
        """The share of pixels that the guard held back by more than half, of each crop since it was
        asked last; None of those left to fusion."""
        shares, self._held_back = self._held_back, []
        return shares

    def _restore(self, window: CropWindow) -> FloatArray:
        fused = self._fusion.fuse(window)
        planes = observed(fused)
        strength = 1.0
        if not self._always:
            noise = float(np.sqrt(np.mean(noise_of(planes, window.zoom))))
            strength = strength_of(len(fused.crop), window.zoom, self._coding, noise)
        if strength == 0.0:
            self._held_back.append(None)
            return fused.crop
        change = correction(self._network, planes, window.zoom, self._coding.quantizer)
        supported = support(fused.crop + change, planes, window.zoom, self._coding)
        self._held_back.append(float((supported < 0.5).mean()))
        weight = strength * enlarge(supported, len(change))[..., None]
        return np.asarray(fused.crop + weight * change, np.float32)
