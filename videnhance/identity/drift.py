"""How far restored faces lie from their own source, and how much of that their input explains.

The yardstick of a track is the larger of two distances. The first is what the recording itself
moves: the median from one good moment's source to the next one's. The second is what a face of that
size loses: how far small, noisy, compressed faces lie from what was filmed (USUAL); a restorer that
found the truth would move them by as much. What drifts further than both shows something that
neither explains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from videnhance.identity.embedding import Embeddings, distance

MOMENTS = 9
"""Moments of a track at which its drift is measured, at most."""
USUAL = {10.0: 0.53, 15.0: 0.45, 20.0: 0.34, 30.0: 0.26, 40.0: 0.19}
"""By pixels between the eyes, the median distance from recorded to clean face (docs/identity.md:
clips made small, noisy and H.264 at crf 28)."""
STRENGTHS = 1.0, 0.75, 0.5, 0.25
"""Tried from the first on for `--max-drift`."""


@dataclass(frozen=True)
class Drift:
    """Of one track."""

    median: float
    """Distance from source to result over its measured faces."""
    yardstick: float
    faces: int
    """How many were measured."""

    @property
    def is_beyond(self) -> bool:
        """Whether the result drifts further than its input explains."""
        return self.median > self.yardstick

    def __str__(self) -> str:
        return (
            f"drifts {self.median:.2f} from its source, which explains {self.yardstick:.2f}: the "
            "restored face may look like somebody else"
        )


def drift_of(
    distances: Mapping[int, float], sources: Mapping[int, Embeddings], eyes: float
) -> Drift | None:
    """From the distances of a track's faces by frame, the embeddings of its sources by moment, and
    the median of pixels between the eyes; None where nothing was measured."""
    if not distances:
        return None
    moves = [distance(sources[a], sources[b]) for a, b in pairwise(sorted(sources))]
    known = float(np.median(moves)) if moves else 0.0
    yardstick = max(known, usual(eyes))
    median = float(np.median([distances[frame] for frame in sorted(distances)]))
    return Drift(round(median, 3), round(yardstick, 3), len(distances))


def usual(eyes: float) -> float:
    """USUAL between its sizes, linear in them; beyond, that of the nearest."""
    return float(np.interp(eyes, list(USUAL), list(USUAL.values())))
