"""Whole jobs over clips that are mostly empty: frames without faces are the source's packets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.making.clips import UNEVEN, decoded, packets, square_frames, times, write_clip
from videnhance.errors import CheckError, Stopped
from videnhance.job import plan
from videnhance.job.directory.record import read_record
from videnhance.job.plan import make_plan
from videnhance.job.run import enhance
from videnhance.job.summary import Summary
from videnhance.media.check.untouched import compare_untouched
from videnhance.media.opening import open_clip
from videnhance.media.reading.groups import Group, Untouched, closed_groups, header_of
from videnhance.media.reading.h264 import Header
from videnhance.media.reading.source import probe
from videnhance.settings.groups import (
    DetectSettings,
    FinishSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
)

SETTINGS = Settings(
    detect=DetectSettings(detector="square", every=1),
    restore=RestoreSettings(restorer="fusion"),
    output=OutputSettings(preset="ultrafast"),
)
SIZE, GOP, FRAMES = (128, 96), 8, 48
SEEN = range(18, 29)
"""The frames with a face; so those of 16..32 are encoded."""
ENCODED = range(16, 32)


def pictures(frames: int = FRAMES) -> list[VideoFrame]:
    """A noisy room in which a face is seen in some frames."""
    random = np.random.default_rng(1)
    faces = square_frames(frames, size=SIZE, side=40)
    shown = []
    for index, face in enumerate(faces):
        room = random.integers(40, 80, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        shown.append(VideoFrame.from_ndarray(face if index in SEEN else room, format="rgb24"))
    return [frame.reformat(format="yuv420p") for frame in shown]


def corridor(
    path: Path, options: dict[str, str] | None = None, audio: str | None = None, rate: int = 8000
) -> Path:
    """The pictures in H.264, with a group of GOP pictures each."""
    given = {"g": str(GOP), "bf": "2", "crf": "25", "x264-params": "scenecut=0"}
    return write_clip(
        path,
        pts=range(FRAMES),
        size=SIZE,
        pictures=pictures(),
        options=given | (options or {}),
        audio=audio,
        rate=rate,
    )


def untouched(source: Path, output: Path, first: int = 0) -> list[int]:
    """The frames of the output whose pictures are the source's bit for bit."""
    before = decoded(source)[first:]
    return [
        k
        for k, (one, other) in enumerate(zip(before, decoded(output), strict=False), first)
        if all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    ]


OUTSIDE = [k for k in range(FRAMES) if k not in ENCODED]


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(
    ("source", "output", "options"),
    [
        ("in.mp4", "out.mp4", {}),
        ("in.mkv", "out.mov", {"bf": "0"}),
        ("in.ts", "out.mp4", {"x264-params": "scenecut=0:b-pyramid=normal", "bf": "3"}),
        ("in.mov", "out.mkv", {"profile": "baseline"}),
        ("in.flv", "out.mp4", {"profile": "main"}),
    ],
)
def test_frames_without_faces_are_the_source_s_bit_for_bit(
    tmp_path: Path, source: str, output: str, options: dict[str, str]
) -> None:
    sound = ("mp2", 48000) if source == "in.ts" else ("aac", 8000)
    clip = corridor(tmp_path / source, options, *sound)
    out = tmp_path / output
    summary = enhance(clip, out, SETTINGS)
    assert untouched(clip, out) == OUTSIDE
    assert summary.check is not None and summary.check.untouched == len(OUTSIDE)
    assert [round(float(t - times(out)[0]), 3) for t in times(out)] == [
        round(float(t - times(clip)[0]), 3) for t in times(clip)
    ]
    assert packets(clip, "audio") == packets(out, "audio")


@pytest.mark.usefixtures("square_detector")
def test_every_frame_can_be_sought(tmp_path: Path) -> None:
    clip, out = corridor(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    enhance(clip, out, SETTINGS)
    whole = decoded(out)
    for index in (47, 31, 32, 16, 15, 20, 40, 5):
        with av.open(str(out)) as container:
            stream = container.streams.video[0]
            pts = round(index / 25 / Fraction(stream.time_base or 1))
            container.seek(pts, stream=stream)
            frame = next(f for f in container.decode(stream) if f.pts == pts)
            luma = frame.to_ndarray()[: SIZE[1]]
        np.testing.assert_array_equal(luma, whole[index][0])


@pytest.mark.usefixtures("square_detector")
def test_the_header_has_the_parameter_sets_of_both(tmp_path: Path) -> None:
    clip, out = corridor(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    enhance(clip, out, SETTINGS)
    source, written = header_of(probe(clip)), header_of(probe(out))
    assert len(written.sps) == len(written.pps) == 2
    assert written.sps[:1] == source.sps and written.pps[:1] == source.pps
    assert written.ids == {0, 1}
    assert Header.of(written.encoded()) == written


@pytest.mark.usefixtures("square_detector")
def test_a_stopped_job_goes_on_to_the_same_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", 10)
    clip = corridor(tmp_path / "in.mp4")
    enhance(clip, tmp_path / "whole.mp4", SETTINGS)
    out, job = tmp_path / "out.mp4", tmp_path / "job"
    with pytest.raises(Stopped):
        enhance(
            clip, out, SETTINGS, job_dir=job, stop=lambda: (job / "segments/00000.mp4").exists()
        )
    record = read_record(job / "job.json")
    assert [(s.start, s.stop) for s in record.segments] == [(16, 20), (20, 30), (30, 32)]
    assert [(s.start, s.stop) for s in record.untouched] == [(0, 16), (32, 48)]
    summary = enhance(clip, out, SETTINGS, job_dir=job)
    assert summary.believed == 4
    assert out.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.usefixtures("square_detector")
def test_a_part_copies_the_groups_within_it(tmp_path: Path) -> None:
    clip, out = corridor(tmp_path / "in.mp4", audio="aac"), tmp_path / "out.mp4"
    part = PartSettings(start="4f", end="44f")
    summary = enhance(clip, out, replace(SETTINGS, part=part))
    assert untouched(clip, out, 4) == [*range(8, 16), *range(32, 40)]
    assert summary.check is not None and summary.check.untouched == 16


@pytest.mark.usefixtures("square_detector")
def test_a_clip_without_any_face_is_copied_whole(tmp_path: Path) -> None:
    settings = replace(SETTINGS, detect=DetectSettings(detector="square", threshold=0.95))
    room = [frame for k, frame in enumerate(pictures()) if k not in ENCODED]
    for name in ("in.mp4", "in.ts"):
        clip = write_clip(
            tmp_path / name, pts=range(len(room)), size=SIZE, pictures=room, options={"g": "8"}
        )
        for suffix in (".mp4", ".mkv"):
            out = tmp_path / f"{name}{suffix}"
            summary = enhance(clip, out, settings)
            assert summary.check is not None and summary.check.untouched == len(room)
            assert untouched(clip, out) == list(range(len(room)))


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, output=OutputSettings(preset="ultrafast", copy="off")),
        replace(SETTINGS, output=OutputSettings(codec="ffv1")),
        replace(SETTINGS, output=OutputSettings(preset="ultrafast", scale=2)),
        replace(SETTINGS, finish=FinishSettings(contrast=1.1)),
    ],
)
def test_nothing_is_copied_where_frames_are_to_change(tmp_path: Path, settings: Settings) -> None:
    clip = corridor(tmp_path / "in.mp4")
    assert make_plan(clip, tmp_path / "out.mp4", SETTINGS).copyable is not None
    assert make_plan(clip, tmp_path / "out.mp4", settings).copyable is None


def why_not(summary: Summary) -> str:
    return next((note for note in summary.notes if "not copied" in note), "")


@pytest.mark.usefixtures("square_detector")
def test_pictures_of_copied_frames_are_written_too(tmp_path: Path) -> None:
    clip, folder = corridor(tmp_path / "in.mp4"), tmp_path / "frames"
    output = replace(SETTINGS.output, frames=str(folder))
    summary = enhance(clip, tmp_path / "out.mp4", replace(SETTINGS, output=output))
    assert summary.check is not None and summary.check.untouched == len(OUTSIDE)
    assert len(list(folder.glob("*.png"))) == FRAMES


@pytest.mark.usefixtures("square_detector")
def test_it_is_told_why_a_source_is_not_copied(tmp_path: Path) -> None:
    woven = corridor(tmp_path / "woven.mp4", {"flags": "+ildct"})
    assert "interlaced" in why_not(enhance(woven, tmp_path / "one.mp4", SETTINGS))
    raw = corridor(tmp_path / "raw.h264")
    assert "repaired" in why_not(enhance(raw, tmp_path / "two.mp4", SETTINGS))


@pytest.mark.usefixtures("square_detector")
def test_an_open_group_is_none(tmp_path: Path) -> None:
    opened = {"flags": "-cgop", "x264-params": "open-gop=1:scenecut=0:bframes=3:b-adapt=0"}
    clip, out = corridor(tmp_path / "in.mp4", opened), tmp_path / "out.mp4"
    summary = enhance(clip, out, SETTINGS)
    assert summary.check is not None and summary.check.untouched == 0
    assert "closed" in why_not(summary)


def groups_of(path: Path) -> list[tuple[int, int]]:
    info = probe(path)
    recorded = open_clip(info).recorded
    return [(g.start, g.stop) for g in closed_groups(info, recorded.timeline, header_of(info))]


def test_groups_are_those_between_idr_pictures(tmp_path: Path) -> None:
    clip = corridor(tmp_path / "in.mp4")
    assert groups_of(clip) == [(k, k + GOP) for k in range(0, FRAMES, GOP)]
    uneven = write_clip(tmp_path / "uneven.mkv", pts=UNEVEN, time_base=Fraction(1, 1000))
    assert groups_of(uneven) == [(0, len(UNEVEN))]


def test_other_parameter_sets_in_the_stream_end_the_copying(tmp_path: Path) -> None:
    one = corridor(tmp_path / "one.ts")
    other = corridor(tmp_path / "other.ts", {"refs": "1", "bf": "0"})
    header = header_of(probe(other))
    info = probe(one)
    assert not closed_groups(info, open_clip(info).recorded.timeline, header)


@pytest.mark.usefixtures("square_detector")
def test_the_check_finds_a_changed_picture(tmp_path: Path) -> None:
    clip, out = corridor(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    enhance(clip, out, SETTINGS)
    info = probe(clip)
    runs = (Group(0, 16, 0), Group(32, 48, 0))
    expected = Untouched(header_of(info), runs)
    assert compare_untouched(out, out, open_clip(info), expected, (0, FRAMES)) == 32
    encoded = Untouched(header_of(info), (Group(16, 24, 0),))
    with pytest.raises(CheckError, match="frame 16 is not the source's"):
        compare_untouched(out, out, open_clip(info), encoded, (0, FRAMES))
