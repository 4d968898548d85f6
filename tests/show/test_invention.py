"""The picture of what of a face is a guess."""

from __future__ import annotations

import numpy as np

from tests.making.records import tracklet
from videnhance.render.invention import Energy, Moment, Spread
from videnhance.show.invention import FULL, map_in, map_of, shown


def test_the_map_is_found_again_in_the_picture_that_shows_it() -> None:
    levels, face = np.zeros((96, 96), np.float32), np.full((96, 96, 3), 0.5, np.float32)
    levels[20:40, 60:90] = FULL / 255.0
    spread = Spread(Moment(tracklet(1, 0, 1), 0), face, face, levels, Energy(0.0, 1.0))
    picture = shown(spread, 4, "gfpgan")
    np.testing.assert_array_equal(map_in(picture), map_of(spread))
    assert map_in(picture)[30, 75].min() > 150
    assert map_in(picture)[80, 10].max() < 10
