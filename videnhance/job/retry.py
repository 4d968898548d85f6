"""Work on a source that turns out to be damaged begins again, once all of it was examined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from videnhance.errors import DamagedError, JobError
from videnhance.job.directory.record import read_record
from videnhance.job.monitor import Run
from videnhance.media.reading.source import probe
from videnhance.media.repair.examination import Examination
from videnhance.media.repair.recording import examination_in, recording_of
from videnhance.settings.groups import Settings

T = TypeVar("T")


def sound(
    attempt: Callable[[Examination | None], T],
    source: Path,
    settings: Settings,
    run: Run,
    known: Examination | None = None,
) -> T:
    """What `attempt` gives, which is told what is known of the source's damage.

    Damage that packets do not show is met where frames are decoded. Then every frame is decoded
    once, and the attempt made again: what each reading gives is settled before any of it is used.
    Raises what `attempt` raises; DamagedError only with `--strict`.
    """
    try:
        return attempt(known)
    except DamagedError:
        if settings.source.strict:
            raise
        found = recording_of(
            probe(source),
            settings.source,
            lambda done: run.tell("examine", done, 0),
            thorough=True,
        )
        return attempt(found.examination)


def sound_job(
    attempt: Callable[[Examination | None, bool], T],
    source: Path,
    settings: Settings,
    run: Run,
    record: Path,
    restart: bool,
) -> T:
    """The same for a job with this record, which knows what it found before. `attempt` is told too
    whether the job begins anew, because that is wished or because more is known now."""
    known = _examined_in(record, restart)

    def once(examined: Examination | None) -> T:
        return attempt(examined, restart or (examined is not None and examined != known))

    return sound(once, source, settings, run, known)


def _examined_in(record: Path, restart: bool) -> Examination | None:
    """What the job of this record found when it examined its source; None where it did not."""
    try:
        return None if restart else examination_in(read_record(record).document.get("condition"))
    except JobError:
        return None
