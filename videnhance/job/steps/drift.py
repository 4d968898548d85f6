"""Drift: how far a job's restored faces lie from their sources (identity/drift.py)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from videnhance.faces.alignment import eye_distance
from videnhance.identity.drift import MOMENTS, Drift, drift_of
from videnhance.identity.embedding import LEAST_EYES
from videnhance.job.job import Job
from videnhance.render.drift import DriftWish
from videnhance.render.outcome import Outcome
from videnhance.show.good_moments import good_moments


def drift_wish(job: Job) -> DriftWish | None:
    """Where drift is measured, if it is."""
    how = job.settings.restore.drift
    restorer = job.networks[0].restorer
    if how == "off" or restorer.name == "identity":
        return None
    moments = good_moments(
        job.scope.clip.timeline,
        job.tracks.tracklets,
        job.tracks.everyone,
        job.scope.clip.info.upright_size,
        MOMENTS,
        LEAST_EYES,
        (job.scope.start, job.scope.stop),
    )
    return DriftWish(moments, how == "all" or (how == "auto" and restorer.invents))


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
