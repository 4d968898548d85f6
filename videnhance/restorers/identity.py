"""The restorer that changes nothing: the dry run of a whole job, and the tests' double."""

from __future__ import annotations

from collections.abc import Sequence

from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray


class Identity:
    """Gives every crop back as it came, so that every frame leaves as it was decoded."""

    name = "identity"
    radius = 0
    batch = 1
    invents = False

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        return [window.crops[window.centre] for window in windows]
