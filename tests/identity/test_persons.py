"""Tracks of one person are joined across cuts, and nobody seen beside himself is."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.making.faces import SIDE, ShotDetector, write_shots
from tests.making.records import tracklet
from videnhance import detectors
from videnhance.evidence.packed import packed, unpacked
from videnhance.identity.persons import (
    LIMIT,
    SeenTrack,
    distances,
    may_be_joined,
    median_of,
    persons_of,
)
from videnhance.job.preview.make import grouped
from videnhance.job.run import detect_tracks, enhance
from videnhance.job.summary import Summary
from videnhance.media.timeline import RecordedTimeline as Timeline
from videnhance.models import registry
from videnhance.settings.groups import (
    DetectSettings,
    PartSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)
from videnhance.show.sheet import Row


def at(number: int, start: int, stop: int, *place: float) -> SeenTrack:
    """A track whose median lies at a place; the other numbers are 0."""
    median = np.zeros(128, np.float32)
    median[: len(place)] = place
    return SeenTrack(number, start, stop, median)


def test_tracks_that_are_near_are_one_person_numbered_by_first_appearance() -> None:
    tracks = [at(5, 40, 50, 0.0), at(2, 0, 10, 1.0), at(9, 20, 30, 0.1), at(1, 60, 70, 1.2)]
    assert persons_of(tracks) == {2: 1, 9: 2, 5: 2, 1: 1}
    assert persons_of(tracks[::-1]) == persons_of(tracks)


def test_of_those_that_begin_together_the_smaller_id_is_first() -> None:
    assert persons_of([at(7, 0, 5, 0.0), at(3, 0, 5, 2.0)]) == {3: 1, 7: 2}


def test_the_mean_over_groups_decides() -> None:
    near = LIMIT * 0.9
    chain = [at(k, 10 * k, 10 * k + 5, near * k) for k in range(4)]
    # 0 and 1 join, 2 and 3 join; the mean between the two pairs is twice as far.
    assert persons_of(chain) == {0: 1, 1: 1, 2: 2, 3: 2}


def test_nobody_is_in_a_picture_twice() -> None:
    """A mirror, a poster, twins: alike to the last bit, but seen in one frame."""
    assert persons_of([at(1, 0, 10, 0.0), at(2, 9, 20, 0.0)]) == {1: 1, 2: 2}
    assert persons_of([at(1, 0, 10, 0.0), at(2, 10, 20, 0.0)]) == {1: 1, 2: 1}
    # Both are like 3, which can be with one of them only.
    third = at(3, 20, 30, 0.01)
    found = persons_of([at(1, 0, 10, 0.0), at(2, 5, 15, 0.1), third])
    assert found == {1: 1, 2: 2, 3: 1}


def test_many_tracks_do_not_outvote_a_pair_that_was_seen_together() -> None:
    apart = [at(100 + k, 10 * k, 10 * k + 5, 0.0) for k in range(60)]
    found = persons_of([*apart, at(1, 3, 8, 0.0)])
    assert found[1] != found[100]


def test_nobody_and_one_alone() -> None:
    assert persons_of([]) == {}
    assert persons_of([at(4, 3, 9)]) == {4: 1}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [([], False), ([(0, 5)], False), ([(0, 5), (4, 9)], False), ([(0, 5), (5, 9)], True)],
)
def test_where_all_are_seen_at_once_there_is_nothing_to_compare(
    spans: list[tuple[int, int]], expected: bool
) -> None:
    assert may_be_joined(spans) == expected


def test_a_bad_moment_does_not_count() -> None:
    faces = np.zeros((5, 128), np.float32)
    faces[2] = 9.0
    assert not median_of(faces).any()


def test_distances_are_told_nearest_first() -> None:
    found = distances([at(2, 5, 15, 1.0), at(1, 0, 10, 0.0), at(3, 20, 30, 0.25)])
    assert [(one, other, at_once) for one, other, _, at_once in found] == [
        (1, 3, False),
        (2, 3, False),
        (1, 2, True),
    ]
    assert [round(apart, 3) for *_, apart, _ in found] == [0.25, 0.75, 1.0]


SHOTS = ((0,), (1, 0), (7,), (1,), (0, 0))
"""Who is in each; in the last one somebody is beside himself."""
WISH = Settings(
    detect=DetectSettings(detector="shots"), restore=RestoreSettings(restorer="identity")
)


@pytest.fixture
def _detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(detectors.DETECTORS, "shots", registry.Row(lambda loader: ShotDetector()))


def persons_in(path: Path) -> dict[int, int | None]:
    return {t["id"]: t["person"] for t in json.loads(path.read_text())["tracks"]}


def found_in(
    folder: Path, clip: Path, wish: Settings = WISH
) -> tuple[dict[int, int | None], Summary]:
    summary = detect_tracks(clip, folder / "tracks.json", wish, overwrite=True)
    return persons_in(folder / "tracks.json"), summary


@pytest.mark.usefixtures("_detector")
def test_persons_are_joined_across_cuts(tmp_path: Path) -> None:
    clip = write_shots(tmp_path / "in.mkv", SHOTS)
    found, summary = found_in(tmp_path, clip)
    # The order of tracks that begin in one frame is the tracker's.
    assert found[1] == 1 and found[4] == 3 and found[5] == 2
    assert {found[2], found[3]} == {1, 2}
    assert {found[6], found[7]} == {1, 4}
    assert summary.persons == 4
    assert any("seen at the same time: never joined" in line for line in summary.details)
    assert not any("person" in note for note in summary.notes)
    again, _ = found_in(tmp_path, clip)
    assert again == found


@pytest.mark.usefixtures("_detector")
def test_a_person_is_chosen_by_number_and_the_file_may_be_edited(tmp_path: Path) -> None:
    clip = write_shots(tmp_path / "in.mkv", ((0,), (1,), (0,)))
    found, _ = found_in(tmp_path, clip)
    assert found == {1: 1, 2: 2, 3: 1}
    only = replace(WISH, part=PartSettings(only_person=(1,)))
    assert enhance(clip, tmp_path / "a.mkv", only).tracks == 2
    skip = replace(WISH, part=PartSettings(skip_person=(1,)))
    assert enhance(clip, tmp_path / "b.mkv", skip).tracks == 1
    path = tmp_path / "tracks.json"
    path.write_text(path.read_text().replace('"id": 3, "person": 1', '"id": 3, "person": 9'))
    edited = replace(WISH, part=PartSettings(only_person=(9,)))
    assert enhance(clip, tmp_path / "c.mkv", edited, tracks=path).faces == 6


@pytest.mark.usefixtures("_detector")
def test_faces_that_are_too_small_have_no_person_and_that_is_said(tmp_path: Path) -> None:
    side = round(SIDE * 7.2 / 23.6)
    clip = write_shots(tmp_path / "in.mkv", ((0,), (0,)), side=side)
    found, summary = found_in(tmp_path, clip)
    assert found == {1: None, 2: None} and summary.persons is None
    (note,) = [note for note in summary.notes if "person" in note]
    assert note.startswith("2 of 2 tracks have no person: their faces have fewer than 8 pixels")


@pytest.mark.usefixtures("_detector")
def test_it_can_be_left_out(tmp_path: Path) -> None:
    clip = write_shots(tmp_path / "in.mkv", ((0,), (0,)))
    wish = replace(WISH, track=TrackSettings(persons=False))
    found, summary = found_in(tmp_path, clip, wish)
    assert found == {1: None, 2: None} and summary.persons is None and not summary.details


def test_the_contact_sheet_shows_a_person_s_tracks_together() -> None:
    rows = [Row(1, (), person=2), Row(2, (), person=1), Row(3, ()), Row(4, (), person=2)]
    assert [row.track for row in grouped(rows)] == [1, 4, 2, 3]
    assert [row.heading for row in rows[1:3]] == ["track 2, person 1", "track 3"]


def test_packed_tracks_keep_their_person() -> None:
    timeline = Timeline(Fraction(1, 25), tuple(range(20)), (0,), 1)
    tracks = [replace(tracklet(1, 0, 6), person=3), tracklet(2, 9, 3)]
    assert [unpacked(one).person for one in packed(tracks, timeline)] == [3, None]
