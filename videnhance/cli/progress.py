"""Progress of long work as tqdm bars, one per step, with frames/s and the time left."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

from tqdm import tqdm

_BYTES = ("hash", "fetch")


def _room() -> dict[str, Any]:
    """What tqdm has to know of a terminal; where it tells no size, tqdm would show nothing."""
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return {"dynamic_ncols": True}
    if size.columns and size.lines:
        return {"dynamic_ncols": True}
    return {"ncols": 80, "nrows": 24}


class Bars:
    """Context manager; `show` is what a job calls."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bar: tqdm[None] | None = None
        self._step = ""

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def head(self, text: str) -> None:
        """A line above the bars that follow."""
        self.end()
        if self._shown:
            print(text, file=sys.stderr)

    def show(self, step: str, done: int, total: int) -> None:
        """Step `step` has done `done` of `total`; 0 where the total is not known yet.

        What is counted is frames, or bytes where files are hashed and fetched. What was done before
        the step's first call is not counted into its speed.
        """
        if step != self._step:
            self.end()
            self._step = step
            if self._shown:
                self._bar = tqdm(
                    total=total or None,
                    initial=done,
                    desc=f"{step:7}",
                    unit="B" if step in _BYTES else " frames",
                    unit_scale=step in _BYTES,
                    file=sys.stderr,
                    **_room(),
                )
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """Nothing more is shown until `show` is called again."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._step = ""
