"""The times of an AVI's chunks from its own index, read byte by byte, without FFmpeg.

Layout: AVI RIFF reference (idx1, AVISTREAMHEADER), and "OpenDML AVI File Format Extensions" 1.02
(indx, ix##) for files over 1 GB. A chunk of video is shown at its number, a chunk without data
shows the one before it further on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_LISTS = (b"RIFF", b"LIST")
_LATEST = 3600
"""Seconds: streams that claim to begin later begin at 0, as for every player."""


@dataclass
class _Track:
    kind: bytes = b""
    tick: Fraction = Fraction(0)
    start: int = 0
    sizes: list[int] = field(default_factory=list)
    """Bytes of each chunk."""
    parts: list[int] = field(default_factory=list)
    """Places of the chunks that index it (ix##)."""


def begins_of(path: Path) -> dict[int, tuple[Fraction, ...]] | None:
    """Seconds at which each chunk with data begins, by stream: of video every chunk, of sound only
    the first. None if the file has no index, or one that cannot be read."""
    try:
        with path.open("rb") as file:
            tracks = _tracks(file, path.stat().st_size)
    except (struct.error, ValueError, LookupError, ZeroDivisionError, RecursionError):
        return None
    if not any(track.sizes for track in tracks):
        return None
    found = {}
    for number, track in enumerate(tracks):
        start = track.start if track.start * track.tick <= _LATEST else 0
        if track.kind == b"vids":
            full = (k for k, size in enumerate(track.sizes) if size)
            found[number] = tuple((start + k) * track.tick for k in full)
        elif track.kind == b"auds" and any(track.sizes):
            found[number] = (start * track.tick,)
    return found


def _tracks(file: BinaryIO, size: int) -> list[_Track]:
    tracks: list[_Track] = []
    plain: list[tuple[int, int]] = []
    for name, at, length in _chunks(file, 0, size):
        if name == b"strh":
            kind, scale, rate, start = struct.unpack("<4s16xIII", _read(file, at, 32))
            tracks.append(_Track(kind, Fraction(scale, rate), start))
        elif name == b"indx" and tracks:
            (count,) = struct.unpack("<4xI", _read(file, at, 8))
            entries = _read(file, at + 24, min(count * 16, length))
            tracks[-1].parts += [place for place, _, _ in struct.iter_unpack("<QII", entries)]
        elif name == b"idx1":
            entries = _read(file, at, length // 16 * 16)
            for chunk, _, _, bytes_ in struct.iter_unpack("<4sIII", entries):
                if chunk[:2].isdigit() and chunk[2:] in (b"dc", b"db", b"wb", b"iv"):
                    plain.append((int(chunk[:2]), bytes_))
    for track in tracks:
        for place in track.parts:
            width, count = struct.unpack("<8xHxxI", _read(file, place, 16))
            if width == 2:
                entries = _read(file, place + 32, count * 8)
                track.sizes += [n & 0x7FFFFFFF for _, n in struct.iter_unpack("<II", entries)]
    if not any(track.parts for track in tracks):
        for number, bytes_ in plain:
            tracks[number].sizes.append(bytes_)
    return tracks


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
