"""Repair of times: frames whose times are missing, repeated or out of order get new ones.

The rules, for frames in the order in which they are shown:

1. If times rise in the order in which frames are stored, but the decoder shows the frames in
   another order (AVI with B-frames), the times are those of storing: the n-th frame shown gets the
   n-th smallest time.
2. A frame keeps its own time if that is later than the last time kept. Exception: if more of the
   WINDOW frames after it could keep theirs without it, it is a stray and loses its time.
3. If a frame's time is not later, and neither is any time of the WINDOW frames after it, the clock
   was set back: from there on, all times are moved so that they continue after one usual step.
4. All other frames are spread evenly between the nearest frames that kept their times; before the
   first and after the last of these, one usual step apart.
5. If that leaves less than a tick between two frames, the later one is moved to the next tick.

The usual step is the median step between frames that kept their times (a step across frames without
a time is divided among them); if there are none, it follows from the stream's rate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

WINDOW = 16
"""Number of frames to look ahead, to tell a single wrong time from a clock that was set back: more
than any decoder reorders, less than a second of most video."""


@dataclass(frozen=True)
class Repaired:
    """Times for every frame, strictly increasing, and which of them were changed."""

    pts: tuple[int, ...]
    spread: tuple[int, ...]
    """Frames that got a time by rules 4 and 5."""
    set_back: tuple[int, ...]
    """Frames at which the clock was set back (rule 3)."""
    moved: tuple[int, ...]
    """Ticks by which times were moved, from each of those frames on."""
    sorted: bool
    """Whether rule 1 was applied."""


def repaired(times: Sequence[int | None], stored: Sequence[int], step: int) -> Repaired:
    """Apply the rules. `times`: of the frames in the order shown, in ticks; `stored`: the position
    of each in the file; `step`: ticks between frames, if the times do not show it."""
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
    """Ticks from one frame to the next; `step` if no two frames kept their times."""
    known = [(k, time) for k, time in enumerate(kept) if time is not None]
    steps = [(after - before) / (k - j) for (j, before), (k, after) in pairwise(known)]
    return max(int(np.median(steps)), 1) if steps else step


def even(count: int, first: int = 0, step: int = 1) -> tuple[int, ...]:
    """Times one step apart."""
    return tuple(range(first, first + count * step, step))


def _of_storing(times: Sequence[int | None], stored: Sequence[int]) -> list[int | None] | None:
    """Rule 1: the times by rank; None if it does not apply."""
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
    """Rules 2 and 3: the times that are kept, with clock resets undone; the frames at which the
    clock was set back; and the ticks by which times are moved from there on."""
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
    """Whether more of the times ahead can rise without `now` than with it. The first frame of all
    can only be a stray if the next time is earlier."""
    if last is None and not (ahead and ahead[0] < now):
        return False
    free = [t for t in ahead if last is None or t > last]
    if all(t > now for t in free):
        return False
    return _most_rising(free) > 1 + _most_rising([t for t in free if t > now])


def _most_rising(times: Sequence[int]) -> int:
    """Length of the longest increasing subsequence (Fredman 1975): how many times can be kept."""
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
