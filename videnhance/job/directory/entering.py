"""Beginning a job in a directory, or going on with it: one process at a time, the same job."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from videnhance.errors import JobError, OutputError, Stopped, VidenhanceError, cure_of
from videnhance.files import lock, written
from videnhance.job.directory.folder import OWN_FILES, JobDirectory
from videnhance.job.directory.record import Record, read_record

_PATIENCE = 0.5
"""Seconds to wait for the lock: long enough for a look at the status to pass."""


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

    The number of the process in the file is for people, who read it in that error and by `holder`.
    """
    until = time.monotonic() + _PATIENCE
    while (file := _lock(job)) is None:
        if time.monotonic() > until:
            raise JobError(
                f"{job.folder}: {_who(job)} on this job; wait for it, stop it, "
                "or name another --job-dir"
            )
        time.sleep(0.02)
    try:
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)


@contextmanager
def joined(job: JobDirectory) -> Iterator[None]:
    """Hold the lock together with others that join; raises JobError where a process works on the
    job alone."""
    until = time.monotonic() + _PATIENCE
    with _as_output_error(job.folder), job.lock.open("a+b") as file:
        while not _locked(file.fileno(), fcntl.LOCK_SH):
            if time.monotonic() > until:
                raise JobError(
                    f"{job.folder}: process {_pid(job)} works on this job alone; wait for it, or "
                    "stop it"
                )
            time.sleep(0.02)
        yield


def _locked(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _who(job: JobDirectory) -> str:
    """Who holds the lock, as far as that can be told."""
    with suppress(OSError), job.lock.open("rb") as file:
        if _locked(file.fileno(), fcntl.LOCK_SH):  # as they do, who work together
            names = sorted({claim.worker for claim in job.claims.at_work() if claim.host})
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            return f"workers are still ({', '.join(names[:3]) or 'nobody by name'}{more}) at work"
    return f"process {_pid(job)} works"


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
    long to compute (the input's SHA-256), so that other settings are refused at once. Raises
    JobError where the directory is in use, holds something else, or was begun as another job
    (unless `restart`: then its finished files that still fit are used). An error inside is noted in
    the directory; if nothing is finished the directory is removed, else the error's `job` names it.
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
                    record = wanted
                    if job.record.exists():  # its finished files may be used again
                        record = wanted.also_on(read_record(job.record).machines)
                    with written(job.record) as part:
                        record.write(part)
                for name in ("detections", "segments"):
                    (folder / name).mkdir(exist_ok=True)
                yield job, record
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
        if names and ("lock" not in names or not names.issubset(OWN_FILES)):
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
            f"{cure_of(error, 'name another --job-dir')}"
        ) from error
