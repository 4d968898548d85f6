"""tracks.json: what is written is read back, and an entry that is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.making.clips import largest_file, write_clip
from videnhance.errors import InputError, OutputError, UsageError
from videnhance.faces.alignment import TEMPLATE, template_to_frame
from videnhance.faces.track_file import read_tracks, write_tracks
from videnhance.faces.tracking import choose
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.imaging.affine import place
from videnhance.imaging.frames import Zone
from videnhance.media.clip import Clip
from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import Recording
from videnhance.media.timeline import RecordedTimeline
from videnhance.settings.groups import PartSettings

Document = dict[str, Any]
Spoil = Callable[[Document], object]

TIMELINE = RecordedTimeline(Fraction(1, 25), (0, 1, 2, 3, 5, 6, 7, 8, 9, 11), (0,), 1)
ZONES = (Zone(-2.0, 40.5, 20.0, 48.0), Zone(50.0, 0.0, 64.0, 6.0))


def tracklet(number: int, start: int, length: int, seed: int) -> Tracklet:
    random = np.random.default_rng(seed)
    scores = random.uniform(size=length)
    scores[1:-1] = np.nan
    return Tracklet(
        id=number,
        start=start,
        poses=random.normal((30, 20, 9, 0), size=(length, 4)),
        landmarks=random.normal(size=(length, 5, 2)) * 9,
        scores=scores,
        opens_shot=start == 0,
        closes_shot=start > 0,
    )


TRACKS = Tracks((tracklet(3, 0, 2, 1), tracklet(1, 3, 4, 2), tracklet(7, 3, 1, 3)), ZONES)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return clip_like(probe(write_clip(tmp_path_factory.mktemp("clip") / "in.mp4")))


def clip_like(info: VideoInfo) -> Clip:
    return Clip(Recording(info, TIMELINE), "yuv420p")


@pytest.fixture
def path(tmp_path: Path, clip: Clip) -> Path:
    path = tmp_path / "tracks.json"
    write_tracks(path, TRACKS, clip)
    return path


def test_what_is_written_is_read(path: Path, clip: Clip) -> None:
    read = read_tracks(path, clip)
    assert read.zones == ZONES
    assert len(read.tracklets) == 3
    for before, after in zip(TRACKS.tracklets, read.tracklets, strict=True):
        assert (after.id, after.start, after.stop) == (before.id, before.start, before.stop)
        assert after.opens_shot is before.opens_shot
        assert after.closes_shot is before.closes_shot
        np.testing.assert_allclose(after.poses[:, :2], before.poses[:, :2], rtol=0, atol=0.51e-4)
        np.testing.assert_allclose(after.poses[:, 2:], before.poses[:, 2:], rtol=0, atol=0.51e-7)
        np.testing.assert_allclose(after.landmarks, before.landmarks, rtol=0, atol=0.51e-2)
        np.testing.assert_allclose(after.scores, before.scores, rtol=0, atol=0.51e-4)
        np.testing.assert_array_equal(after.observed, before.observed)


def test_read_and_written_again_it_is_the_same_to_the_byte(path: Path, clip: Clip) -> None:
    before = path.read_bytes()
    write_tracks(path, read_tracks(path, clip), clip)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["tracks.json"]


def test_persons_are_written_and_read_and_files_without_them_too(path: Path, clip: Clip) -> None:
    first, *others = TRACKS.tracklets
    write_tracks(path, replace(TRACKS, tracklets=(replace(first, person=2), *others)), clip)
    assert {t.id: t.person for t in read_tracks(path, clip).tracklets} == {3: 2, 1: None, 7: None}
    edited(path, lambda document: [track.pop("person") for track in document["tracks"]])
    assert {t.person for t in read_tracks(path, clip).tracklets} == {None}


def test_tracks_in_another_order_are_written_the_same(path: Path, clip: Clip) -> None:
    before = path.read_bytes()
    write_tracks(path, Tracks(TRACKS.tracklets[::-1], ZONES), clip)
    assert path.read_bytes() == before


def test_no_tracks_and_no_zones_are_written_and_read(tmp_path: Path, clip: Clip) -> None:
    write_tracks(tmp_path / "none.json", Tracks(()), clip)
    assert read_tracks(tmp_path / "none.json", clip) == Tracks(())


def test_it_is_plain_json_a_line_for_each_track_with_few_digits(path: Path) -> None:
    document = json.loads(path.read_text())
    assert document["source"] == {"name": "in.mp4", "size": [64, 48]}
    assert document["zones"][0] == {"x0": -2.0, "y0": 40.5, "x1": 20.0, "y1": 48.0}
    entry = document["tracks"][1]
    assert entry["pts"] == [3, 5, 6, 7]
    assert entry["seconds"] == [0.12, 0.2, 0.24, 0.28]
    assert entry["scores"][1:3] == [None, None]
    for row in entry["poses"]:
        assert [round(n, d) for n, d in zip(row, (4, 4, 7, 7), strict=True)] == row
    assert all(round(n, 2) == n for points in entry["landmarks"] for p in points for n in p)
    lines = path.read_text().splitlines()
    assert sum(line.startswith('{"id": ') for line in lines) == 3


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path, clip: Clip) -> None:
    odd = clip_like(replace(clip.info, path=Path("caf\udce9\n.mp4")))
    write_tracks(tmp_path / "t.json", TRACKS, odd)
    assert len(read_tracks(tmp_path / "t.json", odd).tracklets) == 3


def edited(path: Path, edit: Spoil) -> Path:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return path


def test_a_renamed_video_another_order_and_whole_numbers_are_taken(path: Path, clip: Clip) -> None:
    def edit(document: Document) -> None:
        document["source"]["name"] = "other.mov"
        document["tracks"].reverse()
        document["tracks"][0]["poses"] = [[1, 2, 3, 4]]
        document["tracks"][0]["scores"] = [None]
        document["zones"] = [{"x0": 1, "y0": 2, "x1": 3, "y1": 4}]

    read = read_tracks(edited(path, edit), clip)
    assert [t.id for t in read.tracklets] == [3, 1, 7]  # by start, then id
    assert read.zones == (Zone(1.0, 2.0, 3.0, 4.0),)
    np.testing.assert_array_equal(read.tracklets[2].poses, [[1.0, 2.0, 3.0, 4.0]])
    assert not read.tracklets[2].observed.any()


def test_a_byte_order_mark_is_no_fault(path: Path, clip: Clip) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_tracks(path, clip).tracklets) == 3


def track(k: int, **changes: Any) -> Spoil:
    return lambda d: d["tracks"][k].update(changes)


def zone(**changes: Any) -> Spoil:
    return lambda d: d["zones"][1].update(changes)


def put(k: int, key: str, *place: Any) -> Spoil:
    """Sets one number deep in a list: put(k, key, i, j, value)."""

    def edit(document: Document) -> None:
        values = document["tracks"][k][key]
        for i in place[:-2]:
            values = values[i]
        values[place[-2]] = place[-1]

    return edit


NAN, INF = float("nan"), float("inf")

WRONG: tuple[tuple[Spoil, str], ...] = (
    (lambda d: d.update(format="other"), 'is no tracks file; its format should be "videnhance tr'),
    (lambda d: d.update(version=99), "has version 99, not 1"),
    (lambda d: d.update(version=True), "has version true, not 1"),
    (lambda d: d.pop("version"), "has version null, not 1"),
    (lambda d: d.update(zone=[]), 'has an unknown key "zone"; known are format, version, source'),
    (lambda d: d.pop("zones"), "has no zones; should have format"),
    (lambda d: d.update(zones={}), "zones is {}; should be a list"),
    (lambda d: d.update(tracks=None), "tracks is null; should be a list"),
    (lambda d: d.update(source=3), "source is 3; should be an object with name, size"),
    (lambda d: d["source"].update(path="x"), 'source has an unknown key "path"; known are name, s'),
    (lambda d: d["source"].update(name=1), "source.name is 1; should be the name of the video"),
    (lambda d: d["source"].update(size=[48, 64]), "source.size is [48, 64]; should be [64, 48], i"),
    (lambda d: d.update(time_base="1/30"), 'time_base is "1/30"; should be "1/25", in.mp4\'s: thi'),
    # Tracks.
    (lambda d: d["tracks"].append(4), "tracks[3] is 4; should be an object with id, person, start"),
    (lambda d: d["tracks"][1].pop("poses"), "tracks[1] has no poses"),
    (track(1, score=[1]), 'tracks[1] has an unknown key "score"; known are id, person, start'),
    (track(1, id=0), "tracks[1].id is 0; should be a whole number from 1"),
    (track(1, id=True), "tracks[1].id is true; should be a whole number from 1"),
    (track(1, id=2.0), "tracks[1].id is 2.0; should be a whole number from 1"),
    (track(1, id=3), "tracks[1].id is 3, as is tracks[0].id; every track should have an id of i"),
    (track(1, opens_shot=1), "tracks[1].opens_shot is 1; should be true or false"),
    (track(1, closes_shot=None), "tracks[1].closes_shot is null; should be true or false"),
    (track(1, scores=[0.5]), "tracks[1] has lists of different lengths: scores holds 1, poses 4"),
    (track(1, pts=[3, 5, 6]), "tracks[1] has lists of different lengths: pts holds 3, poses 4"),
    (track(1, poses=[]), "tracks[1].poses is []; should be a row for every frame"),
    (track(1, poses="abcd"), 'tracks[1].poses is "abcd"; should be a list'),
    (track(1, start=-1), "tracks[1].start is -1; should be a frame of the video, 0 to 9"),
    (track(1, start=10), "tracks[1].start is 10; should be a frame of the video, 0 to 9"),
    (track(1, start=False), "tracks[1].start is false; should be a frame of the video"),
    (track(1, start=7), "tracks[1] has 4 frames from frame 7 on; should have 3 at most"),
    (track(1, start=2), "tracks[1].pts[0] is 3; should be 2, the time of frame 2: it was made fo"),
    (put(1, "pts", 1, 4), "tracks[1].pts[1] is 4; should be 5, the time of frame 4"),
    (put(1, "pts", 1, 5.0), "tracks[1].pts[1] is 5.0; should be 5"),
    (put(1, "seconds", 2, 0.25), "tracks[1].seconds[2] is 0.25; should be 0.240000"),
    (put(1, "seconds", 2, "0.24"), 'tracks[1].seconds[2] is "0.24"; should be a number'),
    (put(1, "seconds", 2, None), "tracks[1].seconds[2] is null; should be a number"),
    (put(1, "poses", 2, [1, 2, 3]), "tracks[1].poses[2] is [1, 2, 3]; should be a list of 4"),
    (put(1, "poses", 2, 5), "tracks[1].poses[2] is 5; should be a list of 4"),
    (
        put(1, "poses", 3, 1, "a"),
        'tracks[1].poses[3][1] is "a"; should be a number from -1000000 t',
    ),
    (put(1, "poses", 3, 1, True), "tracks[1].poses[3][1] is true; should be a number"),
    (put(1, "poses", 3, 1, NAN), 'tracks[1].poses[3][1] is "NaN"; should be a number'),
    (put(1, "poses", 3, 1, -INF), 'tracks[1].poses[3][1] is "-Infinity"; should be a number'),
    (put(1, "poses", 3, 3, 10**400), "tracks[1].poses[3][3] is 1000000000"),
    (put(1, "poses", 3, 0, 1e7), "tracks[1].poses[3][0] is 10000000.0; should be a number from -1"),
    (
        put(1, "poses", 2, 2, -0.1),
        "tracks[1].poses[2][2] is -0.1; should be the natural log of a c",
    ),
    (
        put(1, "poses", 2, 2, 11.6),
        "tracks[1].poses[2][2] is 11.6; should be the natural log of a c",
    ),
    (put(1, "landmarks", 2, [[1, 2]]), "tracks[1].landmarks[2] is [[1, 2]]; should be a list of 5"),
    (put(1, "landmarks", 2, 4, [1]), "tracks[1].landmarks[2][4] is [1]; should be a list of 2"),
    (put(1, "landmarks", 2, 4, 1, None), "tracks[1].landmarks[2][4][1] is null; should be a numb"),
    (
        put(1, "scores", 2, 1.01),
        "tracks[1].scores[2] is 1.01; should be a number from 0 to 1 or nul",
    ),
    (
        put(1, "scores", 3, -0.1),
        "tracks[1].scores[3] is -0.1; should be a number from 0 to 1 or nul",
    ),
    (
        put(1, "scores", 1, NAN),
        'tracks[1].scores[1] is "NaN"; should be a number from 0 to 1 or nu',
    ),
    (
        put(1, "scores", 1, "null"),
        'tracks[1].scores[1] is "null"; should be a number from 0 to 1 o',
    ),
    # Zones.
    (lambda d: d["zones"].append([1, 2, 3, 4]), "zones[2] is [1, 2, 3, 4]; should be an object w"),
    (lambda d: d["zones"][1].pop("x1"), "zones[1] has no x1; should have x0, y0, x1, y1"),
    (zone(w=3), 'zones[1] has an unknown key "w"; known are x0, y0, x1, y1'),
    (zone(x1="64"), 'zones[1].x1 is "64"; should be a number from -1000000 to 1000000'),
    (track(1, person=0), "tracks[1].person is 0; should be a whole number from 1, or null"),
    (track(1, person=True), "tracks[1].person is true; should be a whole number from 1"),
    (zone(x1=NAN), 'zones[1].x1 is "NaN"; should be a number'),
    (zone(x1=True), "zones[1].x1 is true; should be a number"),
    (zone(x1=2e6), "zones[1].x1 is 2000000.0; should be a number"),
    (zone(x1=50), "zones[1].x1 is 50; should be above 0 and x0, 50"),
    (zone(y1=-1), "zones[1].y1 is -1; should be above 0 and y0, 0"),
    (zone(x0=-9, x1=0), "zones[1].x1 is 0; should be above 0 and x0, -9"),
    (zone(x0=64, x1=70), "zones[1].x0 is 64; should be below 64, where the picture ends"),
    (zone(y0=48, y1=50), "zones[1].y0 is 48; should be below 48, where the picture ends"),
)


@pytest.mark.parametrize(("spoil", "what"), WRONG, ids=[what[:40] for _, what in WRONG])
def test_what_is_wrong_is_named_in_one_line(
    path: Path, clip: Clip, spoil: Spoil, what: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_tracks(edited(path, spoil), clip)
    message = str(caught.value)
    assert message.startswith(f"{path}: {what}")
    assert "\n" not in message and len(message) < len(str(path)) + 200


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"{",
            "cannot be read as JSON: Expecting property name enclosed in double quotes at line 1",
        ),
        (
            b'{\n"a": 1,\n"b" 2}',
            "cannot be read as JSON: Expecting ':' delimiter at line 3, column",
        ),
        (b"", "cannot be read as JSON: Expecting value at line 1, column 1"),
        (b"\xff\xfe", "cannot be read as JSON: 'utf-8' codec can't decode"),
        (b"[" * 200_000, "cannot be read as JSON: "),
        (b"[1, 2]", "is no tracks file"),
        (b'{"zones": [1], "zones": []}', 'the key "zones" stands twice in one object'),
    ],
)
def test_a_file_that_is_something_else(
    tmp_path: Path, clip: Clip, content: bytes, what: str
) -> None:
    path = tmp_path / "tracks.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_tracks(path, clip)
    assert str(caught.value).startswith(f"{path}: {what}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path, clip: Clip) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read \(No such file"):
        read_tracks(tmp_path / "none.json", clip)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path, clip: Clip) -> None:
    before = path.read_bytes()
    cure = r"tracks\.json: cannot be written \(File too large\); make room or choose"
    with largest_file(200), pytest.raises(OutputError, match=cure):
        write_tracks(path, TRACKS, clip)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["tracks.json"]


def test_a_folder_that_is_none_and_a_folder_in_the_way(tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.json").mkdir()
    for path in (tmp_path / "file" / "t.json", tmp_path / "no" / "t.json", tmp_path / "taken.json"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_tracks(path, TRACKS, clip)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken.json"]


def test_the_documents_example_can_be_read_and_its_fields_are_all_there_are(
    tmp_path: Path, clip: Clip
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "tracks.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    (tmp_path / "tracks.json").write_text(example)
    info = replace(clip.info, width=640, height=360)
    pts = tuple(range(0, 512 * 250, 512))
    timeline = RecordedTimeline(Fraction(1, 12800), pts, (0,), 512)
    gate = Clip(Recording(info, timeline), "yuv420p")
    read = read_tracks(tmp_path / "tracks.json", gate)
    assert (ids(read), read.zones) == ([1], (Zone(16.0, 8.0, 212.0, 30.5),))
    # The landmarks shown are those of the poses, so that the two explain each other.
    for pose, landmarks in zip(read.tracklets[0].poses, read.tracklets[0].landmarks, strict=True):
        np.testing.assert_allclose(landmarks, place(TEMPLATE, template_to_frame(pose)), atol=0.01)
    for key in (*json.loads(example), *json.loads(example)["tracks"][0]):
        assert f"| `{key}" in text, key


def ids(tracks: Tracks) -> list[int]:
    return [t.id for t in tracks.tracklets]


def test_persons_are_chosen_and_zones_stay() -> None:
    assert choose(TRACKS, PartSettings()) == TRACKS
    assert ids(choose(TRACKS, PartSettings(only=(1, 3)))) == [3, 1]
    assert ids(choose(TRACKS, PartSettings(skip=(1,)))) == [3, 7]
    assert ids(choose(TRACKS, PartSettings(only=(1, 7), skip=(7,)))) == [1]
    assert choose(TRACKS, PartSettings(skip=(1, 3, 7))) == Tracks((), ZONES)
    with pytest.raises(UsageError, match="name the same tracks"):
        choose(TRACKS, PartSettings(only=(3,), skip=(1, 3)))


def test_persons_are_chosen_by_their_numbers() -> None:
    who = {3: 1, 1: 2, 7: None}
    tracks = replace(
        TRACKS, tracklets=tuple(replace(t, person=who[t.id]) for t in TRACKS.tracklets)
    )
    assert ids(choose(tracks, PartSettings(only_person=(1,)))) == [3]
    assert ids(choose(tracks, PartSettings(only_person=(1,), only=(7,)))) == [3, 7]
    assert ids(choose(tracks, PartSettings(skip_person=(2,)))) == [3, 7]
    assert ids(choose(tracks, PartSettings(only=(3, 1), skip_person=(1,)))) == [1]
    with pytest.raises(UsageError, match=r"^--only-person 3: no such person; there are 1, 2$"):
        choose(tracks, PartSettings(only_person=(3,)))
    with pytest.raises(UsageError, match=r"^--skip-person 1: no such person; there are none$"):
        choose(TRACKS, PartSettings(skip_person=(1,)))
    with pytest.raises(UsageError, match="leaves none"):
        choose(tracks, PartSettings(only_person=(1,), skip_person=(1,)))


def test_a_person_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"^--only 2: no such track; there are 1, 3, 7$"):
        choose(TRACKS, PartSettings(only=(1, 2)))
    with pytest.raises(UsageError, match=r"^--skip 4: no such track; there are 1, 3, 7$"):
        choose(TRACKS, PartSettings(only=(1,), skip=(4,)))
    with pytest.raises(UsageError, match=r"^--only 1: no such track; there are none$"):
        choose(Tracks(()), PartSettings(only=(1,)))
