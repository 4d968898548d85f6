"""The first and the last stage of rendering: faces are cut out of a frame, and painted on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from videnhance.faces import gate
from videnhance.faces.alignment import crop_to_frame
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.imaging import steadiness
from videnhance.imaging.affine import compose, invert, scaling
from videnhance.imaging.choice import reaches
from videnhance.imaging.color import Enlarger, enlarged, resize
from videnhance.imaging.compositing import Box
from videnhance.imaging.frames import Frame, Matrix
from videnhance.media.timeline import Segment
from videnhance.render.batches import (
    Restored,
    Sampled,
)
from videnhance.render.pixels import IN_MEMORY, Pixels
from videnhance.restorers import Restorer
from videnhance.settings.groups import RestoreSettings
from videnhance.stopwatch import Stopwatch

STAGES = (
    *("decode", "crop", "register", "fuse", "network", "guard", "paint", "encode", "wait", "other"),
)
"""What a Stopwatch counts, in the order of the work.

decode    reading frames, and cleaning them up if asked for
crop      cutting the faces out
register  flow from each face to its neighbours in time, and bringing those into its place
fuse      the weighted mean of a face and its neighbours
network   running networks on faces
guard     what holds a restorer back: gate, supported changes, texture, colours, masks of networks
paint     enlarging frames, painting faces, grading
encode    writing the segment, and the pictures of `--frames`
wait      a thread has nothing to do, or its queue is full
other     between the stages
"""
CROP_SIZES = (256, 320, 384, 448, 512)
"""Sides of a crop in pixels, multiples of the cells that faces are compared by: the smallest that
holds all detail of the source and the output."""
NETWORK_SIZES = CROP_SIZES[0], CROP_SIZES[-1]
"""The same for restorers that invent. Their networks work at 512: resampling to that and back costs
them more than a smaller crop saves."""

_HIDING = gate.RADIUS + steadiness.RADIUS
"""Frames before and after a segment in which a hidden face still affects the segment's result."""


def crop_size(tracklet: Tracklet, scale: int, sizes: Sequence[int] = CROP_SIZES) -> int:
    """The side of a tracklet's crops: one size for all its frames, chosen by its median face."""
    side = float(np.exp(np.median(tracklet.poses[:, 2]))) * scale
    return next((size for size in sizes if reaches(np.array(size), side)), sizes[-1])


def reach(restorer: Restorer, settings: RestoreSettings) -> tuple[int, int]:
    """Neighbours needed on each side of a frame: of its crops, and of its restored crops."""
    if not restorer.invents:
        return restorer.radius, 0
    return max(restorer.radius, gate.RADIUS), steadiness.RADIUS if settings.steady > 0 else 0


def margins(
    segment: Segment, frames: int, restorer: Restorer, settings: RestoreSettings
) -> tuple[int, int]:
    """The frames to read, half-open, so that the segment's first and last have all neighbours."""
    around = widened(segment, sum(reach(restorer, settings)), frames)
    return around.start, around.stop


def upright_to_output(upright: Matrix, scale: int) -> Matrix:
    """Affine from upright source pixels to pixels of the output frame."""
    return compose(scaling(scale), invert(upright))


def sample(
    frames: Iterable[Frame],
    tracklets: Sequence[Tracklet],
    upright: Matrix,
    scale: int,
    pixels: Pixels = IN_MEMORY,
    watch: Stopwatch | None = None,
    sides: Sequence[int] = CROP_SIZES,
) -> Iterator[Sampled]:
    """Cut every tracked face out of every frame. `upright`: affine from coded to upright pixels;
    `watch` counts the stages "decode", which is getting a frame, and "crop"; `sides`: those that
    crops may have."""
    watch = watch or Stopwatch()
    to_coded = invert(upright)
    sizes = {t.id: crop_size(t, scale, sides) for t in tracklets}
    for frame in watch.each(frames, "decode"):
        with watch.stage("crop"):
            seen = [t for t in tracklets if t.start <= frame.index < t.stop]
            held = pixels.bring(frame) if seen else frame
            crops = {}
            for t in seen:
                size = sizes[t.id]
                affine = compose(to_coded, crop_to_frame(t.poses[frame.index - t.start], size))
                crops[t.id] = pixels.sample(held, affine, size)
        yield Sampled(held, crops)


def finish(
    item: Restored,
    scale: int,
    keep_out: Sequence[Box] = (),
    upscaler: Enlarger | None = None,
    pixels: Pixels = IN_MEMORY,
) -> Frame:
    """The output frame. At scale 1 and without a face to paint, it is the frame that was read.

    Nothing changes inside the rectangles `keep_out`, in pixels of the output frame.
    """
    if upscaler is None:
        return pixels.paint(resize(item.frame, scale), item.patches, keep_out)
    return pixels.paint(enlarged(item.frame, scale, upscaler), item.patches, keep_out)


def overlapping(segment: Segment, tracklets: Sequence[Tracklet]) -> list[Tracklet]:
    """The tracklets that appear in a segment."""
    return [t for t in tracklets if t.start < segment.stop and segment.start < t.stop]


def hiding(segment: Segment, tracks: Tracks) -> list[Tracklet]:
    """The tracks that may hide the segment's faces: they share a frame with one of them, in the
    segment or near enough to affect it."""
    near = range(segment.start - _HIDING, segment.stop + _HIDING)
    spans = [
        (max(t.start, near.start), min(t.stop, near.stop))
        for t in overlapping(segment, tracks.tracklets)
    ]
    return [t for t in tracks.everyone if any(max(t.start, a) < min(t.stop, b) for a, b in spans)]


def widened(segment: Segment, by: int, frames: int) -> range:
    """The segment's frames and `by` more on each side, within a video of `frames` frames."""
    return range(max(segment.start - by, 0), min(segment.stop + by, frames))
