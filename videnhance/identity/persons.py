"""Which tracks of a clip may show one person: a suggestion, from how far apart their faces are.

Tracks are joined by average linkage (Sokal and Michener, "A statistical method for evaluating
systematic relationships", 1958), on the median embedding of each. Two that are seen at the same
time are never joined, nor are the groups they are in: twins, a mirror and a poster stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from videnhance.identity.embedding import Embeddings, distance

LIMIT = 0.45
"""Mean distance up to which tracks are joined. 27 photographs of 8 people: one person's are 0.447
apart in the mean, different people's 0.816; some different people are 0.45 to 0.49 apart."""
MOMENTS = 9
"""Moments of a track that are looked at, at most."""
_NEVER = 1e6
"""Distance of tracks that must not be joined. The mean over two groups that hold such a pair is
far above LIMIT, however many tracks are in them."""


@dataclass(frozen=True)
class SeenTrack:
    """A track whose faces were looked at."""

    id: int
    start: int
    stop: int
    median: npt.NDArray[np.float32]
    """(128,) the median embedding over its moments."""

    def meets(self, other: SeenTrack) -> bool:
        """Whether both are seen in one frame."""
        return self.start < other.stop and other.start < self.stop


def median_of(embeddings: Embeddings) -> npt.NDArray[np.float32]:
    """Of a track's faces (n, 128), number by number: a bad moment does not count."""
    return np.asarray(np.median(embeddings, axis=0), np.float32)


def persons_of(tracks: Sequence[SeenTrack]) -> dict[int, int]:
    """The person of each track, by id: numbers from 1, by first appearance and then by track id."""
    ordered = sorted(tracks, key=lambda t: (t.start, t.id))
    if not ordered:
        return {}
    if len(ordered) == 1:
        return {ordered[0].id: 1}
    # Half a second to import, and needed where there are several tracks only.
    from scipy.cluster.hierarchy import fcluster, linkage

    apart = [
        _NEVER if one.meets(other) else distance(one.median, other.median)
        for one, other in combinations(ordered, 2)
    ]
    groups = fcluster(linkage(apart, "average"), LIMIT, "distance").tolist()
    numbers: dict[int, int] = {}
    return {
        t.id: numbers.setdefault(group, len(numbers) + 1)
        for t, group in zip(ordered, groups, strict=True)
    }


def may_be_joined(spans: Sequence[tuple[int, int]]) -> bool:
    """Whether any two of these spans of frames (half-open) do not meet: else every track is a
    person of its own, whatever it looks like."""
    ends = [stop for _, stop in spans]
    return bool(spans) and min(ends) <= max(start for start, _ in spans)


def distances(tracks: Sequence[SeenTrack]) -> list[tuple[int, int, float, bool]]:
    """Of every two tracks: their ids, how far apart they are, and whether they are seen at the same
    time; the nearest first."""
    found = [
        (one.id, other.id, distance(one.median, other.median), one.meets(other))
        for one, other in combinations(sorted(tracks, key=lambda t: t.id), 2)
    ]
    return sorted(found, key=lambda pair: (pair[2], pair[:2]))
