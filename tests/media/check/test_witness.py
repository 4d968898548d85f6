"""The witness finds times that a reader made up, and has them from the bytes of the file."""

from __future__ import annotations

import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.making.clips import add_video, picture
from tests.making.flash import BEGINS, write_flash
from tests.making.settings import UNCHANGED
from videnhance.errors import CheckError
from videnhance.job.run import enhance
from videnhance.media.check import witness
from videnhance.media.check.witness import Span, confirm_times
from videnhance.media.reading import source as reading
from videnhance.media.reading.source import probe
from videnhance.media.repair import scan
from videnhance.media.repair.avi_index import index_of
from videnhance.media.repair.recording import recording_of


@pytest.mark.usefixtures("square_detector")
def test_a_time_that_a_library_made_up_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_flash(tmp_path / "in.avi", "libx264", "pcm_s16le")
    monkeypatch.setattr(reading, "take_stored_times", lambda container: None)
    monkeypatch.setattr(reading, "lacks_pts", lambda container, packet: False)
    monkeypatch.setattr(scan, "index_of", lambda path, stream: None)
    with pytest.raises(CheckError, match=r"shown at 0\.100000 s, but the file has it at 0\.000000"):
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


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4", ".ts", ".mpg", ".flv"])
def test_of_a_range_the_beginning_and_the_range_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A range of a long file costs no reading of the whole; a time that is moved in it is found,
    and so are times that are all moved by one frame, which only the beginning shows."""
    source = write_long(tmp_path / f"in{suffix}")
    found = recording_of(probe(source))
    line, out = found.timeline, tmp_path / "out.mkv"
    read: list[int] = []
    plain = witness._Clock.since_first

    def counted(clock: witness._Clock, time: int) -> int:
        read.append(time)
        return plain(clock, time)

    monkeypatch.setattr(witness._Clock, "since_first", counted)
    assert confirm_times(out, found, Span(900, 925)) == (25 if suffix != ".mpg" else 1)
    assert len(read) < 300
    step = line.pts[1] - line.pts[0]
    pts = list(line.pts)
    if suffix != ".mpg":  # where dozens of such small frames share one time
        moved = pts[910] + max(step * 2 // 3, 1)
        object.__setattr__(line, "pts", (*pts[:910], moved, *pts[911:]))
        with pytest.raises(CheckError, match=r"a frame is shown at \d+\.\d+ s"):
            confirm_times(out, found, Span(900, 925))
    if suffix not in (".avi", ".mpg"):  # an index is small, and read whole
        assert confirm_times(out, found, Span(1000, 1025)) == 25
    object.__setattr__(line, "pts", tuple(time + step for time in pts))
    with pytest.raises(CheckError, match=r"a frame is shown at"):
        confirm_times(out, found, Span(900, 925))


def test_what_it_holds_are_eight_bytes_a_frame(tmp_path: Path) -> None:
    source = write_long(tmp_path / "in.mkv")
    found = recording_of(probe(source))
    confirm_times(tmp_path / "out.mkv", found)  # what is made once
    tracemalloc.start()
    confirm_times(tmp_path / "out.mkv", found)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100 * len(found.timeline)


def test_the_index_of_an_avi_is_read_without_ffmpeg(tmp_path: Path) -> None:
    source = write_flash(tmp_path / "in.avi", "mjpeg", "pcm_s16le", BEGINS["late picture"])
    tenths = [Fraction(4 + k, 10) for k in range(12)]
    assert times_in(source) == tenths
    assert index_of(source, 1) is None  # the sound
    data = source.read_bytes()
    at = data.rindex(b"idx1")
    source.write_bytes(data[:at] + b"JUNK" + data[at + 4 :])
    assert index_of(source, 0) is None
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
    assert times_in(source) == [tenths[k] for k in (0, 1, 3)]


def write_long(path: Path) -> Path:
    """48 seconds, of which 36 are stored before frame 900."""
    codec, form = ("mpeg2video", "vob") if path.suffix == ".mpg" else ("libx264", None)
    options = {"g": "25", "bf": "0", "preset": "ultrafast"}
    with av.open(str(path), "w", format=form) as container:
        stream = add_video(container, codec, options=options)
        for index in range(1200):
            container.mux(stream.encode(picture(index, 64, 48)))
        container.mux(stream.encode(None))
    return path


def times_in(path: Path) -> list[Fraction]:
    index = index_of(path, 0)
    assert index is not None
    return [int(number) * index.tick for number in index.numbers]


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
