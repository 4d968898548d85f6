"""Whether the two fields of a frame were taken at different times, and which of them first.

The measure is that of FFmpeg's idet (libavfilter/vf_idet.c), on those pixels that move. Let a line
be set among its neighbours in the same frame, and the same line as it was one frame earlier or
later. Of a progressive frame the earlier and the later line fit alike, and worse than its own. In a
woven one the lines of one field fit better with the later frame, those of the other with the
earlier, as that is nearer in time; and its own line fits no better than these: that is the comb.
Noise fits nowhere better than elsewhere, so it is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.float32]
Verdict = Literal["tff", "bff", "progressive", "unknown"]
"""The field shown first; "unknown" where too little moves."""

_MOTION = 10.0
"""8-bit steps from which a pixel moves: above usual noise."""
_LEAST = 0.002
"""Share of pixels that must move."""
_RATIO = 1.15
"""How much better one field order must fit than the other. idet takes 1.04, of all pixels."""
_COMB = 0.8
"""A frame is combed where the misfit of its own lines is at least this much of the better of the
two others. Of a progressive one it is far less: `_PLAIN`, which is idet's."""
_PLAIN = 1 / 1.5
_SHARE = 0.25
"""Share of moving frames that are combed, from which a clip is: film shown by 3:2 pulldown has
0.4."""
_FRAMES = 3
"""Combed frames, at least."""


def verdict(before: Luma, luma: Luma, after: Luma) -> Verdict:
    """How the middle one of three frames in a row was scanned, by luma (H, W) in 8-bit steps.

    Six clips, progressive and with successive frames woven together, with noise of 0, 8 and 16
    levels: of 18 progressive none is called interlaced; of 36 woven all 12 without noise are, 9 of
    12 at 8 and 3 of 12 at 16. Where noise hides the motion nothing is claimed.
    """
    if len(luma) < 6:
        return "unknown"
    own, rows = luma[2:-2], slice(2, -2)
    moves = np.maximum(np.abs(before[rows] - own), np.abs(after[rows] - own)) > _MOTION
    if moves.mean() < _LEAST:
        return "unknown"
    around = luma[1:-3] + luma[3:-1]
    past, later, here = (
        np.where(moves, np.abs(around - 2.0 * other), 0.0).sum(axis=1, dtype=np.float64)
        for other in (before[rows], after[rows], own)
    )
    # These begin with row 2 of the picture: a line of the top field.
    if_bottom = float(past[0::2].sum() + later[1::2].sum())
    if_top = float(past[1::2].sum() + later[0::2].sum())
    best, comb = min(if_top, if_bottom), float(here.sum())
    if comb >= _COMB * best and max(if_top, if_bottom) > _RATIO * best:
        return "tff" if if_top < if_bottom else "bff"
    return "progressive" if comb < _PLAIN * best else "unknown"


@dataclass(frozen=True)
class Scanning:
    """What was seen of some frames: how many of each verdict."""

    tff: int
    bff: int
    progressive: int

    @staticmethod
    def of(verdicts: Iterable[Verdict]) -> Scanning:
        found = list(verdicts)
        return Scanning(found.count("tff"), found.count("bff"), found.count("progressive"))

    @property
    def moving(self) -> int:
        """Frames that tell anything."""
        return self.tff + self.bff + self.progressive

    @property
    def combed(self) -> int:
        """Frames woven the way most woven ones are."""
        return max(self.tff, self.bff)

    @property
    def is_interlaced(self) -> bool:
        """Whether there really is combing, nearly all of one field order."""
        return self.combed >= max(_FRAMES, _SHARE * self.moving) and self.combed >= 4 * min(
            self.tff, self.bff
        )

    @property
    def told(self) -> str:
        return f"{self.combed} of {self.moving} moving frames looked at are combed"


def first_field(frames: Sequence[Luma]) -> str | None:
    """ "tff" or "bff", by successive frames of a clip; None where nothing tells.

    The later field of a frame is nearer in time to the earlier one of the next frame than the
    earlier field is to the next frame's later one, so it differs less from it.
    """
    bottom_first = top_first = 0.0
    for one, other in pairwise(frames):
        rows = min(len(one), len(other)) // 2 * 2
        if rows < 4:
            return None
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
