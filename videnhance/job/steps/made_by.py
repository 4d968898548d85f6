"""After segments were computed: what workers did of them goes into the job's record."""

from __future__ import annotations

from dataclasses import replace

from videnhance.files import written
from videnhance.job.directory.made_by import made_by_workers
from videnhance.job.job import Job

_NAMED = 6


def note_workers(job: Job) -> Job:
    """With a record that names the machines of all workers; it is told which files were made on
    unlike ones."""
    made = list(made_by_workers(job.directory.folder))
    record = job.record.also_on([one.machine for one in made])
    if record is not job.record:
        with written(job.directory.record) as part:
            record.write(part)
    told = "made by unlike workers"
    notes = job.monitor.notes
    notes[:] = [note for note in notes if not note.startswith(told)]  # of the step before
    unlike: dict[str, list[str]] = {}
    for one in made:
        if one.unlike:
            unlike.setdefault(one.unlike, []).append(one.file)
    for what, files in unlike.items():
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        notes.append(f"{told} ({what}): {', '.join(files[:_NAMED])}{more}")
    return replace(job, entered=record)
