"""The directory of a job: who works in it, what is finished in it, and room on its disk.

lock                    held by the process that works here; names it
job.json                what the job is (job/directory/record.py)
detections/00000.npz    per segment (faces/detection.py), sealed
tracks.json             all tracks (faces/track_file.py); tracks.json.note tells what of
segments/00000.mp4      per segment (writing/segment.py), sealed; beside it 00000.json tells what
                        became of its faces (render/guards.py)
batches.json            faces that fit into a batch, where that was found and not told
finished.json           size and time of the output, written just before it is put in place
failures.jsonl          what went wrong, one JSON object a line
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from videnhance.errors import JobError, OutputError, Stopped, VidenhanceError
from videnhance.files import lock, megabytes, sha256_of, written
from videnhance.job import RECORD, SUFFIX
from videnhance.job.directory.record import Record, read_record
from videnhance.job.directory.seal import Seal, is_whole, read_seal
from videnhance.media.timeline import Segment

_PATIENCE = 0.5
"""Seconds to wait for the lock: long enough for a look at the status to pass."""
_FILES = (
    *("output", "failures.jsonl", f"{RECORD}.part", RECORD),
    *("tracks.json.new.part", "tracks.json.new", "tracks.json.part", "tracks.json"),
    *("tracks.json.note.part", "tracks.json.note", "finished.json.part", "finished.json"),
    *("batches.json.part", "batches.json", "lock"),
)
"""A job's own files, in the order in which they are removed: while there is a record, it can be
seen that the job is finished; while there is anything of a job, its lock is there."""
_NUMBERED = re.compile(r"\d{5,}\.[a-z0-9]+(\.part)?")
"""Names in the folders of detections and segments."""
_LEAST_ROOM = 4 << 20
"""Bytes that must be free before a file is begun, whatever its size is thought to be."""


def default_folder(output: Path) -> Path:
    """Where a job stands unless it is told otherwise: beside its output, named after it."""
    whole = output.absolute()
    return whole.parent / f"{whole.name}{SUFFIX}"


@dataclass(frozen=True)
class JobDirectory:
    """Names and facts; nothing is kept in memory, so that nothing can be lost."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / RECORD

    @property
    def tracks(self) -> Path:
        return self.folder / "tracks.json"

    @property
    def tracks_note(self) -> Path:
        """What tracks.json was made from, and its SHA-256: making it again takes a while."""
        return self.folder / "tracks.json.note"

    def note_of_tracks(self, fingerprint: str) -> bytes:
        """The content of that note for tracks.json as it is now; raises OSError."""
        return f"{fingerprint} {sha256_of(self.tracks)}\n".encode()

    def tracks_are(self, record: Record) -> bool:
        """Whether tracks.json is as the job of that record put it there."""
        try:
            told = record.tracks_sha256 or self.tracks_note.read_text().split()[-1]
            return told == sha256_of(self.tracks)
        except (OSError, IndexError):
            return False

    def keeps_given_tracks(self) -> bool:
        """Whether tracks.json is a copy of a file that the job was given."""
        try:
            return read_record(self.record).tracks is not None
        except JobError:
            return False

    def edited(self) -> JobError:
        """The error where tracks.json is not what the job put there."""
        return JobError(
            f"{self.tracks}: is not what this job made; if you edited it, move it out of the "
            "job and name it with --tracks, else remove it"
        )

    def tracks_fit(self, fingerprint: str) -> bool:
        """Whether tracks.json is, bit for bit, what was made with this fingerprint."""
        try:
            return self.tracks_note.read_bytes() == self.note_of_tracks(fingerprint)
        except OSError:
            return False

    @property
    def finished(self) -> Path:
        return self.folder / "finished.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def failures(self) -> Path:
        return self.folder / "failures.jsonl"

    @property
    def batches(self) -> Path:
        return self.folder / "batches.json"

    def found_batches(self) -> dict[str, int]:
        """What `keep_batches` was given last; nothing where there is none, or none of ours."""
        try:
            found = json.loads(self.batches.read_text(encoding="utf-8"))
            return {str(name): max(int(count), 1) for name, count in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def keep_batches(self, batches: Mapping[str, int]) -> None:
        """Raises OutputError."""
        if batches and batches != self.found_batches():
            with written(self.batches) as part:
                part.write_text(json.dumps(batches) + "\n", encoding="utf-8")

    def detections(self, segment: Segment) -> Path:
        """The detections of a segment."""
        return self.folder / "detections" / f"{segment.name}.npz"

    def segment(self, segment: Segment, form: str) -> Path:
        """A rendered segment."""
        return self.folder / "segments" / f"{segment.name}.{form}"

    def outcome(self, segment: Segment) -> Path:
        """What became of the faces of a rendered segment (render.outcome.Outcome)."""
        return self.folder / "segments" / f"{segment.name}.json"

    def done(self, path: Path, fingerprint: str) -> Seal | None:
        """The seal of a finished file, where every bit of it is what this job would make."""
        found = read_seal(path)
        if found is None or found.fingerprint != fingerprint or not is_whole(path, found):
            return None
        return found

    def is_empty(self) -> bool:
        """Whether nothing is finished."""
        finished = [*self.folder.glob("detections/*.npz"), *self.folder.glob("segments/*.m*")]
        return not [p for p in finished if p.suffix != ".part"] and not self.tracks.exists()

    def note_failure(self, error: BaseException | str) -> None:
        """Keep what went wrong for `status`; a disk too full for that is no second failure."""
        entry = {"when": time.strftime("%Y-%m-%d %H:%M:%S"), "error": str(error)}
        with suppress(OSError), self.failures.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def remove(self) -> None:
        """Remove what is the job's own; the folder too, unless it holds anything else."""
        for name in ("detections", "segments"):
            for path in self.folder.glob(f"{name}/*"):
                if _NUMBERED.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            with suppress(OSError):
                (self.folder / name).rmdir()
        for name in _FILES:
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def holder(job: JobDirectory) -> int | None:
    """The process that works in a job directory now, None where none does."""
    try:
        with job.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(job)
    except OSError:
        return None
    return None


@contextmanager
def held(job: JobDirectory) -> Iterator[None]:
    """Hold the lock; raises JobError naming the process that holds it already.

    The number of the process in the file is for people, who are told it by that error and by
    `holder`.
    """
    until = time.monotonic() + _PATIENCE
    while (file := _lock(job)) is None:
        if time.monotonic() > until:
            raise JobError(
                f"{job.folder}: process {_pid(job)} works on this job; wait for it, stop it, "
                "or name another --job-dir"
            )
        time.sleep(0.02)
    try:
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)


def _lock(job: JobDirectory) -> int | None:
    """The locked file's descriptor, None where another process has it."""
    with _as_output_error(job.folder):
        return lock(job.lock)


def _pid(job: JobDirectory) -> int:
    """The number in the lock; 0 in the moment in which it is not written yet."""
    try:
        return int(job.lock.read_text())
    except (OSError, ValueError):
        return 0


@contextmanager
def entered(
    folder: Path, make_record: Callable[[bool], Record], *, restart: bool
) -> Iterator[tuple[JobDirectory, Record]]:
    """Begin a job in a directory or go on with it, and hold its lock meanwhile.

    `make_record` makes the record of what is to be done now; with False it may leave out what takes
    long to learn (the input's SHA-256), so that other settings are refused at once. Raises JobError
    where the directory is in use, holds something else, or was begun as another job (unless
    `restart`: then its finished files that still fit are used). What fails inside is noted; a
    directory in which nothing was finished is removed, else the error's `job` names it.
    """
    job = JobDirectory(folder)
    with _as_output_error(folder):
        _agreed(job, lambda: make_record(False), restart=restart)
    wanted = make_record(True)
    with held(job):
        try:
            with _as_output_error(folder):
                record = _agreed(job, lambda: wanted, restart=restart)
                if record is None:
                    _remove_tracks(job)
                    with written(job.record) as part:
                        wanted.write(part)
                for name in ("detections", "segments"):
                    (folder / name).mkdir(exist_ok=True)
                yield job, record or wanted
        except BaseException as error:
            if not isinstance(error, (Stopped, JobError, KeyboardInterrupt)):
                job.note_failure(error)
            if job.is_empty():
                job.remove()
            elif isinstance(error, VidenhanceError) and not isinstance(error, JobError):
                error.job = folder
            raise


def _agreed(job: JobDirectory, wanted: Callable[[], Record], *, restart: bool) -> Record | None:
    """The record to go on with; None where there is none or a new one is to take its place."""
    if not job.folder.exists():
        return None
    if not job.folder.is_dir():
        raise JobError(f"{job.folder}: is a file, not a folder; name another --job-dir")
    if not job.record.exists():
        # A kill can leave a job's own files without a record, where it begins and where it ends.
        names = {path.name for path in job.folder.iterdir()}
        if names and ("lock" not in names or not names.issubset(_FILES)):
            raise JobError(f"{job.folder}: holds other files; name another --job-dir")
        return None
    begun = read_record(job.record)
    if restart:
        return None
    different = begun.differences(wanted())
    if different:
        raise JobError(
            f"{job.folder}: was begun otherwise: {'; '.join(different)}; give the whole command "
            "with --restart to go on as asked now (finished files that still fit are used), or "
            "name another --job-dir"
        )
    return begun


def _remove_tracks(job: JobDirectory) -> None:
    """Make way for other tracks; raises JobError where that would cost somebody's work."""
    if job.record.exists() and job.tracks.exists() and not job.tracks_are(read_record(job.record)):
        raise job.edited()
    job.tracks.unlink(missing_ok=True)


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, VidenhanceError) or error.errno is None:
            raise
        raise OutputError(
            f"{folder}: working files cannot be written ({error.strerror}); "
            "make room or name another --job-dir"
        ) from error


def require_room(path: Path, needed: int, purpose: str) -> None:
    """Raises OutputError where the disk that will hold `path` has less than `needed` bytes free."""
    free = shutil.disk_usage(path).free
    needed = max(needed, _LEAST_ROOM)
    if free < needed:
        raise OutputError(
            f"{path}: {purpose} needs about {megabytes(needed, 0)} and {megabytes(free, 0)} are "
            "free; make room or choose another disk"
        )
