"""How much of a restored face is invented: the same face restored several times, each time so that
what its recording does not decide would come out otherwise.

Variation 0 is the restorer as it is. The others have other noise, or another fidelity, where the
restorer has one (Loader.variation), and all are given the crop moved by a few pixels, so that what
a network paints by the place in its crop moves on the face. All of it is fixed: no two runs differ.

What all variations agree on may still be invented. What is measured is a least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import cv2
import numpy as np

from videnhance import restorers
from videnhance.faces.alignment import crop_to_frame
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.imaging.affine import compose, invert, translation
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray, Frame, Matrix
from videnhance.media.clip import Clip
from videnhance.models.loader import Loader
from videnhance.render.stages import NETWORK_SIZES, crop_size

_SHIFT = 64
"""A crop's side over the pixels by which it is moved: 4 of 256, 8 of 512. Detectors miss landmarks
by about as much."""
_TURN = 2.399963
"""The golden angle in radians: variation after variation goes another way."""
_HELD = 24
"""Most moments worked on at once; each holds 13 MB at most, and more read the weights again."""
_COARSE = 16
"""A crop's side over the sigma of the blur that takes what is coarser than detail: a quarter of the
distance between the eyes. Shading and colour are no detail, and networks shift both."""
_LEAST = (1.0 / 255.0) ** 2
"""Mean square of a change below which nothing was added: one level."""


@dataclass(frozen=True)
class Moment:
    """A track in one frame."""

    track: Tracklet
    frame: int


class Energy(NamedTuple):
    """Mean squares over a face, RGB 0..1."""

    guessed: float
    """Of the standard deviation over the variations."""
    added: float
    """Of the detail that the variations changed."""


@dataclass(frozen=True)
class Spread:
    """How far the variations of one face spread.

    All pictures are (N, N) of the crop's inner part, which all variations have, RGB 0..1.
    """

    moment: Moment
    before: FloatArray
    """(N, N, 3): as it went in."""
    after: FloatArray
    """(N, N, 3): variation 0."""
    spread: FloatArray
    """(N, N): standard deviation of detail over the variations, root mean square of R, G and B,
    0..1."""
    energy: Energy


def share_of(energies: Sequence[Energy]) -> float:
    """The share of a face's detail that is a guess, 0..1, over several moments.

    The variance over the variations (unbiased), relative to the mean square of the difference
    between what came out and what went in: the energy of what differs each time, of the energy of
    all that the restorer added. Both are of detail, without what a blur of _COARSE leaves, summed
    over the face (the ellipse of compositing) and over R, G and B. 0 where nothing was added.
    """
    added = sum(one.added for one in energies)
    guessed = sum(one.guessed for one in energies)
    return 0.0 if added <= _LEAST * len(energies) else min(guessed / added, 1.0)


def shift_of(variation: int, size: int) -> tuple[int, int]:
    """Pixels (x, y) by which a variation's crop of `size` is moved."""
    if variation == 0:
        return 0, 0
    radius = size / _SHIFT
    return round(radius * np.cos(variation * _TURN)), round(radius * np.sin(variation * _TURN))


def spreads(
    clip: Clip,
    moments: Sequence[Moment],
    count: int,
    loader: Loader,
    scale: int,
    pix_fmt: str,
    *,
    limited: bool = False,
    tell: Callable[[], None] = lambda: None,
) -> Iterator[Spread]:
    """Restore each face `count` times; `tell` is called for each time.

    `scale`, `pix_fmt`, `limited`: as frames are rendered. Networks are computed by torch, whatever
    `--backend` says: they are made for a few faces only. Raises as reading and restoring do.
    """
    wish = loader.settings
    by_torch = replace(wish, compute=replace(wish.compute, backend="torch"))
    own = replace(loader, settings=by_torch)
    for begin in range(0, len(moments), _HELD):
        part = moments[begin : begin + _HELD]
        faces: list[_Face] = []
        for variation in range(count):
            restorer = restorers.create(replace(own, variation=variation))
            if not faces:
                radius = restorer.radius
                faces = [_cut(clip, m, radius, scale, pix_fmt, limited=limited) for m in part]
            for face in faces:
                face.add(restorer.restore([face.window(variation)])[0], variation)
                tell()
        yield from (face.spread() for face in faces)


@dataclass
class _Face:
    """A moment's crops with a border as wide as shifts are, and the sum of what is made of them."""

    moment: Moment
    frames: tuple[int, ...]
    crops: tuple[FloatArray, ...]
    size: int
    count: int = 0
    first: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    mean: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    squares: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    """Of deviations from the mean (Welford's method)."""
    added: float = 0.0

    @property
    def border(self) -> int:
        return self.size // _SHIFT

    def window(self, variation: int) -> CropWindow:
        x, y = (self.border + n for n in shift_of(variation, self.size))
        crops = tuple(crop[y : y + self.size, x : x + self.size] for crop in self.crops)
        pose = self.moment.track.poses[self.moment.frame - self.moment.track.start]
        zoom = self.size / float(np.exp(pose[2]))
        centre, track = self.frames.index(self.moment.frame), self.moment.track
        whole = range(track.start, track.stop)
        return CropWindow(track.id, self.frames, crops, centre, zoom, whole)

    @property
    def before(self) -> FloatArray:
        """Of the inner part."""
        inner = slice(2 * self.border, self.size)
        return self.crops[self.frames.index(self.moment.frame)][inner, inner]

    @property
    def _mask(self) -> FloatArray:
        inner = slice(self.border, self.size - self.border)
        return np.asarray(ellipse_mask(self.size)[inner, inner] > 0.5, np.float32)[..., None]

    def add(self, restored: FloatArray, variation: int) -> None:
        x, y = (self.border - n for n in shift_of(variation, self.size))
        side = self.size - 2 * self.border
        made = np.asarray(restored, np.float32)[y : y + side, x : x + side]
        if variation == 0:
            self.first = made
            self.mean, self.squares = np.zeros_like(made), np.zeros_like(made)
        mask, faces = self._mask, float(self._mask.sum())
        change = made - self.before
        change = change - cv2.GaussianBlur(change, (0, 0), self.size / _COARSE)
        self.added += float((change * change * mask).sum()) / (3 * faces)
        self.count += 1
        away = change - self.mean
        self.mean = self.mean + away / self.count
        self.squares = self.squares + away * (change - self.mean)

    def spread(self) -> Spread:
        variance = self.squares / np.float32(max(self.count - 1, 1))
        mask = self._mask
        return Spread(
            moment=self.moment,
            before=self.before,
            after=self.first,
            spread=np.sqrt(variance.mean(axis=2)),
            energy=Energy(
                float((variance * mask).sum()) / (3 * float(mask.sum())), self.added / self.count
            ),
        )


def _cut(
    clip: Clip, moment: Moment, radius: int, scale: int, pix_fmt: str, *, limited: bool
) -> _Face:
    track, size = moment.track, crop_size(moment.track, scale, NETWORK_SIZES)
    start = max(moment.frame - radius, track.start)
    stop = min(moment.frame + radius + 1, track.stop)
    to_coded = invert(clip.info.upright)
    frames: Iterable[Frame] = clip.frames(start, stop, pix_fmt, limited=limited)
    crops = {f.index: _bordered(f, track, to_coded, size) for f in frames}
    return _Face(moment, tuple(crops), tuple(crops.values()), size)


def _bordered(frame: Frame, track: Tracklet, to_coded: Matrix, size: int) -> FloatArray:
    border = size // _SHIFT
    to_upright = crop_to_frame(track.poses[frame.index - track.start], size)
    affine = compose(compose(to_coded, to_upright), translation(-border, -border))
    return sample_rgb(frame, affine, (size + 2 * border, size + 2 * border))
