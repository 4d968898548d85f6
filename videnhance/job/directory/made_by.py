"""Which worker made a file of a job: NNNNN.worker beside it, the worker's record.

A worker writes it when the file is in place. It holds the SHA-256 that the file's seal holds too:
where the file was made again by something else, the record is not of it, and does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from videnhance.files import written
from videnhance.job.directory.machine import Machine
from videnhance.job.directory.seal import read_seal


@dataclass(frozen=True)
class MadeBy:
    """What a worker says of a file that it made; plain values, all that travels back from it."""

    file: str
    """Its name within the job's directory."""
    sha256: str
    """Of its content, without the seal."""
    frames: int
    seconds: float
    worker: str
    """Host and process."""
    machine: Machine
    versions: dict[str, str | None]
    device: str
    """What networks were computed on, by which backend and precision; "" where there are none."""
    unlike: str = ""
    """In what it is unlike the machine on which the job began, where that was allowed."""

    def write(self, folder: Path) -> None:
        """Beside the file, in the job's directory `folder`; raises OutputError."""
        path = (folder / self.file).with_suffix(".worker")
        part_of_its_own = path.with_name(f"{path.name}.{self.worker.replace(':', '-')}.part")
        with written(path, part_of_its_own) as part:
            part.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


def made_by_workers(folder: Path) -> Iterator[MadeBy]:
    """The records of the files of a job's directory that are still as their workers left them."""
    for path in sorted((*folder.glob("detections/*.worker"), *folder.glob("segments/*.worker"))):
        try:
            made = MadeBy(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        found = read_seal(folder / made.file)
        if found is not None and found.content == made.sha256:
            yield made
