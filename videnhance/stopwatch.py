"""How long each stage of work takes, counted from several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Seconds by stage. In each thread the time belongs to one stage: that entered last.

    A stage within another stops the outer one meanwhile, so that sums count nothing twice. Entering
    and leaving costs a few microseconds.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()
        self._here = threading.local()

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time by stage, summed over the threads; only of stages that were left."""
        with self._lock:
            return dict(self._seconds)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Counts the time within for the stage `name`. A generator must not yield within."""
        return _Stage(self, name)

    def each(self, items: Iterable[T], name: str) -> Iterator[T]:
        """The same items; what it takes to get each is counted for the stage `name`."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def enter(self, name: str) -> None:
        now = time.perf_counter()
        entered = self._entered()
        if entered:
            self._count(*entered[-1], now)
        entered.append((name, now))

    def leave(self) -> None:
        now = time.perf_counter()
        entered = self._entered()
        self._count(*entered.pop(), now)
        if entered:
            entered[-1] = (entered[-1][0], now)

    def _entered(self) -> list[tuple[str, float]]:
        """This thread's stages, the innermost last, each with the time from which it counts."""
        try:
            found: list[tuple[str, float]] = self._here.entered
        except AttributeError:
            found = self._here.entered = []
        return found

    def _count(self, name: str, began: float, now: float) -> None:
        with self._lock:
            self._seconds[name] = self._seconds.get(name, 0.0) + now - began


class _Stage(AbstractContextManager[None]):
    """A class, because contextlib's generators cost several times as much."""

    def __init__(self, watch: Stopwatch, name: str) -> None:
        self._watch, self._name = watch, name

    def __enter__(self) -> None:
        self._watch.enter(self._name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.leave()
