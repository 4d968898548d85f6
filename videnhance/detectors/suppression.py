"""From a network's many candidates to one for each face, independent of the scores' last digits.

Many places of the network see the same face, and the best of them have nearly equal scores. Which
one is best changes with noise, processor and thread count, and the landmarks change with it, by a
hundredth of the face. So candidates that score nearly as well as the best are averaged: there is no
choice, and no jump. Measured in every frame of five clips with CenterFace, as second differences:
with the best candidate alone a face's place shakes by 0.64, 0.29, 0.32, 2.33 and 0.20 % of the
crop's side, averaged by 0.47, 0.12, 0.28, 2.33 and 0.12 %; its size by 3.2, 1.4, 1.5, 3.8 and
1.0 %, averaged by 2.4, 0.7, 1.0, 3.3 and 0.3 %. The mean distance from RetinaFace's landmarks goes
from 2.80 to 2.73 % of the face's width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videnhance.faces.tracklets import Faces

NEARLY = 0.05
"""Difference from a face's best score at which a candidate's weight has fallen, linearly, to 0.
Scores of one network differ by 1e-6 between processors and by 1e-3 in half precision."""
_OF_ONE = 0.5, 0.7
"""Overlap (intersection over union) with the best candidate above which another belongs to the same
face, and at which it counts in full. Two faces may overlap too, but less."""


def faces_of(
    boxes: npt.NDArray[np.floating],
    landmarks: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    overlap: float,
    nearly: float = NEARLY,
) -> Faces:
    """One face for each box that `suppress` keeps, best score first: the mean of those candidates
    it drops for that box that score nearly as well. If `nearly` is 0, the box itself, as in the
    published detectors.

    boxes (N, 4) x0 y0 x1 y1, landmarks (N, 5, 2), scores (N,), in the order `suppress` asks for.
    """
    kept, groups = _grouped(boxes, scores, overlap, nearly / 10)
    places, points, values = boxes[kept], landmarks[kept], scores[kept]
    for k, group in enumerate(groups if nearly > 0 else ()):
        shared = overlaps(boxes[kept[k]], boxes[group])
        of_one = np.clip((shared - _OF_ONE[0]) / (_OF_ONE[1] - _OF_ONE[0]), 0.0, 1.0)
        values[k] = scores[group].max()
        weights = of_one * np.maximum(1.0 - (values[k] - scores[group]) / nearly, 0.0)
        if weights.any():  # a box without any area does not even overlap itself
            weights /= weights.sum()
            places[k] = weights @ boxes[group]
            points[k] = np.tensordot(weights, landmarks[group], axes=1)
    # For readers only: nothing depends on the order.
    order = np.argsort(-values, kind="stable")
    return Faces(
        places[order].astype(np.float32),
        points[order].astype(np.float32),
        values[order].astype(np.float32),
    )


def suppress(
    boxes: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    overlap: float,
    tie: float = NEARLY / 10,
) -> npt.NDArray[np.intp]:
    """Non-maximum suppression: indices of the boxes to keep, best score first; of scores that
    differ by `tie` or less, the first index.

    A box is dropped if a better one that is kept overlaps it by `overlap` or more (intersection
    over union). boxes (N, 4) x0 y0 x1 y1, scores (N,), in an order that does not depend on measured
    numbers, such as the network's places row by row.
    """
    return _grouped(boxes, scores, overlap, tie)[0]


def _grouped(
    boxes: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], overlap: float, tie: float
) -> tuple[npt.NDArray[np.intp], list[npt.NDArray[np.intp]]]:
    """The boxes that `suppress` keeps, and for each the indices it stands for: itself, and those
    dropped for it."""
    left, keep, groups = np.arange(len(boxes)), [], []
    while len(left):
        values = scores[left]
        best = left[np.argmax(values >= values.max() - tie)]
        gone = (overlaps(boxes[best], boxes[left]) >= overlap) | (left == best)
        keep.append(best)
        groups.append(left[gone])
        left = left[~gone]
    return np.array(keep, np.intp), groups


def overlaps(
    box: npt.NDArray[np.floating], boxes: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Intersection over union of a box (4,) with each of (N, 4)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    own = np.prod(np.maximum(box[2:] - box[:2], 0))
    return np.asarray(shared / np.maximum(own + areas - shared, 1e-9))
