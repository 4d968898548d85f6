"""The boxes of MP4 and MOV (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

KINDS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""Types of the boxes that a file may begin with."""


def boxes(file: BinaryIO, begin: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, begin of the content, end) of the boxes in a part of a file; ends at nonsense."""
    while begin + 8 <= stop:
        file.seek(begin)
        head = file.read(16)
        if len(head) < 8:
            return
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        size = size or stop - begin
        if size < header:
            return
        yield head[4:8], begin + header, min(begin + size, stop)
        begin += size
