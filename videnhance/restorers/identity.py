"""The restorer that changes nothing: for a dry run of a whole job, and for tests."""

from __future__ import annotations

from collections.abc import Sequence

from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray


class Identity:
    """Returns every crop unchanged, so that every frame leaves as it was decoded."""

    name = "identity"
    radius = 0
    batch = 1
    invents = False

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        return [window.crops[window.centre] for window in windows]
