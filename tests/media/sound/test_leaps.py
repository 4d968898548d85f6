"""One packet of sound whose time is spoilt moves no other, and lies in its place itself."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.making.odd_clips import Sound, write_odd_clip
from tests.making.settings import UNCHANGED
from videnhance.job.run import enhance
from videnhance.media.repair.mending import without_leaps
from videnhance.settings.groups import (
    PartSettings,
)

_HEADER, _SIZE_AFTER = 11, 4  # of a tag of FLV (Video File Format Specification 10.1, E.4)
_SOUND = 8


def sound_tags(data: bytes | bytearray) -> list[int]:
    """Where the tags of sound begin in an FLV, but for the first, which holds the codec's setup."""
    at, found = 9 + _SIZE_AFTER, []
    while at + _HEADER < len(data):
        if data[at] == _SOUND:
            found.append(at)
        at += _HEADER + int.from_bytes(data[at + 1 : at + 4], "big") + _SIZE_AFTER
    return found[1:]


def with_leap(folder: Path, number: int) -> tuple[Path, Path]:
    """A clip, and the same with 4.7 hours added to the time of one packet of sound."""
    source = write_odd_clip(
        folder / "in.flv", codec="libx264", pix_fmt="yuv420p", sounds=(Sound("aac", rate=44100),)
    )
    data = bytearray(source.read_bytes())
    data[sound_tags(data)[number] + 7] = 1  # the highest byte of its milliseconds
    bad = folder / "bad.flv"
    bad.write_bytes(data)
    return source, bad


def heard(path: Path) -> list[tuple[bytes, Fraction]]:
    with av.open(str(path)) as container:
        found = container.demux(audio=0)
        return [(bytes(p), (p.pts or 0) * Fraction(p.time_base or 0)) for p in found if p.size]


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("number", [0, 1, 4])
def test_it_is_put_between_its_neighbours(tmp_path: Path, number: int) -> None:
    source, bad = with_leap(tmp_path, number)
    out = tmp_path / "out.mkv"
    keeping = replace(UNCHANGED, output=replace(UNCHANGED.output, keep_origin=True))
    summary = enhance(bad, out, keeping)
    assert summary.check is not None
    assert summary.check.repaired == 1
    assert len(heard(out)) > 5
    for (was, then), (data, now) in zip(heard(source), heard(out), strict=True):
        assert data == was
        assert abs(now - then) <= Fraction(2, 1000)  # FLV's own times are rounded to one


@pytest.mark.usefixtures("square_detector")
def test_a_part_of_the_clip_has_its_sound(tmp_path: Path) -> None:
    source, bad = with_leap(tmp_path, 2)
    found = []
    for clip in (source, bad):
        out = clip.with_suffix(".mkv")
        enhance(clip, out, replace(UNCHANGED, part=PartSettings("1f", "5f")))
        found.append([data for data, _ in heard(out)])
    assert found[0] == found[1]
    assert len(found[0]) > 3


@pytest.mark.parametrize(
    ("times", "mended"),
    [
        ([0, 640, 1280, 1920], [0, 640, 1280, 1920]),
        ([0, 640, 90000, 90640], [0, 640, 90000, 90640]),  # nothing was recorded between
        ([80000, 80640, 0, 640], [80000, 80640, 0, 640]),  # the clock was set back
        ([0, 640, 7000, 1920], [0, 640, 7000, 1920]),  # no more than containers interleave
        ([0, 90000, 1280, 1920], [0, 640, 1280, 1920]),
        ([90000, 640, 1280, 1920], [0, 640, 1280, 1920]),
        ([0, 640, 1280, 90000], [0, 640, 1280, 90000]),  # what comes after is not known
    ],
)
def test_only_a_single_time_ahead_of_both_its_neighbours_is_wrong(
    tmp_path: Path, times: list[int], mended: list[int]
) -> None:
    sounds = (Sound("pcm_s16le", rate=16000),)
    clip = write_odd_clip(tmp_path / "in.mkv", codec="ffv1", pix_fmt="yuv420p", sounds=sounds)
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        packets = [p for p in container.demux(stream) if p.size][: len(times)]
        for packet, time in zip(packets, times, strict=True):
            packet.time_base = Fraction(1, 16000)
            packet.pts = packet.dts = time
            packet.duration = 640
        told: list[int] = []
        assert [p.pts for p in without_leaps(packets, told.append)] == mended
        assert told == ([stream.index] if mended != times else [])
