"""Frames whose times are missing, repeated or out of order get times again, by one rule.

The rule, for frames in the order in which they are shown:

1. Times that rise as the frames are stored, while the decoder shows these in another order (AVI
   with B-frames), are those of storing: the n-th frame shown gets the n-th smallest.
2. A frame keeps its own time where that is later than the last time kept, unless more of the WINDOW
   frames after it could keep theirs without it (then it is a stray).
3. Where a time is not later, and no time of the WINDOW frames after it is, the clock was set back:
   from there on all times are moved so that they follow after one usual step.
4. All other frames are spread evenly between the neighbours that kept their times; before the
   first and after the last of those, a usual step apart.
5. Where that leaves less than a tick between two frames, the later one is moved to the next tick.

The usual step is the median of those between frames that kept their times, shared out where frames
without lie between them; else the stream's rate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

WINDOW = 16
"""Frames looked ahead to tell one wrong time from a clock that was set back: more than any
decoder reorders, less than a second of most video."""


@dataclass(frozen=True)
class Repaired:
    """Times for every frame, strictly increasing, and which of them were not its own."""

    pts: tuple[int, ...]
    spread: tuple[int, ...]
    """Frames that got a time by rules 4 and 5."""
    set_back: tuple[int, ...]
    """Frames at which the clock was set back (rule 3)."""
    moved: tuple[int, ...]
    """Ticks by which times were moved from each of these frames on."""
    sorted: bool
    """Whether rule 1 was followed."""


def repaired(times: Sequence[int | None], stored: Sequence[int], step: int) -> Repaired:
    """Follow the rule. `times`: of the frames in the order shown, in ticks; `stored`: each one's
    place in the file; `step`: ticks between frames if the times do not tell."""
    by_rank = _of_storing(times, stored)
    known = by_rank if by_rank is not None else list(times)
    kept, set_back, moved = _kept(known, step)
    usual = _usual(kept, step)
    pts = _spread(kept, usual)
    spread = tuple(
        k
        for k, (own, given) in enumerate(zip(kept, pts, strict=True))
        if own is None or own != given
    )
    return Repaired(tuple(pts), spread, set_back, moved, by_rank is not None)


def _usual(kept: Sequence[int | None], step: int) -> int:
    """Ticks from one frame to the next; `step` where no two kept their times."""
    known = [(k, time) for k, time in enumerate(kept) if time is not None]
    steps = [(after - before) / (k - j) for (j, before), (k, after) in pairwise(known)]
    return max(int(np.median(steps)), 1) if steps else step


def even(count: int, first: int = 0, step: int = 1) -> tuple[int, ...]:
    """Times one step apart."""
    return tuple(range(first, first + count * step, step))


def _of_storing(times: Sequence[int | None], stored: Sequence[int]) -> list[int | None] | None:
    """Rule 1: the times by rank, None where it does not apply."""
    placed = [times[k] for k in np.argsort(stored)]
    known = [time for time in placed if time is not None]
    if len(known) < len(placed):
        return None
    rising = all(a < b for a, b in pairwise(known))
    reordered = any(a > b for a, b in pairwise(stored))
    return [*known] if rising and reordered else None


def _kept(
    times: Sequence[int | None], step: int
) -> tuple[list[int | None], tuple[int, ...], tuple[int, ...]]:
    """Rules 2 and 3: the times that are kept, moved where the clock was set back; where, and by
    how much."""
    kept: list[int | None] = []
    set_back: list[tuple[int, int]] = []
    moved, last, at, before = 0, None, 0, float(step)
    for k, time in enumerate(times):
        if time is None:
            kept.append(None)
            continue
        ahead = [t + moved for t in times[k + 1 : k + 1 + WINDOW] if t is not None]
        now = time + moved
        if last is not None and now <= last:
            if now == last or any(t > last for t in ahead) or not ahead:
                kept.append(None)
                continue
            after = last + max(round(before * (k - at)), k - at)
            moved += after - now
            now = after
            set_back.append((k, moved))
        elif _is_stray(now, last, ahead):
            kept.append(None)
            continue
        if last is not None:
            before = (now - last) / (k - at)
        kept.append(now)
        last, at = now, k
    return kept, tuple(k for k, _ in set_back), tuple(by for _, by in set_back)


def _is_stray(now: int, last: int | None, ahead: Sequence[int]) -> bool:
    """Whether more of the times ahead rise without `now`; at the beginning, from the next on."""
    if last is None and not (ahead and ahead[0] < now):
        return False
    free = [t for t in ahead if last is None or t > last]
    if all(t > now for t in free):
        return False
    return _most_rising(free) > 1 + _most_rising([t for t in free if t > now])


def _most_rising(times: Sequence[int]) -> int:
    """How many can be kept so that they rise: the longest increasing subsequence (Fredman 1975)."""
    ends: list[int] = []
    for time in times:
        place = bisect_left(ends, time)
        ends[place : place + 1] = [time]
    return len(ends)


def _spread(kept: Sequence[int | None], usual: int) -> list[int]:
    """Rules 4 and 5."""
    anchors = [k for k, time in enumerate(kept) if time is not None]
    if not anchors:
        return list(even(len(kept), 0, usual))
    first, last = anchors[0], anchors[-1]
    times = np.array([kept[k] for k in anchors], np.float64)
    middle = np.rint(np.interp(np.arange(first, last + 1), anchors, times)).astype(np.int64)
    pts = [int(kept[first] or 0) - usual * (first - k) for k in range(first)]
    pts += [
        int(between) if own is None else own
        for between, own in zip(middle, kept[first : last + 1], strict=True)
    ]
    pts += [pts[-1] + usual * (k + 1) for k in range(len(kept) - 1 - last)]
    for k in range(1, len(pts)):
        pts[k] = max(pts[k], pts[k - 1] + 1)
    return pts
