"""Step 4, render: frames and tracks in, finished frames out, one segment at a time.

Each output frame is a function of the source and the tracks alone: neighbours are read beyond the
segment's borders, so it does not matter where a video is cut into segments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from videnhance.alignment import compose, crop_to_frame, invert, scaling
from videnhance.color import resize, sample_rgb
from videnhance.compositing import Patch, paint
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


def render(
    frames: Iterable[Frame],
    segment: Segment,
    tracklets: Sequence[Tracklet],
    timeline: Timeline,
    restorer: Restorer,
    upright: Matrix,
    *,
    strength: float,
    ease_seconds: float,
    scale: int,
) -> Iterator[Frame]:
    """The segment's frames with all faces restored, in order.

    `frames` are those of `margins`, in order. A frame without a face is passed on as it came.
    """
    to_coded = invert(upright)
    here = [t for t in tracklets if t.start < segment.stop and segment.start < t.stop]
    sizes = {t.id: crop_size(t, scale) for t in here}
    crops: dict[int, dict[int, FloatArray]] = {t.id: {} for t in here}
    waiting: deque[Frame] = deque()

    def restored(frame: Frame) -> Frame:
        active = [t for t in here if t.start <= frame.index < t.stop]
        windows = [
            _window(t, frame.index, crops[t.id], restorer.radius, sizes[t.id]) for t in active
        ]
        patches = []
        for t, window, after in zip(active, windows, restorer.restore(windows), strict=True):
            crop_to_coded = compose(
                to_coded, crop_to_frame(t.poses[frame.index - t.start], sizes[t.id])
            )
            patches.append(
                Patch(
                    tracklet=t.id,
                    before=window.crops[window.centre],
                    after=after,
                    crop_to_frame=compose(scaling(scale), crop_to_coded),
                    strength=strength * ease(t, frame.index, timeline, ease_seconds),
                )
            )
        for t in active:
            crops[t.id].pop(frame.index - restorer.radius, None)
        return paint(resize(frame, scale), patches)

    for frame in frames:
        for t in here:
            if t.start <= frame.index < t.stop:
                pose = t.poses[frame.index - t.start]
                affine = compose(to_coded, crop_to_frame(pose, sizes[t.id]))
                crops[t.id][frame.index] = sample_rgb(frame, affine, (sizes[t.id], sizes[t.id]))
        waiting.append(frame)
        while waiting and waiting[0].index + restorer.radius <= frame.index:
            ready = waiting.popleft()
            if segment.start <= ready.index < segment.stop:
                yield restored(ready)
    for ready in waiting:
        if segment.start <= ready.index < segment.stop:
            yield restored(ready)


def _window(
    tracklet: Tracklet, frame: int, crops: dict[int, FloatArray], radius: int, size: int
) -> CropWindow:
    first = max(frame - radius, tracklet.start)
    last = min(frame + radius, tracklet.stop - 1)
    around = tuple(range(first, last + 1))
    return CropWindow(
        tracklet=tracklet.id,
        frames=around,
        crops=tuple(crops[k] for k in around),
        centre=frame - first,
        zoom=size / float(np.exp(tracklet.poses[frame - tracklet.start, 2])),
    )
