"""The gate: faces that are left alone. Every restorer is held back from faces that are mostly out
of sight, an inventing one also from those of which too little was recorded.

Measures of a face are compared with two limits each. The worst one decides how much strength
the face gets, and is named, so that a summary can give the reason. Each measure's strength is
averaged over a fixed window of the track: it then changes by a fifth at most from one frame to the
next, and does not depend on where a video is cut into segments.

Limitation: landmarks do not show a hand or a mask in front of the face. The detector still places
them where a face would have them: with mouth, eyes or half of the face painted over, on five clips,
their misfit rises from 0.015 to 0.03 at most. Only its score falls: for half a face from 0.9 to
0.75; for a face of 22 pixels between the eyes, with the eyes covered, to 0.3 to 0.46.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import TEMPLATE, eye_distance, fit_poses
from videnhance.faces.tracklets import Tracklet
from videnhance.faces.visibility import Visible
from videnhance.settings.groups import GateLimits, Limit

Values = npt.NDArray[np.float64]

RADIUS = 4
"""Frames on each side over which strength is averaged, with Gaussian weights of sigma RADIUS / 2:
sharpness rises and falls with a codec's groups of pictures, and landmarks of turned faces jitter.
"""

VISIBLE: Limit = (0.4, 0.6)
"""Share of a face that lies in the picture and not behind another face (visibility.py): below half,
most of what would be restored is not the face. In all frames of seven clips it is 1.00."""

UNLIMITED = GateLimits(eyes=None, sharpness=None, turned=None, misfit=None, score=None)
"""The limits for restorers that do not invent: VISIBLE alone."""

_LEAST = 1e-3
"""A strength below this counts as 0, and of strengths that differ by less the first measure gives
the reason: no picture changes, and rounding does not change what is reported."""

_NOSE = 0.45
"""Distance of the nose tip from the plane of eyes and mouth, in distances between the eyes: about
28 mm of 63 (as in show/moments.py)."""


@dataclass(frozen=True)
class Verdict:
    """How much of a restorer's strength a face may get, 0..1; at 0 it can be skipped.

    `reason`: the measure that limits most: "outside the picture", "hidden" (behind another face, or
    the landmarks fit no face), "small", "blurred", "turned away" or "uncertain". None if nothing
    limits.
    """

    strength: float
    reason: str | None


def judge(
    tracklet: Tracklet,
    frame: int,
    sharpnesses: Sequence[float],
    limits: GateLimits,
    visible: Visible | None = None,
) -> Verdict:
    """The verdict on a tracklet's face in a frame.

    `sharpnesses`: the `sharpness` of its crops in the frames of `frames_around`, in order; if
    empty, blur is not judged. Scores are interpolated between detections; a track without any,
    which an edited file may hold, is not judged by score. `visible` covers the frames of
    `frames_around`; without it the whole face counts as visible.
    """
    near = frames_around(tracklet, frame)
    weights = np.exp(-0.5 * ((np.array(near) - frame) / (RADIUS / 2)) ** 2)
    weights /= weights.sum()
    rows = slice(near.start - tracklet.start, near.stop - tracklet.start)
    landmarks = tracklet.landmarks[rows]
    found = np.flatnonzero(tracklet.observed)
    measures: list[tuple[str, Values, Limit]] = [
        ("small", eye_distance(tracklet.poses[rows]), limits.eyes),
        ("turned away", turned_away(landmarks), limits.turned),
        ("hidden", landmark_misfit(landmarks), limits.misfit),
    ]
    if len(found):
        scores = np.interp(np.arange(rows.start, rows.stop), found, tracklet.scores[found])
        measures.append(("uncertain", scores, limits.score))
    if len(sharpnesses):
        measures.insert(1, ("blurred", np.array(sharpnesses, np.float64), limits.sharpness))
    if visible is not None:
        inside, covered = visible.of(near)
        outside = float(weights @ (1.0 - inside)) > float(weights @ covered) + _LEAST
        name = "outside the picture" if outside else "hidden"
        measures.insert(0, (name, inside - covered, VISIBLE))
    left = [(name, float(weights @ _ramp(values, limit))) for name, values, limit in measures]
    strength = min(value for _, value in left)
    if strength >= 1.0 - _LEAST:
        return Verdict(1.0, None)
    reason = next(name for name, value in left if value <= strength + _LEAST)
    return Verdict(strength if strength > _LEAST else 0.0, reason)


def frames_around(tracklet: Tracklet, frame: int) -> range:
    """The frames that the verdict on a frame depends on: up to RADIUS on each side."""
    return range(max(frame - RADIUS, tracklet.start), min(frame + RADIUS, tracklet.stop - 1) + 1)


def turned_away(landmarks: npt.NDArray[np.floating]) -> Values:
    """Degrees between the direction each face (N, 5, 2) looks in and the camera, (N,).

    Measured by the nose tip in the face's own axes: along the eyes (unit: the distance between
    them), and from the middle of the eyes to the middle of the mouth (unit: that length). If a
    rigid face seen from afar is turned by a rotation R, its nose tip moves from its frontal place
    by -p R31 / R33 and -q R32 / R33, where p and q are the nose's height in these units (the rows
    of R are orthogonal). For yaw alone that is p tan(yaw), for pitch alone q tan(pitch), and
    hypot(R31, R32) / R33 is the tangent of the wanted angle. Size, and roll, which alignment
    removes, do not count. 90 if eyes and mouth lie on one line.
    """
    aside, down, seen = _nose_in_axes(landmarks)
    aside_frontal, down_frontal, _ = _nose_in_axes(TEMPLATE)
    eyes, height = _lengths(TEMPLATE)
    yaw = (aside - aside_frontal) / _NOSE
    pitch = (down - down_frontal) / (_NOSE * eyes / height)
    degrees = np.degrees(np.arctan(np.hypot(yaw, pitch)))
    return np.asarray(np.where(seen, degrees, 90.0), np.float64)


def landmark_misfit(landmarks: npt.NDArray[np.floating]) -> Values:
    """How far landmarks (N, 5, 2) are from those of any face, (N,): the root mean square distance
    as a share of the distance between the eyes.

    The landmarks of a rigid face seen from afar, however turned, are an affine map of the template
    plus a shift of the nose alone. What remains after a least-squares fit of both is what no pose
    explains.
    """
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    nose = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    poses = np.column_stack([TEMPLATE, nose, np.ones(5)])
    left = (np.eye(5) - poses @ np.linalg.pinv(poses)) @ points
    distance = np.sqrt((left**2).sum(axis=(1, 2)) / 5)
    return np.asarray(distance / eye_distance(fit_poses(points)), np.float64)


def _nose_in_axes(
    landmarks: npt.NDArray[np.floating],
) -> tuple[Values, Values, npt.NDArray[np.bool_]]:
    """The nose tip's coordinates along the eyes and from eyes to mouth, and whether they exist."""
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    across, down, nose = points[:, 1] - points[:, 0], mouth - eyes, points[:, 2] - eyes
    area = _cross(across, down)
    seen = np.abs(area) > 1e-6
    area = np.where(seen, area, 1.0)
    return _cross(nose, down) / area, _cross(across, nose) / area, seen


def _lengths(points: Values) -> tuple[float, float]:
    """The distance between the eyes, and from their middle to the middle of the mouth."""
    height = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    return float(np.hypot(*(points[1] - points[0]))), float(np.hypot(*height))


def _cross(a: Values, b: Values) -> Values:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _ramp(values: Values, limit: Limit) -> Values:
    if limit is None:
        return np.ones(len(values))
    none, full = limit
    part = np.clip((values - none) / (full - none), 0.0, 1.0)
    return np.asarray(part * part * (3.0 - 2.0 * part), np.float64)
