"""Several videos in one file: which is enhanced, and what becomes of the others."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from tests.making.clips import write_clip
from tests.making.settings import UNCHANGED
from tests.making.several import write_videos
from videnhance import Settings, detect_tracks, enhance, make_preview
from videnhance.cli.report import summary_text
from videnhance.errors import Stopped, UsageError
from videnhance.media.reading.source import probe
from videnhance.media.writing.marks import ENHANCED
from videnhance.settings.groups import (
    EvidenceSettings,
    FinishSettings,
    OutputSettings,
    PartSettings,
    SourceSettings,
)

SMALL, LARGE = (64, 48), (96, 64)


def of_stream(number: str) -> Settings:
    return replace(UNCHANGED, source=SourceSettings(stream=number))


def data(path: Path, number: int) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams[number]) if p.size]


def shown(path: Path, number: int) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        stream = container.streams[number]
        assert isinstance(stream, VideoStream)
        return [frame.to_ndarray() for frame in container.decode(stream)]


def codecs(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [s.codec_context.codec.canonical_name for s in container.streams.video]


def test_the_largest_is_chosen_and_of_equals_the_first(tmp_path: Path) -> None:
    assert probe(write_videos(tmp_path / "a.mp4", [SMALL, LARGE, SMALL])).stream == 1
    assert probe(write_videos(tmp_path / "b.mkv", [LARGE, SMALL])).stream == 0
    equal = write_videos(tmp_path / "c.ts", [SMALL, (48, 64), SMALL])
    assert probe(equal).stream == 0
    assert probe(equal, index=2).stream == 2
    assert (probe(equal, index=1).width, probe(equal, index=1).height) == (48, 64)


def test_a_cover_is_no_video_however_large(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [LARGE, SMALL], covers=(0,), count=5)
    info = probe(source)
    assert (info.codec, info.width) == ("h264", 64)
    cover = next(stream.index for stream in info.streams if stream.is_cover)
    with pytest.raises(UsageError, match=rf"--stream {cover}: .*video streams: {info.stream}$"):
        probe(source, index=cover)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_the_others_are_copied_and_told(tmp_path: Path, suffix: str) -> None:
    source = write_videos(tmp_path / f"in{suffix}", [SMALL, LARGE, SMALL])
    for wish, own in ((UNCHANGED, 1), (of_stream("0"), 0), (of_stream("2"), 2)):
        out = tmp_path / f"out{own}.mkv"
        summary = enhance(source, out, wish)
        assert codecs(out) == ["ffv1" if k == own else "h264" for k in range(3)]
        others = {0, 1, 2} - {own}
        for number in others:
            assert shown(out, number)[0].shape == shown(source, number)[0].shape
            for one, other in zip(shown(out, number), shown(source, number), strict=True):
                np.testing.assert_array_equal(one, other)
        for one, other in zip(shown(out, own), shown(source, own), strict=True):
            np.testing.assert_array_equal(one, other)
        told = [note for note in summary.notes if "is copied as it is, with its faces" in note]
        assert [note[:14] for note in told] == [f"video stream {k}" for k in sorted(others)]
        assert summary.check is not None
        assert summary.check.witnessed == 25


def moments(path: Path, number: int) -> list[Fraction]:
    """When the packets of a video are shown, in their order."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[number])
        return [Fraction(p.pts or 0) * Fraction(p.time_base) for p in packets if p.size]


@pytest.mark.usefixtures("square_detector")
def test_a_copied_video_keeps_its_times_in_mp4(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [LARGE, SMALL], rates=(25, 60))
    enhance(source, tmp_path / "out.mp4", UNCHANGED)
    assert moments(tmp_path / "out.mp4", 1) == moments(source, 1)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_b_frames_copied_from_matroska_keep_their_times(tmp_path: Path, suffix: str) -> None:
    """Matroska stores no times of decoding; FFmpeg finds them only from the third frame on."""
    source = write_videos(tmp_path / "in.mkv", [LARGE, SMALL], reordered=True)
    assert moments(source, 1) != sorted(moments(source, 1))
    enhance(source, tmp_path / f"out{suffix}", UNCHANGED)
    assert moments(tmp_path / f"out{suffix}", 1) == moments(source, 1)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_every_one_of_them(tmp_path: Path, suffix: str) -> None:
    source = write_videos(tmp_path / f"in{suffix}", [SMALL, LARGE, SMALL], reordered=True)
    out = tmp_path / "out.mkv"
    summary = enhance(source, out, of_stream("all"))
    assert codecs(out) == ["ffv1"] * 3
    for number in range(3):
        for one, other in zip(shown(out, number), shown(source, number), strict=True):
            np.testing.assert_array_equal(one, other)
        assert sorted(moments(out, number)) == [Fraction(k, 25) for k in range(25)]
    assert [one.video for one in (*summary.others, summary)] == [0, 1, 2]
    assert all(one.output == out for one in summary.others)
    assert not any("faces" in note for one in (*summary.others, summary) for note in one.notes)
    assert summary_text(summary).count(f"{out} (video stream") == 3
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"in{suffix}", "out.mkv", "out.mkv.json"]


@pytest.mark.usefixtures("square_detector")
def test_the_mark_of_the_first_is_not_told_as_the_input_s(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [SMALL, LARGE], count=5)
    graded = replace(of_stream("all"), finish=FinishSettings(brightness=0.1))
    summary = enhance(source, tmp_path / "out.mkv", graded)
    assert summary.mark == ENHANCED
    assert not any("is marked" in n for one in (*summary.others, summary) for n in one.notes)


@pytest.mark.usefixtures("square_detector")
def test_every_one_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [SMALL, LARGE])
    out = tmp_path / "out.mkv"
    folder = tmp_path / "out.mkv.videnhance"

    def stop() -> bool:
        return (folder / "0.mkv").exists()

    with pytest.raises(Stopped) as stopped:
        enhance(source, out, of_stream("all"), stop=stop)
    assert stopped.value.job is None
    first = (folder / "0.mkv").stat().st_mtime_ns
    assert not out.exists()
    enhance(source, out, of_stream("all"), keep_job=True)
    assert (folder / "0.mkv").stat().st_mtime_ns == first
    assert codecs(out) == ["ffv1"] * 2


def test_what_is_of_one_video_is_refused_for_every_one(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [SMALL, LARGE], count=5)
    wish = of_stream("all")
    for other in (
        replace(wish, part=PartSettings(start="1f")),
        replace(wish, part=PartSettings(only=(1,))),
        replace(wish, output=OutputSettings(stills=str(tmp_path / "stills"))),
        replace(wish, evidence=EvidenceSettings(sign=("chain.pem", "key.pem"))),
    ):
        with pytest.raises(UsageError, match=r"--stream all: .* is of one video"):
            enhance(source, tmp_path / "out.mkv", other)
    with pytest.raises(UsageError, match=r"--stream all: detect is of one video"):
        detect_tracks(source, tmp_path / "out.json", wish)
    with pytest.raises(UsageError, match=r"--stream all: a preview is of one video"):
        make_preview(source, tmp_path / "look.mkv", wish)


@pytest.mark.usefixtures("square_detector")
def test_a_range_of_the_second(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [SMALL, LARGE])
    for end, said in (("20f", "has no keyframe in the range and is left out"), ("24f", "0.320 s")):
        out = tmp_path / f"out{end}.mp4"
        wish = replace(UNCHANGED, part=PartSettings(start="12f", end=end))
        summary = enhance(source, out, wish)
        assert any(said in note for note in summary.notes)
        assert summary.frames == int(end[:2]) - 12
    assert codecs(tmp_path / "out20f.mp4") == ["ffv1"]
    assert codecs(tmp_path / "out24f.mp4") == ["h264", "ffv1"]
    found = shown(tmp_path / "out24f.mp4", 1)
    assert len(found) == 12
    for one, other in zip(found, shown(source, 1)[12:], strict=False):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "1000", ""])
def test_what_is_no_number_of_a_stream_is_refused(number: str) -> None:
    with pytest.raises(UsageError, match=r"--stream .*: takes the number of a video stream"):
        of_stream(number)


def test_a_stream_that_is_no_video_is_refused(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", audio="aac", pts=range(5))
    for number in (1, 7):
        with pytest.raises(UsageError, match=f"--stream {number}: .*its video streams: 0"):
            probe(source, index=number)
