"""The times of an AVI's chunks from its own index, read byte by byte, without FFmpeg.

Layout: AVI RIFF reference (idx1, AVISTREAMHEADER), and "OpenDML AVI File Format Extensions" 1.02
(indx, ix##) for files over 1 GB. A chunk of video is shown at its number, a chunk without data
shows the one before it further on.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

_LISTS = (b"RIFF", b"LIST")
_LATEST = 3600
"""Seconds: streams that claim to begin later begin at 0, as for every player."""
_AT_ONCE = 1 << 20
"""Bytes of an index that are held at once, a multiple of every entry's length."""


class Places(NamedTuple):
    """When a stream's chunks with data begin: numbers of ticks."""

    tick: Fraction
    """Seconds."""
    numbers: array[int]
    """Rising; a chunk of video is one tick long, with data or without."""


@dataclass
class _Track:
    kind: bytes = b""
    tick: Fraction = Fraction(0)
    start: int = 0
    sizes: array[int] = field(default_factory=lambda: array("I"))
    """Bytes of each chunk, by the parts of its index."""
    plain: array[int] = field(default_factory=lambda: array("I"))
    """The same by idx1."""
    parts: list[int] = field(default_factory=list)
    """Places of the chunks that index it (ix##)."""


def places_of(path: Path, stream: int) -> Places | None:
    """When the video of a stream begins, chunk by chunk. None if the file has no index, or one that
    cannot be read."""
    try:
        with path.open("rb") as file:
            tracks = _tracks(file, path.stat().st_size)
        track = tracks[stream]
        sizes = track.sizes if any(track.parts for track in tracks) else track.plain
        start = track.start if track.start * track.tick <= _LATEST else 0
    except (struct.error, ValueError, LookupError, ZeroDivisionError, RecursionError):
        return None
    if track.kind != b"vids" or not any(sizes):
        return None
    return Places(track.tick, array("q", (start + k for k, size in enumerate(sizes) if size)))


def _tracks(file: BinaryIO, size: int) -> list[_Track]:
    tracks: list[_Track] = []
    for name, at, length in _chunks(file, 0, size):
        if name == b"strh":
            kind, scale, rate, start = struct.unpack("<4s16xIII", _read(file, at, 32))
            tracks.append(_Track(kind, Fraction(scale, rate), start))
        elif name == b"indx" and tracks:
            (count,) = struct.unpack("<4xI", _read(file, at, 8))
            for entries in _pieces(file, at + 24, min(count * 16, length)):
                tracks[-1].parts += [place for place, _, _ in struct.iter_unpack("<QII", entries)]
        elif name == b"idx1":
            for entries in _pieces(file, at, length // 16 * 16):
                for chunk, _, _, bytes_ in struct.iter_unpack("<4sIII", entries):
                    if chunk[:2].isdigit() and chunk[2:] in (b"dc", b"db", b"wb", b"iv"):
                        tracks[int(chunk[:2])].plain.append(bytes_)
    for track in tracks:
        for place in track.parts:
            width, count = struct.unpack("<8xHxxI", _read(file, place, 16))
            for entries in _pieces(file, place + 32, count * 8) if width == 2 else ():
                track.sizes.extend(n & 0x7FFFFFFF for _, n in struct.iter_unpack("<II", entries))
    return tracks


def _pieces(file: BinaryIO, at: int, length: int) -> Iterator[bytes]:
    """The bytes of an index, piece by piece."""
    for begin in range(at, at + length, _AT_ONCE):
        yield _read(file, begin, min(_AT_ONCE, at + length - begin))


def _chunks(file: BinaryIO, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, place of the data, length) of the chunks that are no lists, those of headers inside
    their lists; the list of the data itself is passed over."""
    while at + 12 <= stop:
        name, length, kind = struct.unpack("<4sI4s", _read(file, at, 12))
        if name in _LISTS and kind != b"movi":
            yield from _chunks(file, at + 12, min(at + 8 + length, stop))
        elif name not in _LISTS:
            yield name, at + 8, length
        at += 8 + length + length % 2


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
