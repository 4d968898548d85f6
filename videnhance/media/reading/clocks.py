"""Times of packets where FFmpeg is misled about them.

MPEG-TS and MPEG-PS: a clock that is set back by more than a minute is taken for one that has run
through its 33 bits, and a day is added. AVI: frames have no times but their place among the others,
so that after a damaged one, which is not found, all that follow would be early; the file's index
tells their true places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from av.container import InputContainer
from av.index import IndexEntries
from av.packet import Packet

_TURN = 2**33
"""Ticks after which the clock of MPEG-TS and MPEG-PS begins anew (ISO/IEC 13818-1, 2.4.3.7)."""
_HEADER = 8
"""Bytes of a chunk of AVI before its data."""

Correction = Callable[["Packet[Any]"], None]
"""Gives a packet its time; to be called for all packets, in the order of the file."""


def correction_of(container: InputContainer) -> Correction | None:
    """What the times of a container's packets need, None of most."""
    if container.format.name in ("mpegts", "mpeg"):
        return _Turns()
    return _Places(container) if container.format.name == "avi" else None


class _Turns:
    """Takes whole turns of the clock off where a packet seems to follow its predecessor by more
    than half of one."""

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
    """Gives each packet the time of its chunk in the index, those that are not in it as far on."""

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
                # FFmpeg cuts long chunks of sound into packets.
                if begin <= packet.pos < begin + max(entries[found].size, 1):
                    return
            # Made only where something is amiss: long files have long indices.
            self._times[index] = {e.pos + _HEADER: e.timestamp // unit for e in entries}
        time = self._times[index].get(packet.pos)
        if time is not None:
            self._late[index] = time - packet.dts
        _move(packet, self._late.get(index, 0))


def _unit(entries: IndexEntries, packet: Packet[Any]) -> int:
    """Ticks of a stream's index in one of its packets' ticks, 0 where this one does not tell.

    The index counts as its packets do, but for sound in blocks of one size, as PCM is, of which it
    counts bytes (FFmpeg, libavformat/avidec.c: get_duration and avi_read_packet).
    """
    if packet.stream.type != "audio":
        return 1
    # A file without an index, as of a recorder that was cut off, gets one while it is read.
    if len(entries) < 2 or not packet.duration:
        return 0
    if entries[1].timestamp - entries[0].timestamp != entries[0].size:
        return 1
    unit = max(round(packet.size / packet.duration), 1)
    return 0 if entries[0].size % unit else unit  # a block that was cut off is no measure


def _move(packet: Packet[Any], ticks: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
