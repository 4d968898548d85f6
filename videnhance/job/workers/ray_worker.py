"""A worker of Ray: an actor that opens a job once, keeps its networks loaded, and makes segments.

What it gets is the job as it is planned, and what it returns is the record of a file; frames never
travel. This module does not import Ray: an actor is a class like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from videnhance.errors import JobError, VidenhanceError, line_of
from videnhance.job.directory.claims import this_process
from videnhance.job.directory.machine import Machine
from videnhance.job.directory.made_by import MadeBy
from videnhance.job.directory.record import read_record
from videnhance.job.job import Job
from videnhance.job.monitor import Monitor
from videnhance.job.steps.crew import Costly
from videnhance.job.steps.segments import SegmentFile
from videnhance.job.workers.like import refuse_frames, refused, use_threads, ways
from videnhance.job.workers.paths import (
    PathMap,
    mapped,
    mapped_settings,
    refuse_other_source,
)
from videnhance.job.workers.place import Workplace
from videnhance.job.workers.share import Share
from videnhance.models.loader import Loader


@dataclass(frozen=True)
class Sent:
    """A job as its workers get it."""

    key: str
    """Another one for each step."""
    job: Job
    """Without what cannot travel: networks, locks, signatures."""
    loader: dict[str, Any]
    """Fields of its Loader that a worker needs, too."""
    weights: tuple[str, ...]
    begun_on: Machine
    """The machine on which the command runs."""
    ways: dict[str, list[str]]
    """How that one computes networks."""
    maps: tuple[PathMap, ...]
    mixed: bool
    share: Share | None
    """Where files come from and go to, if no folder is shared."""

    @staticmethod
    def of(
        job: Job,
        key: str,
        maps: tuple[PathMap, ...],
        *,
        mixed: bool,
        share: Share | None = None,
    ) -> Sent:
        scope, loader = job.scope, job.loader
        clip = replace(scope.clip, recorded=replace(scope.clip.recorded, kept=None))
        scope = replace(scope, clip=clip)
        stripped = replace(
            job,
            request=replace(job.request, kept=None),
            monitor=Monitor(),
            scope=scope,
            planned=replace(job.planned, scope=scope) if job.planned is not None else None,
            loader=cast(Loader, None),
            networks=(),
            signatory=None,
        )
        kept = {"coding": loader.coding, "batches": dict(loader.batches)}
        names = tuple(sorted(loader.obtained))
        return Sent(key, stripped, kept, names, job.machine, ways(job), maps, mixed, share)


@dataclass(frozen=True)
class Task:
    """A file that is to be made."""

    step: Costly
    file: SegmentFile
    """As the command sees it."""
    long_side: int = 0


class RayWorker:
    """The actor. `progress` is asked while `make` works, in another thread."""

    def __init__(self, prepare: Callable[[], None] | None = None) -> None:
        if prepare is not None:
            prepare()
        self._place: Workplace | None = None
        self._share: Share | None = None
        self._key = ""
        self._done = 0

    def progress(self) -> tuple[tuple[str, int, str], int]:
        """Who this is (claims.this_process), and how many frames of the file in hand are done."""
        return this_process(), self._done

    def make(self, sent: list[Any], key: str, task: Task) -> MadeBy | VidenhanceError:
        """Make a file; an error that the user must know is returned, all others are raised.

        `sent`: a reference to the Sent of that key, in a list, so that it is fetched only once.
        """
        self._done = 0
        try:
            place = self._at(sent, key)
            file = replace(task.file, path=self._path(place, task))
            if task.step == "detect":
                made = place.detect(file, task.long_side, self._one)
            else:
                made = place.render(file, self._one)
            if self._share is not None:
                self._share.give(place.job.directory, made)
            return made
        except VidenhanceError as error:
            return error

    def _one(self) -> None:
        self._done += 1

    def _path(self, place: Workplace, task: Task) -> Path:
        directory = place.job.directory
        if task.step == "detect":
            return directory.detections(task.file.segment)
        return directory.segment(task.file.segment, task.file.path.suffix[1:])

    def _at(self, sent: list[Any], key: str) -> Workplace:
        if self._place is not None and self._key == key:
            return self._place
        import ray

        got: Sent = ray.get(sent[0])
        job, unlike = opened_as(got)
        self._share = got.share
        if self._place is not None and self._place.job.settings == job.settings:
            self._place.at(job)
        else:
            self._place = Workplace(job, unlike)
        self._key = key
        return self._place


def opened_as(sent: Sent) -> tuple[Job, str]:
    """The job as this machine works on it, and in what that is unlike the command's. Raises as
    like.opened does."""
    job, record = sent.job, sent.job.record
    use_threads(sent.begun_on)
    job = sent.share.opened(job) if sent.share is not None else _on_shared_folders(job, sent.maps)
    # Ray shows a worker the GPUs that are its own, and calls them by numbers from 0.
    device = job.settings.compute.devices[0].partition(":")[0]
    settings = mapped_settings(job.settings, sent.maps)
    settings = replace(settings, compute=replace(settings.compute, devices=(device,)))
    scope = replace(job.scope, settings=settings)
    loader = Loader(settings, device, **sent.loader)
    for name in sent.weights:
        loader.weights(name)
    job = replace(
        job,
        request=replace(job.request, settings=settings),
        scope=scope,
        planned=replace(job.planned, scope=scope) if job.planned is not None else None,
        loader=loader,
    )
    return job, refused(job, record, sent.begun_on, sent.ways, mixed=sent.mixed)


def _on_shared_folders(job: Job, maps: tuple[PathMap, ...]) -> Job:
    """The job with its source and directory where they are here."""
    source, folder = (mapped(path, maps) for path in (job.request.source, job.directory.folder))
    sha256 = job.record.document["source"]["sha256"]
    is_mapped = source != job.request.source
    refuse_other_source(job.request.source, source, sha256, by_content=is_mapped)
    refuse_frames(job.request, maps)
    _refuse_other_folder(job, folder, this_process()[0])
    info = replace(job.scope.clip.info, path=source)
    clip = replace(job.scope.clip, recorded=replace(job.scope.clip.recorded, info=info))
    request = replace(job.request, source=source, job_dir=folder)
    return replace(job, request=request, scope=replace(job.scope, clip=clip))


def _refuse_other_folder(job: Job, folder: Path, host: str) -> None:
    try:
        is_ours = read_record(folder / "job.json").document == job.record.document
        why = "is another job there"
    except JobError as error:
        is_ours, why = False, f"is not there ({line_of(error)})"
    if not is_ours:
        raise JobError(
            f"worker on {host}: {folder}, the job's directory, {why}; put it where all machines "
            "see it with --job-dir, say where it is with --map-path FROM=TO, or use --share URL"
        )
