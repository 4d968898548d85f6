"""The bytes of a source that lies in object storage, fetched as frames are read.

Beside the whole file, which every program here reads by its path, stands one of the same size with
holes: of a container with an index (MP4, MOV, Matroska) only what was needed is in it. What is
needed for a range of frames follows from where packets lie, which is known from the plan. That it
is enough is seen before anything is decoded: the packets that FFmpeg then gives must be exactly
those, in their places; else all of the file is fetched. Workers of one machine share the file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from videnhance.imaging.frames import Frame
from videnhance.media.reading.source import demuxed, open_source, video_stream
from videnhance.media.repair.recording import Recording
from videnhance.storage import Stored

PROBED = 5_000_000
"""Bytes at the beginning that FFmpeg may read to find out what a stream is (its `probesize`)."""
_BEYOND = 48
"""Packets beyond a range that a decoder may ask for, besides two for each of its threads: pictures
are shown in another order than they are coded."""
_INDEXED = ("mov", "mp4", "matroska", "webm")


@dataclass(frozen=True)
class Places:
    """Where the packets of a source's video lie in its file, in the order in which they are
    coded."""

    frames: npt.NDArray[np.int64]
    """(N,), of each packet its frame's index."""
    begins: npt.NDArray[np.int64]
    """(N,), its first byte."""
    ends: npt.NDArray[np.int64]
    """(N,), the byte behind it."""

    def packets(self, key: int, stop: int, beyond: int) -> tuple[int, int]:
        """The packets (half-open) from that of keyframe `key` on to the last of the frames before
        `stop`, and `beyond` more."""
        first = int(np.flatnonzero(self.frames == key)[0])
        last = int(np.flatnonzero((self.frames >= key) & (self.frames < stop))[-1])
        return first, min(last + 1 + beyond, len(self.frames))


def places_of(recording: Recording) -> Places | None:
    """Where packets lie in a file that is here; None where they cannot be fetched one by one."""
    info, timeline = recording.info, recording.timeline
    if timeline.decoding is not None or not set(info.container.split(",")) & set(_INDEXED):
        return None
    found: list[tuple[int, int, int]] = []
    with open_source(info) as container:
        for packet in demuxed(container, video_stream(container, info.path, info.stream)):
            if not packet.size:
                continue
            frame = None if packet.pts is None else timeline.index_of(packet.pts)
            if frame is None or packet.pos is None or packet.pos < 0:
                return None
            found.append((frame, packet.pos, packet.pos + packet.size))
    frames, begins, ends = np.array(found, np.int64).T
    return Places(frames, begins, ends)


@dataclass
class PartialFile:
    """A file with holes, of which is known what is in it."""

    stored: Stored
    path: Path
    size: int
    fetched: int = 0
    """Bytes that this process fetched."""
    checked: set[tuple[int, int]] = field(default_factory=set)
    """Ranges of packets that were seen to be in it."""

    def need(self, spans: list[tuple[int, int]]) -> bool:
        """Have these bytes in it, [begin, end) each; whether some had to be fetched. Raises
        InputError, OSError."""
        with self._ranges() as ranges:
            missing = [gap for span in spans for gap in _gaps(ranges, *span)]
            if not missing:
                return False
            with self.path.open("r+b") as file:
                for begin, end in missing:
                    for at in range(begin, end, _AT_ONCE):
                        to = min(at + _AT_ONCE, end)
                        file.seek(at)
                        file.write(self.stored.read(at, to))
                        self.fetched += to - at
                file.flush()
                os.fsync(file.fileno())
            ranges[:] = _joined([*ranges, *missing])
        return True

    @contextmanager
    def _ranges(self) -> Iterator[list[tuple[int, int]]]:
        """What is in it, to be changed; one process at a time."""
        known = self.path.with_name(f"{self.path.name}.ranges")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with known.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            ranges = [(int(b), int(e)) for b, e in json.loads(file.read() or b"[]")]
            if not self.path.exists() or self.path.stat().st_size != self.size:
                ranges = []
                with self.path.open("wb") as new:
                    new.truncate(self.size)
            yield ranges
            file.truncate(0)
            file.write(json.dumps(ranges).encode())


_AT_ONCE = 8 << 20
"""Bytes of one request."""


@dataclass(frozen=True)
class FetchedRecording(Recording):
    """A recording of which the bytes are fetched that frames are read from."""

    partial: PartialFile | None = None
    places: Places | None = None

    @staticmethod
    def of(recording: Recording, partial: PartialFile, places: Places | None) -> FetchedRecording:
        """`recording.info.path` is the path of the partial file."""
        own: dict[str, Any] = {f.name: getattr(recording, f.name) for f in fields(Recording)}
        return FetchedRecording(**own, partial=partial, places=places)

    def frames(
        self, start: int, stop: int, pix_fmt: str, *, limited: bool = False
    ) -> Iterator[Frame]:
        """As of Recording; raises what fetching does, too."""
        self._fetch(start, stop)
        return super().frames(start, stop, pix_fmt, limited=limited)

    def _fetch(self, start: int, stop: int) -> None:
        places, partial = self.places, self.partial
        assert partial is not None
        if places is None or not len(places.frames):
            partial.need([(0, partial.size)])
            return
        key = self.timeline.keyframe_before(start)
        beyond = _BEYOND + 2 * (os.cpu_count() or 1)
        first, last = places.packets(key, stop, beyond)
        if (first, last) in partial.checked:
            return
        head, tail = int(places.begins.min()) + PROBED, int(places.ends.max())
        # What stands before a packet says how it is to be read: the header of a cluster.
        begin = int(min(places.begins[first:last].min(), places.ends[max(first - 1, 0)]))
        partial.need(
            [
                (0, min(head, partial.size)),
                (begin, int(places.ends[first:last].max())),
                (tail, partial.size),
            ]
        )
        if not self._has(key, first, last):
            partial.need([(0, partial.size)])
        partial.checked.add((first, last))

    def _has(self, key: int, first: int, last: int) -> bool:
        """Whether FFmpeg reads just the packets first..last (half-open) from the keyframe on."""
        assert self.places is not None
        expected = self.places.begins[first:last].tolist()
        found: list[int | None] = []
        with open_source(self.info) as container:
            stream = video_stream(container, self.info.path, self.info.stream)
            if key > 0:
                container.seek(self.timeline.pts[key], stream=stream)
            for packet in demuxed(container, stream):
                if packet.size:
                    found.append(packet.pos)
                if len(found) == len(expected):
                    break
        return bool(found == expected)


def _gaps(ranges: list[tuple[int, int]], begin: int, end: int) -> list[tuple[int, int]]:
    """What of begin..end is not in the ranges, which are sorted and apart."""
    found = []
    for one, other in ranges:
        if other <= begin or one >= end:
            continue
        if one > begin:
            found.append((begin, one))
        begin = max(begin, other)
    return [*found, (begin, end)] if begin < end else found


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
