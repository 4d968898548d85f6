"""One portrait: the frames of a view, registered, weighted and integrated on a finer grid.

No learned prior: every pixel is the weighted evidence of the frames, and where they have none, of
the reference alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.imaging.affine import compose
from videnhance.imaging.color import color_planes, sample_rgb, samples_to_rgb
from videnhance.imaging.frames import FloatArray, PixelLayout
from videnhance.portraits.accumulation import Sums, apertures
from videnhance.portraits.noise import LEAST, left_by_coding, own_noise
from videnhance.portraits.patches import Patch, grid_scale
from videnhance.portraits.reference import held_to, plane_of
from videnhance.portraits.superres import aperture, filled, solve
from videnhance.portraits.support import (
    LEAST_FRAMES,
    LEAST_LIKENESS,
    MOST_MISSED,
    is_still,
)
from videnhance.portraits.weights import Weighed, Weigher, luma_of_square

_BLUR = 0.35
"""Sigma in source pixels of the blur before a sample's square aperture, of optics and what
registration misses. 0.25 to 0.40 measure within 0.4 dB; 0.45 rings."""
_ALIKE = 0.02
"""Variance of a source pixel's luma that does not fall with the number of frames: what registration
misses is missed by many in the same way. Measured, not coded: of one who talks 0.2 to 0.3 dB
gained, of others 0.02 lost; with 0.06, 0.1 lost."""
_HELD = 0.7
"""Share of what coding leaves that counts as noise where the portrait is held to its reference: it
is smooth, so much of it is not like noise. 0.4 to 1 measure within 0.15 dB; a larger share lets
small faces fall below fusion, a smaller one gives a dancer her blocks back."""
_MOST_CELLS = 2400
"""Cells a side of the fine grid: three planes of sums take 280 MB."""
_THREADS = 8


@dataclass(frozen=True)
class Refusal:
    """A portrait that is not made."""

    reason: str
    frames: tuple[int, ...] = ()
    """Those that were good enough."""


@dataclass(frozen=True)
class Integrated:
    """A portrait.

    Pictures are float32 RGB, nominally 0..1; N is `scale` times the square's side.
    """

    picture: FloatArray
    """(N, N, 3)."""
    bicubic: FloatArray
    """(N, N, 3), the reference frame alone, enlarged."""
    original: FloatArray
    """(side, side, 3), the reference frame at its own pixels."""
    support: FloatArray
    """(side, side), how many frames' worth of signal carry each source pixel."""
    frames: tuple[int, ...]
    """Those integrated, in order of time."""
    left_out: int
    """Frames of the view that could not be registered."""
    still: bool
    """No frame shows what lies between the pixels of another: averaging only."""
    noise: float
    """Median of the frames' noise, variance in squared 8-bit steps."""


def integrate(
    patches: Sequence[Patch],
    reference: int,
    side: int,
    scale: int,
    coded: float = 0.0,
    tell: Callable[[], None] = lambda: None,
) -> Integrated | Refusal:
    """The portrait of a view, or why there is none.

    `patches`: its frames, in order; `reference`: the index of the one that the square lies on.
    `side`: of the square in source pixels; `scale`: 2, 3 or 4. `coded`: variance that the
    quantizer tells, in squared 8-bit steps. `tell` is called for every patch. The result does not
    depend on how many threads there are.
    """
    chief = patches[reference]
    finer = 2 * scale if scale < 4 else scale  # so that places are rounded to little
    work = finer if finer * side <= _MOST_CELLS else scale
    if work * side > _MOST_CELLS:
        return Refusal(_too_large(side))
    kept: list[Weighed] = []
    layout = chief.frame.layout
    grids = [_grid(layout, plane, work) for plane in range(color_planes(layout))]
    sums = [Sums(side * grid) for grid in grids]
    plain, support = [Sums(side) for _ in grids], Sums(side)
    coded = left_by_coding(luma_of_square(chief, side, side), coded)
    keys = not all(patch.key for patch in patches)
    weigher = Weigher(chief, side, max(LEAST, coded), keys)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS)) as pool:
        for one in _each(patches, weigher, pool):
            tell()
            found = one.found
            good = found.likeness >= LEAST_LIKENESS and found.missed <= MOST_MISSED
            if not good and one.patch is not chief:
                continue
            for number, (samples, values, weights) in enumerate(one.planes):
                sums[number].add(samples, values, weights, side)
                plain[number].add(samples, values, weights, side)
            samples, _, weights = one.planes[0]
            share = weights * np.float32(one.noise)
            support.add(samples, np.ones_like(share), share, side)
            if one.patch is chief:
                shown = one.planes
            kept.append(one.told())
        frames = tuple(one.patch.frame.index for one in kept)
        if len(kept) < LEAST_FRAMES:
            return Refusal(_too_few(len(kept), len(patches)), frames)
        still = is_still([one.found for one in kept], side)
        solved = []
        for number, grid in enumerate(grids):
            if still:
                single = plane_of(chief, number, side, side)
                plane = _averaged(plain[number], apertures(layout, number), single, work)
            else:
                response = _response(layout, number, grid)
                across = grid * float(apertures(layout, number)[0])
                alike = _ALIKE * grid**2 if number == 0 else 0.0
                single = plane_of(chief, number, side, side * grid)
                plane = _solved(sums[number], single, response, across, alike, pool)
                there, _, _ = shown[number]
                noise = max(own_noise(there.values), _HELD * coded)
                plane = held_to(plane, chief, number, there, noise, response, side)
            solved.append(_sized(plane, side * work))
    picture = _rgb(solved, chief)
    if work != scale:
        picture = _sized(picture, side * scale)
    weight, _ = support.means()
    return Integrated(
        picture=np.asarray(picture, np.float32),
        bicubic=_as_recorded(chief, side, scale),
        original=_as_recorded(chief, side, 1),
        support=weight,
        frames=frames,
        left_out=len(patches) - len(kept),
        still=still,
        noise=float(np.median([one.noise for one in kept])),
    )


def _each(
    patches: Sequence[Patch], weigher: Weigher, pool: ThreadPoolExecutor
) -> Iterator[Weighed]:
    """The patches weighed, in order, a few at a time in threads: memory is bounded."""
    few = 2 * min(os.cpu_count() or 1, _THREADS)
    for first in range(0, len(patches), few):
        yield from pool.map(weigher.weigh, patches[first : first + few])


def _grid(layout: PixelLayout, plane: int, work: int) -> int:
    """Cells a source pixel for a plane: chroma of half the size takes half as many."""
    across, down = apertures(layout, plane)
    return work // 2 if across == down == 2 and work % 2 == 0 else work


def _response(layout: PixelLayout, plane: int, grid: int) -> tuple[FloatArray, FloatArray]:
    """How a plane's sample sees a grid of so many cells a pixel."""
    across, down = grid * apertures(layout, plane)
    return aperture(float(across), _BLUR * grid), aperture(float(down), _BLUR * grid)


def _solved(
    sums: Sums,
    single: FloatArray,
    response: tuple[FloatArray, FloatArray],
    across: float,
    alike: float,
    pool: ThreadPoolExecutor,
) -> FloatArray:
    """A plane on its grid, in 8-bit steps. `single`: the reference's alone; `across`: width of a
    sample in cells; `alike`: variance of a cell that does not fall with the number of frames.
    """
    weight, mean = sums.means()
    weight /= 1 + np.float32(alike) * weight
    start = filled(weight, mean, 0.35 * across, single)
    return solve(weight, mean, start, response, pool)


def _averaged(
    sums: Sums, width: npt.NDArray[np.float64], single: FloatArray, work: int
) -> FloatArray:
    """A plane of a face that does not move: the mean of what lies in each pixel, enlarged. Where a
    pixel of subsampled chroma has no sample, those around it."""
    weight, mean = sums.means()
    around = filled(weight, mean, 0.5 * float(width.max()), single)
    return _sized(np.where(weight > 0, mean, around), len(mean) * work)


def _sized(picture: FloatArray, side: int) -> FloatArray:
    """(N, N) or (N, N, 3) as (side, side) or (side, side, 3): enlarged, or the mean of what each
    cell covers."""
    if len(picture) == side:
        return picture
    method = cv2.INTER_CUBIC if len(picture) < side else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.float32)


def _rgb(planes: Sequence[FloatArray], chief: Patch) -> FloatArray:
    """Planes (N, N) in 8-bit steps as (N, N, 3) RGB 0..1."""
    layout = chief.frame.layout
    to_rgb = samples_to_rgb(layout)
    to_rgb[:, :-1] *= 1 << (layout.depth - 8)
    if len(planes) == 1:
        grey = planes[0] * np.float32(to_rgb[0, 0]) + np.float32(to_rgb[0, 1])
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray(cv2.transform(cv2.merge(list(planes)), to_rgb), np.float32)


def _as_recorded(chief: Patch, side: int, scale: int) -> FloatArray:
    size = side * scale
    return sample_rgb(chief.frame, compose(chief.from_square, grid_scale(scale)), (size, size))


def _too_few(good: int, all_of_them: int) -> str:
    if all_of_them < LEAST_FRAMES:
        return f"the track shows this view in {all_of_them} frames; {LEAST_FRAMES} are needed"
    return f"only {good} of {all_of_them} frames could be registered; {LEAST_FRAMES} are needed"


def _too_large(side: int) -> str:
    most = _MOST_CELLS // side
    said = f"the face is {side} pixels wide already"
    return f"{said}; --portrait-scale {most} is the most for it" if most > 1 else f"{said}: see it"
