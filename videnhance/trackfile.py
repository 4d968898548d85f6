"""tracks.json: every track of a video, to be read by people and other programs.

    format      "videnhance tracks"
    version     1
    source      name and upright size (width, height) of the picture that coordinates refer to
    tracks      id, start (frame index), pts and seconds of each frame, opens_shot, closes_shot,
                poses [x, y, log side, angle], landmarks [[x, y] x 5], scores (null: no detection)

Coordinates are continuous pixels of the upright source picture.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videnhance.errors import InputError
from videnhance.faces import Tracklet
from videnhance.streams import Timeline, VideoInfo

FORMAT = "videnhance tracks"
VERSION = 1


def write_tracks(
    path: Path, tracklets: Sequence[Tracklet], info: VideoInfo, timeline: Timeline
) -> None:
    """Write all tracks; raises OSError."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "source": {"name": info.path.name, "size": list(info.upright_size)},
        "time_base": str(timeline.time_base),
        "tracks": [_entry(tracklet, timeline) for tracklet in tracklets],
    }
    path.write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")


def read_tracks(path: Path) -> tuple[Tracklet, ...]:
    """The tracks of a file written by `write_tracks`; raises InputError naming the entry."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); write it anew") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path}: is no tracks file; its format should be {FORMAT!r}")
    if document.get("version") != VERSION:
        raise InputError(f"{path}: has version {document.get('version')}, not {VERSION}")
    return tuple(_tracklet(path, k, entry) for k, entry in enumerate(document.get("tracks", [])))


def _entry(tracklet: Tracklet, timeline: Timeline) -> dict[str, Any]:
    frames = range(tracklet.start, tracklet.stop)
    return {
        "id": tracklet.id,
        "start": tracklet.start,
        "pts": [timeline.pts[k] for k in frames],
        "seconds": [round(timeline.seconds(k), 6) for k in frames],
        "opens_shot": tracklet.opens_shot,
        "closes_shot": tracklet.closes_shot,
        "poses": tracklet.poses.tolist(),
        "landmarks": tracklet.landmarks.tolist(),
        "scores": [None if np.isnan(score) else float(score) for score in tracklet.scores],
    }


def _tracklet(path: Path, number: int, entry: Any) -> Tracklet:
    try:
        tracklet = Tracklet(
            id=int(entry["id"]),
            start=int(entry["start"]),
            poses=np.array(entry["poses"], np.float64).reshape(-1, 4),
            landmarks=np.array(entry["landmarks"], np.float64).reshape(-1, 5, 2),
            scores=np.array(entry["scores"], np.float64),
            opens_shot=bool(entry["opens_shot"]),
            closes_shot=bool(entry["closes_shot"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: tracks[{number}] is not a track ({error})") from error
    lengths = {len(tracklet.poses), len(tracklet.landmarks), len(tracklet.scores)}
    if len(lengths) != 1:
        raise InputError(f"{path}: tracks[{number}] has lists of different lengths")
    return tracklet
