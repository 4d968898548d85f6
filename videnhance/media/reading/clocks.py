"""Corrections of packet times that FFmpeg gets wrong.

MPEG-TS and MPEG-PS: if a clock is set back by more than a minute, FFmpeg takes it for a clock that
has run through its 33 bits, and adds a day. AVI: a frame's time is its number, so if a damaged
frame is not found, all later ones would be early; the file's index gives their true numbers. Its
header may also give PCM another rate than its sound format does; if they are far apart, it is
damaged, and PCM sounds at the rate of its format.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.index import IndexEntries
from av.packet import Packet
from av.stream import Stream

_TURN = 2**33
"""Ticks after which the clock of MPEG-TS and MPEG-PS wraps around (ISO/IEC 13818-1, 2.4.3.7)."""
_HEADER = 8
"""Bytes of an AVI chunk before its data."""
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


class _Places:
    """Moves packets that follow chunks of the index which were not found by as much as these last.
    Where nothing is missing, FFmpeg's count is taken: the index may be damaged itself."""

    def __init__(self, container: InputContainer) -> None:
        self._streams = {
            stream.index: stream
            for stream in container.streams
            if stream.type in ("video", "audio") and stream.codec_context is not None
        }
        self._speeds = {k: _speed(stream) for k, stream in self._streams.items()}
        self._units: dict[int, int] = {}
        self._chunks: dict[int, dict[int, tuple[int, int]]] = {}
        """Of each stream with a hole, the number and time of its chunks by their place."""
        self._last: dict[int, tuple[int, int]] = {}
        """Place of each stream's last packet that the index has, and its time by FFmpeg."""
        self._late: dict[int, int] = {}

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
        if index not in self._chunks:
            found = entries.search_timestamp(time * unit, any_frame=True)
            if found >= 0:
                begin = entries[found].pos + _HEADER
                # FFmpeg splits long chunks of sound into several packets.
                if begin <= place < begin + max(entries[found].size, 1):
                    if begin == place:
                        self._last[index] = place, time
                    return
            # Built only if a time is wrong: long files have long indices.
            self._chunks[index] = {
                e.pos + _HEADER: (number, e.timestamp // unit) for number, e in enumerate(entries)
            }
        chunks = self._chunks[index]
        if place in chunks:
            number, own = chunks[place]
            last, counted = self._last.get(index, (0, 0))
            before, then = chunks.get(last, (-1, 0))
            if number > before + 1:  # chunks between them were not found
                more = (own - then) - (time - counted)
                self._late[index] = self._late.get(index, 0) + max(more, 0)
            self._last[index] = place, time
        _move(packet, self._late.get(index, 0))


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
