"""PNG files that describe themselves: lossless pictures of 8 or 16 bits, with text inside.

OpenCV encodes them. The text is added as chunks of the PNG specification (W3C, third edition,
11.3.3). Ours, because Pillow writes that text but, up to 13, no 16-bit RGB, and OpenCV, up to 5,
16-bit RGB but no text.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from videnhance.errors import OutputError, cure_of
from videnhance.files import written
from videnhance.imaging.color import color_planes, sample_rgb
from videnhance.imaging.frames import Array, Frame
from videnhance.media.reading.pictures import NOTHING, Embedded
from videnhance.media.writing.marks import PNG_KEYWORD

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 8 + 25
"""Bytes of the signature and the first chunk, IHDR."""


def picture_of(frame: Frame) -> Array:
    """The frame as (H, W, 3) RGB, (H, W, 4) with alpha, or (H, W) grey, full range: uint8, or
    uint16 if it has more than 8 bits."""
    layout = frame.layout
    deep = layout.depth > 8
    top, kind = (65535.0, np.uint16) if deep else (255.0, np.uint8)
    whole = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    rgb = sample_rgb(frame, whole, (frame.height, frame.width))
    seen = rgb[..., 0] if layout.kind == "gray" else rgb
    picture = np.clip(np.rint(seen * top), 0.0, top).astype(kind)
    colors = color_planes(layout)
    if colors == 3 and len(frame.planes) > 3:
        alpha = frame.planes[3].astype(np.float32) * np.float32(top / ((1 << layout.depth) - 1))
        picture = np.dstack([picture, np.rint(alpha).astype(kind)])
    return np.asarray(picture)


def write_png(
    path: Path,
    picture: Array,
    text: Mapping[str, str],
    part: Path,
    embedded: Embedded = NOTHING,
) -> None:
    """Write a picture completely or not at all: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or
    uint16.

    `text`: keywords (Latin-1, 1 to 79 bytes) and texts. `part`: the file that is written and then
    renamed, on the same file system. Raises OutputError.
    """
    with written(path, part):
        part.write_bytes(encoded_png(path, picture, text, embedded))


def encoded_png(
    path: Path, picture: Array, text: Mapping[str, str], embedded: Embedded = NOTHING
) -> bytes:
    """The content of the file that `write_png` writes; raises OutputError, naming `path`."""
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}
    turned = picture if picture.ndim == 2 else picture[..., order[picture.shape[2]]]
    done, content = cv2.imencode(".png", np.ascontiguousarray(turned))
    if not done:
        raise OutputError(f"{path}: OpenCV cannot write this picture as PNG; name a video, .mkv")
    data = content.tobytes()
    chunks = b"".join(_text_chunk(keyword, value) for keyword, value in text.items())
    # The text comes first, so that read_text finds it.
    if embedded.profile is not None:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(embedded.profile))
    if embedded.exif is not None:
        chunks += _chunk(b"eXIf", embedded.exif)
    return data[:_HEADER] + chunks + data[_HEADER:]


def read_picture(path: Path) -> Array | None:
    """A picture written by `write_png`, in the same array form; None if it cannot be read."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    found = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if found is None or found.ndim == 2:
        return found
    return np.asarray(found[..., [2, 1, 0, 3][: found.shape[2]]])


def read_text(path: Path) -> dict[str, str]:
    """The texts at the beginning of a PNG of ours; empty if it is another file, or incomplete."""
    found: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
            if not head.startswith(_SIGNATURE):
                return {}
            while True:
                length, kind = struct.unpack(">I4s", file.read(8))
                if kind not in (b"tEXt", b"iTXt"):
                    break
                keyword, _, value = file.read(length).partition(b"\0")
                file.read(4)
                if kind == b"iTXt":
                    value = value[4:]
                found[keyword.decode("latin-1")] = value.decode(
                    "utf-8" if kind == b"iTXt" else "latin-1"
                )
            file.seek(-12, 2)
            return found if file.read(12)[4:8] == b"IEND" else {}
    except (OSError, struct.error, UnicodeDecodeError):
        return {}


@dataclass(frozen=True)
class FrameFiles:
    """Every finished frame as a separate picture, written before it is encoded.

    Each names its segment, so that a resumed job knows which pictures it has.
    """

    folder: Path
    time_base: Fraction
    text: Mapping[str, str]
    """Text written into all of them."""
    embedded: Embedded = NOTHING
    """Colour profile and EXIF written into all of them."""

    def path(self, index: int, pts: int) -> Path:
        return self.folder / f"frame{index:06d}_pts{pts}.png"

    def write(self, frame: Frame, segment: str) -> None:
        """Write one frame. `segment`: the fingerprint in its segment's seal, which says what it was
        made from. Raises OutputError."""
        path = self.path(frame.index, frame.pts)
        text = {
            **self.text,
            "Frame": str(frame.index),
            "PTS": str(frame.pts),
            "Time base": str(self.time_base),
            "Time": f"{float(frame.pts * self.time_base):.6f} s",
            "Segment": segment,
        }
        part = path.with_name(f".{path.name}.part")
        write_png(path, picture_of(frame), text, part, self.embedded)

    def holds(self, index: int, pts: int, segment: str) -> bool:
        """Whether the picture of a frame is there, complete, and made for this segment."""
        return read_text(self.path(index, pts)).get("Segment") == segment


def require_folder(folder: Path, option: str, *, ours: bool) -> None:
    """Make the folder. Raises OutputError if that fails, or if it already holds files and is not
    `ours`, that is, begun by this job or to be overwritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = next(folder.iterdir(), None)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be used for {option} ({error.strerror}); "
            f"{cure_of(error, 'name another folder')}"
        ) from error
    if held is not None and not ours:
        raise OutputError(
            f"{folder}: is not empty; name another folder after {option}, or add --overwrite"
        )


def _text_chunk(keyword: str, text: str) -> bytes:
    """A tEXt chunk, or iTXt if Latin-1 lacks some of the letters, and for XMP, which is UTF-8."""
    name = keyword.encode("latin-1")
    kind, body = b"iTXt", name + b"\0\0\0\0\0" + text.encode()
    if keyword != PNG_KEYWORD:
        with suppress(UnicodeEncodeError):
            kind, body = b"tEXt", name + b"\0" + text.encode("latin-1")
    return _chunk(kind, body)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
