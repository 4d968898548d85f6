"""Progress, cancellation, timings and notes, shared by a job's steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.errors import Stopped


@dataclass(frozen=True)
class Monitor:
    """What a job's steps report to, and ask whether to stop."""

    progress: Progress = silent
    stop: Stop = never
    """Asked after every segment, and while nothing is in hand that would be lost."""
    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by step."""
    believed: dict[str, int] = field(default_factory=dict)
    """Frames by step that an earlier run had finished."""
    notes: list[str] = field(default_factory=list)
    """What the user should know, one sentence each."""
    details: list[str] = field(default_factory=list)
    """What was measured on the way, for those who ask for it, a line each."""

    def anew(self) -> Monitor:
        """For another attempt at the same work: nothing is noted yet, time counts from before."""
        return Monitor(self.progress, self.stop, self.began)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Takes the time of a step."""
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    def pause(self) -> None:
        """Raises Stopped where that was asked for."""
        if self.stop():
            raise Stopped("stopped")

    def tell(self, step: str, done: int, total: int) -> None:
        """Progress of a step that can be dropped at any time; raises Stopped."""
        self.pause()
        self.progress(step, done, total)
