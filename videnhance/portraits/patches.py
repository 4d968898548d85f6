"""What of a frame a portrait is made from: the source's own samples around one face, not resampled.

A crop would be interpolated, and with it the aliasing would go that super-resolution lives on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from videnhance.faces.alignment import Poses, crop_to_frame
from videnhance.imaging.affine import bounds, compose, invert, scaling, translation
from videnhance.imaging.frames import Frame, Matrix

AROUND = 1.2
"""Side of a portrait, in sides of the face's crop (4.1 distances between the eyes): the head and a
little of what is around it, as on contact sheets."""
_MARGIN = 6
"""Source pixels around the square, for flow and interpolation at its border."""
_WHOLE = 8
"""A patch begins at a multiple of this, so that subsampled chroma keeps its place."""


@dataclass(frozen=True)
class Square:
    """What a portrait shows of its reference frame: a square of whole upright pixels."""

    left: int
    top: int
    side: int

    @staticmethod
    def around(pose: Poses, share: float = AROUND) -> Square:
        """The square around a face of this pose (4,)."""
        middle = crop_to_frame(pose, 1) @ np.array([0.5, 0.5, 1.0])
        side = max(round(share * float(np.exp(pose[2]))), 8)
        return Square(round(middle[0] - side / 2), round(middle[1] - side / 2), side)

    @property
    def to_upright(self) -> Matrix:
        """Affine from the square's own pixels, which begin at its corner, to upright pixels."""
        return translation(self.left, self.top)


@dataclass(frozen=True)
class Patch:
    """The samples of one frame around a face."""

    frame: Frame
    """A part of the frame: its planes are cut out, index and pts are the whole frame's."""
    from_square: Matrix
    """Affine from the reference square's pixels to the patch's pixels, by the track alone."""
    key: bool = False
    """Whether the frame is a keyframe."""

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(plane.nbytes for plane in self.frame.planes)

    @property
    def zoom(self) -> float:
        """Patch pixels per pixel of the reference: above 1 the face is larger here."""
        return float(np.sqrt(abs(np.linalg.det(self.from_square[:, :2]))))


def square_to_frame(square: Square, reference: Poses, pose: Poses, upright: Matrix) -> Matrix:
    """Affine from the reference square's pixels to a frame's coded pixels.

    `reference`, `pose`: (4,), of the face in the reference frame and in this one; `upright` takes
    coded to upright pixels.
    """
    one = compose(invert(crop_to_frame(reference, 1)), square.to_upright)
    return compose(invert(upright), compose(crop_to_frame(pose, 1), one))


def cut(frame: Frame, from_square: Matrix, square: Square, *, key: bool = False) -> Patch | None:
    """The patch of a frame that shows the square, its planes copied; None where the frame shows
    nothing of it.

    Beyond the frame's edge a patch simply has no samples.
    """
    x0, y0, x1, y1 = bounds(from_square, (square.side, square.side))
    left = max(int(np.floor((x0 - _MARGIN) / _WHOLE)), 0) * _WHOLE
    top = max(int(np.floor((y0 - _MARGIN) / _WHOLE)), 0) * _WHOLE
    right = min(int(np.ceil(x1 + _MARGIN)), frame.width)
    bottom = min(int(np.ceil(y1 + _MARGIN)), frame.height)
    if right - left < _WHOLE or bottom - top < _WHOLE:
        return None
    planes = []
    for number, plane in enumerate(frame.planes):
        x, y = frame.layout.chroma_shift if number in (1, 2) else (0, 0)
        rows = slice(top >> y, -(-bottom >> y))
        planes.append(np.ascontiguousarray(plane[rows, left >> x : -(-right >> x)]))
    part = replace(frame, planes=tuple(planes))
    return Patch(part, compose(translation(-left, -top), from_square), key)


def grid_scale(scale: float) -> Matrix:
    """The affine from pixels of a grid of `scale` cells per pixel to pixels."""
    return scaling(1.0 / scale)
