"""The way of a frame through rendering: frames and tracks in, finished frames out, by segments.

Each output frame depends on the source and the tracks alone. Neighbours are read beyond the
segment's borders, so it does not matter where a video is cut into segments.

Threads, with a bounded queue after each: decode, clean up and cut out; restore; for a restorer that
invents, steady the texture, match colours and find masks; paint, grade and encode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from videnhance.faces import gate
from videnhance.faces.gate import Verdict
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.faces.visibility import visible_in
from videnhance.imaging.compositing import frame_boxes
from videnhance.imaging.frames import Frame
from videnhance.imaging.grading import graded
from videnhance.imaging.label import Label
from videnhance.media.clip import Clip
from videnhance.media.timeline import Segment
from videnhance.render.batches import (
    HELD,
    Restored,
    Sampled,
    Unrestored,
    in_batches,
    patched,
    windowed,
)
from videnhance.render.drift import DriftMeter, DriftWish
from videnhance.render.guards import gated, matched, parsed, steadied
from videnhance.render.networks import Networks
from videnhance.render.outcome import Outcome
from videnhance.render.queues import background, prefetch
from videnhance.render.stages import (
    CROP_SIZES,
    NETWORK_SIZES,
    finish,
    margins,
    overlapping,
    reach,
    sample,
    upright_to_output,
    widened,
)
from videnhance.settings.groups import Settings

READ_AHEAD = 8
"""Most decoded frames kept ready, and most finished frames waiting for the encoder: enough to even
out differences of cost, few enough to bound memory (8 frames of 4K are 100 MB)."""


@dataclass(frozen=True)
class SegmentInput:
    """Everything that the frames of one segment are made from, except the networks."""

    clip: Clip
    segment: Segment
    tracks: Tracks
    settings: Settings
    pix_fmt: str
    """Pixel format in which frames are decoded, painted and encoded."""
    limited: bool = False
    """Whether to convert full range to limited range."""
    grey: frozenset[int] = frozenset()
    """Ids of the tracks without colours."""
    label: Label | None = None
    """What is written into every frame."""
    ceilings: Mapping[int, float] = field(default_factory=dict)
    """By track id, the share of the strength that its faces may get; 1 where it is not listed."""
    drift: DriftWish | None = None
    """Where drift is measured, if it is."""

    @property
    def tracklets(self) -> Sequence[Tracklet]:
        """The tracklets that appear in the segment."""
        return overlapping(self.segment, self.tracks.tracklets)


def render_segment(
    inputs: SegmentInput,
    networks: Networks,
    outcome: Outcome,
    write: Callable[[Frame], None],
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Pass every finished frame of the segment to `write`, in order.

    `outcome` is filled with what happened to the faces; `tell` is called for every frame;
    `networks.watch` counts the STAGES. Raises InputError, DamagedError, ModelError, and the errors
    of `write` and `tell`.
    """
    clip, settings, scale = inputs.clip, inputs.settings, inputs.settings.output.scale
    to_output = upright_to_output(clip.info.upright, scale)
    keep_out = frame_boxes(inputs.tracks.zones, to_output)

    watch = networks.watch

    def paint(item: Restored) -> None:
        with watch.stage("paint"):
            frame = finish(item, scale, keep_out, networks.upscaler, networks.pixels)
            finished = graded(frame, settings.finish) if settings.finish.changes else frame
            if inputs.label is not None:
                finished = inputs.label.on(finished, to_output, keep_out)
        with watch.stage("encode"):
            write(finished)

    restored = restored_faces(inputs, networks, outcome)
    with background(paint, READ_AHEAD, watch) as put, watch.stage("other"):
        for item in restored:
            put(item)
            tell()


def restored_faces(
    inputs: SegmentInput, networks: Networks, outcome: Outcome
) -> Iterator[Restored]:
    """The segment's frames, read and with their faces restored, in order, before anything is
    painted."""
    clip, settings = inputs.clip, inputs.settings
    span = margins(inputs.segment, len(clip.timeline), networks.restorer, settings.restore)
    frames = clip.frames(*span, inputs.pix_fmt, limited=inputs.limited)
    sides = NETWORK_SIZES if networks.restorer.invents else CROP_SIZES
    scale, pixels, watch = settings.output.scale, networks.pixels, networks.watch
    sampled = sample(frames, inputs.tracklets, clip.info.upright, scale, pixels, watch, sides)
    return restore(prefetch(sampled, READ_AHEAD, watch), inputs, networks, outcome)


def restore(
    sampled: Iterable[Sampled], inputs: SegmentInput, networks: Networks, outcome: Outcome
) -> Iterator[Restored]:
    """The segment's frames with their faces restored, in order; `sampled` spans its `margins`."""
    restorer, pixels, settings = networks.restorer, networks.pixels, inputs.settings.restore
    watch = networks.watch
    tracklets, timeline = inputs.tracklets, inputs.clip.timeline
    wanted = range(inputs.segment.start, inputs.segment.stop)
    around, beyond = reach(restorer, settings)

    def judged(frame: int, tracklet: int, verdict: Verdict) -> None:
        if frame in wanted:
            outcome.judged(tracklet, verdict)
            outcome.fates.judged(frame, tracklet, verdict)

    def fail(lost: Unrestored) -> None:
        if lost.frame in wanted:
            outcome.unrestored.append(lost)
            outcome.fates.failed(lost.frame, lost.tracklet)

    dues = windowed(sampled, widened(inputs.segment, beyond, len(timeline)), tracklets, around)
    limits = inputs.settings.gate if restorer.invents else gate.UNLIMITED
    visible = visible_in(
        widened(inputs.segment, beyond + gate.RADIUS, len(timeline)),
        tracklets,
        inputs.tracks.everyone,
        inputs.clip.info.upright_size,
    )
    dues = gated(dues, tracklets, restorer.radius, limits, judged, pixels, visible, inputs.ceilings)
    if restorer.invents:  # what can be seen of a face is judged in no time
        dues = watch.each(dues, "guard")
    done = in_batches(dues, restorer, fail if settings.on_error == "keep" else None, watch)
    if restorer.invents:  # the next stages also take time: run the network in its own thread
        done = prefetch(done, HELD, watch)
    if restorer.invents and settings.steady > 0:
        done = steadied(done, wanted, settings.steady, pixels)
    if restorer.invents and settings.match_color:  # last, so that grey is exactly grey
        done = matched(done, inputs.grey, pixels)
    if networks.parser is not None:
        done = parsed(done, networks.parser.masks)
    if restorer.invents or networks.parser is not None:
        done = watch.each(done, "guard")  # the stages before it count their own time
    to_output = upright_to_output(inputs.clip.info.upright, inputs.settings.output.scale)
    meter = None
    if inputs.drift is not None and networks.embedder is not None:
        meter = DriftMeter(inputs.drift, networks.embedder, pixels, outcome)
    by_id = {t.id: t for t in tracklets}
    for item in patched(done, tracklets, timeline, to_output, settings):
        with watch.stage("guard"):
            for patch in item.patches:
                by, frame = pixels.change(patch), item.frame.index
                outcome.changed(patch.tracklet, by)
                outcome.fates.painted(frame, patch.tracklet, patch.strength, by)
                if meter is not None:
                    meter.measure(by_id[patch.tracklet], frame, patch)
        yield item
