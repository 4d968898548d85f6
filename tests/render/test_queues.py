"""Threads end, whatever ends first, and errors reach the caller."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from videnhance.render.queues import background, prefetch, share


def no_threads_left() -> bool:
    return not [t for t in threading.enumerate() if t.name.startswith("videnhance")]


def test_prefetch_keeps_items_and_order() -> None:
    assert list(prefetch(range(100), 4)) == list(range(100))
    assert no_threads_left()


def test_prefetch_raises_the_producers_error_after_its_items() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken source")

    seen = []
    with pytest.raises(ValueError, match="broken source"):
        for item in prefetch(items(), 4):
            seen.append(item)
    assert seen == [1]
    assert no_threads_left()


def test_leaving_prefetch_early_closes_the_source_and_ends_the_thread() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = prefetch(endless(), 2)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert no_threads_left()


def test_prefetch_never_runs_further_ahead_than_its_depth() -> None:
    made = []

    def items() -> Iterator[int]:
        for k in range(50):
            made.append(k)
            yield k

    ahead = prefetch(items(), 3)
    next(ahead)
    time.sleep(0.3)
    assert len(made) <= 6
    ahead.close()  # type: ignore[attr-defined]


def test_background_consumes_all_in_order() -> None:
    seen: list[int] = []
    with background(seen.append, 2) as put:
        for k in range(50):
            put(k)
    assert seen == list(range(50))
    assert no_threads_left()


def test_background_raises_the_consumers_error() -> None:
    def consume(item: int) -> None:
        if item == 3:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), background(consume, 2) as put:
        for k in range(1000):
            put(k)
    assert no_threads_left()


def test_background_raises_an_error_in_the_last_item() -> None:
    def consume(item: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), background(consume, 2) as put:
        put(1)


def test_an_error_in_the_body_ends_the_thread_and_is_raised() -> None:
    with pytest.raises(KeyError), background(lambda item: time.sleep(0.01), 2) as put:
        put(1)
        raise KeyError("body")
    assert no_threads_left()


def test_several_workers_do_every_item_once_and_one_error_ends_them() -> None:
    done: list[tuple[int, str]] = []
    share(range(20), ["a", "b", "c"], lambda item, worker: done.append((item, worker)))
    assert sorted(item for item, _ in done) == list(range(20))

    def fail(item: int, worker: str) -> None:
        if item == 5:
            raise ValueError("five")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="five"):
        share(range(1000), ["a", "b"], fail)


INTERRUPTED = """
import signal, threading, time
from videnhance.render.queues import share

cut, begun, ended = threading.Event(), threading.Barrier(3), []

def work(item, worker):
    begun.wait(30)
    if cut.wait(30):
        ended.append(worker)

def interrupt():
    begun.wait(30)
    time.sleep(0.1)  # all are started; the main thread waits
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

# Where the tests run in the background of a shell, the signal is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt).start()
try:
    share(range(100), ["a", "b"], work, cut)
except KeyboardInterrupt:
    print(sorted(ended))
"""


def test_work_in_hand_is_cut_when_the_waiting_is_interrupted() -> None:
    """As by a second Ctrl-C: it reaches the main thread alone. In a process of its own, since an
    interrupt can end the one that runs the tests."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "['a', 'b']"), done.stderr
