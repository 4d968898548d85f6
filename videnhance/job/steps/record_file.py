"""The file of a result's record: where it stands, and that it is never of another result.

A record that an earlier result of the same name had is removed before that result is replaced.
"""

from __future__ import annotations

import os
from pathlib import Path

from videnhance.errors import OutputError
from videnhance.evidence.reading import is_record
from videnhance.evidence.writing import record_path
from videnhance.job.job import Job


def path_of_record(job: Job) -> Path:
    """Where it is asked for, or beside the output; of portraits, whose output is the record in
    their folder, beside that."""
    output = job.request.output
    beside = record_path(output.parent if job.request.kind == "portrait" else output)
    return job.request.record or beside


def require_record(job: Job) -> None:
    """Raises OutputError where the name of the record is taken by what may not be replaced."""
    if job.settings.record.keep:
        refuse_taken(path_of_record(job), overwrite=job.may_overwrite)


def refuse_taken(path: Path, *, overwrite: bool) -> None:
    """Raises OutputError where a record may not be written: something else has its name."""
    if os.path.lexists(path) and not overwrite:
        raise OutputError(
            f"{path}: exists already, and the record of the result would be written there; move it "
            "away, choose another name for the output, or add --overwrite or --no-record"
        )


def forget_record(job: Job) -> None:
    """Remove the record of a result that is about to be replaced; no other file."""
    for path in {path_of_record(job), record_path(job.request.output)}:
        if is_record(path):
            path.unlink()
