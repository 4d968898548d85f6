"""Picture tags by way of Matroska headers: read from any stream, and written, as PyAV cannot.

PyAV gives no access to some of what FFmpeg knows about a picture (chroma site, cropping, mastering
display). But FFmpeg writes all of it into a Matroska header, and reads it back from there. So a
Matroska header in memory is used to read and set it (RFC 9559, 5.1.4; RFC 8794). Ours, because
PyAV 18 still lacks this, and ebmlite reads EBML but does not rewrite it in place, with its CRC.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import av.error
from av.video.stream import VideoStream

from videnhance.media.info import PictureTags

_SEGMENT, _TRACKS, _TRACK, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_CRC, _VOID, _NAME = 0xBF, 0xEC, 0x536E
_WIDTH, _HEIGHT = 0xB0, 0xBA
_COLOUR, _MASTERING = 0x55B0, 0x55D0
_SITING = (0x55B7, 0x55B8)
_LIGHT = (0x55BC, 0x55BD)
_PRIMARIES = tuple(range(0x55D1, 0x55DB))
"""x and y of R, G, B and white, then the largest and the least luminance."""
_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
"""PixelCropLeft, -Top, -Right and -Bottom."""
_DISPLAY = (0x54B0, 0x54BA)
_UNIT = 0x54B2
_PIXELS, _RATIO = 0, 3

FILLER = "." * 48
"""Appended to the name of a track whose aspect ratio is written later: it keeps the room for it."""


class Element(NamedTuple):
    """One EBML element: its id, and its content as bytes."""

    id: int
    data: bytes


_NO_PACKETS = Element(0x1F43B675, b"\xe7\x81\x00")
"""An empty cluster at time 0: without one, FFmpeg takes a file for truncated."""


def elements_of(data: bytes) -> list[Element]:
    """The sequence of elements in `data`; the last may have an unknown length."""
    found, at = [], 0
    while at < len(data):
        identifier, at = _number(data, at, marked=True)
        start = at
        size, at = _number(data, at, marked=False)
        unknown = size == (1 << 7 * (at - start)) - 1
        end = len(data) if unknown else at + size
        found.append(Element(identifier, data[at:end]))
        at = end
    return found


def encoded(elements: Iterable[Element]) -> bytes:
    """The elements as bytes, each length in as few bytes as possible."""
    return b"".join(
        e.id.to_bytes((e.id.bit_length() + 7) // 8, "big") + _length(len(e.data)) + e.data
        for e in elements
    )


def picture_tags(stream: VideoStream) -> PictureTags:
    """The tags of a stream's picture, from its container's header and its first packets.

    No tags if Matroska has no name for the codec.
    """
    try:
        video = _inside(_header_of(stream), _SEGMENT, _TRACKS, _TRACK, _VIDEO)
    except (av.error.FFmpegError, ValueError):
        return PictureTags()
    held = dict(video)
    colour = dict(elements_of(held.get(_COLOUR, b"")))
    mastering = dict(elements_of(colour.get(_MASTERING, b"")))
    siting = [int.from_bytes(colour.get(k, b""), "big") for k in _SITING]
    crop = [int.from_bytes(held.get(k, b""), "big") for k in _CROP]
    light = [int.from_bytes(colour.get(k, b""), "big") for k in _LIGHT]
    return PictureTags(
        chroma=(siting[0], siting[1]) if all(siting) else None,
        crop=(crop[0], crop[1], crop[2], crop[3]) if any(crop) else None,
        mastering=tuple(_real(mastering[k]) for k in _PRIMARIES)
        if set(_PRIMARIES) <= set(mastering)
        else None,
        light=(light[0], light[1]) if any(light) else None,
    )


@contextmanager
def with_tags(stream: VideoStream, tags: PictureTags) -> Iterator[VideoStream]:
    """A copy of the stream without packets, whose container also declares `tags`."""
    if tags == PictureTags():
        yield stream
        return
    crop: list[Element] = []
    if tags.crop is not None:
        crop += [Element(k, _whole(n)) for k, n in zip(_CROP, tags.crop, strict=True) if n]
    colour: list[Element] = []
    if tags.chroma is not None:
        colour += [Element(k, _whole(n)) for k, n in zip(_SITING, tags.chroma, strict=True)]
    if tags.light is not None:
        colour += [Element(k, _whole(n)) for k, n in zip(_LIGHT, tags.light, strict=True)]
    if tags.mastering is not None:
        reals = zip(_PRIMARIES, tags.mastering, strict=True)
        colour.append(
            Element(_MASTERING, encoded(Element(k, struct.pack(">d", x)) for k, x in reals))
        )

    def rewritten(elements: list[Element], path: tuple[int, ...]) -> bytes:
        if not path:
            kept = [e for e in elements if e.id != _COLOUR]
            known = elements_of(dict(elements).get(_COLOUR, b""))
            known = [e for e in known if e.id not in dict(colour)]
            return encoded([*kept, *crop, Element(_COLOUR, encoded([*known, *colour]))])
        return encoded(
            Element(e.id, rewritten(elements_of(e.data), path[1:])) if e.id == path[0] else e
            for e in elements
            if e.id != _CRC
        )

    top, segment = elements_of(_header_of(stream))
    tracks = [e for e in elements_of(segment.data) if e.id == _TRACKS]
    held = rewritten(tracks, (_TRACKS, _TRACK, _VIDEO)) + encoded([_NO_PACKETS])
    whole = encoded([top, Element(_SEGMENT, held)])
    with av.open(io.BytesIO(whole), "r", format="matroska") as container:
        yield container.streams.video[0]


def write_aspect(path: Path, aspect: Fraction, *, ratio: bool) -> None:
    """Write the sample aspect ratio of a track into a finished file, in place.

    PyAV does not pass it to the muxer. The track is the one whose name ends in FILLER, which is
    removed. `ratio`: write it as a ratio; otherwise as a display size in whole pixels (WebM).
    """

    def with_aspect(track: Element) -> Element:
        if not dict(elements_of(track.data)).get(_NAME, b"").endswith(FILLER.encode()):
            return track
        return Element(_TRACK, _with_aspect(track.data, aspect, ratio=ratio))

    rewrite_tracks(path, with_aspect)


def rewrite_tracks(path: Path | BinaryIO, change: Callable[[Element], Element]) -> None:
    """Change the tracks of a finished file in place; in total they must not become longer."""
    with path.open("r+b") if isinstance(path, Path) else nullcontext(path) as file:
        start, size = _find_tracks(file)
        file.seek(start)
        before = elements_of(file.read(size))
        tracks = [e for e in before if e.id not in (_CRC, _VOID)]
        changed = [change(e) if e.id == _TRACK else e for e in tracks]
        if changed == tracks:
            return
        data = encoded(changed)
        summed = before[0].id == _CRC
        room = size - len(data) - (6 if summed else 0) - 9
        # The void's length takes eight bytes, so that it fills any remaining room exactly.
        data += _VOID.to_bytes(1, "big") + (room | 1 << 56).to_bytes(8, "big") + bytes(room)
        if summed:
            data = b"\xbf\x84" + zlib.crc32(data).to_bytes(4, "little") + data
        file.seek(start)
        file.write(data)


def _with_aspect(track: bytes, aspect: Fraction, *, ratio: bool) -> bytes:
    changed = []
    for element in elements_of(track):
        if element.id == _NAME:
            name = element.data.removesuffix(FILLER.encode())
            if name:
                changed.append(Element(_NAME, name))
        elif element.id == _VIDEO:
            video = [e for e in elements_of(element.data) if e.id not in (*_DISPLAY, _UNIT)]
            held = {e.id: int.from_bytes(e.data, "big") for e in video}
            left, top, right, bottom = (held.get(k, 0) for k in _CROP)
            width, height = held[_WIDTH] - left - right, held[_HEIGHT] - top - bottom
            shown = width * aspect, Fraction(height)
            unit = _PIXELS
            if ratio and shown[0].denominator != 1:
                whole = Fraction(width, height) * aspect
                shown, unit = (Fraction(whole.numerator), Fraction(whole.denominator)), _RATIO
            video += [Element(k, _whole(round(n))) for k, n in zip(_DISPLAY, shown, strict=True)]
            changed.append(Element(_VIDEO, encoded([*video, Element(_UNIT, _whole(unit))])))
        else:
            changed.append(element)
    return encoded(changed)


def _header_of(stream: VideoStream) -> bytes:
    """A Matroska file in memory with the stream's header and no packets."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="matroska") as container:
        container.add_stream_from_template(stream, opaque=True)
        container.start_encoding()
    return memory.getvalue()


def _inside(data: bytes, *path: int) -> list[Element]:
    """The elements inside the element at `path`: ids from the outside in, the first of each."""
    elements = elements_of(data)
    for wanted in path:
        elements = elements_of(next(e.data for e in elements if e.id == wanted))
    return elements


def _find_tracks(file: BinaryIO) -> tuple[int, int]:
    """The byte offset and length of the content of a file's Tracks element."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(12)
        identifier, size_at = _number(head, 0, marked=True)
        size, start = _number(head, size_at, marked=False)
        if identifier == _TRACKS:
            return at + start, size
        at += start if identifier == _SEGMENT else start + size


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """A number of variable length, with or without the bit that marks its length, and the offset of
    what follows."""
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    return value if marked else value & ((1 << 7 * length) - 1), at + length


def _length(size: int) -> bytes:
    # A length with all bits set would mean an unknown length.
    length = next(n for n in range(1, 9) if size < (1 << 7 * n) - 1)
    return (size | 1 << 7 * length).to_bytes(length, "big")


def _whole(number: int) -> bytes:
    return number.to_bytes(max((number.bit_length() + 7) // 8, 1), "big")


def _real(data: bytes) -> float:
    return float(struct.unpack(">d" if len(data) == 8 else ">f", data)[0])
