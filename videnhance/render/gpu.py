"""Pixel work for rendering on the network's GPU: frames are uploaded once and stay there.

The arithmetic is the same as in memory (pixels.InMemory), by torch instead of OpenCV. Crops, masks
and planes are tensors on the device. Only small data comes back before the end: luma of 128 pixels
a side, on which OpenCV computes flow, and the cells by which colours and sharpness are judged. Of a
painted frame only the rectangles of its faces come back; everything else is what was read.

Results differ from those in memory by float32 rounding, and because OpenCV resamples in steps of
1/32 pixel. On one device they are the same in every run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from videnhance.errors import ModelError, line_of
from videnhance.imaging import color_match, steadiness
from videnhance.imaging.affine import blur_for, compose, covered, scaling, translation
from videnhance.imaging.color import color_planes, frame_to_plane, rgb_to_samples, samples_to_rgb
from videnhance.imaging.compositing import Box, Patch, ellipse_mask, keep, layered, spot_on
from videnhance.imaging.frames import LUMA, Array, FloatArray, Frame, Matrix
from videnhance.imaging.optical_flow import flow_between, flow_finder, flow_luma
from videnhance.imaging.sharpness import luma_sharpness
from videnhance.inference.devices import device_named
from videnhance.render.pixels import IN_MEMORY, Pixels

M = TypeVar("M", bound=Callable[..., Any])


def pixels_on(device: str) -> Pixels:
    """The pixel work that goes with a network on that device. Raises UsageError.

    Apple's MPS shares memory with the CPU and has no bicubic grid_sample: it is in memory too.
    """
    return OnDevice(device) if device_named(device).type == "cuda" else IN_MEMORY


@dataclass(frozen=True)
class HeldFrame(Frame):
    """A frame whose planes are also on a device, with the same samples."""

    held: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class _Prepared:
    """steadiness.Prepared on a device, channels first; `flow` is in memory."""

    after: Tensor
    shown: Tensor
    flow: Array
    luma: Tensor
    chroma: Tensor


def _there(method: M) -> M:
    """Makes a method run on its thread's own CUDA stream and return when its work is done.

    The stages then overlap on the GPU as their threads do, none waits for the network, and what one
    stage passes to the next is finished. Raises ModelError if the device fails.
    """

    @wraps(method)
    def run(self: OnDevice, *args: Any) -> Any:
        try:
            with torch.inference_mode(), self._stream():
                return method(self, *args)
        except RuntimeError as error:
            raise ModelError(
                f"{self._device}: {line_of(error)}; use a smaller --batch-size, or --devices cpu"
            ) from error

    return run  # type: ignore[return-value]


class OnDevice:
    """Pixel work by torch; crops are tensors on the device. One object serves the threads of one
    segment at a time."""

    def __init__(self, device: str) -> None:
        """Raises UsageError if the device cannot be used."""
        self._device = device_named(device)
        self._local = threading.local()
        self._masks: dict[int, tuple[Array, Tensor]] = {}

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if self._device.type != "cuda":
            yield
            return
        if not hasattr(self._local, "stream"):
            # higher priority than the network's stream: this work is short
            self._local.stream = torch.cuda.Stream(self._device, priority=-1)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._local.stream):
            yield
            self._local.stream.synchronize()

    @_there
    def bring(self, frame: Frame) -> Frame:
        held = tuple(map(self._upload, frame.planes[: color_planes(frame.layout)]))
        return HeldFrame(frame.index, frame.pts, frame.planes, frame.layout, held)

    @_there
    def sample(self, frame: Frame, crop_to_frame: Matrix, side: int) -> Tensor:
        layout = frame.layout
        samples = [
            _warp(plane[None], compose(frame_to_plane(layout, k), crop_to_frame), (side, side))
            for k, plane in enumerate(self._planes(frame))
        ]
        to_rgb = self._numbers(samples_to_rgb(layout))
        if len(samples) == 1:
            return (samples[0] * to_rgb[0, 0] + to_rgb[0, 1]).expand(3, -1, -1).permute(1, 2, 0)
        return torch.cat(samples).permute(1, 2, 0) @ to_rgb[:, :3].T + to_rgb[:, 3]

    @_there
    def sharpness(self, crop: Tensor, zoom: float) -> float:
        luma = _pooled(_gray(crop.permute(2, 0, 1)), 2 if len(crop) == 512 else 1)
        return luma_sharpness(_array(luma[0]), len(crop) / zoom)

    @_there
    def prepare(self, crop: Tensor, restored: Tensor) -> _Prepared:
        side = steadiness.FLOW_SIDE
        source, after = crop.permute(2, 0, 1), restored.permute(2, 0, 1)
        small = _ycc(_shrunk(source, side))
        broad = _blurred(_shrunk(small, steadiness.BROAD_SIDE), steadiness.BROAD_BLUR)
        cells = _enlarged(broad, steadiness.CELLS, "bicubic")
        luma = _gray(after) - _enlarged(cells[:1], len(restored))
        chroma = _ycc(_shrunk(after, side))[1:] - _enlarged(cells[1:], side)
        flow = flow_luma(_array(small[0]) * np.float32(steadiness.STEPS), side)
        return _Prepared(after, _blurred(small, steadiness.SEEN_BLUR), flow, luma, chroma)

    @_there
    def steady(self, window: Sequence[_Prepared], centre: int, amount: float) -> Tensor:
        here = window[centre]
        if amount <= 0.0 or len(window) < 2:
            return here.after.permute(1, 2, 0)
        finder = flow_finder()
        pulled, seen, differ = [], [], []
        for other in (*window[:centre], *window[centre + 1 :]):
            moved = flow_between(finder, here.flow, other.flow)
            flow = torch.from_numpy(moved).to(self._device)
            luma, chroma = _pull(other.luma, flow), _pull(other.chroma, flow)
            pulled.append((luma, chroma))
            seen.append(_disagreement(_pull(other.shown, flow), here.shown))
            differ.append(_disagreement(luma, here.luma))
        noise, usual = _usual(seen, steadiness.SEEN_LIMITS), _usual(differ, steadiness.ADDED_LIMITS)
        total, luma, chroma = torch.ones_like(seen[0]), here.luma, here.chroma
        for (other_luma, other_chroma), unlike, apart in zip(pulled, seen, differ, strict=True):
            weight = torch.exp(-_excess(unlike, noise) - _excess(apart, usual))
            total = total + weight
            luma = luma + other_luma * _enlarged(weight, luma.shape[-1])
            chroma = chroma + other_chroma * _enlarged(weight, chroma.shape[-1])
        luma = luma / _enlarged(total, luma.shape[-1]) - here.luma
        chroma = chroma / _enlarged(total, chroma.shape[-1]) - here.chroma
        cr, cb = chroma
        hue = torch.stack([1.403 * cr, -0.714 * cr - 0.344 * cb, 1.773 * cb])
        change = (_enlarged(hue, luma.shape[-1]) + luma) * amount
        return (here.after + change).permute(1, 2, 0)

    @_there
    def match_color(self, restored: Tensor, source: Tensor, grey: bool) -> Tensor:
        after, before = (
            _array(_shrunk(crop.permute(2, 0, 1), color_match.CELLS).permute(1, 2, 0))
            for crop in (restored, source)
        )
        affine = self._numbers(color_match.color_map(after, before, ellipse_mask(len(restored))))
        matched = restored @ affine[:, :3].T + affine[:, 3]
        if not grey:
            return matched
        return source + _gray((matched - source).permute(2, 0, 1)).permute(1, 2, 0)

    @_there
    def change(self, patch: Patch) -> float:
        whole = replace(patch, strength=1.0)
        inside = self._mask(whole) > 0.5
        by = (patch.after - patch.before).abs().mean(-1)[inside]
        return 255.0 * float(by.mean()) if len(by) else 0.0

    @_there
    def fetch(self, crop: Tensor) -> FloatArray:
        return np.asarray(_array(crop), np.float32)

    @_there
    def paint(self, frame: Frame, patches: Sequence[Patch], keep_out: Sequence[Box]) -> Frame:
        plain = Frame(frame.index, frame.pts, frame.planes, frame.layout)
        if not patches:
            return plain
        top = float((1 << frame.layout.depth) - 1)
        to_samples = self._numbers(rgb_to_samples(frame.layout))
        sources = self._planes(frame)
        upper = [source.to(torch.float32, copy=True) for source in sources]
        painted = [np.array(plane) for plane in frame.planes[: len(sources)]]
        for patch, below in layered(patches):
            mask = self._mask(patch)
            change = ((patch.after - patch.before) @ to_samples.T * mask[..., None]).permute(
                2, 0, 1
            )
            for k, source in enumerate(sources):
                spot = spot_on(frame, k, patch)
                if spot is None:
                    continue
                window = spot.rows, spot.columns
                added = _warp(change[k : k + 1], spot.to_crop, spot.size, "zeros")[0]
                base = source[window].float()
                if below:
                    cover = _warp(mask[None], spot.to_crop, spot.size, "zeros")[0].clamp(0.0, 1.0)
                    base = base + (upper[k][window] - base) * (1.0 - cover)
                upper[k][window] = (base + added).round().clamp(0.0, top)
                painted[k][window] = _array(upper[k][window].to(_SAMPLES[painted[k].itemsize]))
        keep(painted, plain, keep_out)
        colors = len(sources)
        return Frame(frame.index, frame.pts, (*painted, *frame.planes[colors:]), frame.layout)

    def _planes(self, frame: Frame) -> tuple[Tensor, ...]:
        if isinstance(frame, HeldFrame):
            return frame.held
        return tuple(map(self._upload, frame.planes[: color_planes(frame.layout)]))

    def _upload(self, plane: Array) -> Tensor:
        """Samples as uint8, or as int32 if they have more than 8 bits."""
        own = np.array(plane)  # a copy, as torch takes only writeable arrays
        if own.itemsize == 1:
            return torch.from_numpy(own).to(self._device)
        return torch.from_numpy(own.view(np.int16)).to(self._device).int() & 0xFFFF

    def _numbers(self, values: Matrix) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)

    def _mask(self, patch: Patch) -> Tensor:
        mask = ellipse_mask(len(patch.before)) if patch.mask is None else patch.mask
        if isinstance(mask, Tensor):
            return mask * patch.strength
        if mask.flags.writeable:  # made for this face alone: do not cache it
            return torch.from_numpy(mask).to(self._device) * patch.strength
        # an ellipse or a box, of one of the two crop sizes: cache it
        if id(mask) not in self._masks:
            self._masks[id(mask)] = mask, torch.from_numpy(mask.copy()).to(self._device)
        return self._masks[id(mask)][1] * patch.strength


_SAMPLES = {1: torch.uint8, 2: torch.int32}
"""The torch type in which samples come back, by bytes per sample."""


def _array(values: Tensor) -> Any:
    return values.contiguous().cpu().numpy()


def _warp(
    image: Tensor, target_to_source: Matrix, size: tuple[int, int], border: str = "border"
) -> Tensor:
    """affine.warp of (C, H, W) into float32 (C, *size). `border`: "border" repeats edges, or
    "zeros"."""
    sigma = blur_for(target_to_source)
    shape = (int(image.shape[1]), int(image.shape[2]))
    left, top, right, bottom = covered(target_to_source, size, shape, sigma)
    source = image[:, top:bottom, left:right].float()
    if sigma > 0.1:
        source = _blurred(source, sigma, "replicate")
    to_part = compose(translation(-left, -top), target_to_source)
    # torch's coordinates run from -1 to 1 in both pictures
    unit = compose(translation(-1.0, -1.0), scaling(2.0 / (right - left), 2.0 / (bottom - top)))
    target = compose(scaling(size[1] / 2.0, size[0] / 2.0), translation(1.0, 1.0))
    theta = torch.tensor(compose(unit, compose(to_part, target)), dtype=torch.float32)
    grid = F.affine_grid(theta[None].to(image.device), [1, 1, *size], align_corners=False)
    return F.grid_sample(source[None], grid, "bicubic", border, align_corners=False)[0]


def _pull(image: Tensor, flow: Tensor) -> Tensor:
    """optical_flow.pull of (C, W, W); the flow is (2, F, F) in units of the side."""
    side = image.shape[-1]
    line = (torch.arange(side, device=image.device) + 0.5) * (2.0 / side) - 1.0
    grid = _enlarged(flow, side).permute(1, 2, 0) * 2.0
    grid = grid + torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    return F.grid_sample(image[None], grid[None], "bilinear", "border", align_corners=False)[0]


def _blurred(image: Tensor, sigma: float, border: str = "reflect") -> Tensor:
    """cv2.GaussianBlur of (C, H, W) float32."""
    size = round(sigma * 8 + 1) | 1  # OpenCV's choice for floats
    line = torch.from_numpy(cv2.getGaussianKernel(size, sigma, cv2.CV_32F)).to(image.device)
    half = size // 2
    x = F.pad(image[:, None], (half, half, half, half), border)
    x = F.conv2d(x, line.reshape(1, 1, 1, -1))
    return F.conv2d(x, line.reshape(1, 1, -1, 1))[:, 0]


def _pooled(image: Tensor, factor: int) -> Tensor:
    return F.avg_pool2d(image[None], factor)[0] if factor > 1 else image


def _shrunk(image: Tensor, side: int) -> Tensor:
    """(C, W, W) resized to a side that divides W, each pixel the mean of the area it covers."""
    return _pooled(image, image.shape[-1] // side)


def _enlarged(image: Tensor, side: int, how: str = "bilinear") -> Tensor:
    """(C, W, W) resized to `side`."""
    if image.shape[-1] == side:
        return image
    return F.interpolate(image[None], (side, side), mode=how, align_corners=False)[0]


def _gray(rgb: Tensor) -> Tensor:
    """BT.601 luma (1, H, W) of RGB (3, H, W)."""
    return LUMA[0] * rgb[:1] + LUMA[1] * rgb[1:2] + LUMA[2] * rgb[2:]


def _ycc(rgb: Tensor) -> Tensor:
    """OpenCV's float YCrCb of RGB (3, H, W)."""
    y = _gray(rgb)
    return torch.cat([y, (rgb[:1] - y) * 0.713 + 0.5, (rgb[2:] - y) * 0.564 + 0.5])


def _disagreement(one: Tensor, other: Tensor) -> Tensor:
    squared = _shrunk((one - other).square(), steadiness.CELLS).sum(0, keepdim=True)
    return _blurred(squared, 1.0) * steadiness.STEPS**2


def _excess(disagreement: Tensor, usual: Tensor) -> Tensor:
    return (disagreement / usual - steadiness.FREE).clamp_min(0.0)


def _usual(disagreements: Sequence[Tensor], limits: tuple[float, float]) -> Tensor:
    return torch.quantile(torch.stack(list(disagreements)).flatten(), 0.5).clamp(*limits)
