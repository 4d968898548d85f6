"""The simulation of a cluster: what it must give where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import bench_cluster
import pytest
from bench_cluster import SEGMENT, Cluster, Measured, limits, simulated

PLAIN = Measured(
    detect=0.02,
    render=0.08,
    spread=0.0,
    between=0.0,
    start=0.0,
    begin=0.0,
    plan=0.0,
    finish=0.0,
    source=0.0,
    result=0.0,
)
QUICK = Cluster(1, commands=4, cores=4, storage=1e30, hand_out=0.0)
FRAMES, FILES = 40 * SEGMENT, 4
WORK = FILES * FRAMES * 0.1 / 3600
"""Hours of one worker."""


def test_where_nothing_is_shared_workers_share_the_work() -> None:
    assert simulated(PLAIN, QUICK, FILES, FRAMES).hours == pytest.approx(WORK)
    got = simulated(PLAIN, replace(QUICK, workers=10), FILES, FRAMES)
    assert got.hours == pytest.approx(WORK / 10, rel=0.02) and got.workers > 0.98


def test_more_workers_than_segments_bring_nothing() -> None:
    got = simulated(PLAIN, replace(QUICK, workers=1000), FILES, FRAMES)
    assert got.hours == pytest.approx(SEGMENT * 0.1 / 3600)
    assert limits(PLAIN, QUICK, FRAMES)["segments of the files in work"] == 160


@pytest.mark.parametrize(
    ("slow", "what"),
    [
        ({"source": 100.0}, "storage"),
        ({"finish": 0.01}, "processors of the command's machine"),
    ],
)
def test_what_is_shared_saturates_where_it_is_said_to(
    slow: dict[str, float], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_cluster, "HEAD", 0)
    measured = replace(PLAIN, **slow)
    cluster = replace(QUICK, storage=1e4, workers=150)
    most = limits(replace(measured, plan=1e-12), cluster, FRAMES)[what]
    assert most < 60
    hours = simulated(measured, cluster, 40, FRAMES).hours
    least = 10 * WORK / most  # as if there were no more than those
    assert 0.99 * least <= hours < 1.5 * least
