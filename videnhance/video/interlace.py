"""Whether the two fields of a frame were taken at different times, and which of them first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.float32]

_STEP = 8.0
"""8-bit steps by which a row must differ from both its neighbours, the same way, to be a tooth."""
COMBED = 0.003
"""Share of teeth in a frame from which it is combed; half as many where the stream itself says that
it is interlaced. Of eight progressive clips no frame has more than 0.0017; with fields of
successive frames woven together, frames in which much moves have 0.01 to 0.04."""
FRAMES = 0.1
"""Share of combed frames from which a clip is interlaced: where nothing moves, none is."""


def teeth(luma: Luma) -> float:
    """The share of pixels that comb, 0..1, in luma (H, W) float32 in 8-bit steps.

    A tooth differs from the rows above and below by a step or more, both ways alike, and is like
    the rows two above and below: fields that are alike within and differ from each other (the
    five-tap test of Donald Graft's deinterlacers for the first part).
    """
    own, above, below = luma[2:-2], luma[1:-3], luma[3:-1]
    up, down = own - above, own - below
    alike = np.abs(luma[:-4] + luma[4:] - 2.0 * own) < np.abs(up + down) * 0.5
    steps = (np.minimum(up, down) > _STEP) | (np.maximum(up, down) < -_STEP)
    return float((alike & steps).mean())


def is_interlaced(shares: Sequence[float], declared: bool) -> bool:
    """Whether a clip is, by `teeth` of some of its frames and what its stream says."""
    limit = COMBED / 2 if declared else COMBED
    return bool(len(shares)) and float(np.mean([s > limit for s in shares])) >= FRAMES


def first_field(frames: Sequence[Luma]) -> str | None:
    """ "tff" or "bff", by successive frames of a clip; None where nothing tells.

    The later field of a frame is nearer in time to the earlier one of the next frame than the
    earlier field is to the next frame's later one, so it differs less from it.
    """
    bottom_first = top_first = 0.0
    for one, other in pairwise(frames):
        rows = min(len(one), len(other)) // 2 * 2
        top, bottom = one[:rows:2], one[1:rows:2]
        next_top, next_bottom = other[:rows:2], other[1:rows:2]
        top_first += float(np.abs(_lowered(bottom) - next_top[1:]).mean())
        bottom_first += float(np.abs(_raised(top) - next_bottom[:-1]).mean())
    if abs(top_first - bottom_first) <= 0.02 * (top_first + bottom_first):
        return None
    return "tff" if top_first < bottom_first else "bff"


def _lowered(bottom: Luma) -> Luma:
    """A bottom field where the top field's rows are, from the second on."""
    return np.asarray((bottom[:-1] + bottom[1:]) / 2.0, np.float32)


def _raised(top: Luma) -> Luma:
    """A top field where the bottom field's rows are, up to the last but one."""
    return np.asarray((top[:-1] + top[1:]) / 2.0, np.float32)
