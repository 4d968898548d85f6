"""finished.json: how the output looked when the job put it in place.

It is written just before, so that a job that is killed between that and its own removal is known to
be done.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from videnhance.errors import OutputError
from videnhance.files import written
from videnhance.job.directory.folder import JobDirectory


def note_finished(directory: JobDirectory, part: Path, output: Path, *, overwrite: bool) -> None:
    """Note how the output will look, which is still called `part`.

    Raises OutputError where another file took the output's name while the job worked.
    """
    if os.path.lexists(output) and not overwrite:
        raise OutputError(
            f"{output}: was written by something else meanwhile; move it away and run the same "
            "command again (finished work is used), or add --overwrite and --restart"
        )
    with part.open("rb") as file:
        os.fsync(file.fileno())
    stat = part.stat()
    with written(directory.finished) as note:
        note.write_text(json.dumps({"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}))


def is_finished(directory: JobDirectory, output: Path) -> bool:
    """Whether the output is in place and is this job's."""
    try:
        if not (directory.record.exists() and directory.tracks.exists()):
            return False
        note, stat = json.loads(directory.finished.read_text()), output.stat()
        return bool((note["size"], note["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns))
    except (OSError, ValueError, KeyError, TypeError):
        return False
