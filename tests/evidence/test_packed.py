"""Tracks in a record: as few bytes as may be, and nothing lost."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import write_clip
from tests.making.pages import TIMELINE, TRACKS, tracklet
from videnhance.errors import InputError
from videnhance.evidence.packed import packed, unpacked
from videnhance.faces.track_file import read_tracks, write_tracks
from videnhance.faces.tracklets import Tracks
from videnhance.media.opening import open_clip

CUT_OFF = base64.b64encode(zlib.compress(b"\x81")).decode()


def test_what_is_packed_is_what_tracks_json_holds(tmp_path: Path) -> None:
    clip = open_clip(write_clip(tmp_path / "in.mp4", pts=tuple(range(24))))
    tracks = Tracks((tracklet(1, 0, 24), tracklet(2, 3, 1)))
    write_tracks(tmp_path / "t.json", tracks, clip)
    read = read_tracks(tmp_path / "t.json", clip).tracklets
    for one, other in zip(map(unpacked, packed(read, clip.timeline)), read, strict=True):
        assert (one.id, one.start, one.opens_shot) == (other.id, other.start, other.opens_shot)
        assert one.closes_shot == other.closes_shot
        assert np.array_equal(one.poses, other.poses)
        assert np.array_equal(one.landmarks, other.landmarks)
        assert np.array_equal(one.scores, other.scores, equal_nan=True)
    write_tracks(
        tmp_path / "u.json", Tracks(tuple(map(unpacked, packed(read, clip.timeline)))), clip
    )
    assert (tmp_path / "u.json").read_bytes() == (tmp_path / "t.json").read_bytes()


def test_a_row_is_some_thirty_characters() -> None:
    for track in packed(TRACKS.tracklets, TIMELINE):
        assert len(track.columns) < 40 * track.frames


def test_large_times_are_packed_too() -> None:
    far = replace(TIMELINE, pts=tuple((1 << 52) + 9973 * k * k for k in range(100)))
    (track,) = packed((tracklet(1, 0, 60),), far)
    assert np.array_equal(unpacked(track).poses[:, 0], np.round(tracklet(1, 0, 60).poses[:, 0], 4))


@pytest.mark.parametrize(
    "columns", ["?", "AAAA", base64.b64encode(zlib.compress(b"\x81")).decode()]
)
def test_what_was_not_packed_is_refused(columns: str) -> None:
    (track,) = packed((tracklet(1, 0, 3),), TIMELINE)
    with pytest.raises(InputError, match="track 1 cannot be unpacked"):
        unpacked(replace(track, columns=columns))
