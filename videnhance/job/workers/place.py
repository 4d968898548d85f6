"""What a worker has at hand: the job as it sees it, and networks that stay loaded."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace

from videnhance import detectors
from videnhance.errors import JobError
from videnhance.faces.detection import Detector
from videnhance.inference.cache import version_of
from videnhance.job.directory.made_by import MadeBy
from videnhance.job.directory.seal import read_seal
from videnhance.job.job import Job
from videnhance.job.steps.detect import make_detections
from videnhance.job.steps.drift import drift_wish
from videnhance.job.steps.render import Renderer, grey_in, load_networks
from videnhance.job.steps.segments import SegmentFile
from videnhance.job.steps.stills import frame_files
from videnhance.job.workers.like import ways
from videnhance.media.digests import decoding_libraries


def worker_name() -> str:
    """Host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Workplace:
    """Makes one segment at a time."""

    def __init__(self, job: Job, unlike: str = "") -> None:
        """`unlike`: in what this machine is unlike the one on which the job began."""
        self.job = job
        self._unlike = unlike
        self._maker = worker_name().replace(":", "-")
        self._detector: Detector | None = None
        versions = {name: version_of(name) for name in job.record.document["versions"]}
        self._versions = {**versions, **decoding_libraries()}

    def detect(self, file: SegmentFile, long_side: int, tell: Callable[[], None]) -> MadeBy:
        """Put a file of detections in place; `tell` is called for each frame."""
        if self._detector is None:
            self._detector = detectors.create(self.job.loader)
        make_detections(self.job, replace(file, maker=self._maker), self._detector, long_side, tell)
        return self._made(file)

    def render(self, file: SegmentFile, tell: Callable[[], None]) -> MadeBy:
        """Put a rendered segment in place; `self.job` has tracks and a division."""
        job = self.with_networks()
        renderer = Renderer(job, frame_files(job), grey_in(job, [file]), drift_wish(job), tell)
        renderer.render(replace(file, maker=self._maker), job.networks[0])
        return self._made(file)

    def with_networks(self) -> Job:
        """The job with the networks that it renders with."""
        if self.job.planned is not None and not self.job.networks:
            self.job = load_networks(self.job)
        return self.job

    def at(self, job: Job) -> None:
        """The same job, which has come further; its networks are those that are loaded."""
        self.job = replace(job, networks=self.job.networks)

    def _made(self, file: SegmentFile) -> MadeBy:
        folder, seal = self.job.directory.folder, read_seal(file.path)
        if seal is None:
            raise JobError(
                f"{file.path}: is gone as soon as it was made; look who else writes to {folder}, "
                "and give each job a folder of its own"
            )
        made = MadeBy(
            file=file.path.relative_to(folder).as_posix(),
            sha256=seal.content,
            frames=seal.frames,
            seconds=seal.seconds,
            worker=worker_name(),
            machine=self.job.machine,
            versions=self._versions,
            device=", ".join(sorted({way for own in ways(self.job).values() for way in own})),
            unlike=self._unlike,
        )
        made.write(folder)
        return made
