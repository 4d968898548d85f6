"""Files whose container says wrongly, or not at all, what their video is coded in.

Recorders write fourccs of their own (HM10 for H.265), or the fourcc of another codec; and a program
stream without a map leaves FFmpeg to guess. PyAV cannot tell FFmpeg a stream's codec. So FFmpeg is
shown the file with those few bytes of its header replaced: the fourcc in AVI and Matroska (VfW),
the sample entry in MP4 and MOV; and a program stream is given a map (ISO/IEC 13818-1, 2.5.4).
"""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from videnhance.errors import UsageError
from videnhance.media.reading.boxes import KINDS, boxes


class Coded(NamedTuple):
    """How containers name a codec."""

    fourcc: bytes
    """In a BITMAPINFOHEADER."""
    entry: bytes
    """Of a sample entry in MP4 and MOV."""
    stream_type: int | None
    """In a program stream map (ISO/IEC 13818-1, table 2-34); None if it has none."""
    raw: str
    """FFmpeg's demuxer for the bare stream."""


CODED = {
    "h264": Coded(b"H264", b"avc3", 0x1B, "h264"),
    "hevc": Coded(b"HEVC", b"hev1", 0x24, "hevc"),
    "mjpeg": Coded(b"MJPG", b"jpeg", None, "mjpeg"),
    "mpeg4": Coded(b"FMP4", b"mp4v", 0x10, "m4v"),
    "mpeg2video": Coded(b"mpg2", b"m2v1", 0x02, "mpegvideo"),
    "mpeg1video": Coded(b"mpg1", b"m1v1", 0x01, "mpegvideo"),
}
"""By FFmpeg's name; those of settings.SourceSettings.input_codec."""

FOURCCS = dict.fromkeys(("HM10", "HEV1", "HVC1", "X265"), "hevc")
"""Codecs by the fourccs of recorders that FFmpeg does not know, in capitals. It knows those for
H.264, MPEG-4 and Motion JPEG, of Dahua, GeoVision, QNAP and others."""

_HEAD = 1 << 20
"""Bytes at the beginning of a file in which its header is looked for."""
_SAMPLE = 1 << 22
"""Bytes at the beginning of a file in which its video is looked for."""
_BITMAP = rb"(?s:..\0\0.{8}\x01\0[\x01-\x20]\0)(?P<name>[\x20-\x7e]{4})"
"""BITMAPINFOHEADER (Windows GDI): its size, width and height, one plane, bits a pixel, the name."""
_IN_AVI = re.compile(rb"(?s:strf.{4})" + _BITMAP)
_IN_MATROSKA = re.compile(_BITMAP)
_PACK = b"\0\0\1\xba"
_MAP = re.compile(rb"(?s)\x00\x00\x01\xbc(?=(..))")
_OTHERS = {b"FLV": "FLV", b"DHAV": "DHAV", b"OggS": "Ogg", b"\x30\x26\xb2\x75": "ASF"}
_NAMES = {"avi": "AVI", "mov": "MP4", "matroska": "Matroska", "mpeg": "program stream"}
_TS = re.compile(rb"(?s).{0,4}G.{187}(?:.{0,16})G")


class Edit(NamedTuple):
    """Bytes start..stop (half-open) of a file, and those that are shown in their place."""

    start: int
    stop: int
    data: bytes


class Edited:
    """A file, for reading, as it is with some edits; PyAV needs `read`, `seek` and `tell`."""

    def __init__(self, file: BinaryIO, edits: Sequence[Edit]) -> None:
        self._file, self._at = file, 0
        self._begins: list[int] = []
        """Where each piece begins, as shown."""
        self._pieces: list[tuple[int, int, bytes | None]] = []
        """Begin and end in the file, or the bytes shown instead."""
        begin = shown = 0
        for edit in sorted(edits):
            if edit.start < begin:  # a damaged header may say that one lies in another
                continue
            for piece in ((begin, edit.start, None), (0, len(edit.data), edit.data)):
                self._begins.append(shown)
                self._pieces.append(piece)
                shown += piece[1] - piece[0]
            begin = edit.stop
        self._begins.append(shown)
        self._pieces.append((begin, 1 << 62, None))
        self._longer = shown - begin

    def read(self, size: int = -1) -> bytes:
        """The next bytes as shown; fewer than `size` only at the end."""
        size = (1 << 62) if size < 0 else size
        found = bytearray()
        while len(found) < size:
            index = bisect_right(self._begins, self._at) - 1
            begin, end, data = self._pieces[index]
            place = begin + self._at - self._begins[index]
            wanted = min(size - len(found), end - place, _HEAD)
            if data is not None:
                piece = data[place : place + wanted]
            else:
                self._file.seek(place)
                piece = self._file.read(wanted)
            if not piece:
                break
            found += piece
            self._at += len(piece)
        return bytes(found)

    def seek(self, place: int, whence: int = 0) -> int:
        """As of files."""
        if whence == 1:
            place += self._at
        elif whence == 2:
            place += self._file.seek(0, 2) + self._longer
        self._at = max(place, 0)
        return self._at

    def tell(self) -> int:
        """As of files."""
        return self._at


@contextmanager
def shown(path: Path, codec: str) -> Iterator[Edited]:
    """A file, for av.open, whose header says that its video is coded in `codec`, one of CODED;
    valid within the context.

    Raises OSError; UsageError for a kind of file in which a codec cannot be renamed.
    """
    with path.open("rb") as file:
        yield Edited(file, _edits(file, codec, path))


def raw_format(path: Path, codec: str) -> str | None:
    """FFmpeg's demuxer for a file without a container that is to be read as `codec`; None for all
    others. Raises OSError."""
    with path.open("rb") as file:
        return CODED[codec].raw if _kind(file.read(_HEAD)) == "raw" else None


def called(path: Path) -> str | None:
    """The name that a file's header gives to the codec of its first video; None where it has none.
    Raises OSError."""
    with path.open("rb") as file:
        places = _names(file)
        if not places:
            return None
        file.seek(places[0])
        return file.read(4).decode("latin-1").strip() or None


def likely(path: Path) -> str | None:
    """The codec of CODED that a file's bytes look like, or else that its header's name stands for;
    None where neither says. Raises OSError."""
    with path.open("rb") as file:
        data = file.read(_SAMPLE)
    return _looks_like(data) or FOURCCS.get((called(path) or "").upper())


_START = rb"\x00\x00\x01"
_PARAMETERS = {
    # ITU-T H.265, 7.3.1.2: types 32 and 33 on layer 0; H.264, 7.3.1: type 7 and its profile.
    "hevc": (re.compile(_START + rb"\x40\x01\x0c"), re.compile(_START + rb"\x42\x01")),
    "h264": (
        re.compile(_START + rb"[\x27\x47\x67][\x2c\x42\x4d\x53\x56\x58\x64\x6e\x7a\xf4]"),
        re.compile(_START + rb"[\x28\x48\x68]"),
    ),
    # ISO/IEC 14496-2, 6.2.3: a video object layer, then a plane.
    "mpeg4": (re.compile(_START + rb"[\x20-\x2f]"), re.compile(_START + rb"\xb6")),
    # ISO/IEC 13818-2, 6.2.2: a sequence header with its extension; 11172-2 has none.
    "mpeg2video": (re.compile(_START + rb"\xb3"), re.compile(_START + rb"\xb5[\x10-\x1f]")),
    "mjpeg": (re.compile(rb"\xff\xd8\xff[\xc0-\xfe]"), re.compile(rb"\xff\xda")),
}
"""Two marks of each codec, both of which a file must have."""


def _looks_like(data: bytes) -> str | None:
    """The only codec of which both marks are there."""
    marked = [
        name
        for name, marks in _PARAMETERS.items()
        if all(mark.search(data) is not None for mark in marks)
    ]
    # In the coded data of one codec chance makes a mark of another, but hardly a first one.
    first = [name for name in marked if _PARAMETERS[name][0].search(data[: 1 << 16])]
    return first[0] if len(first) == 1 else None


def _kind(head: bytes) -> str:
    """avi, mov, matroska, mpeg, the name of another container, or raw."""
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return "avi"
    if head[4:8] in KINDS:
        return "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head.startswith(b"IMKH") or _PACK in head[:4096]:
        return "mpeg"
    if _TS.match(head):
        return "MPEG-TS"
    return next((name for sign, name in _OTHERS.items() if head.startswith(sign)), "raw")


def _edits(file: BinaryIO, codec: str, path: Path) -> list[Edit]:
    head = file.read(_HEAD)
    kind, coded = _kind(head), CODED[codec]
    if kind == "raw":
        return []
    if kind == "mpeg" and coded.stream_type is not None:
        own = _map_of(coded.stream_type)
        # FFmpeg asks the latest map when it meets a stream for the first time.
        there = [
            (m.start(), m.end() + 2 + int.from_bytes(m[1], "big")) for m in _MAP.finditer(head)
        ]
        first = head.index(_PACK)
        return [Edit(begin, end, own) for begin, end in there or [(first, first)]]
    name = coded.entry if kind == "mov" else coded.fourcc
    places = _names(file)
    if not places:
        raise UsageError(
            f"--input-codec {codec}: the name of the codec in {path} ({_NAMES.get(kind, kind)}) "
            "cannot be replaced; leave --input-codec out, or export the recording as AVI or MP4"
        )
    return [Edit(place, place + 4, name) for place in places]


def _names(file: BinaryIO) -> list[int]:
    """Where the file has the names of the codecs of its video streams, four bytes each."""
    file.seek(0)
    head = file.read(_HEAD)
    kind = _kind(head)
    if kind == "mov":
        return list(_sample_entries(file))
    if kind == "avi":
        return [found.start("name") for found in _IN_AVI.finditer(head)]
    if kind == "matroska" and b"V_MS/VFW/FOURCC" in head:
        return [found.start("name") for found in _IN_MATROSKA.finditer(head)]
    return []


_WAY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
"""The boxes around sample entries (ISO/IEC 14496-12, 8.5.2)."""


def _sample_entries(file: BinaryIO) -> Iterator[int]:
    """Where the names of the sample entries of video tracks are."""
    end = file.seek(0, 2)

    def within(begin: int, stop: int, depth: int) -> Iterator[int]:
        inner = list(boxes(file, begin, stop))
        if _WAY[depth] == b"minf":
            handlers = [file_at(place + 8, 4) for kind, place, _ in inner if kind == b"hdlr"]
            if handlers != [b"vide"]:
                return
        for kind, place, after in inner:
            if kind != _WAY[depth]:
                continue
            if depth + 1 < len(_WAY):
                yield from within(place, after, depth + 1)
            else:
                yield from (entry - 4 for _, entry, _ in boxes(file, place + 8, after))

    def file_at(place: int, size: int) -> bytes:
        file.seek(place)
        return file.read(size)

    yield from within(0, end, 0)


def _map_of(stream_type: int) -> bytes:
    """A program stream map that gives this type to every video stream there can be."""
    entries = b"".join(struct.pack(">BBH", stream_type, 0xE0 + k, 0) for k in range(16))
    body = b"\xe0\xff" + struct.pack(">HH", 0, len(entries)) + entries
    body = b"\0\0\1\xbc" + struct.pack(">H", len(body) + 4) + body
    return body + struct.pack(">I", zlib.crc32(body))
