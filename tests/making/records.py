"""The record of a job over a clip, without running it, and the fingerprints of its steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.imaging.frames import Zone
from videnhance.job.directory.fingerprints import (
    detect_fingerprint,
    render_fingerprint,
    tracks_fingerprint,
)
from videnhance.job.directory.record import Record, make_record
from videnhance.job.plan import make_plan
from videnhance.models.store import Obtained
from videnhance.settings.groups import Settings

DEFAULTS = Settings()


def tracklet(identity: int, start: int, frames: int) -> Tracklet:
    poses = np.tile([32.0, 24.0, 3.0, 0.1], (frames, 1))
    landmarks = np.full((frames, 5, 2), 30.0)
    return Tracklet(identity, start, poses, landmarks, np.full(frames, 0.9), False, False)


WHO = {name: Obtained(name, Path("here"), name, False, None) for name in ("identity", "sface")}
TRACKS = Tracks((tracklet(1, 0, 6), tracklet(2, 9, 3)), (Zone(0, 0, 8, 8),))


def recorded(
    clip: Path,
    settings: Settings = DEFAULTS,
    sha256: str = "0" * 64,
    models: dict[str, Obtained] | None = None,
) -> Record:
    output = clip.with_name("out.mkv")
    plan = make_plan(clip, output, settings)
    return make_record(
        plan.scope,
        output,
        plan,
        overwrite=False,
        keep_job=False,
        source_sha256=sha256,
        tracks=None,
        models={**WHO, **(models or {})},
        machine={"system": "Linux x86_64"},
    )


def fingerprints(record: Record, tracks: Tracks = TRACKS) -> dict[str, str]:
    return {
        "look": detect_fingerprint(record, record.detect_segments[0]),
        "track": tracks_fingerprint(record),
        "render": render_fingerprint(record, record.segments[0], tracks),
    }


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {key for key in one if one[key] != other[key]}
