"""Corrections of packet times that FFmpeg gets wrong.

MPEG-TS and MPEG-PS: if a clock is set back by more than a minute, FFmpeg takes it for a clock that
has run through its 33 bits, and adds a day. AVI: a frame's time is its number, so if a damaged
frame is not found, all later ones would be early; the file's index gives their true numbers. Its
header may also give PCM another rate than its sound format does; if they are far apart, it is
damaged, and PCM sounds at the rate of its format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.index import IndexEntries
from av.packet import Packet
from av.stream import Stream

_TURN = 2**33
"""Ticks after which the clock of MPEG-TS and MPEG-PS wraps around (ISO/IEC 13818-1, 2.4.3.7)."""
_HEADER = 8
"""Bytes of an AVI chunk before its data."""
_AHEAD = 16
"""Chunks among which one is looked for that lies elsewhere than its index says."""
_FAR = Fraction(3, 2)
"""How much faster or slower than by its format PCM may sound by the header of an AVI: some programs
correct a drift so, by far less."""

Correction = Callable[["Packet[Any]"], None]
"""Corrects a packet's time, in place; must be called for all packets, in file order."""


def correction_of(container: InputContainer) -> Correction | None:
    """The correction that a container's packets need; None for most containers."""
    if container.format.name in ("mpegts", "mpeg"):
        return _Turns()
    return _Places(container) if container.format.name == "avi" else None


class _Turns:
    """Subtracts whole turns of the clock if a packet seems to be later than its predecessor by more
    than half a turn."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def __call__(self, packet: Packet[Any]) -> None:
        own = packet.dts if packet.dts is not None else packet.pts
        if own is None:
            return
        before = self._last.get(packet.stream_index, own)
        turns = max((own - before + _TURN // 2) // _TURN, 0)
        _move(packet, -turns * _TURN)
        self._last[packet.stream_index] = own - turns * _TURN


class _Chunk(NamedTuple):
    """What the index has of a chunk."""

    place: int
    size: int
    time: int
    """In ticks of the packets."""


@dataclass
class _Index:
    """A stream's chunks, and how far they were found."""

    chunks: list[_Chunk]
    numbers: dict[int, int]
    """Of each place, the number of its chunk."""
    last: int = -1
    """The number of the last chunk that was found."""
    counted: int = 0
    """Its time by FFmpeg."""
    shift: int = 0
    """Bytes by which chunks lie behind where the index has them."""
    late: int = 0
    """Ticks by which FFmpeg's times are early."""

    def found(self, place: int, size: int) -> int | None:
        """The number of the chunk at a place. Where bytes were put in or lost, all later ones lie
        elsewhere: it is then one of the next, of the same size."""
        number = self.numbers.get(place - self.shift)
        if number is None:
            ahead = range(self.last + 1, min(self.last + 1 + _AHEAD, len(self.chunks)))
            number = next((k for k in ahead if self.chunks[k].size == size), None)
            if number is not None:
                self.shift = place - self.chunks[number].place
        return number


class _Places:
    """Gives each packet of video the time that the index has for its chunk, and moves a packet of
    sound that follows chunks which were not found by as much as these last: the lengths of all
    other chunks are those in the file, whatever the index says."""

    def __init__(self, container: InputContainer) -> None:
        self._streams = {
            stream.index: stream
            for stream in container.streams
            if stream.type in ("video", "audio") and stream.codec_context is not None
        }
        self._speeds = {k: _speed(stream) for k, stream in self._streams.items()}
        self._units: dict[int, int] = {}
        self._in_bytes: set[int] = set()
        """Streams of which FFmpeg's times count bytes, in ticks that are blocks: a fault of its."""
        self._last: dict[int, tuple[int, int]] = {}
        """Place and time of each stream's last packet whose time is right."""
        self._indices: dict[int, _Index] = {}
        """Of the streams of which one is wrong."""

    def __call__(self, packet: Packet[Any]) -> None:
        index = packet.stream_index
        if index not in self._streams or packet.dts is None:
            return
        speed = self._speeds[index]
        if speed is not None:  # the times count samples, only their length is known
            packet.duration = round((packet.duration or 0) * speed)
        if packet.pos is not None:
            self._place(packet, packet.dts, packet.pos)
        if speed is not None:
            packet.pts = packet.dts = round(packet.dts / speed)
            packet.duration = round((packet.duration or 0) / speed)

    def _place(self, packet: Packet[Any], time: int, place: int) -> None:
        index = packet.stream_index
        entries = self._streams[index].index_entries
        unit = self._units.get(index) or _unit(entries, packet)
        if not unit:
            return
        self._units[index] = unit
        if unit > 1:
            time = self._in_blocks(packet, time, place, unit)
        if index not in self._indices:
            found = entries.search_timestamp(time * unit, any_frame=True)
            if found >= 0:
                begin = entries[found].pos + _HEADER
                # FFmpeg splits long chunks of sound into several packets.
                if begin <= place < begin + max(entries[found].size, 1):
                    if begin == place:
                        self._last[index] = place, time
                    return
            # Built only if a time is wrong: long files have long indices.
            self._indices[index] = self._built(index, entries, unit)
        known = self._indices[index]
        number = known.found(place, packet.size)
        if number is not None:
            own = known.chunks[number].time
            if packet.stream.type == "video":
                known.late = own - time
            elif number > known.last + 1:
                then = known.chunks[known.last].time if known.last >= 0 else 0
                known.late += max((own - then) - (time - known.counted), 0)
            known.last, known.counted = number, time
        _move(packet, known.late)

    def _in_blocks(self, packet: Packet[Any], time: int, place: int, unit: int) -> int:
        """The packet's time in ticks of `unit` bytes, which it is given."""
        index = packet.stream_index
        if index not in self._in_bytes and time > 0:
            entries = self._streams[index].index_entries
            found = entries.search_timestamp(time, any_frame=True)
            # The index has bytes here: only a count of bytes can be the same.
            if found >= 0 and (entries[found].timestamp, entries[found].pos + _HEADER) == (
                time,
                place,
            ):
                self._in_bytes.add(index)
        if index in self._in_bytes:
            time //= unit
            packet.pts = packet.dts = time
        return time

    def _built(self, index: int, entries: IndexEntries, unit: int) -> _Index:
        chunks = [_Chunk(e.pos + _HEADER, e.size, e.timestamp // unit) for e in entries]
        known = _Index(chunks, {chunk.place: number for number, chunk in enumerate(chunks)})
        last, time = self._last.get(index, (-1, 0))
        return replace(known, last=known.numbers.get(last, -1), counted=time)


def _unit(entries: IndexEntries, packet: Packet[Any]) -> int:
    """Ticks of a stream's index per tick of its packets; 0 if this packet does not show it.

    The index counts like the packets, except for sound in blocks of one size, such as PCM: there it
    counts bytes (FFmpeg, libavformat/avidec.c: get_duration and avi_read_packet).
    """
    if packet.stream.type != "audio":
        return 1
    # A file without an index, as from a recorder that lost power, gets one while it is read.
    if len(entries) < 2 or not packet.duration:
        return 0
    if entries[1].timestamp - entries[0].timestamp != entries[0].size:
        return 1
    unit = max(round(packet.size / packet.duration), 1)
    return 0 if entries[0].size % unit else unit  # a truncated block does not show it


def _speed(stream: Stream) -> Fraction | None:
    """Samples in a tick of an AVI's PCM, if its header is far from its format; else None."""
    context = stream.codec_context
    if not isinstance(context, AudioCodecContext) or not context.codec.name.startswith("pcm_"):
        return None
    samples = context.sample_rate * Fraction(stream.time_base or 1)
    return samples if not 1 / _FAR < samples < _FAR else None


def _move(packet: Packet[Any], ticks: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
