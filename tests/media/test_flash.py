"""Sound and picture of an output belong together as they were made: a white picture and a click at
known times, in every container and codec. What is known comes from how the clip was made
(tests/making/flash.py), not from any reader. scripts/flash_table.py prints what is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making.flash_rows import AAC, LATE, MP2, MP3, B, Row, all_rows, measured

ONE = ("together",)

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

FEW = {row.named(begin): (row, begin) for row in ROWS for begin in row.begins}
REST = {row.named(begin): (row, begin) for row in all_rows() for begin in row.begins}
REST = {name: case for name, case in REST.items() if name not in FEW}


def stays_together(row: Row, begin: str, folder: Path, suffix: str) -> None:
    found = measured(row, begin, folder, suffix)
    assert found.summary.check is not None
    repaired = any("no time of" in note for note in found.summary.notes)  # so the file holds none
    # ASF has times of decoding only.
    assert found.summary.check.witnessed or repaired or row.suffix == ".wmv"
    assert abs(found.away) < found.half, f"{found.away * 1000:.1f} ms"
    assert abs(found.first) < found.half, f"{found.first * 1000:.1f} ms"
    assert found.is_same


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(("row", "begin"), FEW.values(), ids=FEW)
def test_a_flash_and_a_click_stay_together(tmp_path: Path, row: Row, begin: str) -> None:
    stays_together(row, begin, tmp_path, ".mkv")


@pytest.mark.slow
@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(("row", "begin"), REST.values(), ids=REST)
def test_they_do_in_every_container_and_codec(tmp_path: Path, row: Row, begin: str) -> None:
    fits = row.sound[0] != "pcm_s16le" and row.suffix != ".mkv"
    stays_together(row, begin, tmp_path, ".mp4" if fits and row.reordered else ".mkv")
