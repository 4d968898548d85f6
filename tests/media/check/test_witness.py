"""The witness finds times that a reader made up, and has them from the bytes of the file."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from tests.making.flash import BEGINS, write_flash
from tests.making.settings import UNCHANGED
from videnhance.errors import CheckError
from videnhance.job.run import enhance
from videnhance.media.check.avi_index import begins_of
from videnhance.media.check.witness import confirm_times
from videnhance.media.reading import source as reading
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import recording_of


@pytest.mark.usefixtures("square_detector")
def test_a_time_that_a_library_made_up_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_flash(tmp_path / "in.avi", "libx264", "pcm_s16le")
    monkeypatch.setattr(reading, "take_stored_times", lambda container: None)
    monkeypatch.setattr(reading, "lacks_pts", lambda container, packet: False)
    with pytest.raises(CheckError, match=r"shown at 1\.600000 s, but the file has it at 1\.500000"):
        enhance(source, tmp_path / "out.mkv", UNCHANGED)


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4", ".ts", ".flv"])
def test_a_frame_that_is_moved_is_found(tmp_path: Path, suffix: str) -> None:
    source = write_flash(tmp_path / f"in{suffix}", "libx264", "aac", samples=44100)
    found = recording_of(probe(source))
    assert confirm_times(tmp_path / "out.mkv", found) == 16
    line = found.timeline
    step = line.pts[1] - line.pts[0]
    object.__setattr__(line, "pts", tuple(time + step for time in line.pts))
    with pytest.raises(CheckError, match=r"out\.mkv: a frame is shown at"):
        confirm_times(tmp_path / "out.mkv", found)


def test_the_index_of_an_avi_is_read_without_ffmpeg(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.avi", "mjpeg", "pcm_s16le", BEGINS["late picture"])
    tenths = [Fraction(4 + k, 10) for k in range(12)]
    assert begins_of(source) == {0: tuple(tenths), 1: (Fraction(0),)}
    data = source.read_bytes()
    at = data.rindex(b"idx1")
    source.write_bytes(data[:at] + b"JUNK" + data[at + 4 :])
    assert begins_of(source) is None
    # The same index as OpenDML writes it, in a chunk of its own at the end, the third frame empty.
    sizes = [5, 5, 0, 5]
    part = struct.pack("<4sIHBBI4sQI", b"ix00", 24 + 32, 2, 0, 1, 4, b"00dc", 0, 0)
    part += b"".join(struct.pack("<II", 8, size) for size in sizes)
    entry = struct.pack("<HBBI4s12xQII", 4, 0, 0, 1, b"00dc", len(data) + 24, len(part), 4)
    head = struct.pack("<4sI", b"indx", len(entry)) + entry
    whole = bytearray(_inserted(source.read_bytes(), b"strf", head))
    at = whole.index(b"indx")
    struct.pack_into("<Q", whole, at + 8 + 24, len(whole))
    source.write_bytes(bytes(whole) + part)
    assert begins_of(source) == {0: tuple(tenths[k] for k in (0, 1, 3))}


def _inserted(data: bytes, before: bytes, chunk: bytes) -> bytes:
    """The AVI with a chunk before the first of that name, all lists around it made longer."""
    at, whole = data.index(before), bytearray(data)
    for name in (b"RIFF", b"LIST"):
        for place in _places(data[:at], name):
            (length,) = struct.unpack_from("<I", data, place + 4)
            if place + 8 + length > at:
                struct.pack_into("<I", whole, place + 4, length + len(chunk))
    return bytes(whole[:at]) + chunk + bytes(whole[at:])


def _places(data: bytes, name: bytes) -> list[int]:
    return [k for k in range(len(data)) if data.startswith(name, k)]
