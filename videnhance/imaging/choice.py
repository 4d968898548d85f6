"""Choices between measured numbers that come out the same on every machine.

Processors, thread counts and library versions change the last digits of measured numbers. So
numbers that are nearly equal count as equal, and something exact decides between them: the order in
which the callers pass their candidates, which is time, then place, then id. The edge of the
tolerance is still a sharp limit, but equal faces, still scenes and whole numbers, which make ties
frequent, lie in its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

NEARLY = 1e-3
"""Share by which a measured length may fall short of a limit and still reach it. Between machines
lengths differ by 1e-6 to 1e-4."""


def reaches(values: npt.NDArray[np.floating], limit: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether each value is at least `limit` (0 or more), or short of it by a share of NEARLY at
    most."""
    return np.asarray(values >= np.asarray(limit) * (1.0 - NEARLY))


def first_of_best(values: Sequence[float], *, share: float = 0.0, within: float = 0.0) -> int:
    """The first index whose value is the largest, or below it by no more than `share` of it and
    `within` together. Raises ValueError where there are no values."""
    best = max(values)
    least = best - share * abs(best) - within
    return next(k for k, value in enumerate(values) if value >= least)


def best_first(values: Sequence[float], *, share: float = 0.0, within: float = 0.0) -> list[int]:
    """All indices, the largest value first; of nearly equal values the first index.

    Chosen one by one with `first_of_best`: near equality is not transitive, so each is compared
    with the largest value left.
    """
    left, order = list(range(len(values))), []
    while left:
        pick = first_of_best([values[k] for k in left], share=share, within=within)
        order.append(left.pop(pick))
    return order


def spread(count: int, total: int) -> tuple[int, ...]:
    """`count` of the indices 0..total - 1, evenly spaced from the first to the last.

    In exact arithmetic: in floating point a half would be rounded by its last digit.
    """
    if count < 2:
        return (0,) * count
    return tuple(round(Fraction(k * (total - 1), count - 1)) for k in range(count))
