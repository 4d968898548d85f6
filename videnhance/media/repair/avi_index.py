"""The times of an AVI's video from its own index, read byte by byte, without FFmpeg.

Layout: AVI RIFF reference (idx1, AVISTREAMHEADER), and "OpenDML AVI File Format Extensions" 1.02
(indx, ix##) for files over 1 GB. A chunk of video is shown at its number. A chunk without data, as
a recorder writes it for a frame that it dropped, shows the one before it further on.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

_LISTS = (b"RIFF", b"LIST")
_LATEST = 3600
"""Seconds: streams that claim to begin later begin at 0, as for every player."""
_AT_ONCE = 1 << 20
"""Bytes of an index that are held at once, a multiple of every entry's length."""
_TRIED = 64
"""How many chunks at both ends are looked for where the index has them."""
_OLD = np.dtype([("name", "<u4"), ("flags", "<u4"), ("place", "<u4"), ("size", "<u4")])
_NEW = np.dtype([("place", "<u4"), ("size", "<u4")])
_VIDEO = (b"dc", b"db", b"iv")


class AviIndex(NamedTuple):
    """The video of an AVI as its index lists it."""

    tick: Fraction
    """Seconds for which a chunk is shown, with data or without."""
    numbers: npt.NDArray[np.int64]
    """Ticks at which the chunks with data are shown, rising."""
    end: int
    """Tick at which the last chunk ends, with data or without."""
    is_there: bool
    """Whether the file holds the first and the last of them where the index says: if bytes were
    lost or put in between, it does not."""


@dataclass
class _Track:
    kind: bytes = b""
    tick: Fraction = Fraction(0)
    start: int = 0
    sizes: array[int] = field(default_factory=lambda: array("I"))
    """Bytes of each chunk."""
    places: array[int] = field(default_factory=lambda: array("Q"))
    """Where its data are, in the file; by idx1 as that has it."""
    parts: list[int] = field(default_factory=list)
    """Places of the chunks that index it (ix##)."""


def index_of(path: Path, stream: int) -> AviIndex | None:
    """What the index says of a stream of video. None if the file has no index, or one that cannot
    be read."""
    try:
        with path.open("rb") as file:
            tracks, base = _tracks(file, path.stat().st_size)
            track = tracks[stream]
            full = np.flatnonzero(np.frombuffer(track.sizes, np.uint32))
            if track.kind != b"vids" or not len(full) or not track.tick:
                return None
            start = track.start if track.start * track.tick <= _LATEST else 0
            ends = [*full[:_TRIED].tolist(), *full[-_TRIED:].tolist()]
            bases = (0,) if track.parts else (base + 8, 8)  # from "movi", or from the beginning
            there = any(
                all(_is_chunk(file, track, number, base, stream) for number in ends)
                for base in bases
            )
            return AviIndex(track.tick, start + full, start + len(track.sizes), there)
    except (struct.error, ValueError, LookupError, ArithmeticError, RecursionError):
        return None


def _is_chunk(file: BinaryIO, track: _Track, number: int, base: int, stream: int) -> bool:
    head = _read(file, track.places[number] + base - 8, 8)
    mark = b"%02d" % stream
    named = head[:2] == mark and head[2:4] in _VIDEO
    return named and head[4:] == struct.pack("<I", track.sizes[number])


def _tracks(file: BinaryIO, size: int) -> tuple[list[_Track], int]:
    """The streams, and the place of "movi"."""
    tracks: list[_Track] = []
    base = 0
    for name, at, length in _chunks(file, 0, size):
        if name == b"movi":
            base = base or at
        elif name == b"strh":
            kind, scale, rate, start = struct.unpack("<4s16xIII", _read(file, at, 32))
            tracks.append(_Track(kind, Fraction(scale, rate), start))
        elif name == b"indx" and tracks:
            (count,) = struct.unpack("<4xI", _read(file, at, 8))
            for entries in _pieces(file, at + 24, min(count * 16, length)):
                tracks[-1].parts += [place for place, _, _ in struct.iter_unpack("<QII", entries)]
        elif name == b"idx1" and not any(track.parts for track in tracks):
            for entries in _pieces(file, at, length // 16 * 16):
                _take_old(tracks, np.frombuffer(entries, _OLD))
    for track in tracks:
        for place in track.parts:
            width, count, origin = struct.unpack("<8xHxxI4xQ", _read(file, place, 28))
            for entries in _pieces(file, place + 32, count * 8) if width == 2 else ():
                found = np.frombuffer(entries, _NEW)
                track.sizes.frombytes((found["size"] & 0x7FFFFFFF).tobytes())
                track.places.frombytes((found["place"].astype(np.uint64) + origin).tobytes())
    return tracks, base


def _take_old(tracks: list[_Track], entries: npt.NDArray[np.void]) -> None:
    for number, track in enumerate(tracks):
        if track.kind == b"vids":
            names = [int.from_bytes(b"%02d" % number + kind, "little") for kind in _VIDEO]
            own = entries[np.isin(entries["name"], names)]
            track.sizes.frombytes(own["size"].tobytes())
            track.places.frombytes(own["place"].astype(np.uint64).tobytes())


def _pieces(file: BinaryIO, at: int, length: int) -> Iterator[bytes]:
    """The bytes of an index, piece by piece."""
    for begin in range(at, at + length, _AT_ONCE):
        yield _read(file, begin, min(_AT_ONCE, at + length - begin))


def _chunks(file: BinaryIO, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, place of the data, length) of the chunks that are no lists, those of headers inside
    their lists; of the list of the data itself only the place of its name."""
    while at + 12 <= stop:
        name, length, kind = struct.unpack("<4sI4s", _read(file, at, 12))
        if name in _LISTS and kind != b"movi":
            yield from _chunks(file, at + 12, min(at + 8 + length, stop))
        elif name in _LISTS:
            yield kind, at + 8, length
        else:
            yield name, at + 8, length
        at += 8 + length + length % 2


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
