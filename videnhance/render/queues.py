"""Bounded queues between threads, so that decoding, restoring and encoding overlap.

Whichever side ends first, the rule is the same: stop, drain, join, and raise the error in the
caller. Ours, because concurrent.futures, which `share` uses, has no bounded queue between a
producer and a consumer, and `janus` joins threads with asyncio, which nothing here uses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import TypeVar

from videnhance.stopwatch import Stopwatch

T = TypeVar("T")
W = TypeVar("W")

_POLL = 0.05
"""Seconds after which a thread blocked on a queue checks whether it should stop."""


class _End:
    """Marks the end of the items; carries the error that ended them, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[T], depth: int, watch: Stopwatch | None = None) -> Iterator[T]:
    """The same items, produced up to `depth` ahead in a thread; its errors are raised here.

    `watch` counts for the stage "wait" what either side waits for the other.
    """
    watch = watch or Stopwatch()
    queue: Queue[T | _End] = Queue(maxsize=depth)
    stop = threading.Event()

    def produce() -> None:
        end = _End()
        iterator = iter(items)
        try:
            for item in iterator:
                with watch.stage("wait"):
                    is_put = _put(queue, item, stop)
                if not is_put:
                    return
        except BaseException as error:
            end = _End(error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            _put(queue, end, stop)

    thread = threading.Thread(target=produce, name="videnhance-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            with watch.stage("wait"):
                item = queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        thread.join()


@contextmanager
def background(
    consume: Callable[[T], None], depth: int, watch: Stopwatch | None = None
) -> Iterator[Callable[[T], None]]:
    """Provides `put(item)`; a thread consumes the items in order, at most `depth` behind.

    The consumer's error is raised by the next `put`, or on leaving. If the body raises, items not
    yet consumed are dropped. `watch` counts for the stage "wait" what either side waits for the
    other.
    """
    watch = watch or Stopwatch()
    queue: Queue[T | _End] = Queue(maxsize=depth)
    stop = threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        while not stop.is_set():
            try:
                with watch.stage("wait"):
                    item = queue.get(timeout=_POLL)
            except Empty:
                continue
            if isinstance(item, _End):
                return
            try:
                consume(item)
            except BaseException as error:
                failure.append(error)
                stop.set()

    def put(item: T) -> None:
        with watch.stage("wait"):
            is_put = _put(queue, item, stop)
        if not is_put and failure:
            raise failure[0]

    thread = threading.Thread(target=work, name="videnhance-background", daemon=True)
    thread.start()
    try:
        yield put
        with watch.stage("wait"):
            _put(queue, _End(), stop)
    except BaseException:
        stop.set()
        raise
    finally:
        with watch.stage("wait"):
            thread.join()
    if failure:
        raise failure[0]


def share(
    items: Iterable[T],
    workers: Sequence[W],
    do: Callable[[T, W], None],
    cut: threading.Event | None = None,
) -> None:
    """Call `do(item, worker)` for every item; items are started in order, one at a time per worker.

    A single worker runs in this thread, several run in threads of their own. After the first error
    the other workers finish their current items, and the error is raised here. If the waiting
    itself is interrupted (Ctrl-C), `cut` is set, so that a `do` that checks it can end early.
    """
    if len(workers) == 1:
        for item in items:
            do(item, workers[0])
        return
    waiting, failed, taking = iter(items), threading.Event(), threading.Lock()
    errors: list[BaseException] = []

    def work(worker: W) -> None:
        while not failed.is_set():
            with taking:
                item = next(waiting, None)
            if item is None:
                return
            try:
                do(item, worker)
            except BaseException as error:
                errors.append(error)
                failed.set()
                return

    with ThreadPoolExecutor(len(workers), "videnhance-share") as pool:
        try:
            wait([pool.submit(work, worker) for worker in workers])
        except BaseException:
            failed.set()
            if cut is not None:
                cut.set()
            raise
    if errors:
        raise errors[0]


def _put(queue: Queue[T | _End], item: T | _End, stop: threading.Event) -> bool:
    """Put the item, unless `stop` is set first; returns whether it was put."""
    while not stop.is_set():
        try:
            queue.put(item, timeout=_POLL)
            return True
        except Full:
            continue
    return False
