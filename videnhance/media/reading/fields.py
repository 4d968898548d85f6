"""Fields: which packets of H.264 hold the second field of a frame that began in the one before.

A stream that may be interlaced can code each frame's fields as two pictures (PAFF). They come as
two packets, and decode to one frame. What tells them apart stands at the start of each slice
(ITU-T H.264, 7.3.3); nothing is read of streams whose parameter set says that they have no fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from av.packet import Packet
from av.video.stream import VideoStream

from videnhance.media.reading.h264 import (
    IDR,
    SLICE,
    SPS,
    Bits,
    H264Error,
    Header,
    Sequence264,
    kind_of,
    sequence_of,
    units_of,
)

_HEAD = 32
"""Bytes of a slice that hold what is read of it."""


class _Slice(NamedTuple):
    number: int
    """frame_num."""
    field: int | None
    """0 is a top field, 1 a bottom field, None a frame."""


class Fields:
    """Tells of each packet of a stream, in order, whether it holds a second field."""

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        header = Header(0, (), ())
        self._is_known = context.codec.canonical_name == "h264"
        with suppress(H264Error):
            header = Header.of(context.extradata if self._is_known else None)
        self._length = header.length
        self._sequence = _sequence_in(header.sps)
        self._open: _Slice | None = None

    def __call__(self, packet: Packet[Any]) -> bool:
        sequence = self._sequence
        if not self._is_known or not (packet.is_keyframe or (sequence and _has_fields(sequence))):
            return False
        before, self._open = self._open, None
        try:
            units = units_of(bytes(packet), self._length)
        except H264Error:
            return False
        sequence = _sequence_in(units) or sequence
        self._sequence = sequence
        if sequence is None or not _has_fields(sequence):
            return False
        slices = [_slice(unit, sequence) for unit in units if kind_of(unit) in (SLICE, IDR)]
        first = slices[0] if slices else None
        if first is None or first.field is None or {one.field for one in slices} != {first.field}:
            return False
        if before is not None and before.number == first.number and before.field != first.field:
            return True
        self._open = first
        return False


def _has_fields(sequence: Sequence264) -> bool:
    return not sequence.picture.progressive


def _sequence_in(units: Iterable[bytes]) -> Sequence264 | None:
    """What the first sequence parameter set says; None if there is none."""
    with suppress(H264Error):
        return next((sequence_of(unit) for unit in units if kind_of(unit) == SPS), None)
    return None


def _slice(unit: bytes, sequence: Sequence264) -> _Slice:
    """What a slice says; a frame's, where it is cut off."""
    with suppress(H264Error):
        bits = Bits(unit[1:_HEAD])
        bits.ue(), bits.ue(), bits.ue()
        if sequence.planes:
            bits.u(2)
        number = bits.u(sequence.number_bits)
        return _Slice(number, bits.u(1) if bits.u(1) else None)
    return _Slice(0, None)
