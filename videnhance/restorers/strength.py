"""How much of clarity's correction a face gets.

All limits were set on five people whom the network was not trained on: what did best for each size
and coding, by squared error (docs/measuring.md). They are ramps, so that nothing flickers at a
border.
"""

from __future__ import annotations

import numpy as np

from videnhance.faces.alignment import eye_distance
from videnhance.media.info import Coding

SIZES = (7.0, 10.0, 60.0, 80.0)
"""Pixels between the eyes. Below the first and above the last, fusion measures better; between the
middle two the correction may count in full."""
TINY = (19.0, 22.0)
MOST = 1.1
"""Of faces of at most so many pixels between the eyes the network says too little: 1.0 to 1.7 times
as much did best. From the one to the other it falls to 1."""
SMALL = (26.0, 22.0)
"""Up to the second, faces are always corrected in full, beyond the first no more for their size
alone."""
LARGE = (24.0, 30.0, 43.0, 60.0)
SHARE = (0.75, 0.5, 0.35, 0.0)
"""Pixels between the eyes, and how much counts of larger faces in video that was finely coded and
has little noise. The larger such a face, the less it lacks: 0.5 to 1.3 did best at 29 pixels, 0.2
to 0.7 at 43 and 0 to 0.3 at 58."""
FINEST = (14.0, 20.0)
"""H.264 quantizers between which that share grows from nothing: what is coded still more finely is
as its camera gave it, and good as it is."""
QUANTIZER = (21.0, 30.0)
RATE = (0.14, 0.1)
QUIET = (5.0 / 255.0, 7.0 / 255.0)
"""What raises the share to 1, from not at all to wholly: H.264 quantizer; bits a pixel, for other
codecs; deviation of noise, 0..1."""
BY_RATE = 0.4
"""How far bits a pixel raise it at most: they tell less than a quantizer, as a still background
takes few bits however finely a face is coded."""
_SLIGHT = 1e-3
"""Of the correction, of which less is none: it would change no sample, and whether the network runs
at all should not hang on a last digit."""


def strength_of(side: int, zoom: float, coding: Coding | None, noise: float = 0.0) -> float:
    """How much of the correction a face gets, 0..MOST. `side`: of its crop, in pixels; `zoom`: crop
    pixels per source pixel; `coding`: of the video, None to correct every face in full; `noise`:
    deviation, where white is 1."""
    eyes = float(eye_distance(np.array([0.0, 0.0, np.log(side / zoom), 0.0])))
    most = 1.0 + (MOST - 1.0) * _ramp(eyes, TINY[1], TINY[0])
    if coding is None:
        return most
    share = float(np.interp(eyes, LARGE, SHARE))
    if coding.quantizer is not None:
        share *= _ramp(coding.quantizer, *FINEST)
        coarse = _ramp(coding.quantizer, *QUANTIZER)
    else:
        coarse = BY_RATE * _ramp(coding.bits, *RATE)
    share = max(share, _ramp(eyes, *SMALL))
    share += (1.0 - share) * max(coarse, _ramp(noise, *QUIET))
    size = min(_ramp(eyes, *SIZES[:2]), _ramp(eyes, *SIZES[:1:-1]))
    strength = size * most * share
    return strength if strength > _SLIGHT else 0.0


def _ramp(value: float, zero: float, one: float) -> float:
    return min(max((value - zero) / (one - zero), 0.0), 1.0)
