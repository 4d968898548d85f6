"""Timecodes in ranges: moved on to their first frame, or said to be left out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.making.clips import write_clip
from tests.making.settings import UNCHANGED
from tests.making.several import write_videos
from videnhance import enhance
from videnhance.media.writing.timecode import later
from videnhance.settings.groups import OutputSettings, PartSettings

NTSC, TWICE = Fraction(30000, 1001), Fraction(60000, 1001)


def counted(a_second: int, dropped: int, minutes: int) -> list[str]:
    """Every timecode of the first minutes, by the rule itself."""
    return [
        f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}{';' if dropped else ':'}{frame:02d}"
        for minute in range(minutes)
        for second in range(60)
        for frame in range(a_second)
        if not (second == 0 and minute % 10 and frame < dropped)
    ]


@pytest.mark.parametrize(
    ("rate", "a_second", "dropped"),
    [(Fraction(25), 25, 0), (NTSC, 30, 2), (NTSC, 30, 0), (TWICE, 60, 4), (Fraction(24), 24, 0)],
)
def test_it_goes_on_by_the_frames_between(rate: Fraction, a_second: int, dropped: int) -> None:
    codes = counted(a_second, dropped, 62)
    for begin in (0, 1, 1799, 1800, 17981, 17982, 17983, 35964, 40001):
        for step in (1, 2, 29, 30, 1797, 1798, 1799, 17982, 53946 - 1800):
            if begin + step < len(codes):
                assert later(codes[begin], step / rate, rate) == codes[begin + step]


def test_a_day_has_24_hours() -> None:
    assert later("23:59:59:24", Fraction(1, 25), Fraction(25)) == "00:00:00:00"
    assert later("23:59:59;29", 1 / NTSC, NTSC) == "00:00:00;00"


@pytest.mark.parametrize(
    ("code", "rate"),
    [
        ("10:11:12:13", Fraction(1000)),
        ("10:11", Fraction(25)),
        ("10:11:12:30", Fraction(25)),
        ("10:11:12;13", Fraction(25)),
    ],
)
def test_what_is_no_timecode_of_this_rate_is_not_moved(code: str, rate: Fraction) -> None:
    assert later(code, Fraction(1), rate) is None
    assert later(code, Fraction(1), None) is None


def timecodes(path: Path) -> set[str]:
    with av.open(str(path)) as container:
        every = [container.metadata, *(stream.metadata for stream in container.streams)]
    return {v for one in every for k, v in one.items() if k.lower() == "timecode"}


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_a_range_has_the_timecode_of_its_first_frame(tmp_path: Path, suffix: str) -> None:
    source = write_videos(tmp_path / "in.mov", [(64, 48)], timecode="10:11:12:13")
    assert timecodes(source) == {"10:11:12:13"}
    wish = replace(UNCHANGED, output=OutputSettings(), part=PartSettings(start="14f"))
    summary = enhance(source, tmp_path / f"out{suffix}", wish)
    assert timecodes(tmp_path / f"out{suffix}") == {"10:11:13:02"}
    assert not any("timecode" in note for note in summary.notes)
    # And on from there, by way of Matroska's tags.
    wish = replace(wish, part=PartSettings(start="1f"))
    enhance(tmp_path / f"out{suffix}", tmp_path / "on.mkv", wish)
    assert timecodes(tmp_path / "on.mkv") == {"10:11:13:03"}


@pytest.mark.usefixtures("square_detector")
def test_one_that_cannot_be_moved_or_held_is_told(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "plain.mkv")
    with av.open(str(source)) as a, av.open(str(tmp_path / "in.mkv"), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        stream.metadata["timecode"] = "ten past eleven"
        for packet in a.demux():
            if packet.size:
                packet.stream = stream
                b.mux(packet)
    wish = replace(UNCHANGED, part=PartSettings(start="2f"))
    summary = enhance(tmp_path / "in.mkv", tmp_path / "out.mkv", wish)
    assert any("timecode, ten past eleven, cannot be moved on" in n for n in summary.notes)
    assert timecodes(tmp_path / "out.mkv") == set()
    source = write_videos(tmp_path / "in.mov", [(64, 48)], timecode="10:11:12:13")
    summary = enhance(source, tmp_path / "out.avi", wish)
    assert any(".avi does not keep of video stream 0: timecode 10:11" in n for n in summary.notes)
