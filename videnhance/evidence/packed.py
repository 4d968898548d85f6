"""Tracks as few bytes, without loss: a record and a report hold what tracks.json does.

A track's numbers are the whole numbers that tracks.json rounds them to: places in 1/10000 pixels,
log sides and angles in 1/10000000, landmarks in 1/100 pixels, scores in 1/10000 (-1: none). Each
column is the difference to the line that its two last values make, as faces move evenly; small
numbers then take one byte (zigzag and base 128, as Protocol Buffers have them), and DEFLATE does
the rest. A row takes some 29 characters, where tracks.json takes 170. A page's script unpacks them
too (report/template/report.js).
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videnhance.errors import InputError
from videnhance.faces.tracklets import Tracklet
from videnhance.media.timeline import Timeline

Whole = npt.NDArray[np.int64]

_COLUMNS = 16
_PLACES, _SHAPES, _MARKS, _SCORES = 1e4, 1e7, 1e2, 1e4


@dataclass(frozen=True)
class PackedTrack:
    """A track as tracks.json has it, all of its frames."""

    id: int
    start: int
    """Its first frame, counted in the whole input."""
    opens: bool
    """Whether it begins with its shot, so that its strength does not ease in."""
    closes: bool
    """Whether it ends with its shot."""
    frames: int
    columns: str
    """Base64 of zlib of base-128 numbers: row by row pts, x, y, log side, angle, ten numbers of
    landmarks, score, each as zigzag of second differences (videnhance/evidence/packed.py)."""
    person: int | None = None
    """Whose face it may be."""


def packed(tracks: Iterable[Tracklet], timeline: Timeline) -> tuple[PackedTrack, ...]:
    """The tracks, in the order of tracks.json."""
    ordered = sorted(tracks, key=lambda track: (track.start, track.id))
    return tuple(_packed(track, timeline) for track in ordered)


def unpacked(track: PackedTrack) -> Tracklet:
    """The track, to the last bit as read from tracks.json; raises InputError where it is none."""
    try:
        raw = zlib.decompress(base64.b64decode(track.columns, validate=True))
        columns = _decoded(raw).reshape(_COLUMNS, track.frames).cumsum(axis=1).cumsum(axis=1)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise InputError(f"track {track.id} cannot be unpacked ({error})") from error
    scores = columns[15] / _SCORES
    return Tracklet(
        id=track.id,
        start=track.start,
        poses=np.vstack([columns[1:3] / _PLACES, columns[3:5] / _SHAPES]).T,
        landmarks=(columns[5:15] / _MARKS).T.reshape(-1, 5, 2),
        scores=np.where(columns[15] < 0, np.nan, scores),
        opens_shot=track.opens,
        closes_shot=track.closes,
        person=track.person,
    )


def columns_of(track: Tracklet, timeline: Timeline) -> Whole:
    """(16, n): pts, four of the pose, ten of the landmarks, the score."""
    pts = np.array(timeline.pts[track.start : track.stop], np.int64)
    places, shapes = _whole(track.poses[:, :2], _PLACES), _whole(track.poses[:, 2:], _SHAPES)
    marks = _whole(track.landmarks.reshape(len(track), 10), _MARKS)
    scores = np.where(track.observed, _whole(np.nan_to_num(track.scores), _SCORES), -1)
    return np.vstack([pts, places.T, shapes.T, marks.T, scores])


def _packed(track: Tracklet, timeline: Timeline) -> PackedTrack:
    raw = zlib.compress(_coded(columns_of(track, timeline)), 9)
    return PackedTrack(
        id=track.id,
        start=track.start,
        opens=track.opens_shot,
        closes=track.closes_shot,
        frames=len(track),
        columns=base64.b64encode(raw).decode("ascii"),
        person=track.person,
    )


def _coded(columns: Whole) -> bytes:
    """Second differences of each row, zigzag, base 128."""
    start = np.zeros((len(columns), 2), np.int64)
    bent = np.diff(np.hstack([start, columns]), n=2, axis=1).reshape(-1)
    left = (bent << 1) ^ (bent >> 63)
    out = np.zeros((len(left), 10), np.uint8)
    size = np.ones(len(left), np.int64)
    for place in range(10):
        out[:, place] = left & 0x7F
        left = left >> 7
        more = left > 0
        out[more, place] |= 0x80
        size += more
        if not more.any():
            break
    return out[np.arange(10) < size[:, None]].tobytes()


def _decoded(raw: bytes) -> Whole:
    """The inverse of `_coded`, but for the second sums; raises ValueError."""
    data = np.frombuffer(raw, np.uint8).astype(np.int64)
    ends = np.flatnonzero(data < 0x80)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ValueError("it ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    zigzag = np.add.reduceat((data & 0x7F) << (7 * place), starts)
    return np.asarray((zigzag >> 1) ^ -(zigzag & 1))


def _whole(values: npt.NDArray[np.float64], scale: float) -> Whole:
    """As track_file rounds them, times `scale`."""
    return np.asarray(np.rint(values * scale).astype(np.int64))
