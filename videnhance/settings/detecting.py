"""Settings of where faces are looked for, and how they are followed."""

from __future__ import annotations

from dataclasses import dataclass

from videnhance.settings.table import setting


@dataclass(frozen=True)
class DetectSettings:
    """Where and how faces are looked for (detect.detect)."""

    detector: str = setting(
        "centerface",
        "--detector",
        "{table}; auto: the best whose weights are here.",
        table="detectors",
    )
    threshold: float = setting(
        0.4,
        "--threshold",
        "Detector score from which something is a face, 0..1.",
        within=(0.05, 1),
    )
    """Of faces with 7 pixels between
    the eyes CenterFace finds 83 % at 0.4 and 75 % at 0.5; false alarms are as rare."""
    every: int = setting(
        3,
        "--detect-every",
        "Look for faces in every N-th frame, less often where they keep still.",
        within=(1, 1000),
    )
    """The first and last of every shot are always looked at; of three N-th frames one, where faces
    keep still from one to the next (faces.looks). With 1 every frame is. Measured on
    seven clips, mean distance of smoothed to raw landmarks in % of the face's width: 0.3 to 3.3 at
    3, 0.4 to 5.8 at 5, 0.5 to 15 at 10 (a dancer is the worst, a talking head the best)."""
    long_side: int = setting(
        0,
        "--detect-size",
        "Longest side in pixels of the picture the detector sees; 0: by the faces found.",
        within=(64, 8192),
        or_else=(0,),
    )
    """0 chooses it in a few frames (detection.suited_size). Smaller videos are looked at as they
    are."""


@dataclass(frozen=True)
class TrackSettings:
    """How detections become smoothed tracks (tracking.track)."""

    max_gap: float = setting(
        0.5,
        "--max-gap",
        "Seconds without detection after which a track ends.",
        within=(0, 60),
        remakes=("track",),
        may_remake=("detect",),
    )
    min_eyes: float = setting(
        6.0,
        "--min-eyes",
        "Smallest face: pixels between the eyes.",
        within=(1, 10000),
        remakes=("track",),
        may_remake=("detect",),
    )
    """In the source; smaller faces are left alone."""
    smoothness: float = setting(
        0.1,
        "--smoothness",
        "Seconds: faster movements are taken for the detector's noise.",
        within=(0.001, 10),
    )
    """Those that are also as small as that noise (kalman.smooth)."""
    persons: bool = setting(
        True,
        "--persons",
        "Suggest which tracks show one person, as `person` in tracks.json.",
        may_remake=("detect",),
    )
    """By faces of the clip alone (identity/persons.py, docs/identity.md)."""
