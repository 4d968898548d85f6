"""The size a file should have according to its container: a truncated file is smaller.

Read from: MP4 and MOV, boxes of ISO/IEC 14496-12, 4.2. AVI, RIFF chunks. Matroska, the Segment of
RFC 9559, 5.1. ASF, the File Properties Object, 3.2 of Microsoft's specification.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from videnhance.media.reading.parts import BOXES

_CLUSTER = 0x1F43B675
_IN_SEGMENT = frozenset(
    (
        *(_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770),
        *(0x1254C367, 0xEC, 0xBF),  # tags, Void, CRC-32
        *(0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0x5854),  # what a cluster holds
    )
)
"""The elements of a Segment and of a Cluster."""
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_LIVE = 1
"""Flag of an ASF file whose sizes are not valid."""


def bytes_missing(path: Path, container: str) -> int:
    """Number of bytes missing at a file's end; 0 if its container does not say. `container`:
    FFmpeg's name."""
    kinds = {"mov": _boxes, "avi": _riff, "matroska": _segment, "asf": _asf}
    measure = next((end_of for name, end_of in kinds.items() if name in container), None)
    if measure is None:
        return 0
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            return max(measure(file, size) - size, 0)
        except (struct.error, OSError, ValueError):  # truncated in a header, or an absurd length
            return 0


def _boxes(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        if name not in BOXES:  # then its size is not trusted
            return 0
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length < 8:  # 0: to the end of the file
            return 0
        at += length
    return at


def _riff(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF":
            return 0
        at += 8 + length + length % 2
    return at


def _segment(file: BinaryIO, size: int) -> int:
    for _ in range(2):
        name, length = _vint(file, marked=True), _vint(file, marked=False)
        if name == _SEGMENT:
            return _last_element(file, size) if length is None else file.tell() + length
        if name != _EBML or length is None:
            return 0
        file.seek(length, 1)
    return 0


def _last_element(file: BinaryIO, size: int) -> int:
    """Where the last element in a Segment of unknown length ends, as a recorder leaves it that did
    not end the file. Of a cluster of unknown length too, that is its last block."""
    at = file.tell()
    while at < size:
        file.seek(at)
        name, length = _vint(file, marked=True), _vint(file, marked=False)
        if name not in _IN_SEGMENT:
            return 0  # damage, or another file behind
        at = file.tell() + (0 if length is None and name == _CLUSTER else length or 0)
    return at


def _vint(file: BinaryIO, *, marked: bool) -> int | None:
    """An EBML number (RFC 8794, 4); None if all its bits are set, which means an unknown length."""
    (first,) = struct.unpack("B", file.read(1))
    rest = 8 - first.bit_length()
    value = int.from_bytes(bytes([first]) + file.read(rest), "big")
    if marked:
        return value
    value -= 1 << 7 * (rest + 1)
    return None if value == (1 << 7 * (rest + 1)) - 1 else value


def _asf(file: BinaryIO, size: int) -> int:
    name, _, objects = struct.unpack("<16sQI2x", file.read(30))
    if name != _ASF:
        return 0
    for _ in range(min(objects, 100)):
        at = file.tell()
        name, length = struct.unpack("<16sQ", file.read(24))
        if name == _FILE_PROPERTIES:
            whole, flags = struct.unpack("<16xQ40xI", file.read(68))
            return 0 if flags & _LIVE else int(whole)
        file.seek(at + length)
    return 0
