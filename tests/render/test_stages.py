"""The first stage of rendering: at what size faces are cut out."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.faces.tracklets import Tracklet
from videnhance.render.stages import crop_size


@pytest.mark.parametrize("digit", [-1e-6, 0.0, 1e-6])
@pytest.mark.parametrize(
    ("side", "scale", "size"),
    [
        (90.0, 1, 256),
        (256.0, 1, 256),
        (128.0, 2, 256),
        (260.0, 1, 320),
        (395.0, 1, 448),
        (900.0, 1, 512),
    ],
)
def test_the_size_of_crops_does_not_hang_on_the_last_digit(
    digit: float, side: float, scale: int, size: int
) -> None:
    poses = np.tile([50.0, 50.0, np.log(side * (1 + digit)), 0.0], (3, 1))
    face = Tracklet(1, 0, poses, np.zeros((3, 5, 2)), np.full(3, 0.9), True, True)
    assert crop_size(face, scale) == size
