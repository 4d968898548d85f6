"""Whether two detections of a face, some time apart, may show one person, by a tiny picture each.

Used only between frames so far apart that one person may have left and another have taken the
place. This is no recognition: it tells hair, light and build apart, not features, and a person who
turns away looks like somebody else. Measured on nine faces of seven clips, one person's head placed
on another's background: at AGREEMENT, 7 % of the pairs of different people agree. Of pairs of one
person 0.3 to 1 s apart, 0 to 3 % do not agree; of a head that turns fast, 16 %; of two faces of 8
pixels between the eyes that come up a corridor, 17 and 27 %. Further apart, if the head turns, up
to 27 % (in the corridor 64 %).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import Poses, crop_to_frame
from videnhance.imaging.affine import warp

Thumbnails = npt.NDArray[np.uint8]
"""(N, SIDE, SIDE) luma of aligned faces, as `thumbnails_of` makes them."""

SIDE = 16
"""With 24 pixels fewer pairs of different people agree, but twice as many of one person do not."""

STAYS = 0.3
"""Seconds within which a face in one place is surely the same one."""
SURELY = 2.0
"""Seconds from which AGREEMENT is required. Within a second hardly anyone changes places, but faces
do turn and blur: the requirement rises linearly from SLIGHT at STAYS."""
SLIGHT, AGREEMENT = 0.3, 0.65

_FLAT = 9.0
"""Variance of luma, in squared grey levels, below which there is nothing to compare: two flat faces
agree."""


def _head() -> npt.NDArray[np.float64]:
    """(SIDE, SIDE) weights that sum to 1: equal over head and hair, 0 over the background."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    radius = np.hypot((x - 0.5) / 0.36, (y - 0.47) / 0.5)
    weights = np.clip((1.1 - radius) / 0.2, 0.0, 1.0)
    return np.asarray(weights / weights.sum())


_HEAD = _head()


def thumbnails_of(picture: npt.NDArray[np.uint8], poses: Poses) -> Thumbnails:
    """A thumbnail of each face: BT.601 luma of the alignment template's unit square.

    `picture`: (H, W, 3) uint8 RGB; `poses` (N, 4) in its pixels.
    """
    thumbnails = np.empty((len(poses), SIDE, SIDE), np.uint8)
    for k, pose in enumerate(poses):
        crop = warp(picture, crop_to_frame(pose, SIDE), (SIDE, SIDE))
        luma = cv2.cvtColor(np.clip(crop, 0.0, 255.0), cv2.COLOR_RGB2GRAY)
        thumbnails[k] = np.rint(luma)
    return thumbnails


def agreement(one: Thumbnails, other: Thumbnails) -> npt.NDArray[np.float64]:
    """How alike each of N thumbnails is to each of M others, (N, M) in -1..1.

    The correlation of luma over the head, which brightness and contrast do not change.
    """
    a, b = _levelled(one), _levelled(other)
    spread = np.sqrt(((a * a).sum(axis=1) + _FLAT)[:, None] * ((b * b).sum(axis=1) + _FLAT)[None])
    return np.asarray((a @ b.T + _FLAT) / spread)


def apart(seconds: float) -> bool:
    """Whether a face may have become another after so long."""
    return seconds > STAYS + 1e-6  # times are sums of steps, with rounding errors


def needed(seconds: float) -> float:
    """The agreement that two detections need to be one person, so long apart (`apart`)."""
    part = min(max((seconds - STAYS) / (SURELY - STAYS), 0.0), 1.0)
    return SLIGHT + (AGREEMENT - SLIGHT) * part


def _levelled(thumbnails: Thumbnails) -> npt.NDArray[np.float64]:
    """(N, SIDE * SIDE) with mean 0 over the head, weighted so that sums of products are means."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
    weights = _HEAD.ravel()
    return np.asarray((flat - (flat @ weights)[:, None]) * np.sqrt(weights))
