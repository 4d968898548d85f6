"""Sound and picture of an output belong together as they were made: a white picture and a click at
known times, in every container and codec. What is known comes from how the clip was made
(tests/making/flash.py), not from any reader."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.making.flash import BEGINS, CLICK, FLASH, moments, write_flash
from tests.making.settings import UNCHANGED
from videnhance.job.run import enhance


class Row(NamedTuple):
    """A container and a codec; `sound`: codec, rate; `begins`: names of BEGINS."""

    suffix: str
    codec: str
    reordered: bool = False
    sound: tuple[str, int] = ("pcm_s16le", 8000)
    rate: int = 10
    begins: tuple[str, ...] = tuple(BEGINS)


LATE, ONE = tuple(BEGINS)[:3], ("together",)
AAC, MP2, MP3 = ("aac", 48000), ("mp2", 16000), ("libmp3lame", 48000)
B = (False, True)

ROWS = [
    *(Row(".avi", "libx264", b, begins=LATE) for b in B),
    *(Row(".avi", "libx264", b, s, begins=ONE) for b in B for s in (AAC, MP3, ("ac3", 48000))),
    *(Row(".avi", "libx265", b, begins=("late sound",)) for b in B),
    *(Row(".avi", "mpeg4", b, begins=LATE) for b in B),
    *(Row(".avi", codec, begins=ONE) for codec in ("mjpeg", "ffv1")),
    Row(".avi", "mjpeg", False, AAC, begins=("late picture",)),
    Row(".mp4", "libx264", True, AAC),
    Row(".mkv", "libx264", False, AAC),
    *(Row(s, "libx264", b, AAC, begins=ONE) for s, b in ((".mp4", False), (".mkv", True))),
    Row(".mov", "libx264", True),
    *(Row(s, "libx265", True, AAC, begins=("negative",)) for s in (".mp4", ".mov", ".mkv")),
    *(Row(s, "mpeg4", True, AAC, begins=("late sound",)) for s in (".mp4", ".mov", ".mkv")),
    *(Row(s, "mjpeg", False, AAC, begins=("late picture",)) for s in (".mp4", ".mov", ".mkv")),
    *(Row(s, "libvpx-vp9", False, AAC, begins=("negative",)) for s in (".mp4", ".mkv")),
    Row(".mkv", "ffv1"),
    Row(".webm", "libvpx-vp9", False, ("libopus", 48000)),
    Row(".ts", "libx264", True, MP2, 25),
    Row(".ts", "libx264", False, MP2, 25, ONE),
    *(Row(".ts", codec, True, MP2, 25, ("negative",)) for codec in ("libx265", "mpeg2video")),
    *(Row(".mpg", "mpeg2video", b, MP2, 25, LATE) for b in B),
    *(Row(".mpg", "libx264", b, MP2, 25, ONE) for b in B),
    Row(".flv", "libx264", True, ("aac", 44100), begins=LATE),
    Row(".flv", "libx264", False, ("aac", 44100), begins=ONE),
    Row(".flv", "flv", False, ("aac", 44100), begins=ONE),
    Row(".wmv", "libx264", True, MP3, begins=LATE),
    Row(".wmv", "libx264", False, MP3, begins=ONE),
    *(Row(".wmv", "mpeg4", b, MP3, begins=ONE) for b in B),
    Row(".wmv", "wmv2", False, MP3, begins=ONE),
]

CASES = [
    pytest.param(
        row,
        begin,
        id=" ".join((row.suffix, row.codec, "B" if row.reordered else "-", row.sound[0], begin)),
    )
    for row in ROWS
    for begin in row.begins
]


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(("row", "begin"), CASES)
def test_a_flash_and_a_click_stay_together(tmp_path: Path, row: Row, begin: str) -> None:
    begins = BEGINS[begin]
    sound, samples = row.sound
    source = write_flash(
        tmp_path / f"in{row.suffix}",
        row.codec,
        sound,
        begins,
        reordered=row.reordered,
        rate=row.rate,
        samples=samples,
    )
    output = tmp_path / "out.mkv"
    summary = enhance(source, output, UNCHANGED)
    assert summary.check is not None
    repaired = any("no time of" in note for note in summary.notes)  # so the file holds none
    assert summary.check.witnessed or repaired or row.suffix == ".wmv"  # which has dts only
    before, after = moments(source), moments(output)
    half = 0.5 / row.rate
    flash = after.times[after.flash]
    away = after.click - flash - float(CLICK - FLASH)
    assert abs(away) < half, f"{away * 1000:.1f} ms"
    # MP4 and MOV hide what is before 0 by an edit list; the first frame shown is then at 0.
    hidden = row.suffix in (".mp4", ".mov")
    first = Fraction(0) if hidden and begins.picture < 0 else begins.picture
    assert abs(flash - after.times[0] - float(FLASH - first)) < half
    assert len(after.pictures) == len(before.pictures)
    for one, other in zip(before.pictures, after.pictures, strict=True):
        np.testing.assert_array_equal(other, one)
