"""Conversion between a frame's planes and RGB: one linear map, and its exact inverse for
differences.

Planes are sampled at the chroma site the stream declares (4:2:0 chroma left, the default of H.264,
H.265 and MPEG-2, if it declares none), so that nothing is resampled twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.affine import compose, invert, scaling, translation, warp, zoom_of
from videnhance.imaging.frames import Array, FloatArray, Frame, Matrix, PixelLayout


def samples_to_rgb(layout: PixelLayout) -> npt.NDArray[np.float64]:
    """(3, planes + 1): the map from the samples of a pixel to RGB 0..1, last column the offset.

    ITU-R BT.601/709/2020: R = Y + 2 (1 - Kr) Cr, B = Y + 2 (1 - Kb) Cb, G from the luma equation;
    limited range is 16..235 for Y and 16..240 for chroma, times 2^(depth - 8).
    """
    unit = float(1 << (layout.depth - 8))
    top = float((1 << layout.depth) - 1)
    if layout.full_range or layout.kind == "gbr":
        low, span, chroma = 0.0, top, top
    else:
        low, span, chroma = 16.0 * unit, 219.0 * unit, 224.0 * unit
    if layout.kind == "gray":
        return np.array([[1.0 / span, -low / span]] * 3)
    if layout.kind == "gbr":
        return np.array([[0, 0, 1 / top, 0], [1 / top, 0, 0, 0], [0, 1 / top, 0, 0]])
    kr, kb = layout.luma_weights
    kg = 1.0 - kr - kb
    linear = np.array(
        [
            [1.0, 0.0, 2 * (1 - kr)],
            [1.0, -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg],
            [1.0, 2 * (1 - kb), 0.0],
        ]
    ) / np.array([span, chroma, chroma])
    middle = 128.0 * unit
    return np.column_stack([linear, -linear @ np.array([low, middle, middle])])


def rgb_to_samples(layout: PixelLayout) -> npt.NDArray[np.float64]:
    """(planes, 3): the map from a difference of RGB to a difference of samples; no offset."""
    if layout.kind == "gray":
        kr, kb = layout.luma_weights
        span = 1.0 / samples_to_rgb(layout)[0, 0]
        return np.array([[kr * span, (1 - kr - kb) * span, kb * span]])
    return np.asarray(np.linalg.inv(samples_to_rgb(layout)[:, :3]))


def frame_to_plane(layout: PixelLayout, plane: int) -> Matrix:
    """Affine from the frame's pixels to the samples of one of its planes."""
    if plane in (1, 2) and layout.kind == "yuv":
        x, y = layout.chroma_shift
        # Site 1: chroma sample j lies on luma sample 2^x j, not in the middle of its group.
        across, down = layout.chroma_site
        left = 0.5 - 0.5 ** (x + 1) if across == 1 else 0.0
        top = 0.5 - 0.5 ** (y + 1) if down == 1 else 0.0
        return compose(translation(left, top), scaling(0.5**x, 0.5**y))
    return scaling(1.0)


def color_planes(layout: PixelLayout) -> int:
    """How many planes carry colour. A further plane is alpha and is never touched."""
    return 1 if layout.kind == "gray" else 3


def sample_rgb(
    frame: Frame, target_to_frame: Matrix, size: tuple[int, int], *, quick: bool = False
) -> FloatArray:
    """The frame resampled through an affine: (height, width, 3) float32 RGB, nominally 0..1.

    Values outside 0..1, which limited-range video can hold, are kept. Outside the frame the border
    pixel is repeated. If `quick`, 4:2:0 chroma that has at most half as many samples as the target
    has pixels is resampled at half of its size (even, then) and enlarged linearly: half the time.
    """
    layout = frame.layout
    quick = quick and layout.chroma_shift == (1, 1)
    samples = []
    for k, plane in enumerate(frame.planes[: color_planes(layout)]):
        to_plane = compose(frame_to_plane(layout, k), target_to_frame)
        if quick and k in (1, 2) and zoom_of(to_plane) <= 0.5:
            small = warp(plane, compose(to_plane, scaling(2.0)), (size[0] // 2, size[1] // 2))
            whole = cv2.resize(small, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
            samples.append(np.asarray(whole, np.float32))
        else:
            samples.append(warp(plane, to_plane, size))
    to_rgb = samples_to_rgb(layout)
    if len(samples) == 1:
        gray = samples[0] * np.float32(to_rgb[0, 0]) + np.float32(to_rgb[0, 1])
        return np.repeat(gray[..., None], 3, axis=2)
    if layout.kind == "yuv":
        return _merged(samples, to_rgb)
    rgb = cv2.merge(samples)
    return np.asarray(cv2.transform(rgb, to_rgb, rgb), np.float32)


def _merged(planes: Sequence[FloatArray], to_rgb: npt.NDArray[np.float64]) -> FloatArray:
    """As cv2.transform of the merged planes, in half of the time; Y is changed in place."""
    luma, cb, cr = planes
    luma *= np.float32(to_rgb[0, 0])
    colors = [luma + np.float32(offset) for offset in to_rgb[:, 3]]
    for color, (_, blue, red, _) in zip(colors, to_rgb, strict=True):
        for chroma, factor in ((cb, blue), (cr, red)):
            if factor:
                cv2.scaleAdd(chroma, factor, color, color)
    return np.asarray(cv2.merge(colors), np.float32)


def upright_rgb(frame: Frame, upright: Matrix, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The whole upright picture at `size` (height, width), uint8 RGB, as a detector sees it.

    Planes are area-averaged to that size first, then turned. `upright`: the affine from coded to
    upright pixels.
    """
    layout = frame.layout
    sideways = abs(upright[0, 0]) < abs(upright[0, 1])
    coded = (size[0], size[1]) if sideways else (size[1], size[0])
    small = [
        cv2.resize(np.ascontiguousarray(plane), coded, interpolation=cv2.INTER_AREA)
        for plane in frame.planes[: color_planes(layout)]
    ]
    to_rgb = samples_to_rgb(layout) * 255.0
    if len(small) == 1:
        small = small * 3
        to_rgb = np.column_stack([np.diag(to_rgb[:, 0]), to_rgb[:, 1]])
    rgb = cv2.merge(small).astype(np.float32)
    cv2.transform(rgb, to_rgb, rgb)
    # To the nearest of 0..255, as NumPy's rint and clip would with three more copies.
    picture = np.asarray(cv2.add(rgb, 0, dtype=cv2.CV_8U), np.uint8)
    straight = np.allclose(upright[:, :2], np.diag(np.diag(upright[:, :2]))) and np.all(
        np.diag(upright[:, :2]) > 0
    )
    if straight:
        return picture
    to_frame = compose(scaling(coded[0] / frame.width, coded[1] / frame.height), invert(upright))
    full = np.abs(upright[:, :2]) @ np.array([frame.width, frame.height])
    to_small = compose(to_frame, scaling(full[0] / size[1], full[1] / size[0]))
    turned = warp(picture, to_small, size)
    return np.asarray(np.clip(np.rint(turned), 0, 255).astype(np.uint8))


def resize(frame: Frame, scale: int) -> Frame:
    """The frame enlarged by a whole factor with Lanczos; chroma keeps the format's site."""
    if scale == 1:
        return frame
    top = (1 << frame.layout.depth) - 1
    planes = []
    for k, plane in enumerate(frame.planes):
        x, y = frame.layout.chroma_shift if k in (1, 2) else (0, 0)
        width, height = -(-frame.width * scale >> x), -(-frame.height * scale >> y)
        place = frame_to_plane(frame.layout, k)
        affine = compose(place, compose(scaling(1.0 / scale), invert(place)))
        source = np.ascontiguousarray(plane)
        if not affine[:, 2].any() and (height, width) == tuple(n * scale for n in plane.shape):
            # The same result as the warp below, but separable: it takes a fifth of the time.
            big = cv2.resize(source, (width, height), interpolation=cv2.INTER_LANCZOS4)
        else:
            big = cv2.warpAffine(
                source,
                compose(translation(-0.5, -0.5), compose(affine, translation(0.5, 0.5))),
                (width, height),
                flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        # Lanczos overshoots: 10 bits in a uint16 must not become 11.
        planes.append(np.asarray(np.minimum(big, top), plane.dtype))
    return Frame(frame.index, frame.pts, tuple(planes), frame.layout)


class Enlarger(Protocol):
    """Makes pictures larger (render.upscaling.Upscaler)."""

    def enlarge(self, images: Sequence[FloatArray]) -> list[FloatArray]:
        """Each (H, W, 3) float32 RGB 0..1, enlarged by a whole factor."""
        ...


def enlarged(frame: Frame, scale: int, upscaler: Enlarger) -> Frame:
    """The frame enlarged by `upscaler`. Colours are clipped to 0..1 first; alpha goes through
    `resize`."""
    whole = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    rgb = sample_rgb(frame, whole, (frame.height, frame.width))
    (large,) = upscaler.enlarge([np.clip(rgb, 0.0, 1.0)])
    plain = resize(frame, scale)
    colors = color_planes(frame.layout)
    return Frame(
        frame.index,
        frame.pts,
        (*_planes(large, frame.layout, plain.planes), *plain.planes[colors:]),
        frame.layout,
    )


def _planes(rgb: FloatArray, layout: PixelLayout, like: Sequence[Array]) -> Iterator[Array]:
    """The colour planes of `rgb` (H, W, 3) float32, in the shapes and dtypes of `like`."""
    linear = rgb_to_samples(layout)
    low = samples_to_rgb(layout)[:, -1]
    offset = -(linear @ np.broadcast_to(low, 3))
    samples = cv2.transform(rgb, np.column_stack([linear, offset]))
    top = (1 << layout.depth) - 1
    for k in range(color_planes(layout)):
        plane = samples if samples.ndim == 2 else samples[..., k]
        height, width = like[k].shape
        if plane.shape != (height, width):
            plane = _halved(plane.T, layout.chroma_shift[1], layout.chroma_site[1], height).T
            plane = _halved(plane, layout.chroma_shift[0], layout.chroma_site[0], width)
        yield np.asarray(np.clip(np.rint(plane), 0, top), like[k].dtype)


def _halved(plane: FloatArray, shift: int, site: int, width: int) -> FloatArray:
    """The plane subsampled to `width` columns, each made from the 2^shift columns it stands for."""
    if shift == 1 and site == 1:
        # Sited on the first luma sample: even columns, smoothed by weights 1 2 1.
        soft = cv2.filter2D(
            plane, -1, np.array([[0.25, 0.5, 0.25]]), borderType=cv2.BORDER_REPLICATE
        )
        return np.asarray(soft[:, ::2])
    size = (width, plane.shape[0])
    return np.asarray(cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA))
