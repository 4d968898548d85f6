"""Alignment: from five landmarks to an upright square crop and back.

A pose is a similarity with four numbers (see tracklets.Tracklet). Affines are (2, 3) float64, map
(x, y) in continuous pixels, and are named source_to_target.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videnhance.imaging.affine import compose, scaling
from videnhance.imaging.frames import Matrix

Poses = npt.NDArray[np.float64]

TEMPLATE = (
    np.array(
        [
            [192.98138, 239.94708],
            [318.90277, 240.19360],
            [256.63416, 314.01935],
            [201.26117, 371.41043],
            [313.08905, 371.15118],
        ]
    )
    / 512.0
)
"""Alignment template, (5, 2), in the unit square: the FFHQ mean face that GFPGAN's crops are
aligned to (facexlib, FaceRestoreHelper.face_template, which is for 512 pixels)."""
RECOGNITION = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""The template of most networks that tell faces apart, (5, 2), in pixels of a picture of 112
(InsightFace, arcface_dst in face_align.py; OpenCV, face_recognize.cpp)."""

_CENTROID = TEMPLATE.mean(axis=0)
_EYES = float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))


def fit_poses(landmarks: npt.NDArray[np.floating]) -> Poses:
    """The least-squares similarity from the template to each face, (N, 5, 2) -> (N, 4).

    In the complex plane the problem is linear and its solution passes through both centroids
    (Umeyama, "Least-squares estimation of transformation parameters", PAMI 1991, for 2-D).
    """
    points = np.asarray(landmarks, np.float64)
    z = points[..., 0] + 1j * points[..., 1]
    centre = z.mean(axis=-1)
    t = (TEMPLATE - _CENTROID) @ np.array([1, 1j])
    turn = ((z - centre[..., None]) * t.conj()).sum(axis=-1) / (np.abs(t) ** 2).sum()
    side = np.maximum(np.abs(turn), 1e-6)
    return np.stack([centre.real, centre.imag, np.log(side), np.angle(turn)], axis=-1)


def template_to_frame(pose: Poses) -> Matrix:
    """Affine from the template's unit square to the upright picture, for one pose (4,)."""
    x, y, log_side, angle = pose
    a, b = np.exp(log_side) * np.cos(angle), np.exp(log_side) * np.sin(angle)
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, np.array([x, y]) - linear @ _CENTROID])


def crop_to_frame(pose: Poses, size: int) -> Matrix:
    """Affine from a crop of `size` x `size` pixels to the upright picture."""
    return compose(template_to_frame(pose), scaling(1.0 / size))


def eye_distance(poses: Poses) -> npt.NDArray[np.float64]:
    """Pixels between the eyes of the fitted template, (N,)."""
    return np.asarray(np.exp(poses[..., 2]) * _EYES)
