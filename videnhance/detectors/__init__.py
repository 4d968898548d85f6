"""Face detectors, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from videnhance.errors import chosen
from videnhance.faces import Faces


class Detector(Protocol):
    """Finds faces in single pictures. One object serves one thread at a time."""

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each picture (H, W, 3) uint8 RGB, in that picture's continuous pixels.

        Only faces that score the detector's threshold or more, best first. Pictures may differ in
        size.
        """
        ...


def _centerface(threshold: float) -> Detector:
    from videnhance.detectors.centerface import CenterFace

    return CenterFace(threshold)


DETECTORS: dict[str, Callable[[float], Detector]] = {"centerface": _centerface}
"""Name -> factory; the factory takes the lowest score (0..1) that counts as a face."""


def create(name: str, threshold: float) -> Detector:
    """The detector of that name, loaded. Raises UsageError, ModelError."""
    return chosen("--detector", name, DETECTORS)(threshold)
