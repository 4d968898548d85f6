"""Recordings that lie one behind another in one file, as `cat` joins them: where each begins.

Of MP4, MOV, FLV and some others, FFmpeg reads the first and says nothing of the rest. MP4 is walked
by its boxes (ISO/IEC 14496-12, 4.2), FLV by its tags (Video File Format 10.1, E.3); in other files
the first bytes are looked for again where reading ended.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

BOXES = frozenset(
    b"ftyp styp moov moof mdat mfra free skip wide uuid sidx emsg prft meta pdin".split()
)
"""Known boxes of the top level of MP4 and MOV."""
_IN_NAMES = frozenset(range(0x20, 0x7F)) | {0xA9}
"""Bytes in the names of boxes."""
_FLV = b"FLV\x01"
_TAGS = (8, 9, 18)
"""Kinds of FLV's tags: sound, video, data."""
_READ_ON = ("mpegts", "mpeg", "matroska", "avi", "gif", "image2", "mov", "flv")
"""Containers of which FFmpeg reads what lies behind the end too, that have none, or are walked."""
_HEAD = 16
"""Bytes by which another recording is known to begin."""
_HEADER = 64
"""Bytes that may stand before a packet, of what FFmpeg took for one."""
_VARIED = 5
"""Fewest different bytes in them: others, such as zeros, may be anything."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Part:
    """Bytes begin..end (half-open) of a file."""

    begin: int
    end: int
    is_recording: bool
    """Whether it begins like a recording; otherwise nothing is known of it."""

    def __len__(self) -> int:
        return self.end - self.begin


class _Bytes:
    """A file's bytes by their places. No mmap: a file that is cut short meanwhile would end the
    process."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size

    def at(self, place: int, count: int) -> bytes:
        self._file.seek(place)
        return self._file.read(count)

    def find(self, wanted: bytes, start: int) -> int:
        """The first place from `start` on where these bytes are; -1 if there is none."""
        for place in range(start, self.size, _BLOCK):
            found = self.at(place, _BLOCK + len(wanted) - 1).find(wanted)
            if found >= 0:
                return place + found
        return -1

    def are_zero(self, begin: int, end: int) -> bool:
        places = range(begin, end, _BLOCK)
        return not any(self.at(k, min(_BLOCK, end - k)).strip(b"\0") for k in places)


def parts_of(path: Path) -> tuple[Part, ...]:
    """The parts of an MP4, MOV or FLV: recordings, and bytes that belong to none. One for the whole
    of any other file. Zeros, with which recorders fill files up, are no part."""
    size = path.stat().st_size
    with path.open("rb") as file:
        data = _Bytes(file, size)
        head = data.at(0, 8)
        if head[4:] in BOXES:
            begins = _recordings(list(_boxes(data)))
        else:
            begins = _tags(data) if head[:4] == _FLV else []
        return _parts(data, begins or [(0, True)])


def parts_behind(path: Path, container: str, last: int) -> tuple[Part, ...]:
    """Recordings behind the one that was read, in other files than those of `parts_of`.

    `container`: FFmpeg's name. `last`: the byte at which the last packet read begins.
    """
    if container.startswith(_READ_ON):
        return ()
    with path.open("rb") as file:
        data = _Bytes(file, path.stat().st_size)
        return _parts(data, _heads(data, last))[1:]


def _parts(data: _Bytes, begins: list[tuple[int, bool]]) -> tuple[Part, ...]:
    ends = [*(begin for begin, _ in begins[1:]), data.size]
    parts = [Part(begin, end, new) for (begin, new), end in zip(begins, ends, strict=True)]
    return tuple(p for p in parts if p.is_recording or not data.are_zero(p.begin, p.end))


class _Box(NamedTuple):
    name: bytes
    """Empty for what is no box."""
    begin: int


def _boxes(data: _Bytes) -> Iterator[_Box]:
    """The boxes of a file's top level, and what stands between them."""
    at = 0
    while at + 8 <= data.size:
        size, name = struct.unpack(">I4s", data.at(at, 8))
        if size == 1 and at + 16 <= data.size:
            (size,) = struct.unpack(">Q", data.at(at + 8, 8))
        if size == 0 and name in BOXES:  # to the end of the file
            yield _Box(name, at)
            return
        if size < 8 or not _IN_NAMES.issuperset(name):
            yield _Box(b"", at)
            at = data.find(b"ftyp", at + 5) - 4
            if at < 0:
                return
        else:
            yield _Box(name, at)
            at += size
    if at < data.size:
        yield _Box(b"", at)


def _recordings(boxes: list[_Box]) -> list[tuple[int, bool]]:
    """Where each part begins, and whether it is a recording: one index (moov) and the boxes around
    it, from ftyp on, or where that is missing, from the samples or the index on."""
    begins: list[tuple[int, bool]] = [(0, True)]
    indices = [k for k, box in enumerate(boxes) if box.name == b"moov"]
    start = 0
    for index, following in pairwise([*indices, len(boxes)]):
        between = range(index + 1, following)
        begin = next((k for k in between if boxes[k].name == b"ftyp"), None)
        in_front = not any(box.name == b"mdat" for box in boxes[start:index])
        if begin is None and following < len(boxes):
            begin = following if in_front else index + 1
        begins += [(boxes[k].begin, False) for k in between if not boxes[k].name]
        if begin is not None:
            begins.append((boxes[begin].begin, True))
            start = begin
    return sorted(set(begins), key=lambda found: (found[0], not found[1]))


def _tags(data: _Bytes) -> list[tuple[int, bool]]:
    """Like `_recordings`, for FLV: a recording begins with its header."""
    begins: list[tuple[int, bool]] = []
    at = 0
    while 0 <= at < data.size:
        begins.append((at, data.at(at, 4) == _FLV))
        if not begins[-1][1]:
            at = data.find(_FLV, at + 1)
            continue
        at += 13  # the header, and the size of no tag before the first
        while at + 15 <= data.size:
            head = data.at(at, 11)
            if head[0] & 0x1F not in _TAGS or any(head[8:]):
                break
            size = 11 + int.from_bytes(head[1:4], "big")
            # Behind a tag stands its size: not behind one in which the recording was cut off.
            if data.at(at + size, 4) not in (size.to_bytes(4, "big"), b""):
                break
            at += size + 4
        else:
            break  # a tag is cut off at the end, if anything
    return begins


def _heads(data: _Bytes, last: int) -> list[tuple[int, bool]]:
    """Like `_recordings`, for any other file: where its first bytes come again."""
    head = data.at(0, _HEAD)
    begins, at = [(0, True)], max(last - _HEADER, 0)  # which may be taken for that of a packet
    while len(set(head) - {0}) >= _VARIED and (at := data.find(head, at + 1)) > 0:
        begins.append((at, True))
    return begins
