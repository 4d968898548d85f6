"""What a job is asked for now, to be compared with what its directory holds."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from videnhance.errors import InputError, JobError
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracking import choose
from videnhance.files import sha256_of
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.record import Record, make_record
from videnhance.job.monitor import Run
from videnhance.job.plan import Plan, Scope
from videnhance.media.reading.pictures import files_of
from videnhance.models.loader import Equipment


@dataclass(frozen=True)
class Given:
    """A tracks file named by the user."""

    path: Path
    content: bytes
    sha256: str


class Request:
    """What is asked for now, to be compared with what a job directory holds."""

    def __init__(
        self,
        scope: Scope,
        output: Path,
        plan: Plan | None,
        overwrite: bool,
        keep_job: bool,
        given: Given | None,
        run: Run,
        equipment: Equipment,
        identify: bool = True,
    ) -> None:
        self._scope, self._output, self._plan = scope, output, plan
        self._overwrite, self._keep_job, self._given, self._run = overwrite, keep_job, given, run
        self._equipment, self._identify = equipment, identify
        self._source = scope.clip.info.path
        self._before = _looks_of(self._source)

    def record(self, complete: bool) -> Record:
        """The record of this job; the source's content is read only for a `complete` one."""
        size = sum(look[1] for look in self._before)
        return make_record(
            self._scope,
            self._output,
            self._plan,
            overwrite=self._overwrite,
            keep_job=self._keep_job,
            source_sha256=(self._digest(size) if complete and self._identify else None),
            tracks=(self._given.path, self._given.sha256) if self._given else None,
            models=self._equipment.obtained,
        )

    def refuse_changed_source(self) -> None:
        """Raises InputError where the source was written to since the job began."""
        try:
            now = _looks_of(self._source)
        except (OSError, InputError) as error:
            reason = getattr(error, "strerror", None) or "no picture is left"
            raise InputError(
                f"{self._source}: is gone since the work began ({reason}); put it back "
                "under this name, then go on"
            ) from error
        if now != self._before:
            raise InputError(
                f"{self._source}: was changed while it was worked on; wait until it is complete, "
                "then begin again with --restart"
            )

    def _digest(self, size: int) -> str:
        """SHA-256 of the source's content. Of pictures, it is that of what `sha256sum` writes of
        them in their order: a line each, "DIGEST  NAME"."""
        files, lines, done = files_of(self._source), [], 0
        for file in files:
            before = done

            def tell(read: int, before: int = before) -> None:
                self._run.tell("hash", before + read, size)

            lines.append(f"{sha256_of(file, progress=tell)}  {file.name}\n")
            done += file.stat().st_size
        if files == (self._source,):
            return lines[0].split()[0]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _looks_of(source: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of every file of the source; raises OSError, InputError."""
    stats = [(file.name, file.stat()) for file in files_of(source)]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def refuse_inside(job: JobDirectory, source: Path, output: Path, tracks: Path | str | None) -> None:
    """Raises JobError where a file of the user's lies in the directory that the job removes."""
    files = {"the input": source, "the output": output}
    # resume() names the copy that a job keeps of the tracks it was given.
    if tracks is not None and not (Path(tracks) == job.tracks and job.keeps_given_tracks()):
        files["--tracks"] = Path(tracks)
    folder = Path(os.path.realpath(job.folder))
    for name, path in files.items():
        if Path(os.path.realpath(path)).is_relative_to(folder):
            raise JobError(
                f"{path}: {name} lies in the job's own directory {job.folder}; "
                "name another --job-dir"
            )


def read_given(path: Path, scope: Scope) -> Given:
    """Raises InputError where the file is no tracks file of this video."""
    choose(
        read_tracks(path, scope.clip),
        scope.settings.part.only,
        scope.settings.part.skip,
    )
    content = path.read_bytes()
    return Given(path, content, hashlib.sha256(content).hexdigest())
