"""Fingerprints: what finished work is recognized by.

A fingerprint is a digest of all that a file's content is a function of, and of nothing else; so a
change of settings makes anew just what it touches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.imaging.label import Label
from videnhance.job.directory.record import PACKAGES, Record, digest_of
from videnhance.media.timeline import Segment
from videnhance.models.registry import Row
from videnhance.render.networks import (
    detecting_rows,
    packages_of,
    rendering_rows,
    tracking_rows,
    ways_of,
    weights_of,
)
from videnhance.render.stages import hiding, overlapping
from videnhance.settings.groups import SETTINGS
from videnhance.settings.table import Step


def detect_fingerprint(record: Record, segment: Segment) -> str:
    """Of the detections of one segment."""
    wish = record.settings
    rows = detecting_rows(wish)
    # The size of the picture is chosen by the faces that are large enough (detect.suited_size).
    smallest = None if wish.detect.long_side else wish.track.min_eyes
    return digest_of(
        *_origin(record, "detect what moves, with thumbnails", rows),
        [segment.start, segment.stop, record.document["frames"]],
        _chosen(record, "detect"),
        _networks(record, rows),
        smallest,
        record.document["pix_fmt"],
    )


def tracks_fingerprint(record: Record) -> str:
    """Of the tracks: of all detections, and of how they are followed."""
    detections = [detect_fingerprint(record, segment) for segment in record.detect_segments]
    networks = _networks(record, tracking_rows(record.settings))
    return digest_of("track, and who is who", detections, _chosen(record, "track"), networks)


def render_fingerprint(
    record: Record,
    segment: Segment,
    tracks: Tracks,
    label: Label | None = None,
    ceilings: Mapping[int, float] | None = None,
) -> str:
    """Of one rendered segment: of the tracks that are seen in it or may hide one of those, how
    strongly they may be painted (Job.ceilings), and of what is written into its frames."""
    held = ceilings or {}
    rows = rendering_rows(record.settings)
    faces = [
        [
            *(t.id, t.start, t.opens_shot, t.closes_shot, poses_digest(t)),
            *([held[t.id]] if t.id in held else []),
        ]
        for t in overlapping(segment, tracks.tracklets)
    ]
    others = [[t.id, t.start, poses_digest(t)] for t in hiding(segment, tracks)]
    return digest_of(
        *_origin(record, "render", rows),
        [segment.start, segment.stop],
        _chosen(record, "render"),
        _networks(record, rows),
        record.document["encoding"],
        faces,
        others,
        [asdict(zone) for zone in tracks.zones],
        *([asdict(label)] if label is not None else []),
    )


def poses_digest(track: Tracklet) -> str:
    """SHA-256 of where a track's face is in each frame."""
    return hashlib.sha256(track.poses.tobytes()).hexdigest()


def _chosen(record: Record, step: Step) -> dict[str, Any]:
    """The settings that a step's work is a function of, by name."""
    settings = record.settings
    return {s.name: settings.value(s.name) for s in SETTINGS.values() if step in s.remakes}


def _networks(record: Record, rows: Sequence[Row[Any]]) -> Any:
    """What the results of networks also depend on: their weights, and how they are computed; None
    where there are none. A job that goes on where its networks are computed otherwise makes anew
    what was made with them.

    Not on the number of a device among its like, nor on the size of batches: they share the work.
    """
    settings = record.settings
    ways = [[str(way) for way in ways_of(row, settings)] for row in rows if row.traits]
    weights = [record.document["models"][name]["sha256"] for name in weights_of(rows)]
    return [weights, ways] if weights or ways else None


def _origin(record: Record, step: str, rows: Sequence[Row[Any]]) -> tuple[Any, ...]:
    document = record.document
    names = ("videnhance", *PACKAGES, *packages_of(rows, record.settings))
    return (
        step,
        document["source"]["sha256"],
        document.get("condition"),
        {name: document["versions"].get(name) for name in names},
        document.get("decoded by"),
        document.get("cleaned up"),
        *([document["source"]["video"]] if "video" in document["source"] else []),
    )
