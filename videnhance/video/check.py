"""The check of a finished output against its source: packets are read, nothing is decoded.

What must hold, and how exactly:

    frames      as many as the source has in the range, each at its time. A container counts time
                in ticks of its stream: MP4 and MOV in those of the source, so times are equal;
                Matroska and WebM in whole milliseconds, so a time may lie up to half a tick off.
    length      the end of the last frame, as the container declares it: half a tick for its time,
                and in Matroska and WebM, which round a frame's length too, half a tick for that.
    sound       every copied packet is there, in order, with the same data (in a range: all that lie
                in it; PCM to the sample). PCM and ADPCM are compared as one run of bytes, because
                MOV does not know their packets.
    in sync     no sound has moved against the picture by half the length of an average frame, or
                by what the two containers round, where that is more.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition, Stream

from videnhance.errors import CheckError, OutputError
from videnhance.streams import Timeline, VideoInfo
from videnhance.video.packets import source_packets
from videnhance.video.source import codec_name, open_source
from videnhance.video.window import Window, begin_of, sample_width, window_of
from videnhance.video.writer import put_in_place

_UNFRAMED = ("pcm_", "adpcm_", "gsm")
"""Codecs, by the beginning of their names, of which MOV and MP4 keep samples, not packets."""


@dataclass(frozen=True)
class Check:
    """What was found equal. There is none of an output that is not."""

    frames: int
    """Frames of the output, each at its time in the source."""
    seconds: float
    """From the first frame to the end of the last."""
    sounds: int
    """Streams of sound compared."""
    sound_packets: int
    """Their packets in the output."""
    offset: float
    """Seconds by which sound has moved against the picture, at most."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Sound:
    """What is read of one stream: 32 bytes a packet."""

    tick: Fraction
    begins: array[float] = field(default_factory=lambda: array("d"))
    """Second at which each packet begins."""
    lasts: array[float] = field(default_factory=lambda: array("d"))
    """Declared durations in seconds, 0 where there is none."""
    sizes: array[int] = field(default_factory=lambda: array("q"))
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    checksums: tuple[int, int] = (0, 0)
    """CRC-32 of all data, and of that of all packets but those that begin before the window."""
    early: int = 0
    """How many begin before the window."""

    def add(
        self, packet: Packet[Any], data: bytes, begin: Fraction | None, *, early: bool = False
    ) -> None:
        if begin is not None:
            self.begins.append(float(begin))
        else:  # it follows the one before
            self.begins.append(self.begins[-1] + self.lasts[-1] if self.begins else 0.0)
        self.lasts.append(float((packet.duration or 0) * self.tick))
        self.sizes.append(len(data))
        self.hashes.append(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big"))
        whole, within = self.checksums
        self.checksums = zlib.crc32(data, whole), within if early else zlib.crc32(data, within)
        self.early += early

    def __len__(self) -> int:
        return len(self.begins)


@dataclass(frozen=True)
class Contents:
    """The packets of a written file."""

    tick: Fraction
    """Of its video."""
    pts: array[int]
    """Of its frames, in ticks, sorted."""
    end: Fraction | None
    """Second at which the last frame ends, None where the container does not say."""
    sounds: tuple[_Sound, ...]


def checked(
    output: Path,
    part: Path,
    info: VideoInfo,
    timeline: Timeline,
    span: tuple[int, int],
    copied: Sequence[int],
    progress: Callable[[int], None] = lambda frames: None,
) -> Check:
    """Compare the finished file `part`, which is to become `output`, with the source (`check`).

    Raises CheckError where it does not agree, after giving it another name, and OutputError.
    """
    contents = read_contents(part, output, span[1] - span[0], progress)
    try:
        window = window_of(timeline, *span)
        return check(contents, output, info, timeline, window, span, copied)
    except CheckError as error:
        aside = unverified_name(output)
        put_in_place(part, aside)
        raise CheckError(
            f"{error}; it is kept as {aside.name}, not to be relied on: please report this"
        ) from error


def unverified_name(output: Path) -> Path:
    """A free name beside an output, for one that failed its check."""
    for number in count(1):
        mark = ".unverified" if number == 1 else f".unverified-{number}"
        path = output.with_name(f"{output.stem}{mark}{output.suffix}")
        if not path.exists():
            break
    return path


def read_contents(
    part: Path, output: Path, frames: int, progress: Callable[[int], None] = lambda frames: None
) -> Contents:
    """Read a written file's packets: a disk that was full may show in nothing else.

    Raises OutputError where its first video does not hold so many frames.
    """
    pts = array("q")
    found = 0
    try:
        with av.open(str(part)) as container:
            video = next(
                s for s in container.streams.video if not s.disposition & Disposition.attached_pic
            )
            tick = Fraction(video.time_base or 1)
            sounds = {s.index: _Sound(Fraction(s.time_base or 1)) for s in container.streams.audio}
            for packet in container.demux(video, *container.streams.audio):
                if not packet.size:
                    continue
                if packet.stream_index in sounds:
                    sounds[packet.stream_index].add(packet, bytes(packet), begin_of(packet))
                elif not packet.is_corrupt:
                    found += 1
                    pts.append(packet.pts if packet.pts is not None else packet.dts or 0)
                    progress(found)
            end = _declared_end(video)
    except (av.error.FFmpegError, StopIteration):
        found = 0  # not even its index was written
    if found != frames:
        raise OutputError(
            f"{output}: is incomplete after writing ({found} of {frames} frames): the disk may be "
            "full; make room or choose another folder"
        )
    return Contents(tick, array("q", sorted(pts)), end, tuple(sounds.values()))


def check(
    contents: Contents,
    output: Path,
    info: VideoInfo,
    timeline: Timeline,
    window: Window,
    span: tuple[int, int],
    copied: Sequence[int],
) -> Check:
    """Compare what was written with the source; see above for what must be equal.

    `span`: the frames start..stop (half-open) that were to be written, shown in `window`; `copied`:
    indices of the source's streams copied packet for packet. Raises CheckError, which names the
    first thing that is not as it should be, and InputError.
    """
    start, stop = span
    shown = timeline.pts[start:stop]
    _compare_frames(contents, output, timeline, shown, window.moved)
    end = (timeline.pts[stop - 1] + timeline.duration_of(stop - 1)) * timeline.time_base
    _compare_end(contents, output, end - window.moved)
    seconds = end - shown[0] * timeline.time_base
    before = _read_sounds(info, window, copied)
    if len(before) != len(contents.sounds):
        raise CheckError(
            f"{output}: holds {len(contents.sounds)} of {len(before)} streams of sound"
        )
    offset, packets, moved = 0.0, 0, float(window.moved)
    for (index, framed, old), new in zip(before, contents.sounds, strict=True):
        name = f"{output}: its sound (stream {index} of the source)"
        compare = _compare_packets if framed else _compare_samples
        away = compare(name, old, new, moved)
        limit = float(max(seconds / len(shown) / 2, contents.tick + new.tick))
        if away >= limit:
            raise CheckError(
                f"{name} has moved by {away * 1000:.1f} ms against the picture, which is not less "
                f"than {limit * 1000:.1f} ms, half a frame"
            )
        offset, packets = max(offset, away), packets + len(new)
    return Check(len(shown), float(seconds), len(before), packets, offset)


def _compare_frames(
    contents: Contents, output: Path, timeline: Timeline, shown: Sequence[int], moved: Fraction
) -> None:
    first = shown[0] * timeline.time_base - moved
    # In whole numbers of one tick small enough for both clocks and half ticks: hours of video have
    # millions of frames.
    base, tick = timeline.time_base, contents.tick
    unit = Fraction(1, math.lcm(base.denominator, 2 * tick.denominator, first.denominator))
    one, other, half = int(base / unit), int(tick / unit), int(tick / 2 / unit)
    shift = int(first / unit) - shown[0] * one
    for index, (then, now) in enumerate(zip(shown, contents.pts, strict=True)):
        wrong = now * other - (then * one + shift)
        if abs(wrong) > half:
            raise CheckError(
                f"{output}: frame {index} is shown at {float(now * tick):.6f} s, not at "
                f"{float(now * tick - wrong * unit):.6f} s"
            )


def _compare_end(contents: Contents, output: Path, end: Fraction) -> None:
    exact = contents.tick.denominator != 1000
    slack = contents.tick / 2 if exact else contents.tick
    if contents.end is not None and abs(contents.end - end) > slack:
        raise CheckError(
            f"{output}: its last frame ends at {float(contents.end):.6f} s, not at "
            f"{float(end):.6f} s"
        )


def _declared_end(video: Stream) -> Fraction | None:
    """Second at which a stream ends, as its container declares it."""
    # Matroska: FFmpeg's muxer writes each track's end as a tag of the form 00:00:01.440000000; the
    # duration FFmpeg gives to such a stream is a guess. MP4 and MOV have no such tag.
    if text := video.metadata.get("DURATION"):
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    if video.duration is None:
        return None
    return ((video.start_time or 0) + video.duration) * Fraction(video.time_base or 1)


def _read_sounds(
    info: VideoInfo, window: Window, copied: Sequence[int]
) -> list[tuple[int, bool, _Sound]]:
    """(index, whether it has packets and not only samples, what it holds in the window) of the
    source's sounds, in the source's order."""
    with open_source(info.path) as source:
        streams = {s.index: s for s in source.streams.audio if s.index in copied}
        found = {k: _Sound(Fraction(s.time_base or 1)) for k, s in streams.items()}
        codecs = {k: codec_name(s) for k, s in streams.items()}
        for packet, end in source_packets(info, source, streams, window) if found else ():
            index, data, begin = packet.stream_index, bytes(packet), begin_of(packet)
            if begin is not None and not window.overlaps(begin, end):
                continue
            early = False
            if begin is not None and sample_width(streams[index]):
                data, begin = _samples_within(data, begin, window, streams[index])
            elif begin is not None and window.start is not None:
                early = begin < window.start
            if codecs[index] == "aac":
                data = _without_adts(data)
            found[index].add(packet, data, begin, early=early)
        return [(k, not codecs[k].startswith(_UNFRAMED), found[k]) for k in found]


def _samples_within(
    data: bytes, begin: Fraction, window: Window, stream: AudioStream
) -> tuple[bytes, Fraction]:
    """Those samples of a packet of PCM that begin in the window, and when the first of them does"""
    width, rate = sample_width(stream), stream.codec_context.sample_rate
    first = 0 if window.start is None else max(math.ceil((window.start - begin) * rate), 0)
    last = None if window.stop is None else math.ceil((window.stop - begin) * rate) * width
    return data[first * width : last], begin + Fraction(first, rate)


def _compare_packets(name: str, old: _Sound, new: _Sound, moved: float) -> float:
    """Seconds by which a sound has moved at most; raises CheckError where its packets differ."""
    # Packets that begin before the window may be left out: not all containers can tell to skip
    # what they hold of it.
    skipped = old.early if len(new) == len(old) - old.early else 0
    if len(new) != len(old) - skipped:
        raise CheckError(f"{name}: {len(new)} of {len(old)} packets are there")
    furthest = 0.0
    for index in range(len(new)):
        begin = old.begins[index + skipped]
        if new.hashes[index] != old.hashes[index + skipped]:
            raise CheckError(f"{name}: the packet of {begin:.3f} s has changed")
        furthest = max(furthest, abs(new.begins[index] - (begin - moved)))
    return furthest


def _compare_samples(name: str, old: _Sound, new: _Sound, moved: float) -> float:
    """The same of a sound of which the container keeps samples of one size, not packets."""
    size = sum(new.sizes)
    for skipped, checksum in zip((0, old.early), old.checksums, strict=True):
        if (sum(old.sizes[skipped:]), checksum) == (size, new.checksums[0]):
            break
    else:
        raise CheckError(f"{name}: its samples differ ({size} bytes, of {sum(old.sizes)})")
    furthest = 0.0
    at, before, passed = skipped, 0, 0  # a packet of the source, bytes before it, bytes seen
    for index in range(len(new)):
        while at < len(old) - 1 and before + old.sizes[at] <= passed:
            before += old.sizes[at]
            at += 1
        begin = old.begins[at] + (passed - before) / max(old.sizes[at], 1) * old.lasts[at]
        furthest = max(furthest, abs(new.begins[index] - (begin - moved)))
        passed += new.sizes[index]
    return furthest


def _without_adts(data: bytes) -> bytes:
    """AAC as MP4 and Matroska hold it: without the header that each packet has in MPEG-TS
    (ISO/IEC 13818-7, 6.2), of 7 bytes, or 9 with a checksum."""
    if len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        if length == len(data):
            return data[7 if data[1] & 1 else 9 :]
    return data
