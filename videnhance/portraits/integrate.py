"""One portrait: the frames of a view, registered, weighted and integrated on a finer grid.

No learned prior: every pixel is the weighted evidence of the frames, and where they have none, of
the reference alone. The weight of a sample is the inverse of its variance, in which count the
frame's noise, what its quantizer leaves, and, place by place, its disagreement with the reference
beyond that noise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from videnhance.imaging.affine import compose
from videnhance.imaging.color import color_planes, sample_rgb, samples_to_rgb
from videnhance.imaging.frames import FloatArray
from videnhance.portraits.accumulation import Placed, Sums, apertures, placed, read
from videnhance.portraits.noise import LEAST, coded_noise, own_noise
from videnhance.portraits.patches import Patch, grid_scale
from videnhance.portraits.registration import Registered, Registrar, luma_of, working_side
from videnhance.portraits.superres import aperture, filled, solve
from videnhance.portraits.support import (
    LEAST_FRAMES,
    LEAST_LIKENESS,
    MOST_MISSED,
    is_still,
)

# "Measured": two clips of talking people, x4 down, noise 3, 80 frames of one track, dB over bicubic
# of the reference; uncompressed, then crf 23. With the values below +2.6, +3.1, +1.3, +1.4.
_EXPECTED = 1.6
"""Disagreement with the reference, in variances of the noise, that noise alone explains: the
frame's own and the interpolated reference's."""
_DISTRUST = 0.4
"""How much of what is beyond that counts as variance of the sample."""
_OUT = 8.0
"""Variances of noise beyond which a sample is of something else: its weight falls to nothing."""
_WINDOW = 3.0
"""Sigma in source pixels of the window in which disagreement is measured; 2 and 4 gain less."""
_KNOWN, _GAIN = 1.0, 4.0
"""Sigma in source pixels of the blur before disagreement is measured, and what it is multiplied by,
since that blur averages noise away. What a reference enlarged from its own pixels cannot hold, its
aliasing, must not count as disagreement: it is just what many frames can resolve. Measured on a
star target: 0.50 cycles a pixel come back without this blur, 0.65 with it; on clips the same."""
_LIGHT = 0.1
"""Sigma, in sides of the square, of the part of the disagreement that is light: it is taken from
the frame, as light that changes is no detail."""
_KEY = 2.0
"""A keyframe is coded anew; the frames after it repeat much of it, in skipped blocks all."""
_BLUR = 0.35
"""Sigma in source pixels of the blur before a sample's square aperture, of optics and what
registration misses. 0.25 to 0.40 measure within 0.4 dB; 0.45 rings."""
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
    quantizer: float | None = None,
    tell: Callable[[], None] = lambda: None,
) -> Integrated | Refusal:
    """The portrait of a view, or why there is none.

    `patches`: its frames, in order; `reference`: the index of the one that the square lies on.
    `side`: of the square in source pixels; `scale`: 2, 3 or 4. `quantizer`: H.264's, if known.
    `tell` is called for every patch. The result does not depend on how many threads there are.
    """
    chief = patches[reference]
    floor = max(LEAST, coded_noise(quantizer))
    finer = 2 * scale if scale < 4 else scale  # so that places are rounded to little
    work = finer if finer * side <= _MOST_CELLS else scale
    if work * side > _MOST_CELLS:
        most = _MOST_CELLS // side
        return Refusal(f"the face is {side} pixels wide already; --scale {most} is the most for it")
    kept: list[_Weighed] = []
    planes = color_planes(chief.frame.layout)
    sums = [Sums(side * work) for _ in range(planes)]
    plain, support = [Sums(side) for _ in range(planes)], Sums(side)
    weigher = _Weigher(chief, side, floor)
    for one in _each(patches, weigher):
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
        kept.append(replace(one, planes=()))
    frames = tuple(one.patch.frame.index for one in kept)
    if len(kept) < LEAST_FRAMES:
        return Refusal(_too_few(len(kept), len(patches)), frames)
    still = is_still([one.found for one in kept], side)
    solved = []
    for number in range(planes):
        if still:
            _, mean = plain[number].means()
            solved.append(cv2.resize(mean, None, fx=work, fy=work, interpolation=cv2.INTER_CUBIC))
        else:
            solved.append(_solved(sums[number], chief, number, work))
    picture = _rgb(solved, chief)
    if work != scale:
        size = side * scale
        picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))
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


@dataclass(frozen=True)
class _Weighed:
    """What a patch contributes: for each plane its samples, their values without changes of light,
    and their weights."""

    patch: Patch
    found: Registered
    noise: float
    planes: tuple[tuple[Placed, FloatArray, FloatArray], ...]


class _Weigher:
    """Registers patches to the reference and weighs their samples."""

    def __init__(self, chief: Patch, side: int, floor: float) -> None:
        self._chief, self._side, self._floor = chief, side, floor
        self._shown = luma_of_square(chief, side, working_side(side))
        self._registrar = Registrar(self._shown, side)

    def weigh(self, patch: Patch) -> _Weighed:
        """Safe to call from several threads."""
        found = self._registrar.register(patch)
        samples, away, light = self._compared(patch, found)
        inside = samples.inside.astype(np.float32)
        noise = max(own_noise(samples.values), self._floor)
        if patch is self._chief:
            weights = inside / np.float32(noise)
        else:
            known = _blurred(away - light, _KNOWN)
            apart = _blurred(inside * known**2, _WINDOW) * np.float32(_GAIN)
            beyond = np.maximum(apart - np.float32(_EXPECTED * noise), 0)
            out = np.float32(_OUT * noise)
            weights = read(found.trust, samples.at, self._side) / (noise + _DISTRUST * beyond)
            weights *= np.exp(-np.maximum(beyond - out, 0) / out)
        if patch.key:
            weights = weights * np.float32(_KEY)
        weights = np.asarray(weights, np.float32)
        planes = [(samples, samples.values - light, weights)]
        for number in range(1, color_planes(patch.frame.layout)):
            others = placed(patch, found, number, self._side)
            size = others.values.shape[1], others.values.shape[0]
            shrunk = np.asarray(cv2.resize(weights, size, interpolation=cv2.INTER_AREA))
            planes.append((others, others.values, shrunk))
        return _Weighed(patch, found, noise, tuple(planes))

    def _compared(self, patch: Patch, found: Registered) -> tuple[Placed, FloatArray, FloatArray]:
        """The luma's samples, by how much they differ from the reference, and what of that is
        light."""
        samples = placed(patch, found, 0, self._side)
        inside = samples.inside.astype(np.float32)
        away = inside * (samples.values - read(self._shown, samples.at, self._side))
        wide = _LIGHT * self._side
        light = _blurred(away, wide) / np.maximum(_blurred(inside, wide), np.float32(0.05))
        return samples, np.asarray(away, np.float32), np.asarray(light, np.float32)


def _each(patches: Sequence[Patch], weigher: _Weigher) -> Iterator[_Weighed]:
    """The patches weighed, in order, a few at a time in threads: memory is bounded."""
    threads = min(os.cpu_count() or 1, _THREADS)
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(patches), 2 * threads):
            yield from pool.map(weigher.weigh, patches[first : first + 2 * threads])


def _solved(sums: Sums, chief: Patch, number: int, work: int) -> FloatArray:
    """A plane on the fine grid, in 8-bit steps."""
    weight, mean = sums.means()
    across, down = work * apertures(chief.frame.layout, number)
    start = filled(weight, mean, 0.35 * float(across))
    response = (
        aperture(float(across), _BLUR * float(across)),
        aperture(float(down), _BLUR * float(down)),
    )
    return solve(weight, mean, start, response)


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


def _blurred(picture: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def luma_of_square(patch: Patch, side: int, cells: int) -> FloatArray:
    """(cells, cells) luma of the square in its own patch, 8-bit steps."""
    return luma_of(patch.frame, compose(patch.from_square, grid_scale(cells / side)), cells)
