"""Seals: what a finished file is, written into its own end, so that it can be believed later.

A seal is the file's last 100 bytes: an ISO base media box of type `uuid` (ISO/IEC 14496-12, 4.2),
which MP4 and MOV readers skip, as zip readers (.npz) skip what follows their directory. It holds
the SHA-256 of all bytes before it and a fingerprint of what the content was made from; so a file
that was cut off, has a flipped bit or belongs to another job is never taken for finished work, and
file and proof are put in place by one rename.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from videnhance.files import sha256_of

_KIND = uuid.UUID("5d3f2c1e-8a47-4b9e-9d06-76696465686e")
_BOX = struct.Struct(">I4s16s32s32sdI")


@dataclass(frozen=True)
class Seal:
    """What a finished file says of itself."""

    fingerprint: str
    """Hexadecimal SHA-256 of what the content is a function of."""
    content: str
    """Hexadecimal SHA-256 of all bytes before the seal."""
    seconds: float
    """Wall time the content took to make."""
    frames: int


def seal(path: Path, fingerprint: str, *, seconds: float, frames: int) -> None:
    """Add a seal to a finished file that has none; raises OSError."""
    box = _BOX.pack(
        _BOX.size,
        b"uuid",
        _KIND.bytes,
        bytes.fromhex(fingerprint),
        bytes.fromhex(sha256_of(path)),
        seconds,
        frames,
    )
    with path.open("ab") as file:
        file.write(box)


def read_seal(path: Path) -> Seal | None:
    """The seal as it stands, not compared with the content; None where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(-_BOX.size, 2)
            size, kind, ours, fingerprint, content, seconds, frames = _BOX.unpack(file.read())
    except (OSError, struct.error):
        return None
    if (size, kind, ours) != (_BOX.size, b"uuid", _KIND.bytes):
        return None
    return Seal(fingerprint.hex(), content.hex(), seconds, frames)


def is_whole(path: Path, found: Seal) -> bool:
    """Whether the content is, bit for bit, what the seal was put on."""
    try:
        return sha256_of(path, path.stat().st_size - _BOX.size) == found.content
    except OSError:
        return False
