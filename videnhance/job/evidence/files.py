"""The files of a result as a record has them: hashed, and decoded once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from videnhance.evidence.document import Frames, Output, OutputStream, Packets
from videnhance.files import sha256_of
from videnhance.media.digests import StreamDigest, pixels_sha256, streams_of
from videnhance.media.writing.png import read_picture


def file_of(path: Path, folder: Path, *, paths: bool) -> Output:
    """A file in or below the record's `folder`; of a PNG its pixels too. `paths`: with its whole
    path."""
    picture = read_picture(path) if path.suffix.lower() == ".png" else None
    return Output(
        name=path.relative_to(folder).as_posix(),
        size=path.stat().st_size,
        sha256=sha256_of(path),
        pixels=pixels_sha256(picture) if picture is not None else None,
        path=str(path.absolute()) if paths else None,
    )


def video_file_of(
    path: Path, decoded: Collection[int], tell: Callable[[int], None], *, paths: bool
) -> tuple[Output, dict[int, StreamDigest]]:
    """A video, whose streams with the indices `decoded` are decoded; and the digests of these.

    Raises InputError where it cannot be read back.
    """
    found = streams_of(path, decoded, tell)
    whole = file_of(path, path.parent, paths=paths)
    streams = tuple(map(_stream, found))
    output = Output(whole.name, whole.size, whole.sha256, streams, path=whole.path)
    return output, {digest.index: digest for digest in found if digest.frames is not None}


def _stream(digest: StreamDigest) -> OutputStream:
    found = digest.frames
    frames = None
    if found is not None:
        frames = Frames(
            count=len(found.crc32),
            sha256=found.sha256,
            crc32="".join(found.crc32),
            pix_fmt=found.pix_fmt,
            width=found.width,
            height=found.height,
        )
    packets = Packets(digest.packets, digest.packets_sha256)
    return OutputStream(digest.index, digest.kind, digest.codec, packets, frames)
