"""Previews of tiny clips: the right frames beside each other, with their times and sound."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.making.clips import decoded, packets, square_frames, times, write_clip, write_rgb
from tests.making.restorers import Darken
from videnhance import restorers
from videnhance.errors import ContainerError, InputError, OutputError, Stopped, UsageError
from videnhance.faces.alignment import TEMPLATE, fit_poses
from videnhance.faces.track_file import write_tracks
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.imaging.color import upright_rgb
from videnhance.imaging.lettering import Picture
from videnhance.job.preview import make
from videnhance.job.preview.estimate import Pace
from videnhance.job.preview.make import make_preview, preview_frame
from videnhance.job.run import detect_tracks
from videnhance.media.info import VideoInfo
from videnhance.media.opening import open_clip
from videnhance.media.reading.decoding import read_frames
from videnhance.media.repair import recording
from videnhance.media.timeline import RecordedTimeline
from videnhance.models.registry import Row
from videnhance.render.outcome import NO_GAIN
from videnhance.settings.groups import (
    DetectSettings,
    EvidenceSettings,
    GateLimits,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)
from videnhance.show import sheet as sheets
from videnhance.show.compare import Layout
from videnhance.show.highlights import largest_tracks, range_to_show, sightings
from videnhance.show.pairs import shown_size

WISH = Settings(
    detect=DetectSettings(detector="square"), restore=RestoreSettings(restorer="identity")
)
BAR = 21
"""Upper bound of a caption's height on pictures 128 pixels high, one line of text."""


@pytest.fixture
def darken(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setitem(
        restorers.RESTORERS, "darken", Row(lambda loader: Darken(0.4, invents=True))
    )
    return replace(
        WISH,
        restore=RestoreSettings(restorer="darken", steady=0.0, match_color=False),
        gate=GateLimits(None, None, None, None, None),
        evidence=EvidenceSettings(label=False),  # it would hide the frames' numbers
    )


def counted_frames(count: int, size: tuple[int, int] = (192, 128)) -> list[np.ndarray]:
    """Pictures that hold the square face and, in the lowest rows, their own number in bits.

    Gray code: from frame to frame a single bit changes, which is no shot cut.
    """
    frames = square_frames(count, size=size)
    for index, frame in enumerate(frames):
        frame[-16:] = 40
        for bit in range(8):
            if (index ^ index >> 1) >> bit & 1:
                frame[-16:, 24 * bit : 24 * bit + 24] = 200
    return frames


def number_in(picture: np.ndarray, scale: int = 1) -> int:
    """The number that `counted_frames` wrote, from a gray or RGB picture of that part."""
    gray = picture if picture.ndim == 2 else picture.mean(axis=2)
    row = gray[-8 * scale]
    number = 0
    for bit in reversed(range(8)):
        number |= (int(row[(24 * bit + 12) * scale] > 120) ^ (number >> bit + 1 & 1)) << bit
    return number


def halves(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Original and result of layout side, of a clip 192 wide (2 pixels between)."""
    return luma[:, :192], luma[:, 194:386]


def trim(luma: np.ndarray) -> np.ndarray:
    """Without the row that even sizes may add below."""
    return luma[: -1 if luma[-1].max() < 30 else None]


def png(path: Path) -> np.ndarray:
    """(H, W, 3) uint8, BGR."""
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture)


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("in."))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counted") / "in.mkv"
    return write_rgb(path, counted_frames(60), audio="aac")


@pytest.fixture
def clip(tmp_path: Path, written: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "in.mkv"))


@pytest.mark.usefixtures("square_detector")
def test_frames_stand_beside_their_own_source(tmp_path: Path, clip: Path) -> None:
    wish = replace(WISH, part=PartSettings("13f", "40f"))
    summary = make_preview(clip, tmp_path / "out.mkv", wish)
    assert (summary.start, summary.stop) == (13, 40)
    frames = [trim(planes[0]) for planes in decoded(tmp_path / "out.mkv")]
    assert len(frames) == 27
    for k, luma in enumerate(frames):
        original, result = halves(luma)
        assert number_in(original) == number_in(result) == 13 + k
    assert leftovers(tmp_path) == ["out.mkv", "out.mkv.json", "out.png"]


@pytest.mark.usefixtures("square_detector")
def test_the_result_is_shown_on_its_side_only(tmp_path: Path, clip: Path, darken: Settings) -> None:
    summary = make_preview(clip, tmp_path / "out.mp4", darken, seconds=1.0)
    assert summary.invents
    source = decoded(clip)
    for k, planes in enumerate(decoded(tmp_path / "out.mp4")):
        original, result = halves(trim(planes[0]))
        x = int(40 + 0.5 * (summary.start + k) + 24)
        y = original.shape[0] - 128 + 64
        told = int(source[summary.start + k][0][64, x])
        assert abs(int(original[y, x]) - told) < 12
        assert int(original[y, x]) - int(result[y, x]) > 60


@pytest.mark.usefixtures("square_detector")
def test_sound_and_times_come_along(tmp_path: Path) -> None:
    frames = counted_frames(50)
    pts = [k * 40 + (15 if k % 3 == 1 else 0) for k in range(50)]
    clip = write_clip(
        tmp_path / "in.mp4",
        pts=pts,
        time_base=Fraction(1, 1000),
        size=(192, 128),
        audio="aac",
        options={"crf": "1"},
        pictures=[
            VideoFrame.from_ndarray(f, format="rgb24").reformat(format="yuv420p") for f in frames
        ],
    )
    wish = replace(WISH, part=PartSettings("10f", "35f"))
    summary = make_preview(clip, tmp_path / "out.mp4", wish)
    shown = times(tmp_path / "out.mp4")
    steps = [float(t - shown[0]) for t in shown]
    assert steps == pytest.approx([(p - pts[10]) / 1000 for p in pts[10:35]], abs=1e-6)
    assert packets(tmp_path / "out.mp4", "audio")
    assert summary.start_seconds == pytest.approx(pts[10] / 1000)
    assert summary.end_seconds == pytest.approx(pts[35] / 1000)


@pytest.mark.usefixtures("square_detector")
def test_sound_that_does_not_fit_is_left_out_and_named(tmp_path: Path) -> None:
    clip = write_rgb(tmp_path / "in.mov", counted_frames(30), codec="libx264", audio="pcm_mulaw")
    summary = make_preview(clip, tmp_path / "out.mp4", WISH, seconds=0.5)
    assert packets(tmp_path / "out.mp4", "audio") == []
    assert any("sound" in note for note in summary.notes)
    assert len(decoded(tmp_path / "out.mp4")) == summary.stop - summary.start
    again = make_preview(clip, tmp_path / "again.mov", WISH, seconds=0.5)
    assert packets(tmp_path / "again.mov", "audio")
    assert again.notes == ()
    # Nothing is said of the sound of a picture.
    assert preview_frame(clip, tmp_path / "at.png", "3f", WISH).notes == ()


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(("change", "is_seen"), [(0.9, False), (1.1, True), (0.0, False)])
def test_a_result_that_looks_like_the_source_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: float, is_seen: bool
) -> None:
    shown: list[Sequence[sheets.Row]] = []

    def sheet(title: str, lines: object, rows: Sequence[sheets.Row], *rest: object) -> Picture:
        shown.append(rows)
        return np.zeros((8, 8, 3), np.uint8)

    row = Row(lambda loader: Darken(change / 255))
    monkeypatch.setitem(restorers.RESTORERS, "slight", row)
    monkeypatch.setattr(make, "contact_sheet", sheet)
    clip = write_rgb(tmp_path / "in.mkv", counted_frames(20))
    wish = replace(WISH, restore=RestoreSettings(restorer="slight"))
    summary = make_preview(clip, tmp_path / "out.mp4", wish, seconds=0.5)
    told = [note for note in summary.notes if NO_GAIN in note]
    assert len(told) == (not is_seen)
    assert [row.note for row in shown[0]] == ["" if is_seen else NO_GAIN]
    if told:
        (track,) = (row.track for row in shown[0])
        assert told[0].startswith(f"track {track}: {NO_GAIN} (changed by {change:.1f} of 255")
        assert "--restorer gfpgan" in told[0]


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("shared", [0, 8])
def test_a_track_that_is_left_alone_is_told_with_the_reason_and_comes_last(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, darken: Settings, shared: int
) -> None:
    """Track 2 stands behind the larger 3, in all its frames or in some of them."""
    shown: list[Sequence[sheets.Row]] = []

    def sheet(title: str, lines: object, rows: Sequence[sheets.Row], *rest: object) -> Picture:
        shown.append(rows)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(make, "contact_sheet", sheet)
    near = tracklet(3, 110, 0, 20 - shared, opens=True, closes=True)
    far = tracklet(2, 70, 0, 20, opens=True, closes=True)
    beside = far.landmarks - far.landmarks[0].mean(axis=0) + near.landmarks[0].mean(axis=0)
    far = replace(far, landmarks=beside, poses=fit_poses(beside))
    alone = tracklet(1, 40, 0, 20, opens=True, closes=True)
    apart = alone.landmarks + np.array([140.0, 0.0])
    alone = replace(alone, landmarks=apart, poses=fit_poses(apart))
    given = tmp_path / "in.json"
    write_tracks(given, Tracks((alone, far, near)), open_clip(clip))
    wish = replace(darken, part=PartSettings(end="20f"))
    summary = make_preview(clip, tmp_path / "out.mp4", wish, tracks=given)
    notes = {row.track: row.note for row in shown[0]}
    if shared:
        assert list(notes) == [3, 2, 1]
        assert notes[2].startswith("left alone in ") and notes[2].endswith(" of 20 frames: hidden")
    else:
        assert list(notes) == [3, 1, 2]
        assert notes[2] == "left alone: hidden"
    assert notes[1] == notes[3] == ""
    assert any("hidden" in note for note in summary.notes)


@pytest.mark.usefixtures("square_detector")
def test_the_best_seconds_are_found(tmp_path: Path) -> None:
    """The face is there in the middle of the clip only."""
    frames = counted_frames(150)
    for k in (*range(70), *range(110, 150)):
        frames[k] = np.minimum(frames[k], 205)
    clip = write_rgb(tmp_path / "in.mkv", frames)
    summary = make_preview(clip, tmp_path / "out.mp4", WISH, seconds=1.0)
    assert summary.stop - summary.start == 25
    assert summary.start > 57
    assert summary.stop < 123
    assert (summary.tracks, summary.notes) == (1, ())

    found = tmp_path / "in.tracks.json"
    detect_tracks(clip, found, WISH)
    summary = make_preview(clip, tmp_path / "two.mp4", WISH, seconds=1.0, tracks=found)
    assert 70 <= summary.start < summary.stop <= 111


@pytest.mark.usefixtures("square_detector")
def test_a_clip_without_faces_shows_its_middle(tmp_path: Path) -> None:
    frames = [np.minimum(f, 205) for f in counted_frames(60)]
    clip = write_rgb(tmp_path / "in.mkv", frames)
    summary = make_preview(clip, tmp_path / "out.mp4", WISH, seconds=1.0)
    assert abs((summary.start + summary.stop) / 2 - 30) <= 1
    assert any("no face" in note for note in summary.notes)
    assert (tmp_path / "out.png").exists()


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(
    ("part", "span"),
    [
        (PartSettings(start="20f"), (20, 45)),
        (PartSettings(end="40f"), (15, 40)),
        (PartSettings(start="50f"), (50, 60)),
        (PartSettings(start="5f", end="8f"), (5, 8)),
    ],
)
def test_a_range_that_is_given_is_used(
    tmp_path: Path, clip: Path, part: PartSettings, span: tuple[int, int]
) -> None:
    summary = make_preview(clip, tmp_path / "out.mp4", replace(WISH, part=part), seconds=1.0)
    assert (summary.start, summary.stop) == span


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("layout", ["stack", "wipe"])
def test_other_layouts(tmp_path: Path, clip: Path, layout: str) -> None:
    wish = replace(WISH, part=PartSettings("0f", "6f"))
    make_preview(clip, tmp_path / "out.mp4", wish, layout=layout)
    luma = trim(decoded(tmp_path / "out.mp4")[5][0])
    assert number_in(luma) == 5
    assert luma.shape[1] == 192
    height = 2 * 128 if layout == "stack" else 128
    assert height < luma.shape[0] <= height + 2 * BAR + 2
    with pytest.raises(UsageError, match="--layout diagonal"):
        make_preview(clip, tmp_path / "no.mp4", wish, layout="diagonal")


@pytest.mark.usefixtures("square_detector")
def test_an_enlarged_result_is_set_beside_its_enlarged_source(tmp_path: Path, clip: Path) -> None:
    wish = replace(WISH, output=OutputSettings(scale=2), part=PartSettings("4f", "9f"))
    make_preview(clip, tmp_path / "out.mp4", wish)
    for k, planes in enumerate(decoded(tmp_path / "out.mp4")):
        luma = trim(planes[0])
        original, result = luma[:, :384], luma[:, 386:770]
        assert number_in(original, 2) == number_in(result, 2) == 4 + k
        change = original[-256:].astype(int) - result[-256:].astype(int)
        assert np.abs(change).mean() < 2


@pytest.mark.usefixtures("square_detector")
def test_a_turned_clip_is_shown_upright(tmp_path: Path) -> None:
    turned = [np.ascontiguousarray(np.rot90(f)) for f in counted_frames(10)]
    clip = write_rgb(
        tmp_path / "in.mp4",
        turned,
        codec="libx264",
        options={"crf": "0"},
        matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
    )
    make_preview(clip, tmp_path / "out.mp4", replace(WISH, part=PartSettings("2f", "8f")))
    for k, planes in enumerate(decoded(tmp_path / "out.mp4")):
        original, result = halves(trim(planes[0]))
        assert number_in(original) == number_in(result) == 2 + k
    assert open_clip(tmp_path / "out.mp4").info.display_matrix is None
    preview_frame(clip, tmp_path / "at.png", "3f", WISH)
    assert number_in(png(tmp_path / "at.png")[:, :192]) == 3


@pytest.mark.usefixtures("square_detector")
def test_colours_are_right_and_tagged(tmp_path: Path) -> None:
    """Four fields of strong colour, in a source that is BT.601 and full range."""
    frame = np.zeros((128, 192, 3), np.uint8)
    colors = [(220, 30, 30), (30, 200, 40), (30, 40, 210), (180, 180, 20)]
    for k, color in enumerate(colors):
        frame[:, 48 * k : 48 * k + 48] = color
    source = VideoFrame.from_ndarray(frame, format="rgb24").reformat(
        format="yuv444p", dst_colorspace=5, dst_color_range="JPEG"
    )
    clip = write_clip(
        tmp_path / "in.mkv",
        pts=range(3),
        size=(192, 128),
        codec="ffv1",
        pix_fmt="yuv444p",
        color=(2, 5, 5, 6),
        pictures=[source] * 3,
    )
    make_preview(clip, tmp_path / "out.mp4", WISH)
    footage = open_clip(tmp_path / "out.mp4")
    tags = footage.info.color
    assert (tags.range, tags.matrix, tags.primaries, tags.transfer) == (1, 1, 1, 1)
    shown = next(footage.frames(0, 1))
    width, height = footage.info.upright_size
    picture = upright_rgb(shown, footage.info.upright, (height, width))
    for k, color in enumerate(colors):
        for left in (0, 194):
            seen = picture[100, left + 48 * k + 24].astype(int)
            assert np.abs(seen - color).max() <= 8, (k, left, seen)


@pytest.mark.usefixtures("square_detector")
def test_one_frame_as_a_picture(tmp_path: Path, clip: Path, darken: Settings) -> None:
    calls: list[str] = []
    summary = preview_frame(
        clip, tmp_path / "at.png", "0:01", darken, progress=lambda step, *_: calls.append(step)
    )
    assert (summary.video, summary.picture) == (None, tmp_path / "at.png")
    assert (summary.start, summary.stop, summary.estimate) == (25, 26, None)
    shown = png(tmp_path / "at.png")
    original, result = shown[-128:, :192], shown[-128:, 194:]
    assert number_in(original) == number_in(result) == 25
    x = int(40 + 0.5 * 25 + 24)
    assert int(original[64, x].min()) - int(result[64, x].min()) > 60
    assert "render" in calls
    assert leftovers(tmp_path) == ["at.png", "at.png.json"]


@pytest.mark.usefixtures("square_detector")
def test_a_frame_alone_is_decoded_once(
    tmp_path: Path, clip: Path, darken: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at, restored and shown; each time all before it would have to be decoded."""
    readings: list[range] = []

    def counted(info: VideoInfo, timeline: RecordedTimeline, start: int, stop: int, *rest, **more):  # type: ignore[no-untyped-def]
        readings.extend([range(start, stop)] if info.path == clip else [])
        return read_frames(info, timeline, start, stop, *rest, **more)

    monkeypatch.setattr(recording, "read_frames", counted)
    preview_frame(clip, tmp_path / "at.png", "0:01", darken)
    assert sum(25 in reading for reading in readings) == 1
    readings.clear()
    make_preview(clip, tmp_path / "out.mp4", darken, seconds=0.2)
    assert len(readings) > 2


@pytest.mark.usefixtures("square_detector")
def test_the_sheet_shows_source_pixels_beside_the_result(
    tmp_path: Path, clip: Path, darken: Settings
) -> None:
    """Four moments: the square is near white in the source's cells only."""
    make_preview(clip, tmp_path / "out.mp4", darken, seconds=2.0)
    sheet = png(tmp_path / "out.png")
    bright = (sheet.min(axis=2) > 225).sum(axis=0) > 150
    edges = np.flatnonzero(np.diff(bright.astype(int), prepend=0, append=0)).reshape(-1, 2)
    wide = edges[edges[:, 1] - edges[:, 0] > 150]
    assert len(wide) == 4
    assert np.ptp(np.diff(wide[:, 0])) <= 4


def tracklet(number: int, side: float, start: int, stop: int, **ends: bool) -> Tracklet:
    """A still face of that crop's side, seen in every frame."""
    landmarks = np.repeat((TEMPLATE * side + 10)[None], stop - start, axis=0)
    return Tracklet(
        id=number,
        start=start,
        poses=fit_poses(landmarks),
        landmarks=landmarks,
        scores=np.full(stop - start, 0.9),
        opens_shot=ends.get("opens", False),
        closes_shot=ends.get("closes", False),
    )


def test_the_largest_tracks_of_the_range_come_first() -> None:
    tracks = Tracks((tracklet(1, 40, 0, 9), tracklet(2, 60, 3, 9), tracklet(3, 99, 30, 40)))
    found, left_out = largest_tracks(tracks, (0, 20), 5)
    assert ([t.id for t in found], left_out) == ([2, 1], 0)
    found, left_out = largest_tracks(tracks, (8, 31), 2)
    assert ([t.id for t in found], left_out) == ([3, 2], 1)


@pytest.mark.parametrize("digit", [-1e-3, -1e-6, 1e-6, 1e-3])
def test_of_tracks_as_large_the_first_comes_first(digit: float) -> None:
    sides = (60, 60 * (1 + digit), 80, 60)
    tracks = Tracks(tuple(tracklet(k, side, 0, 9) for k, side in enumerate(sides, 1)))
    found, _ = largest_tracks(tracks, (0, 20), 4)
    assert [t.id for t in found] == [3, 1, 2, 4]


def test_moments_are_taken_where_the_result_has_its_full_strength(clip: Path) -> None:
    """A track of frames 10 to 39 that eases in and out over half a second, 12.5 frames."""
    footage = open_clip(clip)

    def moments(**ends: bool) -> list[int]:
        track = tracklet(1, 60, 10, 40, **ends)
        found = sightings(footage, [track], (0, 60), everyone=[track], count=9, ease=0.5, scale=1)
        return sorted(found)

    assert moments()
    assert all(23 <= index <= 26 for index in moments())
    assert min(moments(opens=True)) < 23
    assert max(moments(closes=True)) > 26
    short = tracklet(1, 60, 10, 14)
    assert sightings(footage, [short], (0, 60), everyone=[short], count=1, ease=0.5, scale=1)


@pytest.mark.parametrize("hider", [False, True])
def test_a_face_that_is_cut_off_or_covered_is_not_a_best_moment(
    tmp_path: Path, hider: bool
) -> None:
    """The same face in every frame; until frame 15 it is at the picture's edge, or behind a head
    that is nearer."""
    texture = np.random.default_rng(5).integers(60, 200, (12, 16, 3), np.uint8)
    picture = cv2.resize(texture, (192, 144), interpolation=cv2.INTER_CUBIC)
    footage = open_clip(write_rgb(tmp_path / "in.mkv", [picture] * 30))
    still = tracklet(1, 60, 0, 30, opens=True, closes=True)
    moved = still.landmarks + np.array([40.0, 30.0])
    if not hider:
        moved[:15, :, 0] -= 70.0
    face = replace(still, landmarks=moved, poses=fit_poses(moved))
    large = tracklet(2, 110, 0, 15, opens=True, closes=True)
    found = sightings(
        footage,
        [face],
        (0, 30),
        everyone=[face, large] if hider else [face],
        count=1,
        ease=0.2,
        scale=1,
    )
    assert list(found) == [15]


@pytest.mark.usefixtures("square_detector")
def test_only_the_persons_that_are_wanted_count(tmp_path: Path, clip: Path) -> None:
    """Track 2 stands large in the last frames only."""
    footage, given = open_clip(clip), tmp_path / "in.json"
    tracks = Tracks((tracklet(1, 90, 0, 30), tracklet(2, 60, 40, 60)))
    write_tracks(given, tracks, footage)
    spans = []
    for only in ((1,), (2,)):
        wish = replace(WISH, part=PartSettings(only=only))
        spans.append(range_to_show(footage, wish, 0.4, given, lambda *_: None)[0])
    assert spans[0][1] <= 31
    assert spans[1][0] >= 39
    wish = replace(WISH, part=PartSettings("20f", "50f", skip=(1,)))
    make_preview(clip, tmp_path / "out.mp4", wish, tracks=given)
    alone = png(tmp_path / "out.png").shape[0]
    wish = replace(WISH, part=PartSettings("20f", "50f"))
    make_preview(clip, tmp_path / "two.mp4", wish, tracks=given)
    assert png(tmp_path / "two.png").shape[0] > alone + 200


@pytest.mark.usefixtures("square_detector")
def test_faces_too_small_to_be_enhanced_do_not_draw_the_preview(clip: Path) -> None:
    wish = replace(WISH, track=TrackSettings(min_eyes=30.0))
    _, notes = range_to_show(open_clip(clip), wish, 0.4, None, lambda *_: None)
    assert any("no face" in note for note in notes)


@pytest.mark.usefixtures("square_detector")
def test_the_wipe_moves_with_time_and_times_count_from_the_first_frame(tmp_path: Path) -> None:
    bright = [np.full((128, 192, 3), 30, np.uint8)] * 50
    pictures = [
        VideoFrame.from_ndarray(f, format="rgb24").reformat(format="yuv420p") for f in bright
    ]
    clip = write_clip(tmp_path / "in.mkv", pts=range(10, 60), size=(192, 128), pictures=pictures)
    wish = replace(WISH, part=PartSettings("0", "2"))
    summary = make_preview(clip, tmp_path / "out.mp4", wish, layout="wipe")
    assert summary.start_seconds == 0
    assert summary.end_seconds == pytest.approx(2.0)
    frames = [planes[0][100].astype(int) for planes in decoded(tmp_path / "out.mp4")]
    lines = [int(row.argmax()) for row in frames]
    assert lines[0] == 96
    assert lines[25] == pytest.approx(96 + 0.35 * 192, abs=1)
    assert lines == sorted(lines[:26]) + sorted(lines[26:], reverse=True)


@pytest.mark.usefixtures("square_detector")
def test_what_exists_is_not_replaced_unless_asked(tmp_path: Path, clip: Path) -> None:
    wish = replace(WISH, part=PartSettings("0f", "5f"))
    calls: list[str] = []
    for name in ("out.mp4", "out.png"):
        (tmp_path / name).write_bytes(b"precious")
        with pytest.raises(OutputError, match=name):
            make_preview(
                clip, tmp_path / "out.mp4", wish, progress=lambda step, *_: calls.append(step)
            )
        assert (tmp_path / name).read_bytes() == b"precious"
        (tmp_path / name).unlink()
    assert calls == []
    (tmp_path / "out.png").write_bytes(b"old")
    make_preview(clip, tmp_path / "out.mp4", wish, overwrite=True)
    assert (tmp_path / "out.png").read_bytes() != b"old"


@pytest.mark.usefixtures("square_detector")
def test_what_cannot_be_is_refused_before_any_work(tmp_path: Path, clip: Path) -> None:
    before = clip.read_bytes()
    with pytest.raises(OutputError, match="is the input itself"):
        make_preview(clip, clip, WISH, overwrite=True)
    with pytest.raises(ContainerError, match=r"\.webm"):
        make_preview(clip, tmp_path / "out.webm", WISH)
    with pytest.raises(UsageError, match=r"out\.jpg"):
        make_preview(clip, tmp_path / "out.mp4", WISH, sheet=tmp_path / "out.jpg")
    with pytest.raises(UsageError, match="--seconds 0"):
        make_preview(clip, tmp_path / "out.mp4", WISH, seconds=0)
    with pytest.raises(UsageError, match=r"at\.mp4"):
        preview_frame(clip, tmp_path / "at.mp4", "1f", WISH)
    with pytest.raises(UsageError, match="--at"):
        preview_frame(clip, tmp_path / "at.png", "999", WISH)
    with pytest.raises(InputError):
        make_preview(tmp_path / "missing.mp4", tmp_path / "out.mp4", WISH)
    assert leftovers(tmp_path) == []
    assert clip.read_bytes() == before


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("step", ["look", "detect", "render", "compare"])
def test_a_stop_leaves_nothing(tmp_path: Path, clip: Path, step: str) -> None:
    seen: list[str] = []
    with pytest.raises(Stopped) as caught:
        make_preview(
            clip,
            tmp_path / "out.mp4",
            WISH,
            progress=lambda name, *_: seen.append(name),
            stop=lambda: step in seen,
        )
    assert caught.value.job is None
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("square_detector")
def test_a_failure_while_comparing_leaves_nothing(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OutputError("no space")

    monkeypatch.setattr(import_module("videnhance.job.preview.make"), "cell", fail)
    with pytest.raises(OutputError, match="no space"):
        make_preview(clip, tmp_path / "out.mp4", WISH)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("square_detector")
def test_pictures_too_large_for_players_are_shown_smaller(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videnhance.show.pairs.LARGEST", 480)
    wish = replace(WISH, output=OutputSettings(scale=2), part=PartSettings("1f", "4f"))
    summary = make_preview(clip, tmp_path / "out.mp4", wish)
    luma = decoded(tmp_path / "out.mp4")[1][0]
    assert luma.shape[1] == 482
    assert 160 < luma.shape[0] < 160 + 2 * BAR
    assert any("240x160" in note for note in summary.notes)
    frame = preview_frame(clip, tmp_path / "at.png", "1f", wish)
    assert png(tmp_path / "at.png").shape[1] == 2 * 384 + 2
    assert frame.notes == ()


@pytest.mark.parametrize(
    ("whole", "layout", "size"),
    [
        ((720, 1280), "side", (720, 1280)),
        ((720, 1280), "stack", (720, 1280)),
        ((1440, 2560), "side", (1080, 1920)),
        ((1440, 2560), "wipe", (1440, 2560)),
        ((2880, 5120), "wipe", (2160, 3840)),
        ((2880, 5120), "stack", (1920, 3413)),
    ],
)
def test_the_size_shown(whole: tuple[int, int], layout: Layout, size: tuple[int, int]) -> None:
    assert shown_size(whole, layout) == size


class Ticks:
    """A clock that is told the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_counts_frames_not_start_up() -> None:
    """Looking takes 0.1 s a frame after 50 s of loading, rendering 0.5 s after 9 s."""
    clock, heard = Ticks(), []
    pace = Pace(lambda step, done, total: heard.append((step, done, total)), clock)
    pace.tell("detect", 0, 40)
    for k in range(40):
        clock.now += 50.0 if k == 0 else 0.1
        pace.tell("detect", k + 1, 40)
    pace.tell("render", 0, 20)
    for k in range(20):
        clock.now += 9.0 if k == 0 else 0.25
        pace.tell("render", k + 1, 20)
    clock.now += 19 * 0.25  # the encoder is still at work
    pace.tell("mux", 1, 20)
    whole = pace.whole(1000, {"plan": 3.0, "detect": 53.9, "render": 18.5})
    assert whole == pytest.approx(3.0 + 1000 * (0.1 + 0.5))
    assert len(heard) == 40 + 1 + 20 + 1 + 1


def test_no_estimate_from_too_few_frames() -> None:
    clock = Ticks()
    pace = Pace(lambda *_: None, clock)
    for k in range(3):
        clock.now += 1
        pace.tell("render", k + 1, 3)
    assert pace.whole(1000, {}) is None
    assert Pace(lambda *_: None, clock).whole(1000, {}) is None


def test_without_looking_only_rendering_counts() -> None:
    """With tracks given there is no detect step."""
    clock = Ticks()
    pace = Pace(lambda *_: None, clock)
    for k in range(11):
        clock.now += 2
        pace.tell("render", k + 1, 11)
    assert pace.whole(100, {"plan": 1.0}) == pytest.approx(201.0)
