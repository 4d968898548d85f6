"""A range of a video as an output of its own: its frames, and the sound that belongs to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition

from tests.making.captions import captioned
from tests.making.clips import (
    UNEVEN,
    add_sound,
    add_video,
    decoded,
    packets,
    picture,
    times,
    write_clip,
)
from tests.making.passing import through
from tests.making.timelines import read_timeline
from videnhance.errors import OutputError
from videnhance.media.check.frames import Check, read_contents
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe
from videnhance.media.sound.cutting import lasting
from videnhance.media.timeline import Segment
from videnhance.media.writing import mux as mux_module
from videnhance.media.writing.mux import Cut, mux
from videnhance.media.writing.streams import Copying

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
    rate: int = RATE,
    lead: int = 0,
) -> Path:
    """Frames with B-frames at `pts`, and sound whose k-th sample has the value k.

    `begins`: the sound's first sample in 1/8000 s, here some 60 ms before the first frame.
    `block`: samples in a packet of PCM. `lead`: seconds by which sound is stored before the
    picture it belongs to.
    """
    options = {"video_track_timescale": "1000"} if path.suffix != ".mkv" else {}
    options |= {"max_interleave_delta": "1"} if lead else {}
    with av.open(str(path), "w", options=options) as container:
        video = add_video(container, "libx264", options={"bf": "2", "g": "7"})
        video.codec_context.time_base = BASE
        sound = add_sound(container, audio, rate)
        coded = []
        for index, tick in enumerate(pts):
            frame = picture(index, 64, 48)
            frame.pts, frame.time_base = tick, BASE
            coded += video.encode(frame)
        coded += video.encode(None)
        sounds = _ramp(sound, begins, samples, block or samples)
        # One picture must come first, or readers do not know what the video is.
        rest = [((p.dts or 0) / 1000, k, p) for k, p in enumerate(coded[1:])]
        rest += [((p.pts or 0) / rate - lead, k, p) for k, p in enumerate(sounds, len(coded))]
        container.mux([coded[0], *(packet for _, _, packet in sorted(rest))])
    return path


def _ramp(sound: AudioStream, begins: int, samples: int, block: int) -> list[Packet[Any]]:
    coded = []
    for first in range(0, samples, block):
        ramp = np.arange(first, min(first + block, samples)).astype(np.int16)
        frame = AudioFrame.from_ndarray(ramp[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = sound.codec_context.sample_rate, begins + first
        frame.time_base = Fraction(1, frame.sample_rate)
        coded += sound.encode(frame)
    return coded + sound.encode(None)


def heard(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Every sample that a player plays, and when, in seconds."""
    values, when = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert frame.pts is not None and frame.time_base is not None
            ramp = frame.to_ndarray()[0].astype(np.int64)
            values.append(ramp)
            when.append(
                float(frame.pts * frame.time_base) + np.arange(len(ramp)) / frame.sample_rate
            )
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
    assert times(out) == [t - true[0] for t in true]
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
    through(source, tmp_path / f"whole{suffix}", length=5)
    last = read_timeline(probe(source)).last_duration
    with av.open(str(tmp_path / f"whole{suffix}")) as container:
        assert container.streams.video[0].duration == SHOWN[-1] + last - SHOWN[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("stop", range(5, 12))
def test_the_last_frames_length_is_read_as_it_was_written(
    tmp_path: Path, suffix: str, stop: int
) -> None:
    source = write_clip(tmp_path / "in.mp4", pts=SHOWN, time_base=BASE)
    written = tmp_path / f"out{suffix}"
    through(source, written, length=5, cut=Cut(3, stop))
    timeline = read_timeline(probe(written))
    assert timeline.last_duration * timeline.time_base == (SHOWN[stop] - SHOWN[stop - 1]) * BASE


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
@pytest.mark.parametrize(("start", "stop"), [(4, 12), (9, 18), (0, 8), (8, 9)])
def test_sound_stays_with_the_picture(
    tmp_path: Path, audio: str, inside: str, outside: str, start: int, stop: int
) -> None:
    source = write_sounding(tmp_path / f"in{inside}", audio)
    out = tmp_path / f"out{outside}"
    through(source, out, length=4, preset="ultrafast", cut=Cut(start, stop))
    timeline = read_timeline(probe(source))
    assert [t * timeline.time_base for t in timeline.pts] == [t * BASE for t in SHOWN]
    after = (SHOWN[stop] if stop < len(SHOWN) else 99999) / 1000

    before, now = heard(source), heard(out)
    first = SHOWN[start] / 1000 if start else min(SHOWN[0] / 1000, before[1][0])
    assert (np.diff(now[0]) == 1).all()  # no sample is lost or doubled
    # Half a tick of the source's sound, and half a millisecond where the output is Matroska.
    slack = (0.0005 if inside == ".mkv" else 0.5 / RATE) + (0.0005 if outside == ".mkv" else 0)
    expected = before[1][now[0] - before[0][0]] - first
    assert np.abs(now[1] - expected).max() <= slack + 1e-9

    # All of the range is heard, after its end up to one packet more (576 samples of FLAC, none of
    # PCM); before it nothing, and in Matroska, which cannot cut into FLAC, up to a packet less.
    packet = 576 if audio == "flac" else 0
    within = before[0][(before[1] >= first) & (before[1] < after)]
    if start > 0:
        assert now[1][0] >= -slack
        assert within[0] - 8 <= now[0][0] <= within[0] + 8 + (packet if outside == ".mkv" else 0)
    assert within[-1] - 8 <= now[0][-1] <= within[-1] + 8 + packet


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
    if (inside, outside) == (".mp4", ".mkv"):
        kept = kept[1:]  # Matroska could only tell its time if the source declared a delay
    assert [data for _, data in now] == [data for _, data in kept]
    assert len(kept) >= 4
    tick = BASE if ".mkv" in (inside, outside) else Fraction(1, RATE)
    for (then, _), (there, _) in zip(kept, now, strict=True):
        assert abs(then - start - there) <= tick


@pytest.mark.parametrize("outside", [".mp4", ".mov", ".mkv"])
def test_a_range_with_one_packet_of_sound(tmp_path: Path, outside: str) -> None:
    source = write_clip(
        tmp_path / "in.mpg", codec="mpeg2video", pts=range(14), audio="mp2", rate=16000
    )
    shown = times(source)
    begin, data = sound_packets(source)[-1]
    assert shown[-1] - begin > Fraction(1, 50)  # more than the check allows
    out = tmp_path / f"out{outside}"
    through(source, out, length=14, preset="ultrafast", cut=Cut(13, 14))
    kept = [data] if outside != ".mkv" else []  # Matroska could not tell that it begins before 0
    assert [found for _, found in sound_packets(out)] == kept


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("start", [5, 7, 11])
def test_ticks_as_long_as_packets_do_not_move_sound(
    tmp_path: Path, suffix: str, start: int
) -> None:
    options = {"g": "1"}
    source = write_clip(
        tmp_path / "in.avi", pts=range(30), codec="mpeg4", audio="mp2", options=options, rate=16000
    )
    out = tmp_path / f"out{suffix}"
    through(source, out, preset="ultrafast", cut=Cut(start, 25))

    def begins(path: Path) -> list[tuple[bytes, Fraction]]:
        with av.open(str(path)) as container:
            found = [p for p in container.demux(audio=0) if p.size]
            return [(bytes(p), (p.pts or 0) * Fraction(p.time_base)) for p in found]

    before = begins(source)
    with av.open(str(source)) as container:
        tick = container.streams.audio[0].time_base
    assert tick is not None and tick > Fraction(1, 30)  # as long as a packet
    own = [time for data, time in before if data == begins(out)[3][0]]
    slack = Fraction(1, 16000) if suffix == ".mp4" else Fraction(1, 2000)
    moved = times(source)[start]
    assert min(abs(begins(out)[3][1] - (time - moved)) for time in own) <= slack


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


@pytest.mark.parametrize("lead", [0, 15, 100, -100])
@pytest.mark.parametrize("inside", [".mkv", ".mp4"])
def test_a_range_far_into_the_file_has_its_sound_wherever_it_is_stored(
    tmp_path: Path, inside: str, lead: int
) -> None:
    source = write_sounding(
        tmp_path / f"in{inside}",
        "flac",
        pts=tuple(range(0, 32000, 200)),
        begins=0,
        samples=32000,
        rate=1000,
        lead=lead,
    )
    through(source, tmp_path / "out.mp4", preset="ultrafast", cut=Cut(85, 90))
    values, when = heard(tmp_path / "out.mp4")
    # From 17 s, where sample 17000 is, to 18 s and the end of the packet.
    assert values[0] == 17000 and when[0] == 0
    assert 17999 <= values[-1] <= 17999 + 576


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
        # 0.566 s later: 7 of the clip's 12.1 frames a second.
        assert container.metadata["TIMECODE"] == "10:00:00:07"
    assert texts == [
        (0, 1300 - start, "begins before"),
        (1400 - start, end - 1400, "ends after"),
    ]
    assert [(a * base, b * base, name) for a, b, name in chapters] == [
        (0, (1200 - start) * BASE, "across"),
        ((1200 - start) * BASE, (1400 - start) * BASE, "in"),
    ]
    # To the end of the video, all that follows is whole.
    through(source, tmp_path / "rest.mkv", preset="ultrafast", cut=Cut(8, len(SHOWN)))
    with av.open(str(tmp_path / "rest.mkv")) as container:
        rest = [(p.pts, p.duration) for p in container.demux(subtitles=0) if p.size]
    ends = [(800, 1300), (1400, 9000), (2100, 9000)]
    assert rest == [(max(a - start, 0), b - max(a, start)) for a, b in ends]


def test_a_subtitle_that_began_long_before_the_range_is_found(tmp_path: Path) -> None:
    clip = write_sounding(
        tmp_path / "in.mkv",
        "flac",
        pts=tuple(range(0, 32000, 200)),
        begins=0,
        samples=32000,
        rate=1000,
    )
    text = "1\n00:00:01,000 --> 00:00:17,500\nlong\n\n2\n00:00:10,000 --> 00:00:11,000\nshort\n\n"
    source = captioned(tmp_path, clip, text)
    through(source, tmp_path / "out.mkv", preset="ultrafast", cut=Cut(85, 90))
    with av.open(str(tmp_path / "out.mkv")) as container:
        found = [p for p in container.demux(subtitles=0) if p.size]
        assert [(p.pts, p.duration, bytes(p)) for p in found] == [(0, 500, b"long")]


def test_a_range_from_the_first_frame_begins_with_the_sound_before_it(tmp_path: Path) -> None:
    source = captioned(tmp_path, write_sounding(tmp_path / "in.mkv", "flac"))
    out = tmp_path / "out.mkv"
    through(source, out, preset="ultrafast", cut=Cut(0, 9))
    before, now = sound_packets(source), sound_packets(out)
    first = before[0][0]
    assert times(out) == [t * BASE - first for t in SHOWN[:9]]
    assert now == [(time - first, data) for time, data in before[: len(now)]]
    assert first < SHOWN[0] * BASE  # the sound before the first frame belongs to it
    assert now[-1][0] + first < SHOWN[9] * BASE <= before[len(now)][0]
    with av.open(str(out)) as container:
        names = [chapter["metadata"]["title"] for chapter in container.chapters()]
    assert names == ["past", "across", "in"]


def test_a_range_of_all_frames_is_the_whole_video(tmp_path: Path) -> None:
    source = write_sounding(tmp_path / "in.mp4", "aac")
    through(source, tmp_path / "whole.mp4", length=5)
    through(source, tmp_path / "range.mp4", length=5, cut=Cut(0, len(SHOWN)))
    assert (tmp_path / "range.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize(
    ("inside", "suffix"), [(".mkv", ".mp4"), (".mp4", ".mp4"), (".mkv", ".mkv")]
)
def test_all_streams_find_their_way_out_of_the_cut(
    tmp_path: Path, inside: str, suffix: str
) -> None:
    """A cover stays, a second video begins at a keyframe of its own, in its place."""
    second = write_clip(
        tmp_path / "second.mp4", pts=SHOWN, time_base=BASE, options={"g": "6", "bf": "0"}
    )
    source = tmp_path / "in.mkv"
    _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))
    first = write_sounding(tmp_path / "first.mp4", "aac")
    with av.open(str(first)) as a, av.open(str(second)) as b, av.open(str(source), "w") as made:
        streams = (*a.streams, *b.streams)
        routes = [made.add_stream_from_template(stream, opaque=True) for stream in streams]
        made.add_attachment("cover.jpg", "image/jpeg", jpeg.tobytes())
        for container, offset in ((a, 0), (b, 2)):
            for packet in container.demux():
                if packet.size:
                    packet.stream = routes[offset + packet.stream_index]
                    made.mux(packet)
    if inside != ".mkv":
        through(source, tmp_path / f"in{inside}", preset="ultrafast")
    out = tmp_path / f"out{suffix}"
    through(tmp_path / f"in{inside}", out, preset="ultrafast", cut=Cut(4, 15))
    with av.open(str(out)) as container:
        videos = container.streams.video
        covers = [s for s in videos if s.disposition & Disposition.attached_pic]
        assert len(videos) - len(covers) == 2
        assert len(covers) == (1 if suffix == ".mp4" else 0)
        other = videos[1]
        shown = sorted(
            packet.pts * packet.time_base
            for packet in container.demux(other)
            if packet.size and packet.pts is not None
        )
    # Keyframes are 0, 6 and 12.
    assert shown == [(t - SHOWN[4]) * BASE for t in SHOWN[6:15]]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_range_in_which_there_is_no_sound(tmp_path: Path, suffix: str) -> None:
    source = write_sounding(tmp_path / "in.mp4", "aac", samples=2000)
    out = tmp_path / f"out{suffix}"
    through(source, out, preset="ultrafast", cut=Cut(10, 14))
    assert times(out) == [(t - SHOWN[10]) * BASE for t in SHOWN[10:14]]
    assert packets(out, "audio") == []


def test_packets_without_a_duration_last_until_the_next_of_their_stream() -> None:
    def packet(pts: int | None, duration: int) -> Packet[Any]:
        made: Packet[Any] = Packet(b"-")
        made.pts = made.dts = pts
        made.duration, made.time_base = duration, Fraction(1, 10)
        return made

    row = [(0, 2), (2, 0), (7, 0), (12, 0), (15, 0), (None, 0)]
    found = lasting(iter([packet(*entry) for entry in row]), Fraction(1))
    ends = [(one.pts, None if end is None else float(end)) for one, end in found]
    # Before 1 s it matters how long a packet lasts; later ones are kept whatever it is.
    assert ends == [(0, 0.2), (2, 0.7), (7, 1.2), (12, None), (15, None), (None, None)]
    found = lasting(iter([packet(3, 0)]), Fraction(1))
    assert [(one.pts, end) for one, end in found] == [(3, None)]


def segment_of(tmp_path: Path) -> tuple[Path, Path]:
    """A source of twelve frames, and its only segment."""
    source = write_clip(tmp_path / "in.mp4")
    through(source, tmp_path / "first.mp4")
    return source, tmp_path / "00000.mp4"


def joined(tmp_path: Path, output: Path, **given: Any) -> None:
    source, segment = segment_of(tmp_path)
    files = [(Segment(0, 0, 12), segment)]
    part = tmp_path / "part"
    mux(output, part, "mp4", open_clip(source), files, Copying((), ()), **given)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_is_missing_from_a_written_file_is_found(tmp_path: Path, suffix: str) -> None:
    part = write_clip(tmp_path / f"part{suffix}", pts=tuple(range(50)), audio="aac")
    read_contents(part, tmp_path / "out", 50)
    with pytest.raises(OutputError, match=r"out: is incomplete after writing \(50 of 51 frames\)"):
        read_contents(part, tmp_path / "out", 51)
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(OutputError, match=r"of 50 frames\): the disk may be full; make room"):
        read_contents(part, tmp_path / "out", 50)


def test_the_file_is_complete_before_it_is_put_in_place(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    seen: list[tuple[int, bool]] = []

    def complete(part: Path, found: Check) -> None:
        seen.append((len(times(part)), output.exists()))

    joined(tmp_path, output, complete=complete)
    assert seen == [(12, False)]
    assert output.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OutputError, RuntimeError])
@pytest.mark.parametrize("when", ["progress", "complete"])
def test_nothing_is_left_of_an_output_that_failed(
    tmp_path: Path, error: type[BaseException], when: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    with pytest.raises(error):
        joined(tmp_path, tmp_path / "out.mp4", **{when: fail})
    assert not (tmp_path / "part").exists()
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("muxer", ["mp4", "matroska"])
def test_a_disk_that_is_full_is_never_met_in_silence(tmp_path: Path, muxer: str) -> None:
    """Whatever the size at which the system refuses to write on, from the first byte to the last
    but one."""
    segment_of(tmp_path)
    script = f"""
import resource, pathlib
from videnhance.errors import OutputError
from videnhance.media.timeline import Segment
from videnhance.media.writing.streams import Copying
from videnhance.media.writing.mux import mux
from videnhance.media.opening import open_clip
folder = pathlib.Path({str(tmp_path)!r})
clip = open_clip(folder / "in.mp4")
files = [(Segment(0, 0, 12), folder / "00000.mp4")]
def write():
    mux(folder / "out", folder / "part", {muxer!r}, clip, files, Copying((), ()))
write()
size = (folder / "out").stat().st_size
(folder / "out").unlink()
for limit in (1, size // 2, size - 100, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write()
        print("silence at", limit, "of", size)
    except OutputError as error:
        assert "make room" in str(error), error
    assert not (folder / "out").exists() and not (folder / "part").exists()
print("done")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "done\n", done.stdout + done.stderr


def test_a_file_that_lost_its_end_in_writing_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mux_module._write

    def losing(part: Path, *given: Any) -> Any:
        held = whole(part, *given)
        part.write_bytes(part.read_bytes()[:-1])
        return held

    monkeypatch.setattr(mux_module, "_write", losing)
    source = write_clip(tmp_path / "in.mp4")
    with pytest.raises(OutputError, match=r"out\.mp4: is incomplete after writing \(\d+ of 12"):
        through(source, tmp_path / "out.mp4")
    assert not (tmp_path / "part").exists()
    assert not (tmp_path / "out.mp4").exists()
