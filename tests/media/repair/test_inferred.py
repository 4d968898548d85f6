"""Times that FFmpeg infers where a file holds none: lengths of last frames, rates, times of frames
that share a packet. The truth is what was written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.making.clips import add_video, decoded, picture, times
from tests.making.odd_clips import FORMATS
from tests.making.settings import UNCHANGED
from videnhance.cli.report import probe_facts
from videnhance.job.run import enhance
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import recording_of

RATE = 25
KINDS = [
    *((suffix, "libx264") for suffix in (".mp4", ".mov", ".mkv", ".ts", ".flv", ".wmv", ".avi")),
    *((".ts", codec) for codec in ("mpeg2video", "mpeg1video", "libx265")),
    *((suffix, "mpeg4") for suffix in (".avi", ".mkv", ".mp4")),
    *((".wmv", codec) for codec in ("wmv2", "mpeg4")),
    *((".mkv", codec) for codec in ("mjpeg", "ffv1", "mpeg2video")),
    (".gif", "gif"),
    (".webm", "libvpx"),
]


def write_paced(
    path: Path, codec: str, step: Fraction, frames: int, options: dict[str, str] | None = None
) -> Path:
    """Frames `step` apart, in seconds, of a stream that declares 25 a second wherever it can."""
    form = FORMATS.get(path.suffix, path.suffix[1:])
    with av.open(str(path), "w", format=form) as container:
        pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        stream = add_video(container, codec, (160, 120), pix_fmt, rate=RATE, options=options)
        stream.codec_context.time_base = Fraction(1, RATE)
        packets = []
        for index in range(frames):
            frame = picture(index, 160, 120).reformat(format=pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            # In a tick of a millisecond, that every container can tell, or AVI's of a place.
            unit = Fraction(1, RATE) if form == "avi" else Fraction(1, 1000)
            scale = step / unit
            packet.pts, packet.dts = (round((t or 0) * scale) for t in (packet.pts, packet.dts))
            packet.time_base, packet.duration = unit, round(scale)
            container.mux(packet)
    return path


def lengths(path: Path) -> list[float]:
    line = recording_of(probe(path)).timeline
    steps = [*np.diff(line.pts).tolist(), line.last_duration]
    return [float(step * line.time_base) for step in steps]


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
@pytest.mark.parametrize("step", [Fraction(2, 25), Fraction(1), Fraction(60)])
def test_the_last_frame_lasts_as_long_as_the_others(
    tmp_path: Path, suffix: str, codec: str, step: Fraction
) -> None:
    source = write_paced(
        tmp_path / f"in{suffix}",
        codec,
        step,
        6,
        {"bf": "0"} if codec in ("libx264", "mpeg4", "mpeg2video", "mpeg1video") else {},
    )
    found = lengths(source)
    assert len(found) == 6
    assert found == pytest.approx([float(step)] * 6, abs=0.0101 if suffix == ".gif" else 0.0021)
    facts = probe_facts(source)
    assert Fraction(facts["video"]["average_rate"]) == pytest.approx(1 / step, rel=0.02)
    assert facts["problem"] is None


def shared(path: Path) -> int:
    """The number of frames that have no time of their own in the file."""
    with av.open(str(path)) as container:
        container.flags = (container.flags & ~1) | 0x10
        return sum(p.size > 0 and p.pts is None for p in container.demux(video=0))


@pytest.mark.parametrize("codec", ["mpeg2video", "mpeg1video", "libx264"])
@pytest.mark.parametrize("bframes", ["0", "2"])
@pytest.mark.parametrize("step", [Fraction(1, 25), Fraction(2, 25), Fraction(3, 25)])
def test_frames_that_share_a_packet_are_where_they_were_put(
    tmp_path: Path, codec: str, bframes: str, step: Fraction
) -> None:
    source = write_paced(tmp_path / "in.mpg", codec, step, 80, {"bf": bframes, "g": "12"})
    assert shared(source) > 30
    found = lengths(source)[:-10]  # of the last ones, no later time shows where they belong
    assert found == pytest.approx([float(step)] * 70, abs=0.002)
    line = recording_of(probe(source)).timeline
    assert line.last_duration * line.time_base == pytest.approx(float(step), abs=0.002)
    rate = Fraction(probe_facts(source)["video"]["average_rate"])
    assert rate == pytest.approx(1 / step, rel=0.05)


@pytest.mark.usefixtures("square_detector")
def test_the_output_of_such_a_file_has_its_times(tmp_path: Path) -> None:
    source = write_paced(tmp_path / "in.mpg", "mpeg2video", Fraction(3, 25), 40, {"bf": "0"})
    enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert np.diff([float(t) for t in times(tmp_path / "out.mkv")])[:30] == pytest.approx(
        [0.12] * 30, abs=0.003
    )
    for one, other in zip(decoded(source), decoded(tmp_path / "out.mkv"), strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(one, other, strict=True))
