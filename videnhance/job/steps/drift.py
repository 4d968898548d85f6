"""Drift: how far a job's restored faces lie from their sources (identity/drift.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.identity.drift import MOMENTS, STRENGTHS, Drift, drift_of
from videnhance.identity.embedding import LEAST_EYES, distance
from videnhance.job.job import Job
from videnhance.media.timeline import Segment
from videnhance.render.drift import DriftWish
from videnhance.render.guards import grey_tracks
from videnhance.render.outcome import Outcome
from videnhance.render.pipeline import SegmentInput, restored_faces
from videnhance.show.good_moments import good_moments


def hold_drift(job: Job) -> Job:
    """With how much of the strength each track may get, where `--max-drift` is given.

    The faces of a track's good moments are restored as they will be, and blended with their sources
    by each of STRENGTHS, the largest first, until the median of their drifts is not above the
    limit. Where none will do, the track is left alone.
    """
    limit = job.settings.restore.max_drift
    if limit is None or job.networks[0].restorer.name == "identity":
        return job
    with job.monitor.step("drift"):
        moments, found = _moments(job), {}
        tracks = [t for t in job.tracks.tracklets if moments[t.id]]
        grey = _grey(job, tracks)
        for done, track in enumerate(tracks):
            job.monitor.tell("drift", done, len(tracks))
            drifts = _tried(job, track, moments[track.id], grey)
            allowed = (s for s in STRENGTHS if not drifts or np.median(drifts[s]) <= limit)
            found[track.id] = next(allowed, 0.0)
        ceilings = {key: ceiling for key, ceiling in found.items() if ceiling < 1.0}
        for key, ceiling in ceilings.items():
            how = f"with {ceiling:g} of the strength" if ceiling else "left alone"
            job.monitor.notes.append(f"track {key}: {how}, for --max-drift {limit:g}")
    return replace(job, ceilings=ceilings)


def _tried(
    job: Job, track: Tracklet, moments: Sequence[int], grey: frozenset[int]
) -> dict[float, list[float]]:
    """The drifts at a track's moments by strength; empty where none of its faces is restored."""
    networks, clip = job.networks[0], job.scope.clip
    others = tuple(t for t in job.tracks.everyone if t.id != track.id)
    assert networks.embedder is not None
    found: dict[float, list[float]] = {}
    for frame in moments:
        inputs = SegmentInput(
            clip=clip,
            segment=Segment(0, frame, frame + 1),
            tracks=Tracks((track,), job.tracks.zones, others),
            settings=job.settings,
            pix_fmt=job.plan.encoding.pix_fmt,
            limited=(clip.info.color.range, job.plan.encoding.color.range) == (2, 1),
            grey=grey,
        )
        for item in restored_faces(inputs, networks, Outcome()):
            for patch in item.patches:
                before = networks.pixels.fetch(patch.before)
                change = patch.strength * (networks.pixels.fetch(patch.after) - before)
                blends = [before, *(before + share * change for share in STRENGTHS)]
                source, *results = networks.embedder().embed(blends)
                for share, result in zip(STRENGTHS, results, strict=True):
                    found.setdefault(share, []).append(distance(source, result))
    return found


def _grey(job: Job, tracks: Sequence[Tracklet]) -> frozenset[int]:
    restore = job.settings.restore
    matters = job.networks[0].restorer.invents and restore.match_color
    return grey_tracks(job.scope.clip, tracks) if matters else frozenset()


def _moments(job: Job) -> dict[int, tuple[int, ...]]:
    """Good moments of each track, by id, that are in the range."""
    return good_moments(
        job.scope.clip.timeline,
        job.tracks.tracklets,
        job.tracks.everyone,
        job.scope.clip.info.upright_size,
        MOMENTS,
        LEAST_EYES,
        (job.scope.start, job.scope.stop),
    )


def drift_wish(job: Job) -> DriftWish | None:
    """Where drift is measured, if it is."""
    how = job.settings.restore.drift
    restorer = job.networks[0].restorer
    if how == "off" or restorer.name == "identity":
        return None
    return DriftWish(_moments(job), how == "all" or (how == "auto" and restorer.invents))


def drifts_of(job: Job, outcome: Outcome) -> dict[int, Drift]:
    """Of each track whose faces were measured."""
    found = {}
    for track in job.tracks.tracklets:
        known = {
            frame: fate.drift
            for (own, frame), fate in outcome.fates.faces.items()
            if own == track.id and fate.drift is not None
        }
        rows = [frame - track.start for frame in known]
        eyes = float(np.median(eye_distance(track.poses[rows]))) if rows else 0.0
        drift = drift_of(known, outcome.sources.get(track.id, {}), eyes)
        if drift is not None:
            found[track.id] = drift
    return found


def drift_notes(job: Job, outcome: Outcome, drifts: Mapping[int, Drift]) -> list[str]:
    """What the user must know: tracks that drift too far, and those that were not measured."""
    notes = [f"track {key}: {drift}" for key, drift in drifts.items() if drift.is_beyond]
    job.monitor.details.extend(
        f"track {key}: drift {drift.median:.2f}, its source explains {drift.yardstick:.2f} "
        f"({drift.faces} faces measured)"
        for key, drift in drifts.items()
    )
    restored = set(outcome.changes)
    if drift_wish(job) is not None and (left := restored - set(drifts)):
        notes.append(
            f"drift was not measured in {len(left)} of {len(restored)} tracks: faces of fewer than "
            f"{LEAST_EYES:.0f} pixels between the eyes tell nothing of who it is"
        )
    return notes
