"""Fields: which packets of H.264 hold the second field of a frame that began in the one before.

A stream that may be interlaced can code each frame's fields as two pictures (PAFF). They come as
two packets, and decode to one frame. What tells them apart stands at the start of each slice
(ITU-T H.264, 7.3.2.1 and 7.3.3). Ours, because PyAV gives no access to FFmpeg's parser; nothing of
it is needed for streams whose parameter set says that they have no fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from av.packet import Packet
from av.video.stream import VideoStream

_SPS, _SLICES = 7, (1, 5)
_HEAD = 512
"""Bytes of a unit that hold what is read of it."""
_SLICE_HEAD = 32
"""The same, of a slice."""
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles whose parameter set says how chroma is sampled."""


class _Sequence(NamedTuple):
    """What a sequence parameter set says of slices."""

    planes: bool
    """Whether colour planes are coded apart."""
    number_bits: int
    """Length of frame_num."""
    frames_only: bool


class _Slice(NamedTuple):
    number: int
    """frame_num."""
    field: int | None
    """0 is a top field, 1 a bottom field, None a frame."""


class Fields:
    """Tells of each packet of a stream, in order, whether it holds a second field."""

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        data = bytes(context.extradata or b"")
        self._is_known = context.codec.canonical_name == "h264"
        self._length = data[4] % 4 + 1 if data[:1] == b"\1" and len(data) > 8 else 0
        """Bytes of the length before each unit; 0 if start codes stand there (annex B)."""
        # AVCDecoderConfigurationRecord (ISO/IEC 14496-15): six bytes, then the parameter sets.
        size = int.from_bytes(data[6:8], "big")
        units = [data[8 : 8 + size]] if self._length else _units(data, 0)
        self._sequence = _sequence_in(units)
        self._open: _Slice | None = None

    def __call__(self, packet: Packet[Any]) -> bool:
        if not self._is_known:
            return False
        if packet.is_keyframe:
            self._sequence = _sequence_in(_units(bytes(packet), self._length)) or self._sequence
        before, self._open = self._open, None
        if self._sequence is None or self._sequence.frames_only:
            return False
        slices = list(_slices_in(_units(bytes(packet), self._length), self._sequence))
        parities = {one.field for one in slices}
        if len(parities) != 1 or None in parities:
            return False
        first = slices[0]
        if before is not None and before.number == first.number and before.field != first.field:
            return True
        self._open = first
        return False


def _units(data: bytes, length: int) -> Iterator[bytes]:
    """The beginnings of a packet's units, without what separates them; `length` as in Fields."""
    at = 0
    while length and at + length < len(data):
        size = int.from_bytes(data[at : at + length], "big")
        at += length
        yield data[at : at + min(size, _HEAD)]
        at += size
    while not length and (at := data.find(b"\0\0\1", at)) >= 0:
        at += 3
        yield data[at : at + _HEAD]


def _sequence_in(units: Iterable[bytes]) -> _Sequence | None:
    """What the first sequence parameter set says; None if none comes before the first slice."""
    for unit in units:
        kind = unit[0] & 0x1F if unit else 0
        if kind in _SLICES:
            return None
        if kind == _SPS:
            with suppress(IndexError):
                return _sequence(unit)
    return None


def _slices_in(units: Iterable[bytes], sequence: _Sequence) -> Iterator[_Slice]:
    for unit in units:
        if unit and unit[0] & 0x1F in _SLICES:
            with suppress(IndexError):
                yield _slice(unit, sequence)


class _Bits:
    """The bits of a unit, after its first byte."""

    def __init__(self, unit: bytes) -> None:
        plain = unit[1:].replace(b"\0\0\3", b"\0\0")  # 7.4.1: emulation prevention
        self._bits = "".join(f"{byte:08b}" for byte in plain)
        self._at = 0

    def u(self, count: int) -> int:
        if self._at + count > len(self._bits):
            raise IndexError
        self._at += count
        return int("0" + self._bits[self._at - count : self._at], 2)

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -code // 2


def _sequence(unit: bytes) -> _Sequence:
    bits = _Bits(unit)
    profile, _, _ = bits.u(8), bits.u(16), bits.ue()
    planes = False
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        planes = chroma == 3 and bool(bits.u(1))
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            for number in range(12 if chroma == 3 else 8):
                _skip_scaling(bits, 16 if number < 6 else 64)
    number_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    return _Sequence(planes, number_bits, bool(bits.u(1)))


def _skip_scaling(bits: _Bits, size: int) -> None:
    """A scaling list (7.3.2.1.1.1), if there is one."""
    last = following = 8
    for _ in range(size if bits.u(1) else 0):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _slice(unit: bytes, sequence: _Sequence) -> _Slice:
    bits = _Bits(unit[:_SLICE_HEAD])
    bits.ue(), bits.ue(), bits.ue()
    if sequence.planes:
        bits.u(2)
    number = bits.u(sequence.number_bits)
    return _Slice(number, bits.u(1) if bits.u(1) else None)
