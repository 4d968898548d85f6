"""A range of a video as an output of its own: its frames, and the sound that belongs to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tests.clips import decoded, picture, times, write_clip
from tests.test_video import UNEVEN, through
from videnhance.errors import OutputError
from videnhance.streams import Segment
from videnhance.video import packets as packets_module
from videnhance.video.mux import Copying, Cut, mux
from videnhance.video.source import probe, read_timeline

RATE = 8000
BASE = Fraction(1, 1000)
SHOWN = tuple(600 + 2 * t for t in UNEVEN)
"""pts in 1/1000 s: from 0.6 s to 2 s, uneven."""


def write_sounding(
    path: Path,
    audio: str,
    *,
    pts: Sequence[int] = SHOWN,
    begins: int = 4300,
    samples: int = 13000,
    block: int | None = None,
) -> Path:
    """Frames with B-frames at `pts`, and sound whose k-th sample has the value k.

    `begins`: the sound's first sample in 1/8000 s, here some 60 ms before the first frame.
    `block`: samples in a packet of PCM.
    """
    options = {"video_track_timescale": "1000"} if path.suffix != ".mkv" else {}
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "2", "g": "7"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = BASE
        sound = container.add_stream(audio, rate=RATE)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = "mono"
        for index, tick in enumerate(pts):
            frame = picture(index, 64, 48)
            frame.pts, frame.time_base = tick, BASE
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        _add_ramp(container, sound, begins, samples, block or samples)
    return path


def _add_ramp(
    container: OutputContainer, sound: AudioStream, begins: int, samples: int, block: int
) -> None:
    for first in range(0, samples, block):
        ramp = np.arange(first, min(first + block, samples)).astype(np.int16)
        frame = AudioFrame.from_ndarray(ramp[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, begins + first
        frame.time_base = Fraction(1, RATE)
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def heard(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Every sample that a player plays, and when, in seconds."""
    values, when = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert frame.pts is not None and frame.time_base is not None
            ramp = frame.to_ndarray()[0].astype(np.int64)
            values.append(ramp)
            when.append(float(frame.pts * frame.time_base) + np.arange(len(ramp)) / RATE)
    return np.concatenate(values), np.concatenate(when)


def sound_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """(second, data) of every packet of the first sound."""
    with av.open(str(path)) as container:
        return [
            (Fraction(packet.pts or 0) * Fraction(packet.time_base), bytes(packet))
            for packet in container.demux(audio=0)
            if packet.size
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("start", "stop"), [(0, 9), (4, 13), (5, 18), (17, 18), (6, 7)])
def test_the_frames_of_the_range_keep_their_distances(
    tmp_path: Path, suffix: str, start: int, stop: int
) -> None:
    source = write_clip(tmp_path / "in.mp4", pts=SHOWN, time_base=BASE)
    out = tmp_path / f"out{suffix}"
    through(source, out, length=4, preset="veryfast", cut=Cut(start, stop))
    true = [t * BASE for t in SHOWN[start:stop]]
    shift = true[0] if start else Fraction(0)
    assert times(out) == [t - shift for t in true]
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == []
    with av.open(str(out)) as container:
        dts = [p.dts for p in container.demux(video=0) if p.size and p.dts is not None]
        assert dts == sorted(set(dts))
    # In the order of display the pictures are the range's, first to last.
    whole, kept = decoded(source), decoded(out)
    assert len(kept) == stop - start
    for one, other in zip(whole[start:stop], kept, strict=True):
        assert np.abs(one[0].astype(int) - other[0]).mean() < 3


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_last_frame_is_shown_as_long_as_in_the_source(tmp_path: Path, suffix: str) -> None:
    source = write_clip(tmp_path / "in.mp4", pts=SHOWN, time_base=BASE)
    through(source, tmp_path / f"out{suffix}", length=5, cut=Cut(3, 9))
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.streams.video[0].duration == SHOWN[9] - SHOWN[3]


@pytest.mark.parametrize(
    ("audio", "inside", "outside"),
    [
        ("flac", ".mkv", ".mp4"),
        ("flac", ".mkv", ".mkv"),
        ("flac", ".mp4", ".mp4"),
        ("flac", ".mp4", ".mkv"),
        ("pcm_s16le", ".mkv", ".mkv"),
        ("pcm_s16le", ".mkv", ".mov"),
        ("pcm_s16le", ".mov", ".mov"),
        ("pcm_s16le", ".mov", ".mkv"),
    ],
)
@pytest.mark.parametrize(("start", "stop"), [(4, 12), (9, 18), (0, 8), (7, 8)])
def test_sound_stays_with_the_picture(
    tmp_path: Path, audio: str, inside: str, outside: str, start: int, stop: int
) -> None:
    source = write_sounding(tmp_path / f"in{inside}", audio)
    out = tmp_path / f"out{outside}"
    through(source, out, length=4, preset="ultrafast", cut=Cut(start, stop))
    timeline = read_timeline(probe(source))
    assert [t * timeline.time_base for t in timeline.pts] == [t * BASE for t in SHOWN]
    first = SHOWN[start] / 1000 if start else 0.0
    after = (SHOWN[stop] if stop < len(SHOWN) else 99999) / 1000

    before, now = heard(source), heard(out)
    assert (np.diff(now[0]) == 1).all()  # no sample is lost or doubled
    # Half a tick of the source's sound, and half a millisecond where the output is Matroska.
    slack = (0.0005 if inside == ".mkv" else 0.5 / RATE) + (0.0005 if outside == ".mkv" else 0)
    expected = before[1][now[0] - before[0][0]] - first
    assert np.abs(now[1] - expected).max() <= slack + 1e-9

    # All of the range is there, and no more of the rest than one packet; of PCM, nothing.
    within = before[0][(before[1] >= first) & (before[1] < after)]
    if start > 0 and outside != ".mkv":
        assert now[1][0] >= 0
    assert set(within[8:-8]) <= set(now[0])
    packet = 0 if audio.startswith("pcm") else 4608
    assert within[0] - packet - 8 <= now[0][0]
    assert now[0][-1] <= within[-1] + packet + 8


@pytest.mark.parametrize("outside", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("inside", [".mp4", ".mkv"])
def test_packets_that_overlap_the_range_are_copied_whole(
    tmp_path: Path, inside: str, outside: str
) -> None:
    source = write_sounding(tmp_path / f"in{inside}", "aac")
    out = tmp_path / f"out{outside}"
    through(source, out, length=4, preset="ultrafast", cut=Cut(5, 12))
    start, end = (SHOWN[k] * BASE for k in (5, 12))
    length = Fraction(1024, RATE)
    before, now = sound_packets(source), sound_packets(out)
    kept = [(t, data) for t, data in before if t + length > start and t < end]
    assert [data for _, data in now] == [data for _, data in kept]
    tick = BASE if ".mkv" in (inside, outside) else Fraction(1, RATE)
    for (then, _), (there, _) in zip(kept, now, strict=True):
        assert abs(then - start - there) <= tick


def test_pcm_in_packets_of_a_second_is_cut_to_the_sample(tmp_path: Path) -> None:
    source = write_sounding(tmp_path / "in.mkv", "pcm_s16le", begins=0, samples=20000, block=8000)
    assert [len(data) for _, data in sound_packets(source)] == [16000, 16000, 8000]
    through(source, tmp_path / "out.mkv", cut=Cut(3, 12))
    values, when = heard(tmp_path / "out.mkv")
    # Frames 3 and 12 are at 0.78 s and 1.6 s.
    assert values.tolist() == list(range(6240, 12800))
    assert when[0] == 0
    assert when[-1] == pytest.approx((12800 - 6240 - 1) / RATE, abs=0.0005)
    assert sound_packets(tmp_path / "out.mkv")[0][0] == 0


@pytest.mark.parametrize("inside", [".mkv", ".mp4"])
def test_a_range_far_into_the_file_is_entered_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    """The sound of the last second of half a minute is the same, read from the top or from near."""
    pts = tuple(range(0, 32000, 100))
    samples = 32000 - 600
    source = write_sounding(tmp_path / f"in{inside}", "flac", pts=pts, begins=0, samples=samples)
    cut = Cut(305, 312)
    through(source, tmp_path / "near.mkv", preset="ultrafast", cut=cut)
    monkeypatch.setattr(packets_module, "_can_enter", lambda *_: False)
    through(source, tmp_path / "top.mkv", preset="ultrafast", cut=cut)
    assert sound_packets(tmp_path / "near.mkv") == sound_packets(tmp_path / "top.mkv")


def captioned(tmp_path: Path, source: Path) -> Path:
    """The source with three subtitles and three chapters, in Matroska."""
    captions = tmp_path / "text.srt"
    captions.write_text(
        "1\n00:00:00,700 --> 00:00:01,050\nover before\n\n"
        "2\n00:00:00,800 --> 00:00:01,300\nbegins before\n\n"
        "3\n00:00:01,400 --> 00:00:09,000\nends after\n\n"
        "4\n00:00:02,100 --> 00:00:09,000\nbegins after\n\n"
    )
    made = tmp_path / "captioned.mkv"
    with (
        av.open(str(source)) as a,
        av.open(str(captions)) as text,
        av.open(str(made), "w") as b,
    ):
        routes = [b.add_stream_from_template(s, opaque=True) for s in (*a.streams, *text.streams)]
        b.metadata["title"] = "Camera 4"
        b.metadata["timecode"] = "10:00:00:00"
        b.set_chapters(
            [
                {
                    "id": k,
                    "start": start,
                    "end": end,
                    "time_base": BASE,
                    "metadata": {"title": name},
                }
                for k, (start, end, name) in enumerate(
                    [
                        (0, 1700, "past"),
                        (1700, 2100, "across"),
                        (2100, 2300, "in"),
                        (2700, 3000, "on"),
                    ]
                )
            ]
        )
        for packet in [*text.demux(), *a.demux()]:
            if packet.size:
                own = packet.stream.type == "subtitle"
                packet.stream = routes[-1] if own else routes[packet.stream_index]
                b.mux(packet)
    return made


def test_subtitles_and_chapters_are_cut_to_the_range(tmp_path: Path) -> None:
    source = captioned(tmp_path, write_sounding(tmp_path / "in.mkv", "flac"))
    out = tmp_path / "out.mkv"
    through(source, out, preset="ultrafast", cut=Cut(8, 14))  # from 1.166 s to 1.8 s
    start, end = SHOWN[8], SHOWN[14]
    with av.open(str(out)) as container:
        texts = [
            (packet.pts, packet.duration, bytes(packet).decode())
            for packet in container.demux(subtitles=0)
            if packet.size
        ]
        chapters = [(c["start"], c["end"], c["metadata"]["title"]) for c in container.chapters()]
        base = Fraction(container.chapters()[0]["time_base"] or 0)
        assert container.metadata["title"] == "Camera 4"
        assert "TIMECODE" not in {key.upper() for key in container.metadata}
    assert texts == [
        (0, 1300 - start, "begins before"),
        (1400 - start, end - 1400, "ends after"),
    ]
    assert [(a * base, b * base, name) for a, b, name in chapters] == [
        (0, (1200 - start) * BASE, "across"),
        ((1200 - start) * BASE, (1400 - start) * BASE, "in"),
    ]


def test_a_range_from_the_first_frame_moves_nothing(tmp_path: Path) -> None:
    source = captioned(tmp_path, write_sounding(tmp_path / "in.mkv", "flac"))
    out = tmp_path / "out.mkv"
    through(source, out, preset="ultrafast", cut=Cut(0, 9))
    assert times(out) == [t * BASE for t in SHOWN[:9]]
    before, now = sound_packets(source), sound_packets(out)
    assert now == before[: len(now)]
    assert now[0][0] < SHOWN[0] * BASE  # the sound before the first frame belongs to it
    assert now[-1][0] < SHOWN[9] * BASE <= before[len(now)][0]
    with av.open(str(out)) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["past", "across", "in"][
            :2
        ]


def test_a_range_of_all_frames_is_the_whole_video(tmp_path: Path) -> None:
    source = write_sounding(tmp_path / "in.mp4", "aac")
    through(source, tmp_path / "whole.mp4", length=5)
    through(source, tmp_path / "range.mp4", length=5, cut=Cut(0, len(SHOWN)))
    assert (tmp_path / "range.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
