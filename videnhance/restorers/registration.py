"""Whether a neighbour could be registered to the crop it is to be fused with.

A frame with another face, or with this one a minute later, still agrees with the crop in places, by
chance. What it shows there is not the same thing seen again.
"""

from __future__ import annotations

import numpy as np

from videnhance.imaging.choice import NEARLY
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray
from videnhance.imaging.optical_flow import shrink

_LARGE, _SMALL = (0.8, 0.9), (0.6, 0.75)
"""Correlation with the centre up to which a registered neighbour takes no part, and from which it
takes its full part; for faces of the first of `_SIDES` source pixels a side or more, and of the
second or less: in small faces noise lowers the correlation. Measured in 60 frames of each of seven
clips: at least 0.94 (with noise of sigma 20 added, 0.97); for the two faces of 8 pixels between the
eyes in the corridor at least 0.95, except for a moment in which the detection slips (with that
noise, half of them 0.86 or more); for two different people 0.31, for one pair in twenty 0.80."""
_SIDES = 64.0, 24.0
_CELLS = 16
"""Cells a side of the grid on which crops are compared, within the ellipse of a face."""
_FLAT = 9.0
"""Variance, in squared 8-bit steps, below which there is nothing to tell two pictures apart
by: flat ones count as alike."""


def registered(luma: FloatArray, centre: FloatArray, source_side: float) -> float:
    """How far a neighbour, after registration to the centre, may take part in the fusion, 0..1.

    `luma`, `centre`: (W, W) float32 in 8-bit steps; `source_side`: their side in source pixels.
    """
    face = ellipse_mask(_CELLS)
    weights = face / face.sum()
    a, b = shrink(luma, _CELLS), shrink(centre, _CELLS)
    a, b = a - (weights * a).sum(), b - (weights * b).sum()
    shared, one, other = ((weights * product).sum() + _FLAT for product in (a * b, a * a, b * b))
    small = np.log(_SIDES[0] / source_side) / np.log(_SIDES[0] / _SIDES[1])
    small = min(max(float(small), 0.0), 1.0)
    none, full = (
        large + small * (less - large) for large, less in zip(_LARGE, _SMALL, strict=True)
    )
    part = (float(shared / np.sqrt(one * other)) - none) / (full - none)
    # Exactly 1 in all but odd cases, so that their results keep every bit.
    return 1.0 if part >= 1.0 - NEARLY else max(part, 0.0)
