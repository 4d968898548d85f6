"""The check of a finished output: it finds what was changed on purpose, and only that."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from tests.making.clips import square_frames, write_clip, write_rgb
from videnhance.cli.report import summary_text
from videnhance.errors import CheckError
from videnhance.job.run import enhance, resume
from videnhance.media.check.frames import Check, Expected, check, read_contents
from videnhance.media.check.sound import Sound, compare_samples
from videnhance.media.opening import open_clip
from videnhance.media.sound.cutting import Window
from videnhance.media.sound.packets import rising
from videnhance.media.writing import mux as mux_module
from videnhance.media.writing import packets as packets_module
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

FRAMES = 25
WHOLE = Window(None, None)
Change = Callable[["list[Packet[Any]]"], None]


def changed(source: Path, output: Path, change: Change) -> Path:
    """All packets of `source` in `output`, after `change` has had them."""
    options = {"video_track_timescale": "25"} if output.suffix == ".mp4" else {}
    with av.open(str(source)) as a, av.open(str(output), "w", options=options) as b:
        routes = [b.add_stream_from_template(stream, opaque=True) for stream in a.streams]
        packets = [packet for packet in a.demux() if packet.size]
        change(packets)
        for packet in packets:
            packet.stream = routes[packet.stream_index]
            b.mux(packet)
    return output


def of(packets: list[Packet[Any]], kind: str) -> list[Packet[Any]]:
    return [packet for packet in packets if packet.stream.type == kind]


def drop_sound(packets: list[Packet[Any]]) -> None:
    packets.remove(of(packets, "audio")[2])


def flip_sound(packets: list[Packet[Any]]) -> None:
    old = of(packets, "audio")[2]
    data = bytearray(bytes(old))
    data[len(data) // 2] ^= 1
    new: Packet[Any] = Packet(bytes(data))
    new.pts, new.dts, new.duration, new.time_base = old.pts, old.dts, old.duration, old.time_base
    new.stream = old.stream
    packets[packets.index(old)] = new


def swap_sound(packets: list[Packet[Any]]) -> None:
    one, other = of(packets, "audio")[2:4]
    assert bytes(one) != bytes(other)
    at, to = packets.index(one), packets.index(other)
    packets[at], packets[to] = other, one
    one.pts, one.dts, other.pts, other.dts = other.pts, other.dts, one.pts, one.dts


def delay_sound(seconds: Fraction) -> Change:
    def change(packets: list[Packet[Any]]) -> None:
        for packet in of(packets, "audio"):
            ticks = round(seconds / Fraction(packet.time_base))
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks

    return change


def delay_frame(packets: list[Packet[Any]]) -> None:
    """One frame by half of its length, the smallest step of MP4's ticks here being a frame."""
    packet = of(packets, "video")[10]
    assert packet.pts is not None
    assert packet.dts is not None
    ticks = max(round(Fraction(2, 1000) / Fraction(packet.time_base)), 1)
    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks


def lengthen(packets: list[Packet[Any]]) -> None:
    packet = of(packets, "video")[-1]
    packet.duration = 2 * max(packet.duration or 0, round(0.04 / packet.time_base))


def nothing(packets: list[Packet[Any]]) -> None:
    pass


def clip(folder: Path, audio: str = "aac", suffix: str = ".mkv") -> Path:
    # Frames of which each can be shown without any other: any time can be changed.
    return write_clip(
        folder / f"in{suffix}",
        codec="mpeg4",
        pts=range(0, 2 * FRAMES, 2),
        time_base=Fraction(1, 50),
        audio=audio,
        block=400,
        options={"g": "1"},
    )


def checked(source: Path, output: Path) -> Check:
    clip = open_clip(source)
    frames = len(clip.timeline)
    contents = read_contents(output, output, frames)
    kept = tuple(stream.index for stream in clip.info.streams)
    expected = Expected(clip, WHOLE, (0, frames), kept, {})
    return check(contents, output, expected)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("audio", ["aac", "flac", "libopus", "pcm_s16le", "pcm_alaw"])
def test_what_was_copied_as_it_is_passes(tmp_path: Path, audio: str, suffix: str) -> None:
    inside = ".mkv"
    if audio == "pcm_alaw":
        inside = suffix = ".mov"
    source = clip(tmp_path, audio, inside)
    found = checked(source, changed(source, tmp_path / f"out{suffix}", nothing))
    assert found.frames == FRAMES
    assert found.seconds == 1
    assert found.sounds == 1
    framed = not audio.startswith("pcm")  # else samples are compared, not packets
    assert (found.sound_packets > 0, found.sampled) == (framed, not framed)
    assert found.offset <= 0.0011  # two containers that count in milliseconds


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
@pytest.mark.parametrize("audio", ["aac", "pcm_s16le"])
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (drop_sound, r"of \d+ packets are there|has changed|samples differ"),
        (flip_sound, r"packet of \d+\.\d+ s has changed|samples differ"),
        (swap_sound, r"packet of \d+\.\d+ s has changed|samples differ"),
        (delay_sound(Fraction(25, 1000)), r"has moved by 2\d\.\d ms .* 20\.0 ms, half a frame"),
        (delay_frame, r"frame 10 is shown at \d\.\d+ s, not at 0\.400000 s"),
        (lengthen, r"last frame ends at 1\.0\d+ s, not at 1\.000000 s"),
    ],
)
def test_what_was_changed_is_found(
    tmp_path: Path, audio: str, suffix: str, change: Change, complaint: str
) -> None:
    source = clip(tmp_path, audio)
    output = changed(source, tmp_path / f"out{suffix}", change)
    with pytest.raises(CheckError, match=complaint):
        checked(source, output)


def test_a_sound_that_is_missing_is_found(tmp_path: Path) -> None:
    source = clip(tmp_path)
    silent = write_clip(
        tmp_path / "out.mkv", pts=range(0, 2 * FRAMES, 2), time_base=Fraction(1, 50)
    )
    with pytest.raises(CheckError, match="holds 0 of 1 streams of sound"):
        checked(source, silent)


def test_less_than_half_a_frame_is_told_and_no_more(tmp_path: Path) -> None:
    source = clip(tmp_path)
    output = changed(source, tmp_path / "out.mkv", delay_sound(Fraction(15, 1000)))
    assert checked(source, output).offset == pytest.approx(0.015)


def test_the_sound_that_moved_most_is_told(tmp_path: Path) -> None:
    one = clip(tmp_path, suffix=".mov")
    source, output = tmp_path / "two.mov", tmp_path / "out.mov"
    options = {"video_track_timescale": "50"}
    for path, late in ((source, 0), (output, 120)):  # of 8000 samples a second
        with av.open(str(one)) as a, av.open(str(path), "w", options=options) as b:
            video, sound = a.streams
            routes = [b.add_stream_from_template(s, opaque=True) for s in (video, sound, sound)]
            for packet in a.demux():
                if packet.size:
                    kind, data = packet.stream.type, bytes(packet)
                    for route in routes[:1] if kind == "video" else routes[1:]:
                        copy: Packet[Any] = Packet(data)
                        move = late if route is routes[1] else 0
                        copy.pts, copy.dts = (packet.pts or 0) + move, (packet.dts or 0) + move
                        copy.time_base, copy.duration = packet.time_base, packet.duration
                        copy.is_keyframe, copy.stream = packet.is_keyframe, route
                        b.mux(copy)
    found = checked(source, output)
    assert found.sounds == 2
    assert found.offset == pytest.approx(0.015)
    assert found.left_out == 0


@pytest.fixture
def settings(square_detector: str) -> Settings:
    return Settings(
        detect=DetectSettings(detector=square_detector),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1"),
    )


@pytest.fixture
def sounding(tmp_path: Path) -> Path:
    return write_rgb(tmp_path / "in.mkv", square_frames(25), audio="aac")


def test_the_check_is_told(tmp_path: Path, sounding: Path, settings: Settings) -> None:
    output, seen = tmp_path / "out.mkv", []

    def progress(step: str, done: int, total: int) -> None:
        seen.append((step, done, total))

    summary = enhance(sounding, output, settings, keep_job=True, progress=progress)
    found = summary.check
    assert found is not None
    assert (found.frames, found.seconds, found.sounds, found.offset) == (25, 1.0, 1, 0.0)
    assert ("check", 25, 25) in seen
    assert (
        f"checked: 25 frames at their times, 1.000 s; {found.sound_packets} packets of sound "
        in (summary_text(summary))
    )
    record = json.loads((tmp_path / "out.mkv.videnhance" / "job.json").read_text())
    assert record["check"] == found.as_json()
    # The job is finished: what is told again is what was found then.
    assert resume(tmp_path / "out.mkv.videnhance").check == found
    part = replace(settings, part=replace(settings.part, start="5f", end="15f"))
    assert (found := enhance(sounding, tmp_path / "part.mkv", part).check) is not None
    assert (found.frames, found.sounds) == (10, 1)
    assert found.seconds == pytest.approx(0.4)


def test_an_output_that_fails_is_kept_aside(
    tmp_path: Path, sounding: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packets_module.other_packets

    def deaf(*given: Any) -> Iterator[Any]:
        packets = list(real(*given))
        return iter([*packets[:2], *packets[3:]])

    output = tmp_path / "out.mkv"
    for aside in ("out.unverified.mkv", "out.unverified-2.mkv"):
        with (
            monkeypatch.context() as patch,
            pytest.raises(CheckError, match=f"kept as {aside}, not to be relied on") as caught,
        ):
            patch.setattr(mux_module, "other_packets", deaf)
            enhance(sounding, output, settings)
        assert caught.value.exit_code == 3
        assert caught.value.job == tmp_path / "out.mkv.videnhance"
        assert read_contents(tmp_path / aside, output, 25).sounds
        assert not output.exists()
    again = resume(tmp_path / "out.mkv.videnhance")
    assert again.believed == 25
    assert again.check is not None
    assert output.exists()


def test_sound_whose_times_do_not_rise_is_put_in_order(tmp_path: Path) -> None:
    source = clip(tmp_path)
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        own = [p.pts for p in packets]
        length = 128  # 1024 samples of 8000 a second, in ms
        assert own[1] is not None
        assert own[2] == own[1] + length
        packets[2].pts = packets[2].dts = own[1]  # repeated
        packets[3].pts = packets[3].dts = None
        for packet in packets[5:]:  # the clock is set back by 3 s
            assert packet.pts is not None
            packet.pts = packet.dts = packet.pts - 3000
        told: list[int] = []
        found = list(rising(iter(packets), told.append))
        assert [p.pts for p in found] == [p.dts for p in found] == own
        assert len(told) == 3  # the clock once, for the packet at which it was set back


def test_sound_with_packets_too_many_comes_back_to_its_times(tmp_path: Path) -> None:
    source = clip(tmp_path)
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        own = [p.pts or 0 for p in packets]
        # Two packets have the time of the one before: those after them are in time all the same.
        for k, time in enumerate([*own[:3], own[2], own[2], *own[3:-2]]):
            packets[k].pts = packets[k].dts = time
        found = [p.pts or 0 for p in rising(iter(packets))]
    assert all(a < b for a, b in pairwise(found))
    assert found[:3] == own[:3]
    assert found[3:5] == [own[3], own[4]]  # each begins where the one before ends
    assert found[5:8] == [own[4] + 1, own[4] + 2, own[5]]
    assert found[8:] == own[6:-2]


def sound_of(begins: Sequence[float], sizes: Sequence[int]) -> Sound:
    """Packets of PCM of 100 bytes a second, each of its own bytes."""
    found = Sound(Fraction(1, 1000))
    for begin, size in zip(begins, sizes, strict=True):
        packet: Packet[Any] = Packet(bytes([len(found)]) * size)
        packet.duration = size * 10
        at = None if math.isnan(begin) else Fraction(begin).limit_denominator(1000)
        found.add(packet, bytes(packet), at)
    return found


def test_samples_are_sought_in_their_own_packet() -> None:
    # A pause of half a second after the second packet; the container has packets of another size.
    old = sound_of((0.0, 0.2, 0.9), (20, 20, 20))
    pieces = b"".join(bytes([k]) * 20 for k in range(3))

    def cut(begins: Sequence[float]) -> Sound:
        new = Sound(Fraction(1, 1000))
        for k, begin in enumerate(begins):
            packet: Packet[Any] = Packet(pieces[10 * k : 10 * k + 10])
            new.add(packet, bytes(packet), Fraction(begin).limit_denominator(1000))
        return new

    right = (0.0, 0.1, 0.2, 0.3, 0.9, 1.0)
    assert compare_samples("sound", old, cut(right), 0.0) == pytest.approx(0, abs=1e-9)
    without = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # the pause is gone
    assert compare_samples("sound", old, cut(without), 0.0) == pytest.approx(0.5)
    assert compare_samples("sound", old, cut(right), 0.25) == pytest.approx(0.25)


def test_first_packets_without_times_lie_before_the_others() -> None:
    nan = math.nan
    found = sound_of((nan, nan, 0.5, 0.7, 0.9), (20,) * 5)
    found.settle()
    assert list(found.begins) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    found = sound_of((0.5, nan, nan), (20, 10, 20))
    found.settle()
    assert list(found.begins) == pytest.approx([0.5, 0.7, 0.8])
    found = sound_of((nan, nan), (20, 20))
    found.settle()
    assert list(found.begins) == [0, 0]
