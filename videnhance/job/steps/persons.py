"""Persons: which of a job's tracks may show one person (identity/persons.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from videnhance.faces.alignment import crop_to_frame
from videnhance.faces.tracklets import Tracks
from videnhance.identity import embedder_row
from videnhance.identity.embedding import LEAST_EYES, Embeddings
from videnhance.identity.persons import (
    MOMENTS,
    SeenTrack,
    distances,
    may_be_joined,
    median_of,
    persons_of,
)
from videnhance.imaging.affine import compose, invert
from videnhance.imaging.color import sample_rgb
from videnhance.job.job import Job
from videnhance.show.good_moments import good_moments
from videnhance.show.moments import runs

_SIDE = 256
"""Pixels of the crops that are embedded: more than the network sees."""
_NAMED = 24
"""Most pairs of tracks whose distance is told."""


def with_persons(job: Job, tracks: Tracks) -> Tracks:
    """The tracks with a person each; None for those whose faces are too small to tell."""
    clip, tracklets = job.scope.clip, tracks.tracklets
    if not job.settings.track.persons or not tracklets:
        return tracks
    moments = good_moments(
        clip.timeline, tracklets, tracklets, clip.info.upright_size, MOMENTS, LEAST_EYES
    )
    known = [t for t in tracklets if moments[t.id]]
    if len(known) < len(tracklets):
        small = len(tracklets) - len(known)
        job.monitor.notes.append(
            f"{small} of {len(tracklets)} tracks have no person: their faces have fewer than "
            f"{LEAST_EYES:.0f} pixels between the eyes, which tell nothing of who it is"
        )
    if may_be_joined([(t.start, t.stop) for t in known]):
        seen = _seen(job, Tracks(tuple(known)), moments)
        _tell(job, seen)
    else:  # nothing to compare: no face is read
        blank = np.zeros(1, np.float32)
        seen = [SeenTrack(t.id, t.start, t.stop, blank) for t in known]
    persons = persons_of(seen)
    named = (replace(t, person=persons.get(t.id)) for t in tracklets)
    return replace(tracks, tracklets=tuple(named))


def _seen(job: Job, tracks: Tracks, moments: dict[int, tuple[int, ...]]) -> list[SeenTrack]:
    """The tracks with their median embeddings; reads the frames of the moments."""
    embedder, clip = embedder_row(job.settings).make(job.loader), job.scope.clip
    to_coded = invert(clip.info.upright)
    found: dict[int, list[Embeddings]] = {t.id: [] for t in tracks.tracklets}
    wanted = {frame for frames in moments.values() for frame in frames}
    for run in runs(clip.timeline, wanted):
        for frame in clip.frames(run[0], run[-1] + 1):
            job.monitor.pause()
            for t in tracks.tracklets if frame.index in wanted else ():
                if frame.index in moments[t.id]:
                    pose = t.poses[frame.index - t.start]
                    affine = compose(to_coded, crop_to_frame(pose, _SIDE))
                    found[t.id].append(embedder.embed([sample_rgb(frame, affine, (_SIDE, _SIDE))]))
    return [
        SeenTrack(t.id, t.start, t.stop, median_of(np.concatenate(found[t.id])))
        for t in tracks.tracklets
    ]


def _tell(job: Job, seen: list[SeenTrack]) -> None:
    """How far apart the tracks are, for --verbose."""
    pairs = distances(seen)
    for one, other, apart, at_once in pairs[:_NAMED]:
        when = ", seen at the same time: never joined" if at_once else ""
        job.monitor.details.append(f"tracks {one} and {other}: faces {apart:.2f} apart{when}")
    if len(pairs) > _NAMED:
        job.monitor.details.append(f"and {len(pairs) - _NAMED} pairs of tracks further apart")
