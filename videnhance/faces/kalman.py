"""Smoothing poses over time: a constant-velocity Kalman filter and its backward pass.

Textbook letters, as in filterpy and Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to
Tracking and Navigation" (2001), ch. 6 and 8: state x, its covariance P, transition F, process
noise Q, measurement z and its noise R, measurement matrix H.

The state is the four numbers of a pose (see tracklets.Tracklet) and their change per second:
x = (px, py, log side, angle, and the four velocities). Between two times dt seconds apart

    F = [[I, dt I], [0, I]]        Q = q^2 [[dt^3/3 I, dt^2/2 I], [dt^2/2 I, dt I]]

that is, a velocity driven by white acceleration, so the result does not depend on the frame rate.
Both noises are in units of the face: measurement errors and accelerations of position grow with the
side of the crop, so a face twice as large is smoothed by the same amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from filterpy.kalman import KalmanFilter

Vector = npt.NDArray[np.float64]

NOISE = np.array([1.0, 1.0, 2.5, 2.0])
NOISE_OF_SIDE = 0.002
NOISE_PIXELS = 0.15
"""Standard deviation of one raw pose: NOISE (x and y in crop sides, log side, radians) times
hypot(NOISE_OF_SIDE, NOISE_PIXELS / side).

Measured for CenterFace at a long side of 640, by fourth differences of raw poses in seven clips:
0.0003 to 0.002 sides for a large, still face, 2 to 4 times that for log side and 2 to 5 times for
angle, and about 0.1 to 0.3 pixels however small the face. Slow errors, which differences do not
show, make up the rest.
"""

_WINDOW = 0.2
"""Seconds each way over which the misfit is averaged before it loosens the filter."""

_FIRST_GUESS = 10.0
"""Standard deviation of the state before the first measurement, in crop sides, logs and radians,
and the same per second: so wide that it has no influence."""


def smooth(
    times: Vector, poses: Vector, observed: npt.NDArray[np.bool_], smoothness: float
) -> Vector:
    """The most likely pose at every time, given the poses at all observed times.

    times (n,) float64 seconds, rising; poses (n, 4) float64, read only where observed (n,) bool
    is True, angles unwrapped; the first and the last must be observed. Returns (n, 4).
    `smoothness`: seconds, see process_noise. It uses the future as well as the past, so it has no
    lag.

    Faces keep still and then turn fast, so one amount of smoothing does not suit a whole track.
    Where the first pass differs from the measurements by more than their noise, the second pass
    allows more acceleration, for each of the four numbers by its own misfit. Measured with
    detection in every third frame, the mean distance to the raw landmarks falls from 11.4 to 3.3 %
    of the face's width in woman_far, who dances, from 1.9 to 0.7 in webcam_man, and stays at 0.34
    in woman_indoor.
    """
    t, z = times[observed], poses[observed]
    states = rts(t, z, smoothness)
    misfit = _local_mean(t, ((z - states[:, :4]) / noise(np.exp(z[:, 2]))) ** 2)
    if misfit.max() > 1.0:
        states = rts(t, z, smoothness, np.maximum(misfit, 1.0))
    return between(times, t, states)


def rts(times: Vector, poses: Vector, smoothness: float, boost: Vector | None = None) -> Vector:
    """States (n, 8) from poses (n, 4) measured at n rising times: filter, then backward pass.

    The backward pass is that of Rauch, Tung and Striebel (AIAA Journal 3, 1965). `boost` (n, 4)
    multiplies the process noise of the step that ends at each time.
    """
    n = len(times)
    dt = np.diff(times, prepend=times[0])
    sides = np.exp(poses[:, 2])
    R = _diagonal(noise(sides) ** 2)
    Fs = transition(dt)
    Qs = process_noise(dt, sides, smoothness, boost)
    kf = _filter(poses[0], sides[0])
    Xs, Ps = np.empty((n, 8)), np.empty((n, 8, 8))
    for k in range(n):
        if k:
            kf.predict(F=Fs[k], Q=Qs[k])
        kf.update(poses[k], R=R[k])
        Xs[k], Ps[k] = kf.x, kf.P
    # filterpy's method, not its function of the same name, which takes F and Q one step late.
    return np.asarray(kf.rts_smoother(Xs, Ps, Fs, Qs)[0], np.float64)


def between(times: Vector, knots: Vector, states: Vector) -> Vector:
    """Poses (n, 4) at `times`, given states (m, 8) at rising `knots` that enclose them.

    The most likely path of a velocity driven by white acceleration is the cubic with the given
    position and velocity at both ends (Hermite). Prediction steps without measurement, run through
    the backward pass, give the same result at a higher cost.
    """
    if len(knots) == 1:
        return np.repeat(states[:, :4], len(times), axis=0)
    k = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
    h = (knots[k + 1] - knots[k])[:, None]
    u = (times - knots[k])[:, None] / h
    p0, p1 = states[k, :4], states[k + 1, :4]
    v0, v1 = states[k, 4:] * h, states[k + 1, 4:] * h
    cubic = p0 * (1 + 2 * u) * (1 - u) ** 2 + v0 * u * (1 - u) ** 2
    return np.asarray(cubic + p1 * u**2 * (3 - 2 * u) + v1 * u**2 * (u - 1))


class Predictor:
    """Predicts where a face will be next, from its detections so far (forward filter only)."""

    def __init__(self, time: float, pose: Vector, smoothness: float) -> None:
        self._time = time
        self._smoothness = smoothness
        side = float(np.exp(pose[2]))
        self._kf = _filter(pose, side)
        # A face just found is as likely to stand still as to move: start with moderate velocities.
        self._kf.P[4:, 4:] = np.diag(np.array([side, side, 1.0, 1.0]) ** 2)
        self._kf.update(pose, R=_diagonal(noise(side) ** 2))

    def at(self, time: float) -> Vector:
        """The pose (4,) expected at a time not before the last update."""
        return np.asarray(transition(time - self._time) @ self._kf.x, np.float64)[:4]

    def update(self, time: float, pose: Vector) -> None:
        """Add the pose found at `time`; its angle is within half a turn of the expected one."""
        dt, side = time - self._time, float(np.exp(pose[2]))
        self._kf.predict(F=transition(dt), Q=process_noise(dt, side, self._smoothness))
        self._kf.update(pose, R=_diagonal(noise(side) ** 2))
        self._time = time


def transition(dt: npt.ArrayLike) -> Vector:
    """F, (..., 8, 8), for steps of dt (...) seconds."""
    step = np.asarray(dt, np.float64)
    F = np.zeros((*step.shape, 8, 8))
    F[...] = np.eye(8)
    for k in range(4):
        F[..., k, 4 + k] = step
    return F


def process_noise(
    dt: npt.ArrayLike, side: npt.ArrayLike, smoothness: float, boost: Vector | None = None
) -> Vector:
    """Q, (..., 8, 8), for steps of dt (...) seconds and crops of `side` (...) pixels.

    `smoothness` is the time constant in seconds of the smoother at 30 measurements a second,
    tau = (r^2 / (30 q^2))^(1/4) with r the measurement noise: of a motion of frequency f it keeps
    the share 1 / (1 + (2 pi f tau)^4). With fewer measurements tau grows by the fourth root of
    their ratio. `boost` (..., 4) multiplies q^2.
    """
    step = np.asarray(dt, np.float64)[..., None, None]
    q2 = noise(side) ** 2 / (30.0 * smoothness**4)
    Q2 = _diagonal(q2 if boost is None else q2 * boost)
    Q = np.zeros((*Q2.shape[:-2], 8, 8))
    Q[..., :4, :4] = Q2 * step**3 / 3
    Q[..., :4, 4:] = Q[..., 4:, :4] = Q2 * step**2 / 2
    Q[..., 4:, 4:] = Q2 * step
    return Q


def noise(side: npt.ArrayLike) -> Vector:
    """Standard deviation (..., 4) of raw poses, for crops of `side` (...): pixels, log, radians."""
    s = np.asarray(side, np.float64)
    scale = np.stack([s, s, np.ones_like(s), np.ones_like(s)], axis=-1)
    return np.asarray(NOISE * scale * np.hypot(NOISE_OF_SIDE, NOISE_PIXELS / s)[..., None])


def _diagonal(variance: Vector) -> Vector:
    return np.asarray(variance[..., None] * np.eye(4))


def _filter(pose: Vector, side: float) -> KalmanFilter:
    """The filter before the first measurement."""
    from filterpy.kalman import KalmanFilter  # takes half a second (tracking.prepare)

    kf = KalmanFilter(dim_x=8, dim_z=4)
    kf.x = np.concatenate([pose, np.zeros(4)])
    spread = _FIRST_GUESS * np.array([side, side, 1.0, 1.0])
    kf.P = np.diag(np.concatenate([spread, spread]) ** 2)
    kf.H = np.eye(4, 8)
    return kf


def _local_mean(times: Vector, values: Vector) -> Vector:
    """At each time, the mean of the values (n, 4) within _WINDOW seconds of it."""
    low = np.searchsorted(times, times - _WINDOW, side="left")
    high = np.searchsorted(times, times + _WINDOW, side="right")
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray((total[high] - total[low]) / (high - low)[:, None])
