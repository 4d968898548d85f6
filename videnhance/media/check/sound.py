"""The check of sound: packets of a source and of its output, compared one by one."""

from __future__ import annotations

import hashlib
import math
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from av.audio.stream import AudioStream
from av.packet import Packet

from videnhance.errors import CheckError
from videnhance.media.clip import Clip
from videnhance.media.reading.source import codec_name, open_source
from videnhance.media.sound.cutting import Window, begin_of, sample_width
from videnhance.media.sound.encoding import Decoded
from videnhance.media.sound.packets import source_packets

_UNFRAMED = ("pcm_", "adpcm_", "gsm")
"""Beginnings of the names of codecs that MOV and MP4 store as samples, without packets."""


@dataclass
class Sound:
    """What is kept of one audio stream: 32 bytes a packet."""

    tick: Fraction
    begins: array[float] = field(default_factory=lambda: array("d"))
    """Second at which each packet begins."""
    lasts: array[float] = field(default_factory=lambda: array("d"))
    """Declared duration of each packet in seconds, 0 if there is none; for part of a packet, its
    share."""
    sizes: array[int] = field(default_factory=lambda: array("q"))
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    checksums: tuple[int, int] = (0, 0)
    """CRC-32 of the data of all packets, and of all except those that begin before the window."""
    early: int = 0
    """Number of packets that begin before the output's time 0."""
    repaired: int = 0
    """Number of packets whose time was changed (sound.packets.rising)."""
    silence: float = 0.0
    """Seconds of pauses filled with silence (sound.pauses.filled)."""

    def add(
        self, packet: Packet[Any], data: bytes, begin: Fraction | None, *, early: bool = False
    ) -> None:
        if begin is not None:
            self.begins.append(float(begin))
        elif self.begins and not math.isnan(self.begins[-1]):  # it follows the one before
            self.begins.append(self.begins[-1] + self.lasts[-1])
        else:
            self.begins.append(math.nan)
        whole = float((packet.duration or 0) * self.tick)
        self.lasts.append(whole * len(data) / packet.size if packet.size else 0.0)
        self.sizes.append(len(data))
        self.hashes.append(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big"))
        first, second = self.checksums
        self.checksums = zlib.crc32(data, first), second if early else zlib.crc32(data, second)
        self.early += early

    def settle(self) -> None:
        """Give times to the first packets if they have none, as FFmpeg reads packets before 0 in
        Matroska: each is as long as the first one with a time."""
        known = next((k for k, begin in enumerate(self.begins) if not math.isnan(begin)), None)
        if known is None:
            self.begins = array("d", [0.0] * len(self.begins))
            return
        after = self.begins[known + 1] if known + 1 < len(self.begins) else self.begins[known]
        step = after - self.begins[known]
        for index in reversed(range(known)):
            self.begins[index] = self.begins[index + 1] - step

    def __len__(self) -> int:
        return len(self.begins)


class SourceSound(NamedTuple):
    """One audio stream of the source, as the output must hold it."""

    stream: int
    """Its index in the source."""
    framed: bool
    """Whether every container keeps its packets; of others only samples can be compared."""
    sound: Sound
    """What it holds in the window."""


def read_sounds(
    clip: Clip, window: Window, copied: Sequence[int], *, seamless: bool, untimed: bool = False
) -> list[SourceSound]:
    """The `copied` audio streams of the source, in its order, as far as the window keeps them.

    `seamless`: the output's container cannot store pauses in PCM; `untimed`: nor when sound begins.
    """
    with open_source(clip.info) as source:
        streams = {s.index: s for s in source.streams.audio if s.index in copied}
        found = {k: Sound(Fraction(s.time_base or 1)) for k, s in streams.items()}
        codecs = {k: codec_name(s) for k, s in streams.items()}

        def repaired(index: int) -> None:
            if index in found:
                found[index].repaired += 1

        def silent(index: int, begin: Fraction, end: Fraction) -> None:
            begin = begin if window.start is None else max(begin, window.start)
            end = end if window.stop is None else min(end, window.stop)
            if index in found:
                found[index].silence += float(max(end - begin, Fraction(0)))

        packets = source_packets(
            clip,
            source,
            streams,
            window,
            repaired,
            seamless=seamless,
            untimed=untimed,
            silent=silent,
        )
        for packet, end in packets if found else ():
            index, data, begin = packet.stream_index, bytes(packet), begin_of(packet)
            if begin is not None and not window.overlaps(begin, end):
                continue
            early = False
            if begin is not None and sample_width(streams[index]):
                data, begin = _samples_within(data, begin, window, streams[index])
            elif begin is not None:
                early = begin < window.moved
            if codecs[index] == "aac":
                data = _without_adts(data)
            if data:
                found[index].add(packet, data, begin, early=early)
        for sound in found.values():
            sound.settle()
        return [SourceSound(k, not codecs[k].startswith(_UNFRAMED), found[k]) for k in found]


def _samples_within(
    data: bytes, begin: Fraction, window: Window, stream: AudioStream
) -> tuple[bytes, Fraction]:
    """The samples of a PCM packet that begin in the window, and the second at which they begin."""
    width, rate = sample_width(stream), stream.codec_context.sample_rate
    first = 0 if window.start is None else max(math.ceil((window.start - begin) * rate), 0)
    last = len(data) // width
    if window.stop is not None:
        last = min(last, math.ceil((window.stop - begin) * rate))
    return data[first * width : last * width], begin + Fraction(first, rate)


def compare_packets(name: str, old: Sound, new: Sound, moved: float) -> float:
    """Largest number of seconds by which a sound has moved; raises CheckError if packets differ."""
    # Packets that begin before the window may be missing: not all containers can make players skip
    # their early part.
    skipped = old.early if len(new) == len(old) - old.early else 0
    if len(new) != len(old) - skipped:
        raise CheckError(f"{name}: {len(new)} of {len(old)} packets are there")
    furthest = 0.0
    for index in range(len(new)):
        begin = old.begins[index + skipped]
        if new.hashes[index] != old.hashes[index + skipped]:
            raise CheckError(f"{name}: the packet of {begin:.3f} s has changed")
        if len(new) == 1 and begin < moved and new.begins[0] == 0:
            continue  # FFmpeg does not report what an edit list skips of a track's only packet
        furthest = max(furthest, abs(new.begins[index] - (begin - moved)))
    return furthest


def within(decoded: Decoded, window: Window) -> Decoded:
    """The part of the span that the window keeps; of length 0 if there is none."""
    begin = decoded.begin if window.start is None else max(decoded.begin, float(window.start))
    end = decoded.end if window.stop is None else min(decoded.end, float(window.stop))
    return Decoded(begin, max(begin, end))


def compare_ends(decoded: Decoded, new: Sound, window: Window) -> float:
    """Seconds by which a re-encoded sound has moved, judged by where it begins and ends."""
    moved = float(window.moved)
    begin, end = within(decoded, window)
    if not len(new):
        return end - begin
    packet = max(new.lasts)
    # FFmpeg's AAC begins with a priming packet that is not played, and pads the last one.
    late = new.begins[0] + packet - (begin - moved)
    over = new.begins[-1] + new.lasts[-1] - (end - moved)
    return max(abs(late), over - packet, -over)


def compare_samples(name: str, old: Sound, new: Sound, moved: float) -> float:
    """Like `compare_packets`, for a sound that the container stores as samples, without packets."""
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
    """An AAC packet as in MP4 and Matroska: without the header (ISO/IEC 13818-7, 6.2) that it has
    in MPEG-TS, of 7 bytes, or 9 with a checksum."""
    if len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        if length == len(data):
            return data[7 if data[1] & 1 else 9 :]
    return data
