"""Step 4, render: frames and tracks in, finished frames out, one segment at a time.

Each output frame is a function of the source and the tracks alone: neighbours are read beyond the
segment's borders, so it does not matter where a video is cut into segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from videnhance.faces import gate
from videnhance.faces.alignment import crop_to_frame
from videnhance.faces.gate import Verdict
from videnhance.faces.tracklets import Tracklet
from videnhance.imaging import steadiness
from videnhance.imaging.affine import compose, invert, scaling
from videnhance.imaging.color import Enlarger, enlarged, resize
from videnhance.imaging.compositing import Box
from videnhance.imaging.frames import Frame, Matrix
from videnhance.media.timeline import Segment, Timeline
from videnhance.render.batches import (
    HELD,
    Restored,
    Sampled,
    Unrestored,
    in_batches,
    patched,
    windowed,
)
from videnhance.render.guards import Masks, gated, matched, parsed, steadied
from videnhance.render.outcome import Outcome
from videnhance.render.pixels import IN_MEMORY, Pixels
from videnhance.render.queues import prefetch
from videnhance.restorers import Restorer
from videnhance.settings.groups import RestoreSettings, Settings

CROP_SIZES = (256, 512)
"""Sides of a crop in pixels: the smaller where it holds all that the source and the output show."""


def crop_size(tracklet: Tracklet, scale: int) -> int:
    """The side of a tracklet's crops: one size for all its frames, by its median face."""
    side = float(np.exp(np.median(tracklet.poses[:, 2]))) * scale
    return next((size for size in CROP_SIZES if side <= size), CROP_SIZES[-1])


def reach(restorer: Restorer, settings: RestoreSettings) -> tuple[int, int]:
    """Neighbours on each side that a frame's crops are needed of, and its restored crops."""
    if not restorer.invents:
        return restorer.radius, 0
    return max(restorer.radius, gate.RADIUS), steadiness.RADIUS if settings.steady > 0 else 0


def margins(
    segment: Segment, frames: int, restorer: Restorer, settings: RestoreSettings
) -> tuple[int, int]:
    """The frames (half-open) to read so that the segment's first and last have all neighbours."""
    around = _widened(segment, sum(reach(restorer, settings)), frames)
    return around.start, around.stop


def upright_to_output(upright: Matrix, scale: int) -> Matrix:
    """Affine from upright source pixels to those of the output frame."""
    return compose(scaling(scale), invert(upright))


# Three stages, so that each can run in a thread of its own (steps.render_segment).


def sample(
    frames: Iterable[Frame],
    tracklets: Sequence[Tracklet],
    upright: Matrix,
    scale: int,
    pixels: Pixels = IN_MEMORY,
) -> Iterator[Sampled]:
    """Cut every tracked face out of every frame; `upright` is coded to upright pixels."""
    to_coded = invert(upright)
    sizes = {t.id: crop_size(t, scale) for t in tracklets}
    for frame in frames:
        seen = [t for t in tracklets if t.start <= frame.index < t.stop]
        held = pixels.bring(frame) if seen else frame
        crops = {}
        for t in seen:
            size = sizes[t.id]
            affine = compose(to_coded, crop_to_frame(t.poses[frame.index - t.start], size))
            crops[t.id] = pixels.sample(held, affine, size)
        yield Sampled(held, crops)


def restore(
    sampled: Iterable[Sampled],
    segment: Segment,
    tracklets: Sequence[Tracklet],
    timeline: Timeline,
    restorer: Restorer,
    to_output: Matrix,
    settings: Settings,
    grey: frozenset[int] = frozenset(),
    outcome: Outcome | None = None,
    masks: Masks | None = None,
    pixels: Pixels = IN_MEMORY,
) -> Iterator[Restored]:
    """The segment's frames with their faces restored, in order; `sampled` spans its `margins`.

    `to_output`: affine from upright to output pixels; `grey`: ids of the tracks without colours.
    What should be known of single faces is added to `outcome`. `masks` finds where to paint.
    """
    wish, told = settings.restore, outcome if outcome is not None else Outcome()
    wanted = range(segment.start, segment.stop)
    crops, restored = reach(restorer, wish)
    dues = windowed(sampled, _widened(segment, restored, len(timeline)), tracklets, crops)

    def judged(frame: int, verdict: Verdict) -> None:
        if frame in wanted:
            told.judged(verdict)

    def fail(lost: Unrestored) -> None:
        if lost.frame in wanted:
            told.unrestored.append(lost)

    if restorer.invents:
        dues = gated(dues, tracklets, restorer.radius, settings.gate, judged, pixels)
    done = in_batches(dues, restorer, fail if wish.on_error == "keep" else None)
    if restorer.invents:  # what follows costs time, too: in a thread beside the network's
        done = prefetch(done, HELD)
    if restorer.invents and wish.steady > 0:
        done = steadied(done, wanted, wish.steady, pixels)
    if restorer.invents and wish.match_color:  # last, so that grey is grey to the last digit
        done = matched(done, grey, pixels)
    if masks is not None:
        done = parsed(done, masks)
    return patched(done, tracklets, timeline, to_output, wish)


def finish(
    item: Restored,
    scale: int,
    keep_out: Sequence[Box] = (),
    upscaler: Enlarger | None = None,
    pixels: Pixels = IN_MEMORY,
) -> Frame:
    """The output frame; without a face to paint and at scale 1, the very frame that was read.

    Nothing changes in the rectangles `keep_out`, in pixels of the output frame.
    """
    if upscaler is None:
        return pixels.paint(resize(item.frame, scale), item.patches, keep_out)
    return pixels.paint(enlarged(item.frame, scale, upscaler), item.patches, keep_out)


def overlapping(segment: Segment, tracklets: Sequence[Tracklet]) -> list[Tracklet]:
    """The tracklets seen in a segment."""
    return [t for t in tracklets if t.start < segment.stop and segment.start < t.stop]


def _widened(segment: Segment, by: int, frames: int) -> range:
    return range(max(segment.start - by, 0), min(segment.stop + by, frames))
