"""What a job is asked to do, before anything of it is looked at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from videnhance.errors import JobError
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracking import choose
from videnhance.job.directory.folder import JobDirectory, default_folder
from videnhance.job.directory.record import Record
from videnhance.job.plan import Scope
from videnhance.media.reading.kept import KeptFrames
from videnhance.settings.groups import DEFAULTS, Settings

Kind = Literal["enhance", "detect", "portrait"]
_KINDS: Mapping[str, Kind] = {"detect": "detect", "portrait": "portrait"}


@dataclass(frozen=True)
class JobRequest:
    """What a job is asked to do."""

    source: Path
    output: Path
    settings: Settings = DEFAULTS
    kind: Kind = "enhance"
    """"detect" ends with the tracks, which are then the output; "portrait" with pictures of
    persons, whose record is the output."""
    overwrite: bool = False
    """Whether the output may take the place of a file."""
    job_dir: Path | None = None
    """Where finished work is kept; None: beside the output."""
    keep_job: bool = False
    """Whether finished work is kept when the output is in place."""
    restart: bool = False
    """Whether a directory of a job with other settings is taken over; files that fit are used."""
    tracks: Path | None = None
    """A tracks.json to render from, instead of looking for faces."""
    identify: bool = True
    """Whether the source's content is hashed, without which nobody can go on with the job."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """By name, where settings come from that a command, preset or file gave: for the record."""
    record: Path | None = None
    """Where the record of the result goes; None: beside the output, under its name."""
    kept: KeptFrames | None = None
    """Where decoded frames are kept for this job and whoever shows its result."""

    @property
    def directory(self) -> JobDirectory:
        """The job's directory, whether it exists or not."""
        return JobDirectory(self.job_dir or default_folder(self.output))

    @staticmethod
    def recorded(record: Record, directory: JobDirectory) -> JobRequest:
        """What the job of this record in this directory was asked to do."""
        copy = directory.tracks if directory.tracks.exists() else record.tracks
        return JobRequest(
            source=record.source,
            output=record.output,
            settings=record.settings,
            origins=record.origins,
            kind=_KINDS.get(record.kind, "enhance"),
            overwrite=record.overwrite,
            job_dir=directory.folder,
            keep_job=record.keep_job,
            tracks=copy if record.tracks is not None else None,
        )

    def refuse_inside(self) -> None:
        """Raises JobError where a file of the user's lies in the directory that the job removes."""
        job = self.directory
        files = {"the input": self.source, "the output": self.output}
        # resume() names the copy that a job keeps of its tracks file.
        if self.tracks and not (self.tracks == job.tracks and job.keeps_given_tracks()):
            files["--tracks"] = self.tracks
        folder = Path(os.path.realpath(job.folder))
        for name, path in files.items():
            if Path(os.path.realpath(path)).is_relative_to(folder):
                raise JobError(
                    f"{path}: {name} lies in the job's own directory {job.folder}; "
                    "name another --job-dir"
                )


@dataclass(frozen=True)
class TracksFile:
    """A tracks file that the user named, as it is now."""

    path: Path
    content: bytes
    sha256: str

    @staticmethod
    def read(path: Path, scope: Scope) -> TracksFile:
        """Raises InputError where the file is no tracks file of this video, UsageError where it
        lacks a track that the settings name."""
        part = scope.settings.part
        choose(read_tracks(path, scope.clip), part)
        content = path.read_bytes()
        return TracksFile(path, content, hashlib.sha256(content).hexdigest())


def path_of(given: Path | str | None) -> Path | None:
    """A path that the caller need not give."""
    return Path(given) if given is not None else None
