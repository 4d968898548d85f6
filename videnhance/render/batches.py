"""The middle of rendering: from a frame's crops to the patches to paint on it.

Chained generators, frame by frame and in order: neighbours are gathered into windows, faces that
must not be touched are left out, and the others go to the restorer in full batches across frames
and tracks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from videnhance.errors import ModelError
from videnhance.faces.alignment import crop_to_frame
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.imaging.affine import compose
from videnhance.imaging.compositing import Patch, box_mask, ellipse_mask
from videnhance.imaging.frames import Crop, Frame, Matrix
from videnhance.media.timeline import Timeline
from videnhance.restorers import Restorer
from videnhance.settings.groups import RestoreSettings
from videnhance.stopwatch import Stopwatch

HELD = 8
"""Most frames that wait until a batch is full, plus twice the batch size: a long stretch with few
faces must not pile up in memory."""


@dataclass(frozen=True)
class Sampled:
    """A frame and the aligned crops of the faces in it, by track id."""

    frame: Frame
    crops: dict[int, Crop]


@dataclass(frozen=True)
class Due:
    """A frame, the windows of its faces that will be restored, and the strength by track id (1 if a
    track is not listed)."""

    frame: Frame
    windows: tuple[CropWindow, ...]
    strengths: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """A frame with its crops by track id, as they went into the restorer and as they came out."""

    frame: Frame
    before: dict[int, Crop]
    after: dict[int, Crop]
    strengths: Mapping[int, float]
    masks: Mapping[int, Crop] = field(default_factory=dict)
    """(S, S) float32: where a face is painted, if that is not the shape in the settings."""


@dataclass(frozen=True)
class Restored:
    """A frame and the restored faces to be painted on it."""

    frame: Frame
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class Unrestored:
    """A crop that the restorer failed on, which stays as it was recorded."""

    tracklet: int
    frame: int
    reason: str


def ease(tracklet: Tracklet, frame: int, timeline: Timeline, seconds: float) -> float:
    """How much of a face's strength applies in a frame, 0..1, so that no effect pops up.

    It rises from 0 over the first `seconds` of a tracklet and falls to 0 over the last. Where a
    tracklet begins or ends with its shot, there is no neighbouring frame to differ from, so it
    stays 1.
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


def windowed(
    sampled: Iterable[Sampled], wanted: range, tracklets: Sequence[Tracklet], radius: int
) -> Iterator[Due]:
    """The `wanted` frames with windows of their faces' crops, `radius` frames each way, in order.

    `sampled` begins `radius` frames earlier and ends as many later, if there are that many.
    """
    around: dict[int, Sampled] = {}
    waiting: deque[Frame] = deque()

    def due(frame: Frame) -> Due:
        here = around[frame.index].crops
        windows = tuple(_window(t, frame.index, around, radius) for t in tracklets if t.id in here)
        return Due(frame, windows)

    for item in sampled:
        around[item.frame.index] = item
        around.pop(item.frame.index - 2 * radius - 1, None)
        if item.frame.index in wanted:
            waiting.append(item.frame)
        while waiting and waiting[0].index + radius <= item.frame.index:
            yield due(waiting.popleft())
    while waiting:
        yield due(waiting.popleft())


def in_batches(
    dues: Iterable[Due],
    restorer: Restorer,
    fail: Callable[[Unrestored], None] | None = None,
    watch: Stopwatch | None = None,
) -> Iterator[Done]:
    """The frames with their windows restored, `restorer.batch` windows per call. `watch` counts
    that for the stage "network", less what the restorer itself counts for others.

    A ModelError of the restorer is passed on. But with `fail`, the crops are then tried one by one,
    and `fail` is called for those that cannot be restored.
    """
    watch = watch or Stopwatch()
    frames: deque[Due] = deque()
    windows: deque[CropWindow] = deque()
    results: deque[Crop | None] = deque()

    def restore(most: int) -> None:
        batch = [windows.popleft() for _ in range(min(most, len(windows)))]
        with watch.stage("network"):
            try:
                results.extend(restorer.restore(batch))
            except ModelError:
                if fail is None:
                    raise
                results.extend(_one_by_one(batch, restorer, fail))

    def ready() -> Iterator[Done]:
        while frames and len(frames[0].windows) <= len(results):
            due = frames.popleft()
            restored = [(w, results.popleft()) for w in due.windows]
            yield Done(
                due.frame,
                {w.tracklet: w.crops[w.centre] for w, _ in restored},
                {w.tracklet: after for w, after in restored if after is not None},
                due.strengths,
            )

    for due in dues:
        frames.append(due)
        windows.extend(due.windows)
        while len(windows) >= restorer.batch:
            restore(restorer.batch)
        yield from ready()
        if len(frames) > HELD + 2 * restorer.batch:
            restore(restorer.batch)
            yield from ready()
    while windows:
        restore(restorer.batch)
    yield from ready()


def _one_by_one(
    batch: Sequence[CropWindow], restorer: Restorer, fail: Callable[[Unrestored], None]
) -> Iterator[Crop | None]:
    for window in batch:
        try:
            yield restorer.restore([window])[0]
        except ModelError as error:
            fail(Unrestored(window.tracklet, window.frames[window.centre], str(error)))
            yield None


def patched(
    done: Iterable[Done],
    tracklets: Sequence[Tracklet],
    timeline: Timeline,
    to_output: Matrix,
    settings: RestoreSettings,
) -> Iterator[Restored]:
    """Every frame with its patches to paint. `to_output`: affine from upright to output pixels."""
    by_id = {t.id: t for t in tracklets}
    shape = box_mask if settings.mask == "box" else ellipse_mask
    for item in done:
        frame = item.frame.index
        patches = []
        for identity, after in item.after.items():
            t = by_id[identity]
            affine = compose(to_output, crop_to_frame(t.poses[frame - t.start], len(after)))
            patches.append(
                Patch(
                    tracklet=identity,
                    before=item.before[identity],
                    after=after,
                    crop_to_frame=affine,
                    strength=settings.strength
                    * item.strengths.get(identity, 1.0)
                    * ease(t, frame, timeline, settings.ease),
                    mask=item.masks.get(identity, shape(len(after))),
                )
            )
        yield Restored(item.frame, tuple(patches))


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
        whole=range(tracklet.start, tracklet.stop),
    )
