"""The files of a step, one for each segment: those that are finished are used, the rest is made.

Each is finished by one rename, sealed with what it was made from (directory/seal.py); a file that
does not fit, or is not whole, is removed and made again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.seal import is_whole, read_seal, seal
from videnhance.job.monitor import Monitor
from videnhance.media.timeline import Segment


@dataclass(frozen=True)
class SegmentFile:
    """The file of a segment."""

    segment: Segment
    path: Path
    fingerprint: str
    """What it must have been made from."""
    maker: str = ""
    """Tells the unfinished files of several makers apart, where there may be more than one."""

    @property
    def part(self) -> Path:
        """Its name until it is finished."""
        return self.part_of(self.path)

    def part_of(self, path: Path) -> Path:
        """The same of another file that is made with it."""
        own = f".{self.maker}" if self.maker else ""
        return path.with_name(f"{path.name}{own}.part")

    def seal(self, part: Path, began: float) -> None:
        """Seal the finished content, which is still called `part`; work on it began at `began`,
        by time.monotonic."""
        seconds = time.monotonic() - began
        seal(part, self.fingerprint, seconds=seconds, frames=len(self.segment))


def unfinished(
    files: Sequence[SegmentFile],
    directory: JobDirectory,
    monitor: Monitor,
    fits: Callable[[SegmentFile], bool] = lambda file: True,
) -> list[SegmentFile]:
    """Those that are still to be made; where something is there that is not whole, or that does
    not pass `fits`, it is removed."""
    left = []
    for file in files:
        monitor.pause()
        if file.path.exists():
            if directory.done(file.path, file.fingerprint) and fits(file):
                continue
            name = file.path.relative_to(directory.folder)
            found = read_seal(file.path)
            # A whole file of other settings is no accident: --restart left it to be replaced.
            if (
                found is None
                or not is_whole(file.path, found)
                or found.fingerprint == file.fingerprint
            ):
                monitor.notes.append(f"{name} was spoilt and has been made again")
                directory.note_failure(f"{name} was spoilt; it is made again")
            file.path.unlink()
        left.append(file)
    return left


class FrameCount:
    """Counts the frames of a step, from several threads, and tells its progress."""

    def __init__(
        self,
        step: str,
        files: Sequence[SegmentFile],
        left: Sequence[SegmentFile],
        monitor: Monitor,
    ) -> None:
        """Frames of `files` that are not in those `left` are finished already."""
        self._step, self._monitor = step, monitor
        self._total = sum(len(file.segment) for file in files)
        self._done = self._total - sum(len(file.segment) for file in left)
        self._lock = threading.Lock()
        monitor.believed[step] = self._done
        monitor.progress(step, self._done, self._total)

    def one(self) -> None:
        """One more frame is done."""
        self.more(1)

    def more(self, frames: int) -> None:
        """So many more are done; fewer than none where a segment was given up in its middle."""
        with self._lock:
            self._done += frames
            self._monitor.progress(self._step, self._done, self._total)
