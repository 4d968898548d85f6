"""Tracking: from the detections of single frames to faces followed through their shots.

A pure function of all detections of a video, so it makes no difference where a job was cut into
segments or stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np
import numpy.typing as npt

from videnhance.errors import UsageError
from videnhance.faces.alignment import TEMPLATE, eye_distance, fit_poses
from videnhance.faces.kalman import Predictor, smooth
from videnhance.faces.likeness import Thumbnails, agreement, apart, needed
from videnhance.faces.tracklets import Faces, Tracklet, Tracks
from videnhance.imaging.choice import best_first, reaches
from videnhance.settings.groups import PartSettings, TrackSettings

Vector = npt.NDArray[np.float64]

GATE = 0.5
GATE_PER_SECOND = 3.0
GATE_LIMIT = 1.2
"""A detection may belong to a face if its distance from where the face is expected is at most
GATE + GATE_PER_SECOND x (seconds since the face was last seen), and at most GATE_LIMIT. The unit is
the side of the face's box; the distance is the mean over five landmarks and two box corners.
Neighbours in a crowd are 1 apart or more. The largest distances measured in seven clips: 0.6 for
detections 0.04 s apart, 0.7 for 0.12 s, 0.9 for 0.2 s, all in a dance (woman_far); 0.3 elsewhere,
and 0.9 in the corridor with detections 0.4 s apart."""

PREDICTION = 0.15
"""Smoothness of the predictor, seconds. Faces start and stop: a predictor that trusts its speed
more (0.03) errs by half as much again with detections 0.2 s apart; one that does not trust it at
all loses people who walk."""

MOVES = 1.0
"""Seconds for which the predicted motion is trusted: a face's speed now says nothing about where it
will be in a minute."""

EVEN, IN_ORDER = 0.05, 1e-3
"""Added to the cost of pairs, so that rounding does not decide between assignments with equal sums
of distances. EVEN x the squared distance: of two faces that move along one line, both move a little
rather than one twice as far. IN_ORDER, for symmetrical cases: paths, in the order in which they
began, and detections, from left to right, are paired in order."""

ENOUGH_DETECTIONS = 3
"""A face counts if it was detected this often, or in every searched frame of a shot with fewer. A
false alarm rarely recurs in the same place, and a face restored only for a moment would flash. In a
frame that is apart from its neighbours in time (likeness.apart) one detection is enough."""

SAME_PLACE = 0.05
"""Difference in place, in sides of a face, up to which two faces count as level in an ordering."""

SMALLEST_PART = 0.8
"""Detections below this share of `min_eyes` are ignored. Between it and `min_eyes` they extend a
face that is larger elsewhere, so that a track does not flicker around the limit."""


@dataclass(eq=False)
class _Path:
    """One face while it is followed. points (7, 2): five landmarks, then two box corners."""

    predictor: Predictor
    pose: Vector
    points: Vector
    time: float
    frames: list[int] = field(default_factory=list)
    poses: list[Vector] = field(default_factory=list)
    landmarks: list[Vector] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    thumbnail: Thumbnails | None = None
    """(1, SIDE, SIDE), as last seen."""

    def add(self, frame: int, time: float, pose: Vector, points: Vector, score: float) -> None:
        if self.frames:
            # Unwrap: an angle continues from the last one instead of jumping by a full turn.
            turn = pose[3] - self.pose[3]
            pose = pose - [0, 0, 0, 2 * np.pi * np.rint(turn / (2 * np.pi))]
            self.predictor.update(time, pose)
        self.pose, self.points, self.time = pose, points, time
        self.frames.append(frame)
        self.poses.append(pose)
        self.landmarks.append(points[:5])
        self.scores.append(score)

    def expected(self, time: float) -> Vector:
        """points (7, 2) as last seen, moved by the motion predicted until `time`, MOVES at most."""
        at = self.predictor.at(min(time, self.time + MOVES))
        return _carry(self.points, self.pose, at)


def prepare() -> None:
    """Import what tracking computes with: half a second that can pass while faces are found."""
    for name in ("filterpy.kalman", "scipy.optimize"):
        import_module(name)


def track(
    times: Vector,
    detections: Mapping[int, Faces],
    cuts: tuple[int, ...],
    settings: TrackSettings,
) -> tuple[Tracklet, ...]:
    """Follow every face from its first to its last detection, within its shot.

    `times` (n,) float64: seconds at which each frame of the video is shown, rising. `detections`:
    frame index -> the faces found there, with an entry for each frame the detector saw. `cuts`:
    rising indices of frames that begin a new shot, without 0. Ids count from 1, by first frame,
    then from left to right, and then from top to bottom (`_in_place`).

    A track ends if its face is not detected for more than `max_gap` seconds; if the face comes
    back, a new track begins. Consecutive detector frames never count as a gap, however slow the
    video. But between frames that are `apart` in time, place alone joins nothing: the thumbnails of
    the faces, if known, must agree too.
    """
    shots = list(zip((0, *cuts), (*cuts, len(times)), strict=True))
    found: list[Tracklet] = []
    for start, stop in shots:
        searched = sorted(k for k in detections if start <= k < stop)
        enough = min(ENOUGH_DETECTIONS, len(searched))
        pauses = np.array([True, *(apart(step) for step in np.diff(times[start:stop])), True])
        alone = pauses[:-1] & pauses[1:]
        for path in _follow(times, searched, detections, settings):
            if len(path.frames) >= enough or alone[np.array(path.frames) - start].any():
                tracklet = _finish(path, times, start, stop, settings.smoothness)
                if reaches(eye_distance(tracklet.poses).max(), settings.min_eyes):
                    found.append(tracklet)
    by_start: dict[int, list[Tracklet]] = {}
    for tracklet in sorted(found, key=lambda t: (t.start, t.stop)):
        by_start.setdefault(tracklet.start, []).append(tracklet)
    ordered = [
        together[k]
        for together in by_start.values()
        for k in _in_place(np.stack([t.poses[0] for t in together]))
    ]
    return tuple(replace(t, id=k) for k, t in enumerate(ordered, 1))


def choose(tracks: Tracks, part: PartSettings) -> Tracks:
    """The tracks that `part` names by id or by person (all if it names none) and does not skip; all
    zones, and the remaining tracks as `others`.

    Raises UsageError if no track has one of the ids, or is of one of the persons, naming the option
    and the number, or if no track is left.
    """
    ids = {t.id for t in tracks.tracklets}
    persons = {t.person for t in tracks.tracklets if t.person is not None}
    for option, wanted, there, what in (
        ("--only", part.only, ids, "track"),
        ("--skip", part.skip, ids, "track"),
        ("--only-person", part.only_person, persons, "person"),
        ("--skip-person", part.skip_person, persons, "person"),
    ):
        unknown = [k for k in wanted if k not in there]
        if unknown:
            known = ", ".join(map(str, sorted(there))) or "none"
            raise UsageError(f"{option} {unknown[0]}: no such {what}; there are {known}")
    named = [t for t in tracks.tracklets if t.id in part.only or t.person in part.only_person]
    wanted_tracks = named if part.only or part.only_person else tracks.tracklets
    kept = tuple(
        t for t in wanted_tracks if t.id not in part.skip and t.person not in part.skip_person
    )
    if named and not kept:
        raise UsageError("--only and --skip: name the same tracks, which leaves none; name others")
    chosen = {t.id for t in kept}
    return Tracks(kept, tracks.zones, tuple(t for t in tracks.everyone if t.id not in chosen))


def _follow(
    times: Vector, searched: list[int], detections: Mapping[int, Faces], settings: TrackSettings
) -> Iterator[_Path]:
    """The paths of one shot, of any length."""
    alive: list[_Path] = []
    for position, frame in enumerate(searched):
        now = float(times[frame])
        before = searched[position - 1] if position else frame
        gap = settings.max_gap + 1e-6  # times are sums of steps, with rounding errors
        ended = [p for p in alive if now - p.time > gap and p.frames[-1] != before]
        yield from ended
        alive = [p for p in alive if p not in ended]

        faces = detections[frame]
        poses = fit_poses(faces.landmarks)
        keep = np.flatnonzero(reaches(eye_distance(poses), SMALLEST_PART * settings.min_eyes))
        keep = keep[_in_place(poses[keep])]
        faces, poses = faces[keep], poses[keep]
        points = np.concatenate([faces.landmarks, faces.boxes.reshape(-1, 2, 2)], axis=1)
        points = points.astype(np.float64)
        slow = bool(frame - before) and apart(float(np.diff(times[before : frame + 1]).max()))
        taken = dict(_pair(alive, points, faces.thumbnails, now, slow))
        for k in range(len(faces)):
            if k in taken:
                path = taken[k]
            else:
                predictor = Predictor(now, poses[k], PREDICTION)
                path = _Path(predictor, poses[k], points[k], now)
                alive.append(path)
            path.add(frame, now, poses[k], points[k], float(faces.scores[k]))
            small = faces.thumbnails
            path.thumbnail = None if small is None else small[k : k + 1]
    yield from alive


def _in_place(poses: Vector) -> list[int]:
    """The order of faces (n, 4): from left to right, then from top to bottom, then by size.

    Places that differ by less than SAME_PLACE, in sides of the smallest face, are level.
    """
    within = SAME_PLACE * float(np.exp(poses[:, 2]).min()) if len(poses) else 0.0
    order = best_first([*poses[:, 2]], within=SAME_PLACE)
    for axis in (1, 0):
        order = [order[k] for k in best_first([*-poses[order, axis]], within=within)]
    return order


def _pair(
    paths: list[_Path], points: Vector, thumbnails: Thumbnails | None, now: float, slow: bool
) -> Iterator[tuple[int, _Path]]:
    """Pairs of a detection's index, from points (m, 7, 2), and the path it continues.

    The assignment with the smallest sum of distances. If `slow`, only of faces whose thumbnails
    agree.
    """
    if not paths or not len(points):
        return
    from scipy.optimize import linear_sum_assignment

    expected = np.stack([p.expected(now) for p in paths])
    side = np.sqrt(np.prod(np.maximum(expected[:, 6] - expected[:, 5], 1.0), axis=1))
    distance = np.linalg.norm(expected[:, None] - points[None], axis=-1).mean(axis=-1)
    cost = distance / side[:, None]
    waited = np.array([now - p.time for p in paths])
    gate = np.minimum(GATE + GATE_PER_SECOND * waited, GATE_LIMIT)[:, None]
    allowed = cost <= gate
    if slow and thumbnails is not None:
        for row, path in enumerate(paths):
            if path.thumbnail is not None:
                alike = agreement(path.thumbnail, thumbnails)[0]
                allowed[row] &= alike >= needed(now - path.time)
    order = np.subtract.outer(np.arange(len(paths)), np.arange(len(points))) ** 2
    cost = cost + EVEN * cost**2 + IN_ORDER * order / max(cost.shape)
    # A pair that is not allowed costs more than any number of others, so it is never bought.
    most = 2 * GATE_LIMIT + IN_ORDER * max(cost.shape)
    rows, columns = linear_sum_assignment(np.where(allowed, cost, most * (1 + cost.size)))
    for row, column in zip(rows, columns, strict=True):
        if allowed[row, column]:
            yield int(column), paths[row]


def _finish(
    path: _Path, times: Vector, shot_start: int, shot_stop: int, smoothness: float
) -> Tracklet:
    """The path as a tracklet: gaps between detections filled, all smoothed; the id is set later."""
    start, stop = path.frames[0], path.frames[-1] + 1
    rows = np.array(path.frames) - start
    scores = np.full(stop - start, np.nan)
    scores[rows] = path.scores
    raw = np.full((stop - start, 4), np.nan)
    raw[rows] = path.poses
    span = times[start:stop]
    poses = smooth(span, raw, ~np.isnan(scores), smoothness)
    shape = _unplace(np.array(path.landmarks), raw[rows])
    shape = _average(span, span[rows], shape, smoothness)
    return Tracklet(
        id=0,
        start=start,
        poses=poses,
        landmarks=_place(shape, poses),
        scores=scores,
        opens_shot=start == shot_start or apart(float(times[start] - times[start - 1])),
        closes_shot=stop == shot_stop or apart(float(times[stop] - times[stop - 1])),
    )


def _average(times: Vector, seen: Vector, values: Vector, width: float) -> Vector:
    """(n, 5, 2): values (m, 5, 2) at the times `seen` (m,), averaged around each of `times` (n,).

    Weights are Gaussian with a standard deviation of `width` seconds; if no value is that near,
    the nearest one is taken.
    """
    result = np.empty((len(times), *values.shape[1:]))
    for k, time in enumerate(times):
        low, high = np.searchsorted(seen, [time - 3 * width, time + 3 * width])
        distance = (seen[low:high] - time) / width
        if low == high:
            low = int(np.abs(seen - time).argmin())
            high, distance = low + 1, np.zeros(1)
        weights = np.exp(-0.5 * distance**2)
        result[k] = np.tensordot(weights / weights.sum(), values[low:high], axes=1)
    return result


# Similarities of many points at once, in the complex plane: place = turn * (point - middle) + at.

_MIDDLE = complex(*TEMPLATE.mean(axis=0))


def _turn(poses: Vector) -> npt.NDArray[np.complex128]:
    return np.asarray(np.exp(poses[..., 2] + 1j * poses[..., 3]))[..., None]


def _at(poses: Vector) -> npt.NDArray[np.complex128]:
    return np.asarray(poses[..., 0] + 1j * poses[..., 1])[..., None]


def _place(unit: Vector, poses: Vector) -> Vector:
    """Points (..., k, 2) of the template's unit square, mapped to the picture by poses."""
    z = _turn(poses) * (unit[..., 0] + 1j * unit[..., 1] - _MIDDLE) + _at(poses)
    return np.stack([z.real, z.imag], axis=-1)


def _unplace(points: Vector, poses: Vector) -> Vector:
    """The inverse of _place."""
    z = (points[..., 0] + 1j * points[..., 1] - _at(poses)) / _turn(poses) + _MIDDLE
    return np.stack([z.real, z.imag], axis=-1)


def _carry(points: Vector, from_pose: Vector, to_pose: Vector) -> Vector:
    """Points (k, 2) that belong to one pose, moved with it to another pose."""
    return _place(_unplace(points, from_pose), to_pose)
