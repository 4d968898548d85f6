"""Arithmetic on whole frames: tones, colours and lens before faces are restored, grading after.

Bit depth and colour layout do not change; grey stays grey. Each result depends only on the frame
and on numbers that hold for the whole clip, so brightness and colour do not pump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.affine import invert, place
from videnhance.imaging.color import color_planes, frame_to_plane, samples_to_rgb
from videnhance.imaging.frames import Array, FloatArray, Frame, PixelLayout
from videnhance.settings.clean_up import FinishSettings

Gains = tuple[float, float, float]

_LIFT = 8.0
"""Largest factor by which chroma grows with its luma: near black, chroma is noise."""
_BLACK, _WHITE, _MIDDLE = 0.005, 0.995, 0.4
"""Quantiles of luma that become black and white, and the luma that the median is lifted to."""
_SPAN = 0.05
"""Smallest range of luma that is stretched: beyond twenty times, only noise is left."""
_GAMMA = 2.2
"""Largest gamma that middle tones are lifted by; the exponent is 1 / gamma."""
_MINKOWSKI = 6.0
"""Exponent of the Minkowski mean that is assumed to be grey (Finlayson & Trezzi, "Shades of Gray
and Colour Constancy", CIC 2004, who find 6 the best)."""
_DARK, _CLIPPED = 0.02, 0.98
"""Only pixels whose channels all lie between these are used to estimate the light."""
_GAIN = 2.0
"""Largest factor by which a channel is raised or lowered."""
_SHARP = 1.2
"""Sigma in pixels below which detail counts as fine."""


@dataclass(frozen=True)
class Tones:
    """The change of tones for all frames of a clip: `levels` (black, white, gamma) of luma in 0..1,
    and `balance`, factors of R, G, B, which is applied first. None leaves it as it is."""

    levels: tuple[float, float, float] | None = None
    balance: Gains | None = None


def measured_levels(frames: Sequence[Frame]) -> tuple[float, float, float]:
    """(black, white, gamma) that stretch the luma of all these frames together to 0..1."""
    lumas = [_normal(frame)[0] for frame in frames]
    small = np.concatenate([cv2.resize(y, (64, 64), interpolation=cv2.INTER_AREA) for y in lumas])
    black, middle, white = (float(q) for q in np.quantile(small, (_BLACK, 0.5, _WHITE)))
    black = min(max(black, 0.0), 1.0 - _SPAN)
    white = min(max(white, black + _SPAN), 1.0)
    middle = float(np.clip((middle - black) / (white - black), 1e-3, 1.0))
    gamma = float(np.clip(np.log(middle) / np.log(_MIDDLE), 1.0, _GAMMA))
    return black, white, gamma


def measured_balance(frames: Sequence[Frame]) -> Gains:
    """Factors of R, G, B that turn the average of these frames grey. 1, 1, 1 for grey video, and
    if everything is black or clipped, which says nothing about the light."""
    total, count = np.zeros(3), 0
    for frame in frames:
        if frame.layout.kind == "gray":
            return 1.0, 1.0, 1.0
        luma, chroma = _normal(frame)
        cells = [cv2.resize(p, (64, 64), interpolation=cv2.INTER_AREA) for p in (luma, *chroma)]
        rgb = cv2.transform(cv2.merge(cells), _to_rgb(frame.layout))
        seen = rgb[(rgb.min(axis=2) > _DARK) & (rgb.max(axis=2) < _CLIPPED)].astype(np.float64)
        total += (seen**_MINKOWSKI).sum(axis=0)
        count += len(seen)
    if not count:
        return 1.0, 1.0, 1.0
    total /= count
    grey = np.maximum(total, 1e-9) ** (1.0 / _MINKOWSKI)
    gains = np.clip(np.exp(np.log(grey).mean()) / grey, 1.0 / _GAIN, _GAIN)
    return float(gains[0]), float(gains[1]), float(gains[2])


def toned(frame: Frame, tones: Tones) -> Frame:
    """The frame with its tones changed: RGB by the balance, luma by the levels.

    Levels multiply R, G and B of a pixel by the same factor, so its hue stays.
    """
    luma, chroma = _normal(frame)
    if tones.balance is not None and len(chroma):
        luma, chroma = _balanced(frame.layout, luma, chroma, tones.balance)
    if tones.levels is not None:
        black, white, gamma = tones.levels
        for k, plane in enumerate(chroma):
            here = cv2.resize(luma, plane.shape[::-1], interpolation=cv2.INTER_AREA)
            ratio = _stretched(here, black, white, gamma) / np.maximum(here, 1e-3)
            chroma[k] = plane * np.clip(ratio, 0.0, _LIFT)
        luma = _stretched(luma, black, white, gamma)
    return _frame(frame, luma, chroma)


def graded(frame: Frame, settings: FinishSettings) -> Frame:
    """The frame sharpened, then with its contrast, brightness and saturation changed."""
    luma, chroma = _normal(frame)
    if settings.sharpen:
        luma = luma + np.float32(settings.sharpen) * (luma - _soft(luma))
    luma = (luma - np.float32(0.5)) * np.float32(settings.contrast) + np.float32(
        0.5 + settings.brightness
    )
    chroma = [plane * np.float32(settings.saturation * settings.contrast) for plane in chroma]
    return _frame(frame, luma, chroma)


def straightened(frame: Frame, lens: tuple[float, float]) -> Frame:
    """The frame without lens distortion; places outside the source are black.

    The model is that of settings.clean_up.CleanSettings.lens, around the frame's middle.
    """
    planes = []
    for k, plane in enumerate(frame.planes):
        x, y = _lens_maps(frame.layout, k, frame.width, frame.height, plane.shape, lens)
        empty = 0.0
        if k in (1, 2) and frame.layout.kind == "yuv":
            empty = float(1 << (frame.layout.depth - 1))
        elif k == 0 and frame.layout.kind != "gbr" and not frame.layout.full_range:
            empty = 16.0 * (1 << (frame.layout.depth - 8))
        moved = cv2.remap(
            np.ascontiguousarray(plane),
            x,
            y,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=empty,
        )
        planes.append(np.minimum(moved, (1 << frame.layout.depth) - 1).astype(plane.dtype))
    return Frame(frame.index, frame.pts, tuple(planes), frame.layout)


@lru_cache(maxsize=8)
def _lens_maps(
    layout: PixelLayout,
    plane: int,
    width: int,
    height: int,
    shape: tuple[int, int],
    lens: tuple[float, float],
) -> tuple[FloatArray, FloatArray]:
    """x and y, (H, W) float32, of the place in the distorted plane that each sample comes from."""
    to_plane = frame_to_plane(layout, plane)
    y, x = np.indices(shape, np.float64) + 0.5
    points = place(np.stack([x, y], axis=-1), invert(to_plane))
    centre = np.array([width, height]) / 2.0
    off = points - centre
    squared = (off**2).sum(axis=-1, keepdims=True) / (centre**2).sum()
    found = centre + off * (1.0 + lens[0] * squared + lens[1] * squared**2)
    there = np.asarray(place(found, to_plane) - 0.5, np.float32)
    return np.ascontiguousarray(there[..., 0]), np.ascontiguousarray(there[..., 1])


# The functions below work on normalised luma and chroma: Y in 0..1, Cb and Cr in -0.5..0.5.


def _normal(frame: Frame) -> tuple[FloatArray, list[FloatArray]]:
    layout = frame.layout
    planes = [np.asarray(p, np.float32) for p in frame.planes[: color_planes(layout)]]
    low, span, middle, chroma = _ranges(layout)
    if layout.kind == "gbr":
        green, blue, red = planes
        kr, kb = layout.luma_weights
        luma = kr * red + (1.0 - kr - kb) * green + kb * blue
        cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
        return _f32(luma / span), [_f32(cb / span), _f32(cr / span)]
    return _f32((planes[0] - low) / span), [_f32((p - middle) / chroma) for p in planes[1:]]


def _frame(like: Frame, luma: FloatArray, chroma: Sequence[FloatArray]) -> Frame:
    layout = like.layout
    low, span, middle, unit = _ranges(layout)
    if layout.kind == "gbr":
        kr, kb = layout.luma_weights
        cb, cr = chroma
        blue, red = luma + 2 * (1 - kb) * cb, luma + 2 * (1 - kr) * cr
        green = (luma - kr * red - kb * blue) / (1.0 - kr - kb)
        samples = [_f32(p * span) for p in (green, blue, red)]
    else:
        samples = [_f32(luma * span + low), *(_f32(p * unit + middle) for p in chroma)]
    top = (1 << layout.depth) - 1
    planes: list[Array] = [
        np.clip(np.rint(p), 0, top).astype(plane.dtype)
        for p, plane in zip(samples, like.planes, strict=False)
    ]
    return Frame(like.index, like.pts, (*planes, *like.planes[len(planes) :]), layout)


def _ranges(layout: PixelLayout) -> tuple[float, float, float, float]:
    """Black, span of luma, middle and span of chroma, in samples (ITU-R BT.601/709/2020)."""
    unit, top = float(1 << (layout.depth - 8)), float((1 << layout.depth) - 1)
    if layout.full_range or layout.kind == "gbr":
        return 0.0, top, 128.0 * unit, top
    return 16.0 * unit, 219.0 * unit, 128.0 * unit, 224.0 * unit


def _to_rgb(layout: PixelLayout) -> npt.NDArray[np.float64]:
    """(3, 3): the map to RGB from Y in 0..1 and Cb, Cr in -0.5..0.5."""
    if layout.kind == "yuv":
        _, span, _, chroma = _ranges(layout)
        return np.asarray(samples_to_rgb(layout)[:, :3] * np.array([span, chroma, chroma]))
    kr, kb = layout.luma_weights
    red, blue = 2 * (1 - kr), 2 * (1 - kb)
    green = [1.0, -blue * kb / (1 - kr - kb), -red * kr / (1 - kr - kb)]
    return np.array([[1.0, 0.0, red], green, [1.0, blue, 0.0]])


def _balanced(
    layout: PixelLayout, luma: FloatArray, chroma: Sequence[FloatArray], gains: Gains
) -> tuple[FloatArray, list[FloatArray]]:
    to_rgb = _to_rgb(layout)
    change = np.linalg.inv(to_rgb) @ np.diag(gains) @ to_rgb
    size, small = luma.shape[::-1], chroma[0].shape[::-1]
    large = [cv2.resize(p, size, interpolation=cv2.INTER_LINEAR) for p in chroma]
    here = cv2.resize(luma, small, interpolation=cv2.INTER_AREA)
    whole = change[0, 0] * luma + change[0, 1] * large[0] + change[0, 2] * large[1]
    return _f32(whole), [
        _f32(change[k, 0] * here + change[k, 1] * chroma[0] + change[k, 2] * chroma[1])
        for k in (1, 2)
    ]


def _stretched(luma: FloatArray, black: float, white: float, gamma: float) -> FloatArray:
    return _f32(np.clip((luma - black) / (white - black), 0.0, 1.0) ** (1.0 / gamma))


def _soft(luma: FloatArray) -> FloatArray:
    return _f32(cv2.GaussianBlur(luma, (0, 0), _SHARP, borderType=cv2.BORDER_REPLICATE))


def _f32(values: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(values, np.float32)
