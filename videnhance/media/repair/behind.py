"""What a file holds behind the recordings that are read: bytes that FFmpeg never shows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from videnhance.media.info import VideoInfo
from videnhance.media.reading.joined import joined_in, part_opened
from videnhance.media.reading.parts import Part, parts_behind
from videnhance.media.reading.pictures import DEMUXER


@dataclass(frozen=True)
class Behind:
    """A part of a file that is not read."""

    part: Part
    seconds: float | None
    """How long it plays, if it is a recording that says so."""
    is_unlike: bool
    """Whether it would be read if it were like the recording before it."""

    @property
    def text(self) -> str:
        """What it is, in words."""
        size = f"{len(self.part)} bytes from byte {self.part.begin} on"
        if not self.part.is_recording:
            return f"{size} belong to no recording and are not read"
        long = f" of {self.seconds:.3f} s" if self.seconds is not None else ""
        why = ", unlike the first in streams, size, clock or rotation," if self.is_unlike else ""
        return (
            f"{size} hold another recording{long}{why} and are not read; split the file there to "
            "enhance it too"
        )


def behind(info: VideoInfo, last: int, reached: int) -> tuple[Behind, ...]:
    """What of a file is not read. `last`, `reached`: the bytes at which the last packet that was
    read begins and ends."""
    if info.container == DEMUXER:
        return ()
    found = joined_in(info.path)
    others = parts_behind(info.path, info.container, last)
    parts = found.rest or others
    # FFmpeg itself reads on behind what looks like damage.
    parts = tuple(p for p in parts if found.seconds or p.is_recording or p.begin >= reached)
    return tuple(Behind(part, _seconds(info.path, part), not others) for part in parts)


def recordings_in(info: VideoInfo) -> list[dict[str, float]] | None:
    """The byte and the second at which each recording begins of those that are read as one; None if
    there is only one."""
    found = joined_in(info.path) if info.container != DEMUXER else None
    if found is None or not found.seconds:
        return None
    pairs = zip(found.parts, found.begins, strict=True)
    return [{"byte": part.begin, "start": float(begin)} for part, begin in pairs]


def _seconds(path: Path, part: Part) -> float | None:
    if part.is_recording:
        with suppress(av.error.FFmpegError), part_opened(path, part) as container:
            return container.duration / 1e6 if container.duration is not None else None
    return None
