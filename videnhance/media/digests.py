"""What files hold, as digests that others can make again: bytes, packets, decoded frames.

Those of packets and frames are what FFmpeg's `hash` muxer prints of the same stream; the commands
are in docs/evidence.md.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import av.error
import numpy as np
from av import library_versions
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance.errors import InputError, line_of
from videnhance.files import sha256_of
from videnhance.imaging.frames import Array
from videnhance.media.names import as_file, lone
from videnhance.media.reading.pictures import files_of
from videnhance.media.reading.source import codec_name, is_cover


def decoding_libraries() -> dict[str, str]:
    """Versions of FFmpeg's libraries, which decide what frames decode to, by name."""
    return {name: ".".join(map(str, numbers)) for name, numbers in library_versions.items()}


def source_sha256(
    source: Path, tell: Callable[[int, int], None], sizes: Collection[int] | None = None
) -> str:
    """SHA-256 of a source's content. Of several pictures, it is that of what `sha256sum` writes of
    them in their order: a line each, "DIGEST  NAME".

    `sizes`: bytes of each file that count, by default all. `tell` gets (bytes read, bytes in all).
    Raises OSError, InputError.
    """
    files = files_of(source)
    lengths = [file.stat().st_size for file in files] if sizes is None else list(sizes)
    total, lines, done = sum(lengths), [], 0
    for file, length in zip(files, lengths, strict=False):
        before = done

        def read(count: int, before: int = before) -> None:
            tell(before + count, total)

        lines.append(f"{sha256_of(file, length, read)}  {file.name}\n")
        done += length
    if files == (source,):
        return lines[0].split()[0]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass
class FramesDigest:
    """Of the decoded frames of a stream, in the order shown; filled frame by frame."""

    time_base: str
    """Seconds of one tick of its stream, as a fraction."""
    pix_fmt: str = ""
    width: int = 0
    height: int = 0
    crc32: list[str] = field(default_factory=list)
    """Of each frame, eight hexadecimal digits."""
    pts: array[int] = field(default_factory=lambda: array("q"))
    """Of each frame, in ticks of its stream."""

    def __post_init__(self) -> None:
        self._whole = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all frames: their planes without padding."""
        return self._whole.hexdigest()

    def add(self, picture: VideoFrame) -> None:
        crc = 0
        for plane in packed_planes(picture):
            crc = zlib.crc32(plane, crc)
            self._whole.update(plane)
        self.crc32.append(f"{crc:08x}")
        self.pts.append(picture.pts if picture.pts is not None else len(self.pts))
        self.pix_fmt = picture.format.name
        self.width, self.height = picture.width, picture.height


@dataclass
class StreamDigest:
    """Of one stream of a file."""

    index: int
    kind: str
    codec: str
    packets: int = 0
    packets_sha256: str = ""
    frames: FramesDigest | None = None
    """Where its frames were decoded."""


def streams_of(
    path: Path,
    decoded: Collection[int],
    tell: Callable[[int], None] = lambda frames: None,
) -> list[StreamDigest]:
    """All streams of a file, read once; frames are decoded of the videos with the indices
    `decoded`.

    `tell` gets the number of frames decoded so far. Raises InputError where the file cannot be read
    or decoded to its end.
    """
    try:
        with lone(path) as name, av.open(as_file(name)) as container:
            found = {
                s.index: StreamDigest(s.index, s.type or "data", codec_name(s))
                for s in container.streams
            }
            hashes = {index: hashlib.sha256() for index in found}
            for index in decoded:
                stream = container.streams[index]
                assert isinstance(stream, VideoStream)
                stream.thread_type = "AUTO"
                found[index].frames = FramesDigest(str(stream.time_base or 1))
            done = 0
            for packet in container.demux():
                digest = found[packet.stream.index]  # the last ones, empty, lack stream_index
                if packet.size:
                    digest.packets += 1
                    hashes[digest.index].update(bytes(packet))
                if digest.frames is not None:
                    for picture in packet.decode():
                        assert isinstance(picture, VideoFrame)
                        digest.frames.add(picture)
                        done += 1
                        tell(done)
            for index, digest in found.items():
                digest.packets_sha256 = hashes[index].hexdigest()
            return list(found.values())
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise _unreadable(path, error) from error


def video_of(path: Path, place: int) -> int:
    """The index of the video stream of number `place`, of those that are no cover pictures; raises
    InputError."""
    try:
        with lone(path) as name, av.open(as_file(name)) as container:
            indices: list[int] = [s.index for s in container.streams.video if not is_cover(s)]
            return indices[place]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise _unreadable(path, error) from error


def pixels_sha256(picture: Array) -> str:
    """Of a picture (H, W) or (H, W, 3): its samples by rows, 16-bit ones with the low byte
    first."""
    little = picture.astype(picture.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little).data).hexdigest()


def packed_planes(picture: VideoFrame) -> Iterator[memoryview]:
    """The bytes of each plane of a decoded picture, without the padding at the end of rows."""
    form = picture.format
    for number, plane in enumerate(picture.planes):
        own = [c for c in form.components if c.plane == number]
        if len(picture.planes) == 1:
            width = -(-plane.width * form.padded_bits_per_pixel // 8)
        else:
            width = plane.width * sum(-(-c.bits // 8) for c in own)
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        yield np.ascontiguousarray(rows[: plane.height, :width]).data.cast("B")


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: cannot be read to its end ({line_of(error)}); it is probably damaged, or no "
        "video: take the file as it was written"
    )
