"""The smoother against the weighted least-squares problem it solves, written out and solved."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from videnhance.faces.kalman import (
    Predictor,
    between,
    noise,
    process_noise,
    rts,
    smooth,
    transition,
)

Vector = npt.NDArray[np.float64]


def wandering(times: Vector, seed: int = 0) -> Vector:
    rng = np.random.default_rng(seed)
    clean = np.stack(
        [
            300 + 50 * np.sin(times),
            200 + 30 * times,
            np.log(200) + 0.2 * np.cos(times),
            0.2 * np.sin(2 * times),
        ],
        axis=1,
    )
    return np.asarray(clean + rng.normal(size=clean.shape) * [2, 2, 0.02, 0.02])


def least_squares(
    times: Vector,
    poses: Vector,
    observed: npt.NDArray[np.bool_],
    tau: float,
    boost: Vector | None = None,
) -> Vector:
    """All states at all times as the unknowns of one linear system. `boost` belongs to gaps."""
    n = len(times)
    # The process noise of a gap is that of the detection which ends it.
    ends = np.array([k + int(np.argmax(observed[k:])) for k in range(n)])
    sides = np.exp(poses[ends, 2])
    rows: list[Vector] = []
    values: list[Vector] = []

    def equation(blocks: dict[int, Vector], value: Vector, covariance: Vector) -> None:
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        row = np.zeros((len(value), 8 * n))
        for k, block in blocks.items():
            row[:, 8 * k : 8 * k + 8] = block
        rows.append(whiten @ row)
        values.append(whiten @ value)

    guess = 10.0 * np.array([sides[0], sides[0], 1, 1])
    start = np.concatenate([poses[0], np.zeros(4)])
    equation({0: np.eye(8)}, start, np.diag(np.tile(guess, 2) ** 2))
    for k in range(n):
        if observed[k]:
            equation({k: np.eye(4, 8)}, poses[k], np.diag(noise(sides[k]) ** 2))
        if k:
            dt = float(times[k] - times[k - 1])
            more = None if boost is None else boost[ends[k]]
            covariance = process_noise(dt, sides[k], tau, more)
            equation({k - 1: -transition(dt), k: np.eye(8)}, np.zeros(8), covariance)
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)[0]
    return np.asarray(solution.reshape(n, 8))


@pytest.fixture
def irregular() -> tuple[Vector, Vector, npt.NDArray[np.bool_]]:
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.01, 0.12, 60))
    observed = rng.random(60) > 0.4
    observed[[0, -1]] = True
    observed[20:32] = False
    return times, wandering(times), observed


@pytest.mark.parametrize("boosted", [False, True])
def test_equals_least_squares_on_irregular_times_with_gaps(
    irregular: tuple[Vector, Vector, npt.NDArray[np.bool_]], boosted: bool
) -> None:
    times, poses, observed = irregular
    boost = np.random.default_rng(1).uniform(1, 30, (60, 4)) if boosted else None
    states = rts(times[observed], poses[observed], 0.2, None if boost is None else boost[observed])
    exact = least_squares(times, poses, observed, 0.2, boost)
    np.testing.assert_allclose(states, exact[observed], atol=1e-6)
    np.testing.assert_allclose(between(times, times[observed], states), exact[:, :4], atol=1e-6)


def test_still_face_gets_the_plain_filter_and_loses_its_jitter() -> None:
    times = np.arange(200) / 30
    rng = np.random.default_rng(0)
    truth = np.array([640.0, 360.0, np.log(300.0), 0.1])
    poses = truth + 0.5 * rng.normal(size=(200, 4)) * noise(300.0)
    observed = np.arange(200) % 3 == 0
    observed[-1] = True
    smoothed = smooth(times, poses, observed, 0.1)
    jitter = np.diff(smoothed, 2, axis=0).std(axis=0) / np.diff(poses, 2, axis=0).std(axis=0)
    assert jitter.max() < 0.05
    assert (np.abs(smoothed - truth).mean(axis=0) < 0.3 * noise(300.0)).all()


def test_a_sudden_move_is_followed_without_lag() -> None:
    times = np.arange(121) / 30
    poses = np.tile([300.0, 200.0, np.log(200.0), 0.0], (121, 1))
    poses[:, 0] += 150 / (1 + np.exp(-(times - 2.0) / 0.06))
    smoothed = smooth(times, poses, np.ones(121, bool), 0.1)
    # Symmetric about the middle of the move: neither early nor late.
    assert smoothed[60, 0] == pytest.approx(375.0, abs=1.0)
    # 15 pixels a frame, and still within 3 pixels of a face 100 pixels wide; unboosted it is 14.
    assert np.abs(smoothed[:, 0] - poses[:, 0]).max() < 3.0
    stiff = between(times, times, rts(times, poses, 0.1))
    assert np.abs(stiff[:, 0] - poses[:, 0]).max() > 8.0


@pytest.mark.parametrize("tau", [0.05, 0.1, 0.15])
@pytest.mark.parametrize("side", [50.0, 2000.0])
def test_smoothness_is_the_documented_time_constant_for_faces_of_any_size(
    tau: float, side: float
) -> None:
    times = np.arange(300) / 30
    poses = np.zeros((300, 4))
    poses[:, 2] = np.log(side)
    poses[:, 0] = side * np.sin(2 * np.pi * times)
    middle = slice(90, 210)
    kept = rts(times, poses, tau)[middle, 0].std() / poses[middle, 0].std()
    assert kept == pytest.approx(1 / (1 + (2 * np.pi * tau) ** 4), abs=0.01)


def test_one_and_two_detections() -> None:
    pose = np.array([[10.0, 20.0, 3.0, 0.5]])
    np.testing.assert_allclose(smooth(np.array([1.0]), pose, np.array([True]), 0.1), pose)
    times = np.array([0.0, 0.1, 0.4])
    poses = np.array([[0.0, 0.0, 4.0, 0.0], [np.nan] * 4, [8.0, 4.0, 4.0, 0.4]])
    line = smooth(times, poses, np.array([True, False, True]), 0.1)
    np.testing.assert_allclose(line[1], [2.0, 1.0, 4.0, 0.1], atol=1e-3)


def test_predictor_goes_on_at_the_same_speed() -> None:
    predictor = Predictor(0.0, np.array([100.0, 50.0, 4.0, 0.0]), 0.15)
    for k in range(1, 30):
        predictor.update(0.1 * k, np.array([100.0 + 10 * k, 50.0, 4.0, 0.0]))
    assert predictor.at(3.4) == pytest.approx([440.0, 50.0, 4.0, 0.0], abs=0.5)


def test_ten_minutes_take_seconds() -> None:
    times = np.arange(18001) / 30
    observed = np.arange(18001) % 3 == 0
    begin = time.process_time()
    smooth(times, wandering(times % 10), observed, 0.1)
    assert time.process_time() - begin < 10.0
