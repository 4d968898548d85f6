"""A stopwatch: every moment of a thread belongs to one stage, and threads add up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from videnhance.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_a_stage_within_another_stops_it(clock: list[float]) -> None:
    watch = Stopwatch()
    with watch.stage("network"):
        clock[0] += 1
        with watch.stage("fuse"):
            clock[0] += 2
            with watch.stage("register"):
                clock[0] += 4
            clock[0] += 8
        clock[0] += 16
    clock[0] += 32
    assert watch.seconds == {"network": 17, "fuse": 10, "register": 4}


def test_a_stage_that_fails_is_left(clock: list[float]) -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError, match="broken"), watch.stage("paint"):
        clock[0] += 1
        raise ValueError("broken")
    with watch.stage("encode"):
        clock[0] += 2
    assert watch.seconds == {"paint": 1, "encode": 2}


def test_each_counts_the_making_and_not_the_use(clock: list[float]) -> None:
    def made() -> Iterator[int]:
        for k in range(3):
            clock[0] += 1
            yield k

    watch, seen = Stopwatch(), []
    for k in watch.each(made(), "decode"):
        seen.append(k)
        clock[0] += 10
    assert (seen, watch.seconds) == ([0, 1, 2], {"decode": 3})


def test_threads_add_up_and_do_not_stop_each_other(clock: list[float]) -> None:
    watch = Stopwatch()

    def other() -> None:
        with watch.stage("encode"):
            clock[0] += 4

    with watch.stage("wait"):
        clock[0] += 1
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    with watch.stage("encode"):
        clock[0] += 8
    assert watch.seconds == {"wait": 5, "encode": 12}
