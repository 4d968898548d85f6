"""Step 4, render: a file of every segment of the range; the devices share the segments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from videnhance.errors import Stopped
from videnhance.files import written
from videnhance.imaging.frames import Frame
from videnhance.job.directory.fingerprints import render_fingerprint
from videnhance.job.directory.folder import require_room
from videnhance.job.job import Job
from videnhance.job.steps.crew import Crew
from videnhance.job.steps.drift import drift_notes, drift_wish, drifts_of
from videnhance.job.steps.segments import FrameCount, SegmentFile, unfinished
from videnhance.job.steps.stills import frame_files
from videnhance.media.timeline import Segment
from videnhance.media.writing.png import FrameFiles
from videnhance.media.writing.segment import SegmentWriter, segment_times
from videnhance.render.drift import DriftWish
from videnhance.render.guards import grey_tracks
from videnhance.render.networks import Networks, make_networks
from videnhance.render.outcome import NO_GAIN, Outcome
from videnhance.render.pipeline import SegmentInput, render_segment
from videnhance.render.queues import share
from videnhance.render.stages import overlapping
from videnhance.restorers import Guarded, more_than

_NAMED = 12
"""Most tracks that a note names."""


def load_networks(job: Job) -> Job:
    """With networks for each device, whose batches are as large as was found to fit before."""
    job.loader.batches.update(job.directory.found_batches())
    networks = make_networks(job.loader)
    job.directory.keep_batches(job.loader.batches)
    return replace(job, networks=tuple(networks))


def render(job: Job, crew: Crew | None = None) -> Job:
    """With the file of every segment; by `crew`, or here: each device renders one at a time, beside
    the others."""
    directory, monitor = job.directory, job.monitor
    pictures = frame_files(job)
    with monitor.step("render"):
        files = rendered_files(job)
        left = unfinished(
            files, directory, monitor, lambda file: _holds_its_frames(job, file, pictures)
        )
        count = FrameCount("render", files, left, monitor)
        if crew is not None:
            if left:
                crew.make("render", job, left, count)
        else:
            renderer = Renderer(job, pictures, grey_in(job, left), drift_wish(job), count.one)
            share(left, job.networks, renderer.render, renderer.cut)
        if pictures is not None:
            _picture_untouched(job, pictures)
        outcome = _outcome(job, [file.segment for file in files])
        monitor.notes.extend(outcome.notes())
        drifts = drifts_of(job, outcome)
        monitor.notes.extend(drift_notes(job, outcome, drifts))
        gainless = {} if job.networks[0].restorer.name == "identity" else outcome.gainless
        if gainless:
            monitor.notes.append(_told(gainless, job.settings.restore.restorer))
    segments = tuple((file.segment, file.path) for file in files)
    return replace(
        job,
        segments=segments,
        gainless=tuple(gainless),
        restored=outcome.restored,
        left_alone=outcome.left_alone,
        fates=outcome.fates,
        drifts=drifts,
    )


def rendered_files(job: Job) -> list[SegmentFile]:
    """The files of the step, whether they are there or not."""
    form, label = job.plan.encoding.segment_format, job.label
    return [
        SegmentFile(
            s,
            job.directory.segment(s, form),
            render_fingerprint(job.record, s, job.tracks, label, job.ceilings),
        )
        for s in job.plan.segments
    ]


def recall_fates(job: Job) -> Job:
    """With what became of the faces of a job whose output is in place."""
    outcome = _outcome(job, job.record.segments)
    return replace(job, fates=outcome.fates, drifts=drifts_of(job, outcome))


def _outcome(job: Job, segments: Sequence[Segment]) -> Outcome:
    """The sum over the segments, as far as it is known."""
    outcomes = (Outcome.load(job.directory.outcome(segment)) for segment in segments)
    return Outcome.of(found for found in outcomes if found is not None)


def _picture_untouched(job: Job, pictures: FrameFiles) -> None:
    """Write the pictures of the frames that are copied and not rendered."""
    clip, encoding = job.scope.clip, job.plan.encoding
    for run in job.plan.untouched.runs if job.plan.untouched is not None else ():
        fingerprint = render_fingerprint(job.record, Segment(0, run.start, run.stop), job.tracks)
        there = (
            pictures.holds(k, clip.timeline.pts[k], fingerprint) for k in range(run.start, run.stop)
        )
        done = sum(1 for _ in takewhile(bool, there))
        for frame in clip.frames(run.start + done, run.stop, encoding.pix_fmt):
            job.monitor.pause()
            pictures.write(frame, fingerprint)


def _told(gainless: Mapping[int, float], restorer: str) -> str:
    """Of which tracks the restorer made nothing better, for the user; what would is named."""
    tracks = ", ".join(map(str, list(gainless)[:_NAMED]))
    more = f" and {len(gainless) - _NAMED} more" if len(gainless) > _NAMED else ""
    would = more_than(restorer)
    return (
        f"track{'s' * (len(gainless) > 1)} {tracks}{more}: {NO_GAIN} (changed by "
        f"{max(gainless.values()):.1f} of 255 levels{' at most' * (len(gainless) > 1)})"
        + (f"; {would}" if would else "")
    )


class Renderer:
    """Renders one segment after another, from several threads."""

    def __init__(
        self,
        job: Job,
        pictures: FrameFiles | None,
        grey: frozenset[int],
        drift: DriftWish | None,
        tell: Callable[[], None],
    ) -> None:
        """`tell` is called for each frame."""
        self.cut = threading.Event()
        """Set where segments in hand are not to be finished either."""
        self._job, self._pictures, self._grey, self._told = job, pictures, grey, tell
        self._drift = drift
        self._largest = 0

    def render(self, file: SegmentFile, networks: Networks) -> None:
        """Render a segment to its file, and its frames to the pictures, if there are to be some."""
        job, segment, encoding = self._job, file.segment, self._job.plan.encoding
        clip = job.scope.clip
        job.monitor.pause()
        room = 2 * len(job.networks) * self._largest
        require_room(job.directory.folder, room, "the next segment")
        began, outcome = time.monotonic(), Outcome()
        if isinstance(networks.restorer, Guarded):
            networks.restorer.held_back()  # of a segment that was given up

        def complete(part: Path) -> None:
            if isinstance(networks.restorer, Guarded):
                outcome.guard(networks.restorer.held_back())
            told = job.directory.outcome(segment)
            with written(told, file.part_of(told)) as unfinished_outcome:
                outcome.save(unfinished_outcome)
            file.seal(part, began)

        inputs = SegmentInput(
            clip=clip,
            segment=segment,
            tracks=job.tracks,
            grey=self._grey,
            ceilings=job.ceilings,
            label=job.label,
            drift=self._drift,
            settings=job.settings,
            pix_fmt=encoding.pix_fmt,
            limited=(clip.info.color.range, encoding.color.range) == (2, 1),
        )
        start = clip.timeline.pts[segment.start]
        # What the encoder holds back is written when the writer is closed.
        with (
            networks.watch.stage("encode"),
            SegmentWriter(file.path, encoding, start, complete, file.part) as writer,
        ):

            def write(frame: Frame) -> None:
                if self._pictures is not None:
                    self._pictures.write(frame, file.fingerprint)
                writer.write(frame)

            render_segment(inputs, networks, outcome, write, self._tell)
        self._largest = max(self._largest, file.path.stat().st_size)

    def _tell(self) -> None:
        if self.cut.is_set():
            raise Stopped("stopped")
        self._told()


def _holds_its_frames(job: Job, file: SegmentFile, pictures: FrameFiles | None) -> bool:
    """Whether a segment's file has its frames at their times, as have its outcome and pictures."""
    timeline, segment = job.scope.clip.timeline, file.segment
    if pictures is not None and not all(
        pictures.holds(k, timeline.pts[k], file.fingerprint)
        for k in range(segment.start, segment.stop)
    ):
        return False
    if Outcome.load(job.directory.outcome(segment)) is None:
        return False
    pts = timeline.pts[segment.start : segment.stop]
    return segment_times(file.path, timeline.time_base) == [p - pts[0] for p in pts]


def grey_in(job: Job, left: Sequence[SegmentFile]) -> frozenset[int]:
    """The tracks without colours among those seen in the segments left, where it matters."""
    if not (job.networks[0].restorer.invents and job.settings.restore.match_color):
        return frozenset()
    seen = {t.id: t for file in left for t in overlapping(file.segment, job.tracks.tracklets)}
    return grey_tracks(job.scope.clip, list(seen.values()))
