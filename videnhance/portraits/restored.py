"""What a restorer makes of a portrait: a further picture beside it, never in its place."""

from __future__ import annotations

import numpy as np

from videnhance.faces.alignment import Poses, crop_to_frame
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.affine import compose, invert, scaling, warp, zoom_of
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray
from videnhance.portraits.patches import Square
from videnhance.restorers import Restorer

_SIDE = 512
"""Side of the crop that restorers are shown."""


def restored(
    picture: FloatArray, square: Square, pose: Poses, restorer: Restorer, frame: int
) -> FloatArray:
    """The portrait (N, N, 3) float32 RGB 0..1 with its face restored, within the face's ellipse.

    `pose` (4,): of the face in the reference frame, with the index `frame`.
    """
    side = len(picture)
    to_picture = compose(scaling(side / square.side), invert(square.to_upright))
    crop_to_picture = compose(to_picture, crop_to_frame(pose, _SIDE))
    crop = warp(picture, crop_to_picture, (_SIDE, _SIDE))
    window = CropWindow(0, (frame,), (crop,), 0, 1.0 / zoom_of(crop_to_picture))
    (made,) = restorer.restore([window])
    back = invert(crop_to_picture)
    share = np.clip(warp(_edged(ellipse_mask(_SIDE)), back, (side, side)), 0.0, 1.0)[..., None]
    painted = warp(np.asarray(made, np.float32), back, (side, side))
    return np.asarray(picture + share * (painted - picture), np.float32)


def _edged(mask: FloatArray) -> FloatArray:
    """The mask with nothing at its border, which is repeated beyond it."""
    edged = np.array(mask, np.float32)
    edged[[0, -1]] = 0.0
    edged[:, [0, -1]] = 0.0
    return edged
