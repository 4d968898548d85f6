"""Step 2, detect: faces of every segment of the range and its run-up, a file for each segment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from videnhance import detectors
from videnhance.faces.detection import (
    SIZES,
    Detections,
    Detector,
    look_at,
    margins,
    suited_size,
    survey_frames,
)
from videnhance.faces.detection import detect as detections_of
from videnhance.faces.tracking import prepare
from videnhance.files import written
from videnhance.imaging.frames import Frame
from videnhance.job.directory.fingerprints import detect_fingerprint
from videnhance.job.directory.folder import require_room
from videnhance.job.job import Job
from videnhance.job.plan import Scope
from videnhance.job.steps.crew import Crew
from videnhance.job.steps.segments import FrameCount, SegmentFile, unfinished
from videnhance.media.timeline import Segment
from videnhance.render.queues import prefetch

READ_AHEAD = 8
"""Decoded frames kept ready: enough to even out a frame's cost, little enough to bound memory."""


def detect(job: Job, crew: Crew | None = None) -> Job:
    """With the file of detections of every segment; by `crew`, or one after the other in here."""
    directory, monitor = job.directory, job.monitor
    with monitor.step("detect"), ThreadPoolExecutor(1) as aside:
        aside.submit(prepare)
        files = detection_files(job)
        left = unfinished(files, directory, monitor)
        count = FrameCount("detect", files, left, monitor)
        if left:
            detector = detectors.create(job.loader)
            long_side = (
                job.settings.detect.long_side
                or _begun_with(files, left)
                or survey(job.scope, detector)
            )
            if crew is not None:
                crew.make("detect", job, left, count, long_side)
            else:
                for file in left:
                    make_detections(job, file, detector, long_side, count.one)
    return replace(job, detections=tuple(file.path for file in files))


def detection_files(job: Job) -> list[SegmentFile]:
    """The files of the step, whether they are there or not."""
    return [
        SegmentFile(s, job.directory.detections(s), detect_fingerprint(job.record, s))
        for s in job.scope.detect_segments
    ]


def make_detections(
    job: Job, file: SegmentFile, detector: Detector, long_side: int, tell: Callable[[], None]
) -> None:
    """Make one of the files; `tell` is called for each of its frames. Raises Stopped before it is
    begun, OutputError, and what reading and the detector raise."""
    job.monitor.pause()
    require_room(job.directory.folder, 0, "the next file")
    began = time.monotonic()
    found = _detect_segment(job.scope, file.segment, detector, long_side, tell)
    with written(file.path, file.part) as part:
        found.save(part)
        file.seal(part, began)


def _begun_with(files: Sequence[SegmentFile], left: Sequence[SegmentFile]) -> int | None:
    """The size that the finished ones of `files` were made with: on another machine a survey may
    choose another. None where none of them is finished or tells."""
    finished = (file for file in files if file not in left)
    return next((Detections.load(file.path).long_side for file in finished), None)


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


def _detect_segment(
    scope: Scope,
    segment: Segment,
    detector: Detector,
    long_side: int,
    tell: Callable[[], None],
) -> Detections:
    """The detections of a segment; `tell` is called for each of its frames."""
    clip = scope.clip
    every = scope.settings.detect.every
    span = margins(segment, len(clip.timeline), every)
    frames = prefetch(clip.frames(*span), READ_AHEAD)

    def counted() -> Iterator[Frame]:
        for frame in frames:
            yield frame
            if segment.start <= frame.index < segment.stop:
                tell()

    return detections_of(
        counted(),
        segment,
        len(clip.timeline),
        detector,
        clip.info.upright,
        clip.info.upright_size,
        every=every,
        long_side=long_side,
        time_base=clip.timeline.time_base,
    )
