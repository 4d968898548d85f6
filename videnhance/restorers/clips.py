"""Restorers that work on a run of frames of one track at once, such as networks for video.

A track is divided into clips by its own frames, never by the segments that a video is rendered in:
clip k begins with the track's frame k * (length - overlap). A segment reads as far beyond its
borders as its clips reach, so where a video is divided, or a job was stopped, changes no bit.
Frames of two clips fade from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import Crop


class ClipRestorer(Protocol):
    """Improves the aligned crops of consecutive frames of one track together.

    `length`: most frames of a clip. `overlap`: frames that a clip shares with the one before, at
    most half of them. `invents`: as of a Restorer. The result for a clip depends on that clip
    alone.
    """

    name: str
    length: int
    overlap: int
    invents: bool

    def restore_clip(self, crops: Sequence[Crop]) -> list[Crop]:
        """One crop for each of 1 to `length` crops (S, S, 3) float32 RGB 0..1, oldest first, of the
        same size and array type. Raises ModelError."""
        ...


@dataclass(frozen=True)
class _Restored:
    """A clip as it went in and as it came out."""

    frames: range
    before: tuple[Crop, ...]
    after: tuple[Crop, ...]


class Clips:
    """A Restorer around a ClipRestorer: each clip is restored once, when its first frame is due.

    Its windows hold all clips that its centre is in (`radius`). One that ends before they do, such
    as a single picture, is taken as the whole of its track.
    """

    batch = 1

    def __init__(self, restorer: ClipRestorer) -> None:
        if not 0 <= 2 * restorer.overlap <= restorer.length:
            raise ValueError(f"{restorer.name}: clips overlap by more than half")
        self.name, self.invents = restorer.name, restorer.invents
        self.radius = restorer.length - 1
        self._restorer = restorer
        self._kept: dict[tuple[int, int], _Restored] = {}

    def restore(self, windows: Sequence[CropWindow]) -> list[Crop]:
        """As of a Restorer."""
        return [self._one(window) for window in windows]

    def _one(self, window: CropWindow) -> Crop:
        frame = window.frames[window.centre]
        # What ended before is not needed again; what lies ahead is of another segment.
        near = range(frame - self.radius, frame + 1)
        self._kept = {
            key: clip
            for key, clip in self._kept.items()
            if clip.frames.start in near and (frame in clip.frames or key[0] != window.tracklet)
        }
        span = window.span
        clips = clips_of(span, frame, self._restorer.length, self._restorer.overlap)
        parts = [self._restored(window, clip) for clip in clips]
        found = parts[0].after[frame - parts[0].frames.start]
        if len(parts) == 1:
            return found
        later = parts[1].after[frame - parts[1].frames.start]
        share = (frame - parts[1].frames.start + 1) / (self._restorer.overlap + 1)
        return _mixed(found, later, share)

    def _restored(self, window: CropWindow, frames: range) -> _Restored:
        key = window.tracklet, frames.start
        first = frames.start - window.frames[0]
        before = window.crops[first : first + len(frames)]
        kept = self._kept.get(key)
        if kept is not None and kept.frames == frames and _same(kept.before, before):
            return kept
        try:
            after = tuple(self._restorer.restore_clip(before))
        except ModelError as error:
            frame = window.frames[window.centre]
            raise ModelError(f"tracklet {window.tracklet}, frame {frame}: {error}") from error
        self._kept[key] = _Restored(frames, before, after)
        return self._kept[key]


def clips_of(span: range, frame: int, length: int, overlap: int) -> list[range]:
    """The one or two clips of a track's frames `span` that hold a frame, the earlier first.

    Each clip but the first adds at least one frame; the last is as long as what is left.
    """
    stride = length - overlap
    last = max(-(-(len(span) - overlap) // stride) - 1, 0)
    at = min((frame - span.start) // stride, last)
    starts = [span.start + k * stride for k in (at - 1, at) if k >= 0]
    every = [range(start, min(start + length, span.stop)) for start in starts]
    return [clip for clip in every if frame in clip]


def _same(ones: Sequence[Crop], others: Sequence[Crop]) -> bool:
    """Whether these are the very same crops, not only alike."""
    return all(a is b for a, b in zip(ones, others, strict=True))


def _mixed(earlier: Any, later: Any, share: float) -> Crop:
    """`share` of the later one; in the arrays' own type."""
    mixed: Crop = earlier + (later - earlier) * share
    return mixed
