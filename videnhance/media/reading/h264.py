"""What an H.264 stream says of itself: NAL units and parameter sets (ITU-T H.264, 7.3 and annex E;
ISO/IEC 14496-15, 5.3.3.1, for the header of MP4 and Matroska).

Ours, because PyAV gives no access to them and FFmpeg's bitstream filters cannot join two headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

SLICE, IDR, SPS, PPS, DELIMITER = 1, 5, 7, 8, 9
"""Types of units: a slice of a picture, one of a picture that begins a closed group, parameter sets
of sequences and pictures, and the mark between pictures."""

_WITH_FORMAT = {100, 110, 122, 244, 44, 83, 86, 118, 128}
"""Profiles whose sequence says its chroma format and depth."""
_IN_HEADER = {100, 110, 122, 144}
"""Profiles of which the header says them, too."""
_ASPECTS = (
    *((1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11)),
    *((80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
"""By aspect_ratio_idc, from 1 (table E-1)."""
_GIVEN = 255


class H264Error(ValueError):
    """A stream that is not as the standard says."""


def units_of(data: bytes, length: int) -> list[bytes]:
    """The NAL units of a packet. `length`: number of bytes in which each says its own length, as in
    MP4; 0 for start codes (annex B). Raises H264Error."""
    found: list[bytes] = []
    if length == 0:
        at = data.find(b"\0\0\1")
        while at >= 0:
            end = data.find(b"\0\0\1", at + 3)
            unit = data[at + 3 : end if end >= 0 else None].rstrip(b"\0")
            found += [unit] if unit else []
            at = end
        return found
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length], "big")
        at += length + size
        if at > len(data):
            raise H264Error("a unit is longer than its packet")
        if size:
            found.append(data[at - size : at])
    return found


def kind_of(unit: bytes) -> int:
    """Its type, such as IDR."""
    return unit[0] & 31


def with_lengths(units: Iterable[bytes]) -> bytes:
    """A packet of these units, each with its length in four bytes."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


@dataclass(frozen=True)
class Header:
    """The parameter sets of a stream, as a container keeps them beside its packets."""

    length: int
    """Bytes in which units of the packets say their length; 0 for start codes."""
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @staticmethod
    def of(extradata: bytes | None) -> Header:
        """Raises H264Error."""
        data = extradata or b""
        if data[:1] != b"\1":
            units = units_of(data, 0)
            return Header(
                0,
                tuple(u for u in units if kind_of(u) == SPS),
                tuple(u for u in units if kind_of(u) == PPS),
            )
        try:
            sps, at = _listed(data, 6, data[5] & 31)
            pps, _ = _listed(data, at + 1, data[at])
        except IndexError as error:
            raise H264Error("its header ends too early") from error
        return Header((data[4] & 3) + 1, sps, pps)

    @property
    def ids(self) -> set[int]:
        """The numbers by which slices and sets name one of these sets."""
        return {sequence_of(unit).id for unit in self.sps} | {Bits(u[1:]).ue() for u in self.pps}

    def holds(self, unit: bytes) -> bool:
        """Whether it has this very set."""
        return unit in self.sps or unit in self.pps

    def encoded(self) -> bytes:
        """As MP4 and Matroska keep it, for packets of `with_lengths`. Its profile and level are
        such that every sequence is within them."""
        sequences = [sequence_of(unit) for unit in self.sps]
        first, flags = sequences[0], 0xFF
        for sequence in sequences:
            flags &= sequence.flags
        profile = max(sequence.profile for sequence in sequences)
        data = bytes([1, profile, flags, max(sequence.level for sequence in sequences), 0xFF])
        data += bytes([0xE0 | len(self.sps)]) + _with_sizes(self.sps)
        data += bytes([len(self.pps)]) + _with_sizes(self.pps)
        if profile in _IN_HEADER:
            chroma, luma, color = first.picture.chroma, *first.picture.depths
            data += bytes([0xFC | chroma, 0xF8 | luma - 8, 0xF8 | color - 8, 0])
        return data


class PictureFacts(NamedTuple):
    """What a sequence says of its pictures; what it does not say is as decoders assume it."""

    chroma: int
    """1: 4:2:0, 2: 4:2:2, 3: 4:4:4; 0: none."""
    depths: tuple[int, int]
    """Bits of luma and of chroma."""
    blocks: tuple[int, int]
    """Columns and rows of macroblocks."""
    crop: tuple[int, int, int, int]
    """In the units of the standard: left, right, top, bottom."""
    progressive: bool
    aspect: Fraction
    full_range: bool
    colors: tuple[int, int, int]
    """Primaries, transfer, matrix (ITU-T H.273)."""
    sites: tuple[int, int]
    """Types of the places of chroma samples, of top and bottom field."""


@dataclass(frozen=True)
class Sequence264:
    """A sequence parameter set."""

    id: int
    profile: int
    flags: int
    """The constraint flags, as one byte."""
    level: int
    picture: PictureFacts
    planes: bool
    """Whether colour planes are coded apart."""
    number_bits: int
    """Length of frame_num in slices."""


def sequence_of(unit: bytes) -> Sequence264:
    """What a sequence parameter set says. Raises H264Error."""
    bits = Bits(unit[1:])
    profile, flags, level = bits.u(8), bits.u(8), bits.u(8)
    identifier, chroma, depths, planes = bits.ue(), 1, (8, 8), False
    if profile in _WITH_FORMAT:
        chroma = bits.ue()
        if chroma == 3:
            planes = bool(bits.u(1))
        depths = 8 + bits.ue(), 8 + bits.ue()
        bits.u(1)
        if bits.u(1):
            for k in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    _pass_scaling(bits, 16 if k < 6 else 64)
    number_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.ue(), bits.ue()
        for _ in range(bits.ue()):
            bits.ue()
    bits.ue()
    bits.u(1)
    blocks = bits.ue() + 1, bits.ue() + 1
    progressive = bool(bits.u(1))
    if not progressive:
        bits.u(1)
    bits.u(1)
    crop = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.u(1) else (0, 0, 0, 0)
    aspect, full, colors, sites = Fraction(1), False, (2, 2, 2), (0, 0)
    if bits.u(1):
        aspect = _aspect(bits)
        if bits.u(1):
            bits.u(1)
        if bits.u(1):
            bits.u(3)
            full = bool(bits.u(1))
            colors = (bits.u(8), bits.u(8), bits.u(8)) if bits.u(1) else colors
        if bits.u(1):
            sites = bits.ue(), bits.ue()
    facts = PictureFacts(chroma, depths, blocks, crop, progressive, aspect, full, colors, sites)
    return Sequence264(identifier, profile, flags, level, facts, planes, number_bits)


def _aspect(bits: Bits) -> Fraction:
    if not bits.u(1):
        return Fraction(1)
    kind = bits.u(8)
    width, height = (1, 1)
    if kind == _GIVEN:
        width, height = bits.u(16), bits.u(16)
    elif 1 <= kind <= len(_ASPECTS):
        width, height = _ASPECTS[kind - 1]
    return Fraction(width, height) if width and height else Fraction(1)


def _pass_scaling(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            number = bits.ue()
            step = (number + 1) // 2 if number % 2 else -(number // 2)
            following = (last + step) % 256
        last = following or last


def _listed(data: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    found = []
    for _ in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or end == at + 2:
            raise H264Error("its header ends too early")
        found.append(data[at + 2 : end])
        at = end
    return tuple(found), at


def _with_sizes(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


class Bits:
    """Reads a unit's content bit by bit; raises H264Error at its end."""

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\0\0\3", b"\0\0")
        self._text = "".join(f"{byte:08b}" for byte in plain)
        self._at = 0

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._at += count
        if self._at > len(self._text):
            raise H264Error("a parameter set ends too early")
        return int(self._text[self._at - count : self._at], 2)

    def ue(self) -> int:
        """An unsigned number in Exp-Golomb code (9.1)."""
        one = self._text.find("1", self._at)
        if one < 0:
            raise H264Error("a parameter set ends too early")
        zeros = one - self._at
        self._at = one
        return self.u(zeros + 1) - 1
