"""Corrections of packet times that FFmpeg gets wrong.

MPEG-TS and MPEG-PS: if a clock is set back by more than a minute, FFmpeg takes it for a clock that
has run through its 33 bits, and adds a day. AVI: a frame's time is its number, so if a damaged
frame is not found, all later ones would be early; the file's index gives their true numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from av.container import InputContainer
from av.index import IndexEntries
from av.packet import Packet

_TURN = 2**33
"""Ticks after which the clock of MPEG-TS and MPEG-PS wraps around (ISO/IEC 13818-1, 2.4.3.7)."""
_HEADER = 8
"""Bytes of an AVI chunk before its data."""

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
    """Gives each packet the time that the index has for its chunk. A packet that is not in the
    index is moved by as much as the one before it."""

    def __init__(self, container: InputContainer) -> None:
        self._streams = {
            stream.index: stream
            for stream in container.streams
            if stream.type in ("video", "audio") and stream.codec_context is not None
        }
        self._units: dict[int, int] = {}
        self._times: dict[int, dict[int, int]] = {}
        self._late: dict[int, int] = {}

    def __call__(self, packet: Packet[Any]) -> None:
        index = packet.stream_index
        if index not in self._streams or packet.dts is None or packet.pos is None:
            return
        entries = self._streams[index].index_entries
        unit = self._units.get(index) or _unit(entries, packet)
        if not unit:
            return
        self._units[index] = unit
        if index not in self._times:
            found = entries.search_timestamp(packet.dts * unit, any_frame=True)
            if found >= 0:
                begin = entries[found].pos + _HEADER
                # FFmpeg splits long chunks of sound into several packets.
                if begin <= packet.pos < begin + max(entries[found].size, 1):
                    return
            # Built only if a time is wrong: long files have long indices.
            self._times[index] = {e.pos + _HEADER: e.timestamp // unit for e in entries}
        time = self._times[index].get(packet.pos)
        if time is not None:
            self._late[index] = time - packet.dts
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


def _move(packet: Packet[Any], ticks: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
