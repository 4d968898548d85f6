"""Measures, while a segment is rendered, how far each restored face lies from its own source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import Tracklet
from videnhance.identity.embedding import LEAST_EYES, Embedder, distance
from videnhance.imaging.compositing import Patch
from videnhance.render.outcome import Outcome
from videnhance.render.pixels import Pixels


@dataclass(frozen=True)
class DriftWish:
    """At which faces drift is measured."""

    moments: Mapping[int, Collection[int]] = field(default_factory=dict)
    """Frames by track id: good moments, whose sources are the yardstick, too."""
    everywhere: bool = False
    """At all other faces as well."""

    def wants(self, track: Tracklet, frame: int) -> bool:
        if frame in self.moments.get(track.id, ()):
            return True
        eyes = eye_distance(track.poses[[frame - track.start]])
        return self.everywhere and float(eyes[0]) >= LEAST_EYES


class DriftMeter:
    """Of one segment and device."""

    def __init__(
        self, wish: DriftWish, embedder: Callable[[], Embedder], pixels: Pixels, outcome: Outcome
    ) -> None:
        """`embedder` is called where there is something to measure, and not before."""
        self._wish, self._embedder = wish, embedder
        self._pixels, self._outcome = pixels, outcome

    def measure(self, track: Tracklet, frame: int, patch: Patch) -> None:
        """Note the distance from the source to what is painted, which is a blend by the strength.

        Where within the crop it is painted, the mask, does not count."""
        if not self._wish.wants(track, frame):
            return
        before, after = self._pixels.fetch(patch.before), self._pixels.fetch(patch.after)
        blend = before + patch.strength * (after - before)
        source, result = self._embedder().embed([before, blend])
        is_moment = frame in self._wish.moments.get(track.id, ())
        self._outcome.drifted(track.id, frame, distance(source, result), source, is_moment)
