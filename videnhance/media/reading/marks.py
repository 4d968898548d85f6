"""What a file says of itself: whether it was enhanced or made by AI, and whether that is signed.

Read are IPTC's terms for the kind of a digital source (cv.iptc.org/newscodes/digitalsourcetype) in
XMP packets (MP4, MOV: Adobe's XMP specification, part 3, 1.1; pictures) and in tags; and whether
there is a manifest of C2PA, whose content only its own library reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from videnhance.media.info import VideoInfo
from videnhance.media.reading.boxes import boxes
from videnhance.media.reading.pictures import DEMUXER, files_of
from videnhance.media.reading.source import open_source

MARKED = "the input is marked"
"""How the note about its marks begins."""
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
"""Type of the uuid box that holds XMP."""
_C2PA_BOX = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
"""That of the one that holds a manifest (C2PA specification, A.5)."""
_TERM = re.compile(rb"https?://cv\.iptc\.org/newscodes/digitalsourcetype/([A-Za-z]{1,60})")
_XMP = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)
_C2PA_CHUNKS = (b"caBX", b"JUMBF", b"c2pa.assertions")
"""What a PNG, a JPEG or an AVI with a manifest holds."""
_HEAD = 1 << 20
"""Bytes of a picture's beginning that are searched."""
_MOST = 4 << 20
"""Bytes of a packet of XMP: a larger one is none."""


@dataclass(frozen=True)
class FoundMarks:
    """The marks of a file."""

    terms: tuple[str, ...] = ()
    """IPTC's, such as digitalCapture, each once, in the order found."""
    is_signed: bool = False
    """Whether it holds a manifest of C2PA."""

    def notes(self, *, signs: bool = False) -> tuple[str, ...]:
        """What the user is to know of them, one sentence each; `signs`: whether the output is."""
        terms = ", ".join(self.terms)
        marked = f"{MARKED} {terms} (IPTC); the output carries that on"
        kept = "is not in the output, which is not signed"
        if signs:
            kept = "is in the output's own as that of its ingredient"
        signed = f"the input holds a signed C2PA manifest, which speaks of it alone and {kept}"
        return (*([marked] if terms else []), *([signed] if self.is_signed else []))


UNMARKED = FoundMarks()


def marks_in(info: VideoInfo) -> FoundMarks:
    """Those of a source; raises InputError where it cannot be opened."""
    if info.container == DEMUXER:
        return _found(*_of_picture(files_of(info.path)[0]))
    texts, is_signed = [], False
    with open_source(info) as source:
        for metadata in (source.metadata, *(s.metadata for s in source.streams)):
            texts += [value.encode() for value in metadata.values()]
        kind = source.format.name
    if "mov" in kind:
        more, is_signed = _of_boxes(info.path)
        texts += more
    elif kind == "avi":
        more, is_signed = _of_picture(info.path)
    return _found(texts, is_signed)


def _found(texts: list[bytes], is_signed: bool) -> FoundMarks:
    terms = (term.decode() for text in texts for term in _TERM.findall(text))
    return FoundMarks(tuple(dict.fromkeys(terms)), is_signed)


def _of_picture(path: Path) -> tuple[list[bytes], bool]:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return _XMP.findall(head), any(name in head for name in _C2PA_CHUNKS)


def _of_boxes(path: Path) -> tuple[list[bytes], bool]:
    """The packets of XMP in an MP4 or MOV, and whether there is a manifest."""
    packets, is_signed = [], False
    with path.open("rb") as file:
        for kind, begin, end in _possible(file, path.stat().st_size):
            file.seek(begin)
            if kind == b"XMP_":
                packets.append(file.read(min(end - begin, _MOST)))
            elif kind == b"uuid":
                own = file.read(16)
                is_signed = is_signed or own == _C2PA_BOX
                if own == XMP_BOX:
                    packets.append(file.read(min(end - begin, _MOST)))
    return packets, is_signed


def _possible(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes at the top, and those of the movie's user data, where QuickTime has XMP."""
    for kind, begin, end in boxes(file, 0, size):
        yield kind, begin, end
        if kind == b"moov":
            for inner, start, stop in boxes(file, begin, end):
                if inner == b"udta":
                    yield from boxes(file, start, stop)
