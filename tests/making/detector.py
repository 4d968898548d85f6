"""A detector that finds what the clips of tests/making/clips.py hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from videnhance import detectors
from videnhance.faces.alignment import TEMPLATE
from videnhance.faces.tracklets import Faces
from videnhance.models.registry import Row


class SquareDetector:
    """Finds one face: the template's landmarks inside the box of all near-white pixels."""

    batch = 4

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        return [self._one(image) for image in images]

    @staticmethod
    def _one(image: npt.NDArray[np.uint8]) -> Faces:
        rows, columns = np.nonzero(image.min(axis=2) > 225)
        if len(rows) < 50:
            return Faces.none()
        x0, x1 = float(columns.min()), float(columns.max() + 1)
        y0, y1 = float(rows.min()), float(rows.max() + 1)
        landmarks = TEMPLATE * [x1 - x0, y1 - y0] + [x0, y0]
        return Faces(
            np.array([[x0, y0, x1, y1]], np.float32),
            landmarks[None].astype(np.float32),
            np.array([0.9], np.float32),
        )


def offer_squares(patch: pytest.MonkeyPatch) -> str:
    """Make it the detector of a name, which is returned, until the patch is undone."""
    patch.setitem(detectors.DETECTORS, "square", Row(lambda loader: SquareDetector()))
    return "square"
