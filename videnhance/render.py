"""Step 4, render: frames and tracks in, finished frames out, one segment at a time.

Each output frame is a function of the source and the tracks alone: neighbours are read beyond the
segment's borders, so it does not matter where a video is cut into segments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from videnhance.alignment import compose, crop_to_frame, invert, scaling
from videnhance.color import resize, sample_rgb
from videnhance.compositing import Box, Patch, paint
from videnhance.faces import CropWindow, Tracklet
from videnhance.frames import FloatArray, Frame, Matrix
from videnhance.restorers import Restorer
from videnhance.streams import Segment, Timeline

CROP_SIZES = (256, 512)
"""Sides of a crop in pixels: the smaller where it holds all that the source and the output show."""


def crop_size(tracklet: Tracklet, scale: int) -> int:
    """The side of a tracklet's crops: one size for all its frames, by its median face."""
    side = float(np.exp(np.median(tracklet.poses[:, 2]))) * scale
    return next((size for size in CROP_SIZES if side <= size), CROP_SIZES[-1])


def ease(tracklet: Tracklet, frame: int, timeline: Timeline, seconds: float) -> float:
    """How much of a face's strength applies in a frame, 0..1: none pops up or vanishes.

    It rises from 0 over the first and falls to 0 over the last `seconds` of a tracklet. Where a
    tracklet begins or ends with its shot there is no neighbouring frame to pop from: no ease.
    """
    if seconds <= 0:
        return 1.0
    now = timeline.seconds(frame)
    inward = now - timeline.seconds(tracklet.start)
    outward = timeline.seconds(tracklet.stop - 1) - now
    near = min(
        np.inf if tracklet.opens_shot else inward, np.inf if tracklet.closes_shot else outward
    )
    part = float(np.clip(near / seconds, 0.0, 1.0))
    return part * part * (3.0 - 2.0 * part)


def margins(segment: Segment, frames: int, radius: int) -> tuple[int, int]:
    """The frames (half-open) to read so that the segment's first and last have all neighbours."""
    return max(segment.start - radius, 0), min(segment.stop + radius, frames)


def upright_to_output(upright: Matrix, scale: int) -> Matrix:
    """Affine from upright source pixels to those of the output frame."""
    return compose(scaling(scale), invert(upright))


@dataclass(frozen=True)
class Sampled:
    """A frame and the aligned crops, (S, S, 3) float32 RGB, of the faces in it, by track id."""

    frame: Frame
    crops: dict[int, FloatArray]


@dataclass(frozen=True)
class Restored:
    """A frame and the restored faces to be painted on it."""

    frame: Frame
    patches: tuple[Patch, ...]


# Three stages, so that each can run in a thread of its own (job.render_all).


def sample(
    frames: Iterable[Frame], tracklets: Sequence[Tracklet], upright: Matrix, scale: int
) -> Iterator[Sampled]:
    """Cut every tracked face out of every frame; `upright` is coded to upright pixels."""
    to_coded = invert(upright)
    sizes = {t.id: crop_size(t, scale) for t in tracklets}
    for frame in frames:
        crops = {}
        for t in tracklets:
            if t.start <= frame.index < t.stop:
                size = sizes[t.id]
                affine = compose(to_coded, crop_to_frame(t.poses[frame.index - t.start], size))
                crops[t.id] = sample_rgb(frame, affine, (size, size))
        yield Sampled(frame, crops)


def restore(
    sampled: Iterable[Sampled],
    segment: Segment,
    tracklets: Sequence[Tracklet],
    timeline: Timeline,
    restorer: Restorer,
    upright: Matrix,
    *,
    strength: float,
    ease_seconds: float,
    scale: int,
) -> Iterator[Restored]:
    """The segment's frames with their faces restored, in order; `sampled` spans its `margins`."""
    to_output = upright_to_output(upright, scale)
    around: dict[int, Sampled] = {}
    waiting: deque[Sampled] = deque()

    def restored(item: Sampled) -> Restored:
        frame = item.frame.index
        active = [t for t in tracklets if t.id in item.crops]
        windows = [_window(t, frame, around, restorer.radius) for t in active]
        patches = tuple(
            Patch(
                tracklet=t.id,
                before=item.crops[t.id],
                after=after,
                crop_to_frame=compose(
                    to_output, crop_to_frame(t.poses[frame - t.start], len(after))
                ),
                strength=strength * ease(t, frame, timeline, ease_seconds),
            )
            for t, after in zip(active, restorer.restore(windows), strict=True)
        )
        around.pop(frame - restorer.radius, None)
        return Restored(item.frame, patches)

    def ready(until: float) -> Iterator[Restored]:
        while waiting and waiting[0].frame.index + restorer.radius <= until:
            item = waiting.popleft()
            if segment.start <= item.frame.index < segment.stop:
                yield restored(item)

    for item in sampled:
        around[item.frame.index] = item
        waiting.append(item)
        yield from ready(item.frame.index)
    yield from ready(np.inf)


def finish(item: Restored, scale: int, keep_out: Sequence[Box] = ()) -> Frame:
    """The output frame; without a face to paint and at scale 1, the very frame that was read.

    Nothing changes in the rectangles `keep_out`, in pixels of the output frame.
    """
    return paint(resize(item.frame, scale), item.patches, keep_out)


def overlapping(segment: Segment, tracklets: Sequence[Tracklet]) -> list[Tracklet]:
    """The tracklets seen in a segment."""
    return [t for t in tracklets if t.start < segment.stop and segment.start < t.stop]


def _window(tracklet: Tracklet, frame: int, around: dict[int, Sampled], radius: int) -> CropWindow:
    first = max(frame - radius, tracklet.start)
    last = min(frame + radius, tracklet.stop - 1)
    frames = tuple(range(first, last + 1))
    crops = tuple(around[k].crops[tracklet.id] for k in frames)
    return CropWindow(
        tracklet=tracklet.id,
        frames=frames,
        crops=crops,
        centre=frame - first,
        zoom=len(crops[0]) / float(np.exp(tracklet.poses[frame - tracklet.start, 2])),
    )
