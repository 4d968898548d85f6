"""Repair of the packets of a source's other streams, in step with its video.

Four rules:

1. An AAC packet of a stream with a header in every packet (MPEG-TS) is dropped if that header is
   broken: it cannot be decoded, and no other container accepts it.
2. If the video's clock is set back (repair/timing.py, rule 3), so are the clocks of the other
   streams: from each stream's own step back on, its times are moved by as much as the video's.
3. Audio packets that an edit list discards after others were played are dropped: no other container
   could say that they are not to be played. Those before the first one played are kept, as the
   decoder starts with them.
4. A single audio packet whose time leaps ahead of its neighbours' is put between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from videnhance.media.reading.source import codec_name, packets_of

STEP_BACK = Fraction(1, 2)
"""Seconds. If a stream's times fall by more, its clock was set back: the order of packets in a
container varies by less. A time ahead of both its neighbours' by more is wrong."""


def mended_packets(
    source: InputContainer,
    clock: Sequence[Fraction],
    *streams: Stream,
    repaired: Callable[[int], None] = lambda stream: None,
) -> Iterator[Packet[Any]]:
    """Every packet with content of these streams (all streams if none is given), in file order,
    except that each audio packet is delayed until the next one of its stream is read.

    `clock`: seconds by which the video was moved after each time its clock was set back. `repaired`
    is called with the stream's index for each packet that is put between its neighbours.
    """
    chosen = {s.index: s for s in streams or source.streams}
    headed = {k for k, stream in chosen.items() if carries_header(stream)}
    steps = dict.fromkeys(chosen, 0)
    last: dict[int, Fraction] = {}
    before: dict[int, int] = {}
    played: set[int] = set()
    for packet in without_leaps(packets_of(source, *streams), repaired):
        index = packet.stream_index
        if index in headed and is_broken(bytes(packet)):
            continue
        if packet.stream.type == "audio":
            if packet.is_discard and index in played:
                continue
            if not packet.is_discard:
                played.add(index)
        ticks = _ticks(packet)
        if clock and ticks is not None and packet.time_base is not None and index in chosen:
            now = ticks * Fraction(packet.time_base)
            if now < last.get(index, now) - STEP_BACK and steps[index] < len(clock):
                steps[index] += 1
            last[index] = now
            if steps[index]:
                moved = round(clock[steps[index] - 1] / Fraction(packet.time_base))
                # The packets before the step may reach a little beyond it: go on at least a
                # millisecond after them, a tick of every container.
                least = max(round(1 / (1000 * Fraction(packet.time_base))), 1)
                moved = max(moved, before[index] + least - ticks)
                packet.pts = None if packet.pts is None else packet.pts + moved
                packet.dts = None if packet.dts is None else packet.dts + moved
                ticks += moved
            before[index] = ticks
        yield packet


def without_leaps(
    packets: Iterable[Packet[Any]], repaired: Callable[[int], None] = lambda stream: None
) -> Iterator[Packet[Any]]:
    """The packets, each audio packet delayed until the next one of its stream is read.

    If its time is ahead of both neighbours' by more than STEP_BACK, it begins where the one before
    it ends; the first of a stream ends where the next begins. `repaired` is called with the index
    of its stream.
    """
    held: dict[int, Packet[Any]] = {}
    ends: dict[int, int] = {}
    for packet in packets:
        if packet.stream.type != "audio":
            yield packet
            continue
        index = packet.stream_index
        before, held[index] = held.get(index), packet
        if before is None:
            continue
        own, after, length = _ticks(before), _ticks(packet), before.duration or 0
        if own is not None and after is not None and before.time_base is not None:
            ahead = STEP_BACK / Fraction(before.time_base)
            place = ends.get(index, after - length)
            if own - after > ahead and own - place > ahead and place - after <= ahead:
                repaired(index)
                before.pts = before.dts = own = place
            ends[index] = own + length
        yield before
    yield from held.values()


def _ticks(packet: Packet[Any]) -> int | None:
    return packet.dts if packet.dts is not None else packet.pts


class Breaks:
    """Spans where audio is dropped because its header is broken (rule 1); call `see` with every
    audio packet."""

    def __init__(self, source: InputContainer) -> None:
        self._headed = {stream.index for stream in source.streams if carries_header(stream)}
        self._open: dict[int, Fraction] = {}
        self._last: dict[int, Fraction] = {}
        self._closed: list[tuple[Fraction, Fraction]] = []

    def see(self, packet: Packet[Any]) -> None:
        index = packet.stream_index
        if index not in self._headed or packet.time_base is None:
            return
        if packet.pts is not None:
            self._last[index] = packet.pts * Fraction(packet.time_base)
        now = self._last.get(index, Fraction(0))
        if is_broken(bytes(packet)):
            self._open.setdefault(index, now)
        elif index in self._open:
            self._closed.append((self._open.pop(index), now))

    @property
    def found(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """(begin, end) of each span in seconds, in order; it lasts to the end of the stream if no
        intact packet follows."""
        rest = [(begin, self._last.get(index, begin)) for index, begin in self._open.items()]
        return tuple(sorted([*self._closed, *rest]))


def carries_header(stream: Stream) -> bool:
    """Whether every packet of a stream begins with its own header (ADTS)."""
    context = stream.codec_context
    return codec_name(stream) == "aac" and context is not None and not context.extradata


def is_broken(packet: bytes) -> bool:
    """Whether a packet does not begin with an ADTS header (ISO/IEC 13818-7, 6.2), or with one that
    declares another length."""
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return True
    return (packet[3] & 3) << 11 | packet[4] << 3 | packet[5] >> 5 != len(packet)
