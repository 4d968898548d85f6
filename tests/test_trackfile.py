"""tracks.json: what is written is read back, and a spoilt file says where."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_clip
from videnhance.errors import InputError
from videnhance.faces import Tracklet
from videnhance.streams import Timeline
from videnhance.trackfile import read_tracks, write_tracks
from videnhance.video.source import probe

TIMELINE = Timeline(Fraction(1, 25), tuple(range(10)), (0,), 1)
TRACKLET = Tracklet(
    id=7,
    start=3,
    poses=np.random.default_rng(0).normal(size=(4, 4)),
    landmarks=np.random.default_rng(1).normal(size=(4, 5, 2)),
    scores=np.array([0.9, np.nan, np.nan, 0.8]),
    opens_shot=False,
    closes_shot=True,
)


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    path = tmp_path / "tracks.json"
    write_tracks(path, [TRACKLET], probe(write_clip(tmp_path / "in.mp4")), TIMELINE)
    return path


def test_every_number_survives(tracks: Path) -> None:
    (after,) = read_tracks(tracks)
    assert (after.id, after.start, after.stop) == (7, 3, 7)
    assert (after.opens_shot, after.closes_shot) == (False, True)
    np.testing.assert_array_equal(after.poses, TRACKLET.poses)
    np.testing.assert_array_equal(after.landmarks, TRACKLET.landmarks)
    np.testing.assert_array_equal(after.scores, TRACKLET.scores)
    np.testing.assert_array_equal(after.observed, [True, False, False, True])


def test_it_is_plain_json_with_times(tracks: Path) -> None:
    entry = json.loads(tracks.read_text())["tracks"][0]
    assert entry["pts"] == [3, 4, 5, 6]
    assert entry["seconds"] == [0.12, 0.16, 0.2, 0.24]
    assert entry["scores"] == [0.9, None, None, 0.8]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda d: d.update(format="other"), "no tracks file"),
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d["tracks"][0].pop("poses"), r"tracks\[0\]"),
        (lambda d: d["tracks"][0].update(poses=[[1, 2]]), r"tracks\[0\]"),
        (lambda d: d["tracks"][0].update(scores=[0.5]), "different lengths"),
    ],
)
def test_a_spoilt_file_names_the_entry(tracks: Path, spoil: object, what: str) -> None:
    document = json.loads(tracks.read_text())
    spoil(document)  # type: ignore[operator]
    tracks.write_text(json.dumps(document))
    with pytest.raises(InputError, match=what):
        read_tracks(tracks)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "tracks.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_tracks(tmp_path / "tracks.json")
