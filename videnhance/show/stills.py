"""Pictures beside the video: each person's best moments, original beside result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videnhance.faces.tracklets import Tracks
from videnhance.media.clip import Clip
from videnhance.media.opening import open_clip
from videnhance.media.writing.marks import NO_MARK, Mark
from videnhance.media.writing.png import write_png
from videnhance.settings.groups import Settings
from videnhance.show.compare import captioned, labels_of
from videnhance.show.highlights import Span, largest_tracks, sightings
from videnhance.show.sheet import cell

MOMENTS = 3
"""Best moments of a track."""
_GAP = 2
"""White pixels between original and result."""


@dataclass(frozen=True)
class Provenance:
    """What frames are made with, for the texts of pictures."""

    restorer: str
    invents: bool
    models: Mapping[str, str]
    """SHA-256 of the weights, by name."""
    mark: Mark = NO_MARK
    """What the pictures say of themselves."""

    @property
    def text(self) -> dict[str, str]:
        """For every picture."""
        what = labels_of(self.restorer, self.invents)[1]
        weights = {f"Weights {name}": sha for name, sha in self.models.items()}
        return {"Result": what, **weights, **self.mark.text}


def save_stills(
    folder: Path,
    source: Clip,
    span: Span,
    settings: Settings,
    result: Path,
    tracks: Tracks,
    provenance: Provenance,
    left_alone: Mapping[int, str],
    tell: Callable[[int, int], None],
) -> int:
    """Write the best moments of every track seen in the range; gives how many.

    A file holds the face as recorded, left, and as enhanced, right, at the same place and size;
    its name the track, the frame and its time. `left_alone`: by id, what is to be said of tracks
    whose faces were left as recorded. `tell` gets (done, total). Raises OutputError, and
    what reading does.
    """
    enhanced = open_clip(result)
    tracklets, _ = largest_tracks(tracks, span, len(tracks.tracklets))
    scale = settings.output.scale
    found = sightings(
        source,
        tracklets,
        span,
        everyone=tracks.everyone,
        count=MOMENTS,
        ease=settings.restore.ease,
        scale=scale,
    )
    total, done = sum(map(len, found.values())), 0
    original, label = labels_of(provenance.restorer, provenance.invents)
    tell(0, total)
    for index in sorted(found):
        (before,) = source.recorded_frames(index, index + 1)
        here = index - span[0]
        (after,) = enhanced.frames(here, here + 1)
        seconds = source.timeline.seconds(index)
        for sighting in found[index]:
            left = cell(before, source.info.upright, sighting.place)
            right = cell(after, enhanced.info.upright, sighting.place, scale)
            if provenance.invents and settings.evidence.label:
                left, right = captioned((left, right), (original, label))
            gap = np.full((len(left), _GAP, 3), 255, np.uint8)
            mark = "-AI" if provenance.invents else ""
            name = (
                f"track{sighting.track:03d}_frame{index:06d}_{seconds:.3f}s_"
                f"{provenance.restorer.replace(' + ', '+')}{mark}.png"
            )
            text = {
                "Title": f"left: {original}; right: {label}",
                "Source": source.info.path.name,
                "Track": str(sighting.track),
                "Frame": str(index),
                "Time": f"{seconds:.3f} s",
                "Pixels between the eyes": f"{sighting.eyes:.1f}",
                "Enlarged": f"{sighting.place.factor:g} times",
                **provenance.text,
            }
            if sighting.track in left_alone:
                text["Note"] = left_alone[sighting.track]
            path = folder / name
            write_png(path, np.hstack([left, gap, right]), text, folder / f".{name}.part")
            done += 1
            tell(done, total)
    return done
