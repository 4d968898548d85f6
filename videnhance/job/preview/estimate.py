"""How long a whole video would take, estimated from a short range of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

_FEWEST = 8
"""Frames from which a step's speed can be estimated."""


class Pace:
    """Listens to a job's progress; `tell` is what the job calls.

    A step's speed is counted from its first finished frame on: what comes before (loading the
    detector, choosing its size) is done once, however long the video.
    """

    def __init__(
        self,
        tell: Callable[[str, int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pass_on, self._clock = tell, clock
        self._first: dict[str, tuple[float, int]] = {}
        self._last: dict[str, tuple[float, int]] = {}

    def tell(self, step: str, done: int, total: int) -> None:
        now = self._clock()
        if done > 0:
            self._first.setdefault(step, (now, done))
            self._last[step] = (now, done)
        self._pass_on(step, done, total)

    def whole(self, frames: int, steps: Mapping[str, float]) -> float | None:
        """Seconds that `frames` frames would take, None where the range was too short to tell.

        `steps` are the job's own wall seconds by step; what does not grow with the frames of the
        range (reading the whole video's packets) is taken from there.
        """
        looking = self._a_frame("detect", None) if "detect" in self._last else 0.0
        # The encoder holds frames back: rendering is over when the next step begins.
        rendering = self._a_frame("render", "mux")
        if looking is None or rendering is None:
            return None
        return steps.get("plan", 0.0) + frames * (looking + rendering)

    def _a_frame(self, step: str, following: str | None) -> float | None:
        if step not in self._last:
            return None
        (began, first), (ended, last) = self._first[step], self._last[step]
        if following is not None and following in self._first:
            ended = self._first[following][0]
        return (ended - began) / (last - first) if last - first >= _FEWEST else None
