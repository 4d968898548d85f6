"""A job through object storage: workers get the source there, and give back finished segments.

    PREFIX/sources/SHA-256/in.mp4       the source, unless it lies in object storage by itself
    PREFIX/jobs/KEY/segments/00003.mp4  on its way from a worker to the job's directory

A worker has a directory of its own for what it makes, and a file with holes for what it reads
(fetched.py), both in the user's cache. The job's own directory is where the command runs, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videnhance.errors import InputError, UsageError
from videnhance.inference import cache
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.made_by import MadeBy
from videnhance.job.directory.record import digest_of
from videnhance.job.job import Job
from videnhance.job.workers.fetched import FetchedRecording, PartialFile, Places, places_of
from videnhance.media.reading.pictures import files_of
from videnhance.storage import Stored, url_of


@dataclass(frozen=True)
class Share:
    """Where in object storage one job's workers find what they need."""

    prefix: str
    """URL of the folder that the user named."""
    source: str
    """URL of the source."""
    size: int
    """Bytes of the source."""
    sha256: str
    key: str
    """Of the job."""
    places: Places | None
    """Where packets lie in the source; None where only all of it will do."""

    @staticmethod
    def of(job: Job, prefix: str, source: str | None) -> Share:
        """For a job; its source is put there, unless it is at the URL `source` already. Raises
        UsageError for what cannot go through storage, OutputError."""
        info, document = job.scope.clip.info, job.record.document
        if files_of(info.path) != (info.path,):
            raise UsageError(
                f"--share {prefix}: takes a video, not a row of pictures; leave it out and name a "
                "--job-dir that all machines see"
            )
        if job.settings.output.frames is not None:
            raise UsageError(
                f"--share {prefix}: does not bring --frames back; leave one of them out, and take "
                "frames from the result"
            )
        sha256, size = document["source"]["sha256"], int(document["source"]["size"])
        if sha256 is None:
            raise UsageError(f"--share {prefix}: needs the source's SHA-256; leave identify on")
        url = source or f"{prefix}/sources/{sha256}/{info.path.name}"
        stored = Stored(url)
        if source is None and stored.size() != size:
            stored.put(info.path)
        key = digest_of(document["source"], document["output"], document["settings"])[:24]
        return Share(prefix, url, size, sha256, key, places_of(job.scope.clip.recorded))

    def file(self, name: str) -> Stored:
        """A file of the job, by its name in the job's directory."""
        return Stored(f"{self.prefix}/jobs/{self.key}/{name}")

    def opened(self, job: Job) -> Job:
        """The job as a worker sees it: a directory of its own, and a source of which the bytes are
        fetched as they are needed. Raises InputError where the source is another one by now."""
        stored = Stored(self.source)
        if stored.size() != self.size:
            raise InputError(
                f"{self.source}: is not the job's source of {self.size} bytes any more; put that "
                "back, or begin again with --restart"
            )
        folder = cache.folder().parent / "shared" / self.key
        for name in ("detections", "segments"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder.parent / self.sha256[:24] / job.scope.clip.info.path.name
        partial = PartialFile(stored, path, self.size)
        partial.need([])  # so that it is there
        recorded = job.scope.clip.recorded
        recorded = replace(recorded, info=replace(recorded.info, path=path))
        recorded = FetchedRecording.of(recorded, partial, self.places)
        scope = replace(job.scope, clip=replace(job.scope.clip, recorded=recorded))
        return replace(
            job,
            request=replace(job.request, source=path, job_dir=folder),
            scope=scope,
            planned=replace(job.planned, scope=scope) if job.planned is not None else None,
        )

    def give(self, directory: JobDirectory, made: MadeBy) -> None:
        """From a worker: put what it made where the command finds it; raises OutputError."""
        for path in _files_of(directory.folder, made):
            if path.exists():
                self.file(path.relative_to(directory.folder).as_posix()).put(path)
                path.unlink()

    def take(self, directory: JobDirectory, made: MadeBy) -> None:
        """In the command: have it in the job's directory, the file itself last. Raises InputError,
        OutputError."""
        for path in reversed(_files_of(directory.folder, made)):
            stored = self.file(path.relative_to(directory.folder).as_posix())
            if path.suffix != ".json" or stored.size() is not None:
                stored.fetch(path)
                stored.remove()


def read_prefix(text: str) -> str:
    """The URL of a folder in object storage; raises UsageError."""
    url = url_of(text)
    if url is None:
        raise UsageError(f"--share {text}: must be a URL such as s3://bucket/folder")
    return url.rstrip("/")


def _files_of(folder: Path, made: MadeBy) -> Sequence[Path]:
    """A finished file, what is beside it, in the order in which a worker gives them."""
    path = folder / made.file
    others = [path.with_suffix(".worker")]
    if made.file.startswith("segments/"):
        others.append(path.with_suffix(".json"))
    return (path, *others)
