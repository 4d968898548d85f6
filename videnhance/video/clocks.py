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
        # Of ADPCM FFmpeg counts otherwise in the index than in packets.
        self._streams = {
            stream.index: stream
            for stream in container.streams
            if stream.type in ("video", "audio")
            and stream.codec_context is not None
            and not stream.codec_context.name.startswith("adpcm")
        }
        self._times: dict[int, dict[int, int]] = {}
        self._late: dict[int, int] = {}

    def __call__(self, packet: Packet[Any]) -> None:
        index = packet.stream_index
        if index not in self._streams or packet.dts is None or packet.pos is None:
            return
        if index not in self._times:
            entries = self._streams[index].index_entries
            found = entries.search_timestamp(packet.dts, any_frame=True)
            if found >= 0 and entries[found].pos + _HEADER == packet.pos:
                return
            # Made only where something is amiss: long files have long indices.
            self._times[index] = {entry.pos + _HEADER: entry.timestamp for entry in entries}
        time = self._times[index].get(packet.pos)
        if time is not None:
            self._late[index] = time - packet.dts
        _move(packet, self._late.get(index, 0))


def _move(packet: Packet[Any], ticks: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
