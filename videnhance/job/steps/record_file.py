"""The file of a result's record: where it stands, and that it is never of another result.

A record that an earlier result of the same name had is removed before that result is replaced.
"""

from __future__ import annotations

from pathlib import Path

from videnhance.errors import OutputError
from videnhance.evidence.writing import record_path
from videnhance.job.job import Job


def path_of_record(job: Job) -> Path:
    """Beside the output; of portraits, whose output is the record in their folder, beside that."""
    output = job.request.output
    return record_path(output.parent if job.request.kind == "portrait" else output)


def require_record(job: Job) -> None:
    """Raises OutputError where the name of the record is taken by what may not be replaced."""
    path = path_of_record(job)
    if job.settings.record.keep and path.exists() and not job.may_overwrite:
        raise OutputError(
            f"{path}: exists already, and the record of the result would be written there; move it "
            "away, choose another name for the output, or add --overwrite or --no-record"
        )


def forget_record(job: Job) -> None:
    """Remove the record of a result that is about to be replaced."""
    if job.settings.record.keep or job.request.overwrite:
        path_of_record(job).unlink(missing_ok=True)
