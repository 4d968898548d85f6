"""Where the segments of a step are computed, if not in threads of this process.

That is all that a step knows of other machines: it names the files that are missing, and finds them
in place afterwards. Each is whole and sealed, as its own threads would have left it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from videnhance.job.job import Job
from videnhance.job.steps.segments import FrameCount, SegmentFile

Costly = Literal["detect", "render"]
"""The steps whose segments can be computed anywhere."""


class Crew(Protocol):
    """Somebody who computes segments."""

    def make(
        self,
        step: Costly,
        job: Job,
        left: Sequence[SegmentFile],
        count: FrameCount,
        long_side: int = 0,
    ) -> None:
        """Have each file of `left` in place; `count` is told of frames. `long_side`: the size in
        which faces are looked for (detect).

        Raises Stopped where the job's monitor says so, and what the segments' work raises.
        """
