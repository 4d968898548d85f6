"""From a track to its portraits: which frames, and why there is none."""

from __future__ import annotations

from typing import cast

import numpy as np

from tests.portraits.test_views import turned
from videnhance.faces.alignment import fit_poses
from videnhance.faces.tracklets import Tracklet
from videnhance.media.clip import Clip
from videnhance.portraits.integrate import Refusal
from videnhance.portraits.persons import Wish, portrait, views_of


def test_a_head_that_never_shows_the_same_side_for_long_is_refused_and_the_reason_told() -> None:
    landmarks = np.stack([turned(aside) for aside in np.linspace(-0.6, 0.6, 15)])
    track = Tracklet(1, 0, fit_poses(landmarks), landmarks, np.ones(15), True, True)

    (view,) = views_of(track, np.ones(15), 1)
    found = portrait(cast(Clip, None), track, view, 1, Wish())  # no frame is read for it

    assert isinstance(found.made, Refusal)
    assert found.made.reason == (
        "only 3 of 15 frames show the face as the best one does; 5 are needed"
    )
