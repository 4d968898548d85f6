"""The steps of a job over all their segments: what is finished is believed, the rest is done.

Each file is finished by one rename, sealed with what it was made from (seal.py); a file that
does not fit, or is not whole, is removed and made again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from videnhance import detectors
from videnhance.errors import Stopped
from videnhance.faces.detection import (
    SIZES,
    Detections,
    Detector,
    detect,
    look_at,
    suited_size,
    survey_frames,
)
from videnhance.faces.detection import margins as detect_margins
from videnhance.faces.tracking import track
from videnhance.faces.tracklets import Tracks
from videnhance.files import put_in_place
from videnhance.imaging.compositing import frame_boxes
from videnhance.imaging.frames import Frame
from videnhance.imaging.grading import graded
from videnhance.job.directory.fingerprints import look_fingerprint, render_fingerprint
from videnhance.job.directory.folder import JobDirectory, require_room
from videnhance.job.directory.record import Record
from videnhance.job.directory.seal import is_whole, read_seal, seal
from videnhance.job.monitor import Run
from videnhance.job.plan import Plan, Scope
from videnhance.media.timeline import Segment
from videnhance.media.writing.png import FrameFiles
from videnhance.media.writing.segment import SegmentWriter, segment_times
from videnhance.models.loader import Equipment
from videnhance.render.batches import Restored
from videnhance.render.guards import grey_tracks
from videnhance.render.networks import Kit
from videnhance.render.outcome import Outcome
from videnhance.render.queues import background, prefetch, share
from videnhance.render.stages import finish, overlapping, restore, sample, upright_to_output
from videnhance.render.stages import margins as render_margins
from videnhance.restorers import Guarded, Restorer

READ_AHEAD = 8
"""Decoded frames kept ready, and finished frames waiting for the encoder: enough to even out a
frame's cost, little enough to bound memory (8 frames of 4K are 100 MB)."""

_Unit = tuple[Segment, Path, str]
"""A segment, its file, and the fingerprint the file must carry."""


def detect_all(
    scope: Scope, equipment: Equipment, job: JobDirectory, record: Record, run: Run
) -> list[Path]:
    """The detections of every segment, a file each."""
    units = [(s, job.look(s), look_fingerprint(record, s)) for s in scope.looks]
    pending, count = _pending(job, units, run), _Count("detect", units, run)
    count.believe(pending)
    if pending:
        detector = detectors.create(equipment)
        long_side = scope.settings.detect.long_side or survey(scope, detector)
        for segment, path, fingerprint in pending:
            run.pause()
            require_room(job.folder, 0, "the next file")
            began = time.monotonic()
            found = _detect_segment(scope, segment, detector, long_side, count.one)
            part = path.with_name(path.name + ".part")
            try:
                found.save(part)
                _seal(fingerprint, len(segment), began, part)
                put_in_place(part, path)
            finally:
                part.unlink(missing_ok=True)
    return [path for _, path, _ in units]


def _detect_segment(
    scope: Scope,
    segment: Segment,
    detector: Detector,
    long_side: int,
    tell: Callable[[], None],
) -> Detections:
    start, stop = detect_margins(segment, len(scope.clip.timeline))
    frames = prefetch(scope.clip.frames(start, stop), READ_AHEAD)

    def counted() -> Iterator[Frame]:
        for frame in frames:
            yield frame
            if segment.start <= frame.index < segment.stop:
                tell()

    return detect(
        counted(),
        segment,
        len(scope.clip.timeline),
        detector,
        scope.clip.info.upright,
        scope.clip.info.upright_size,
        every=scope.settings.detect.every,
        long_side=long_side,
    )


def survey(scope: Scope, detector: Detector) -> int:
    """The detection size that suits the faces of this video, from a close look at a few frames.

    Of the whole video, whatever range is worked on: a range is then looked at as the whole is.
    """
    clip, info = scope.clip, scope.clip.info
    seen = [
        look_at([frame], detector, info.upright, info.upright_size, SIZES[-1])[0]
        for index in survey_frames(clip.timeline)
        for frame in clip.frames(index, index + 1)
    ]
    return suited_size(seen, info.upright_size, scope.settings.track.min_eyes)


def track_all(scope: Scope, detections: Iterable[Path]) -> Tracks:
    """The tracks of all that was looked at."""
    found = Detections.joined(map(Detections.load, detections))
    times = np.array([scope.clip.timeline.seconds(k) for k in range(len(scope.clip.timeline))])
    return Tracks(track(times, found.faces, found.cuts, scope.settings.track))


def render_all(
    plan: Plan,
    tracks: Tracks,
    kits: Sequence[Kit],
    job: JobDirectory,
    record: Record,
    run: Run,
    pictures: FrameFiles | None = None,
) -> list[tuple[Segment, Path]]:
    """The files of all segments; each kit renders one at a time, beside the others.

    Every frame is also written to `pictures`, if there are to be some.
    """
    timeline, form = plan.scope.clip.timeline, plan.encoding.segment_format
    units = [
        (s, job.segment(s, form), render_fingerprint(record, s, tracks)) for s in plan.segments
    ]

    prints = {segment.index: fingerprint for segment, _, fingerprint in units}

    def holds_its_frames(segment: Segment, path: Path) -> bool:
        pts = timeline.pts[segment.start : segment.stop]
        told = Outcome.load(job.outcome(segment)) is not None
        if pictures is not None and not all(
            pictures.holds(k, timeline.pts[k], prints[segment.index])
            for k in range(segment.start, segment.stop)
        ):
            return False
        return told and segment_times(path, timeline.time_base) == [p - pts[0] for p in pts]

    pending, count = _pending(job, units, run, holds_its_frames), _Count("render", units, run)
    count.believe(pending)
    largest = 0
    grey = _grey(plan, tracks, kits[0].restorer, pending)
    cut = threading.Event()

    def tell() -> None:
        if cut.is_set():
            raise Stopped("stopped")
        count.one()

    def render(unit: _Unit, kit: Kit) -> None:
        nonlocal largest
        segment, path, fingerprint = unit
        run.pause()
        require_room(job.folder, 2 * len(kits) * largest, "the next segment")
        began, outcome = time.monotonic(), Outcome()

        if isinstance(kit.restorer, Guarded):
            kit.restorer.held_back()  # of a segment that was given up

        def complete(part: Path) -> None:
            if isinstance(kit.restorer, Guarded):
                outcome.guard(kit.restorer.held_back())
            outcome.save(job.outcome(segment))
            _seal(fingerprint, len(segment), began, part)

        def show(frame: Frame) -> None:
            if pictures is not None:
                pictures.write(frame, fingerprint)

        render_segment(plan, segment, tracks, kit, grey, outcome, path, complete, tell, show)
        largest = max(largest, path.stat().st_size)

    share(pending, kits, render, cut)
    run.notes.extend(
        Outcome.of(
            found for s, _, _ in units if (found := Outcome.load(job.outcome(s))) is not None
        ).notes()
    )
    return [(segment, path) for segment, path, _ in units]


def _grey(
    plan: Plan, tracks: Tracks, restorer: Restorer, pending: Sequence[_Unit]
) -> frozenset[int]:
    """The tracks without colours among those that are seen in `pending`, where it matters."""
    if not (restorer.invents and plan.scope.settings.restore.match_color):
        return frozenset()
    seen = {t.id: t for s, _, _ in pending for t in overlapping(s, tracks.tracklets)}
    return grey_tracks(plan.scope.clip, list(seen.values()))


def render_segment(
    plan: Plan,
    segment: Segment,
    tracks: Tracks,
    kit: Kit,
    grey: frozenset[int],
    outcome: Outcome,
    path: Path,
    complete: Callable[[Path], None],
    tell: Callable[[], None],
    show: Callable[[Frame], None] = lambda frame: None,
) -> None:
    """One segment's file. Threads: decode and sample, restore, steady and match, paint and encode.

    `complete` gets the encoded file before it is put in place, `tell` is called for every frame;
    `show` gets each as it is encoded.
    """
    scope = plan.scope
    wish, clip, timeline = scope.settings, scope.clip, scope.clip.timeline
    scale = wish.output.scale
    tracklets = overlapping(segment, tracks.tracklets)
    to_output = upright_to_output(clip.info.upright, scale)
    keep_out = frame_boxes(tracks.zones, to_output)
    start, stop = render_margins(segment, len(timeline), kit.restorer, wish.restore)
    frames = clip.frames(
        start,
        stop,
        plan.encoding.pix_fmt,
        limited=(clip.info.color.range, plan.encoding.color.range) == (2, 1),
    )
    restored = restore(
        prefetch(sample(frames, tracklets, clip.info.upright, scale, kit.pixels), READ_AHEAD),
        segment,
        tracklets,
        timeline,
        kit.restorer,
        to_output,
        wish,
        grey,
        outcome,
        kit.parser.masks if kit.parser else None,
        kit.pixels,
    )
    with SegmentWriter(path, plan.encoding, timeline.pts[segment.start], complete) as writer:

        def write(item: Restored) -> None:
            done = finish(item, scale, keep_out, kit.upscaler, kit.pixels)
            done = graded(done, wish.finish) if wish.finish.changes else done
            show(done)
            writer.write(done)

        with background(write, READ_AHEAD) as put:
            for item in restored:
                put(item)
                tell()


def _seal(fingerprint: str, frames: int, began: float, path: Path) -> None:
    seal(path, fingerprint, seconds=time.monotonic() - began, frames=frames)


def _pending(
    job: JobDirectory,
    units: Sequence[_Unit],
    run: Run,
    fits: Callable[[Segment, Path], bool] = lambda segment, path: True,
) -> list[_Unit]:
    """What is still to be done; files that cannot be believed are removed."""
    pending = []
    for segment, path, fingerprint in units:
        run.pause()
        if path.exists():
            if job.done(path, fingerprint) and fits(segment, path):
                continue
            name = path.relative_to(job.folder)
            found = read_seal(path)
            # A whole file of other settings is no accident: --restart left it to be replaced.
            if found is None or not is_whole(path, found) or found.fingerprint == fingerprint:
                run.notes.append(f"{name} was spoilt and has been made again")
                job.note_failure(f"{name} was spoilt; it is made again")
            path.unlink()
        pending.append((segment, path, fingerprint))
    return pending


class _Count:
    """Counts the frames of a step and tells its progress."""

    def __init__(self, step: str, units: Sequence[_Unit], run: Run) -> None:
        self._step, self._run = step, run
        self._total = sum(len(segment) for segment, _, _ in units)
        self._done = 0
        self._lock = threading.Lock()

    def believe(self, pending: Sequence[_Unit]) -> None:
        """All but `pending` is finished already."""
        self._done = self._total - sum(len(segment) for segment, _, _ in pending)
        self._run.believed[self._step] = self._done
        self._run.progress(self._step, self._done, self._total)

    def one(self) -> None:
        with self._lock:
            self._done += 1
            self._run.progress(self._step, self._done, self._total)
