"""Progress of long work as tqdm bars, one per step, with frames/s and the time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Bars:
    """Context manager; `show` is what a job calls. `seconds` holds each step's wall time."""

    def __init__(self, *, shown: bool) -> None:
        self.seconds: dict[str, float] = {}
        self._shown = shown
        self._bar: tqdm[None] | None = None
        self._step = ""
        self._began = 0.0

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def show(self, step: str, done: int, total: int) -> None:
        """Step `step` has done `done` of `total` frames; 0 where the total is not known yet."""
        if step != self._step:
            self._end()
            self._step = step
            self._began = time.monotonic()
            if self._shown:
                self._bar = tqdm(
                    total=total or None,
                    desc=f"{step:7}",
                    unit=" frames",
                    file=sys.stderr,
                    dynamic_ncols=True,
                )
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def _end(self) -> None:
        if self._step:
            spent = time.monotonic() - self._began
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + spent
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._step = ""
