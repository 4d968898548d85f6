"""AVI whose recorder wrote an empty chunk for each frame that it dropped: the file is whole, and
the frame before is shown on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet

from tests.making.clips import add_video, picture, times
from tests.making.settings import UNCHANGED
from videnhance.errors import TruncatedError
from videnhance.job.run import enhance
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import recording_of
from videnhance.settings.groups import OutputSettings, SourceSettings

PLACES = 20
STRICT = replace(UNCHANGED, source=SourceSettings(strict=True))
EVERY_SECOND, AT_THE_END = range(0, PLACES, 2), range(6)
IN_BETWEEN = (0, 1, 2, 3, 9, 10, 11, 18)


def write_dropped(path: Path, places: Sequence[int], codec: str = "mjpeg") -> Path:
    """An AVI of PLACES places at 25 a second, of which only these have a frame."""
    with av.open(str(path), "w") as container:
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream = add_video(container, codec, pix_fmt=pix_fmt, options={"bf": "0"})
        stream.codec_context.time_base = Fraction(1, 25)
        for place in places:
            frame = picture(place, 64, 48, pix_fmt)
            frame.pts, frame.time_base = place, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if places[-1] < PLACES - 1:
            last = Packet(b"")
            last.stream, last.time_base = stream, Fraction(1, 25)
            last.pts = last.dts = PLACES - 1
            container.mux(last)
    return path


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("codec", ["mjpeg", "libx264", "mpeg4"])
@pytest.mark.parametrize("places", [EVERY_SECOND, AT_THE_END, IN_BETWEEN])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi"])
def test_it_is_whole_and_shown_to_its_end(
    tmp_path: Path, codec: str, places: Sequence[int], suffix: str
) -> None:
    source = write_dropped(tmp_path / "in.avi", places, codec)
    with av.open(str(source)) as container:
        assert container.streams.video[0].frames == PLACES
    output = tmp_path / f"out{suffix}"
    summary = enhance(source, output, STRICT)
    assert summary.check is not None
    assert summary.check.seconds == PLACES / 25
    assert summary.check.witnessed == len(places)
    assert not any("cut off" in note for note in summary.notes)
    if suffix != ".avi":
        assert [round(t * 25) for t in times(output)] == list(places)
    end = recording_of(probe(output)).timeline
    assert (end.pts[-1] - end.pts[0] + end.last_duration) * end.time_base == Fraction(PLACES, 25)


@pytest.mark.usefixtures("square_detector")
def test_a_file_that_lacks_what_its_index_lists_is_cut_off(tmp_path: Path) -> None:
    source = write_dropped(tmp_path / "in.avi", range(PLACES))
    data = bytearray(source.read_bytes())
    at = data.rindex(b"00dc", 0, data.rindex(b"idx1"))
    data[at : at + 8] = b"JUNK" + data[at + 4 : at + 8]
    source.write_bytes(data)
    assert any("holds 19 of 20 frames" in note for note in recording_of(probe(source)).notes)
    with pytest.raises(TruncatedError, match="holds 19 of 20 frames"):
        enhance(source, tmp_path / "out.mkv", STRICT)


def test_a_place_that_no_chunk_has_is_not_a_frame_s(tmp_path: Path) -> None:
    """FFmpeg counts what looks like a chunk in a damaged header, so all frames seem one late."""
    source = write_dropped(tmp_path / "in.avi", range(PLACES))
    data = bytearray(source.read_bytes())
    at = data.index(b"JUNK")
    (length,) = struct.unpack_from("<I", data, at + 4)
    struct.pack_into("<I", data, at + 4, length | 1 << 31)
    source.write_bytes(data)
    with av.open(str(source)) as container:
        assert next(p.dts for p in container.demux(video=0)) == 1
    found = recording_of(probe(source))
    assert found.timeline.pts == tuple(range(PLACES))


@pytest.mark.usefixtures("square_detector")
def test_an_output_in_avi_is_read_as_it_was_meant(tmp_path: Path) -> None:
    source = write_dropped(tmp_path / "in.avi", IN_BETWEEN)
    wish = replace(STRICT, output=OutputSettings(codec="h264"))
    enhance(source, tmp_path / "out.avi", wish)
    enhance(tmp_path / "out.avi", tmp_path / "again.mkv", STRICT)
    assert [round(t * 25) for t in times(tmp_path / "again.mkv")] == list(IN_BETWEEN)
