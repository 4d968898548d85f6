"""The directory of a job: its files, which of them are finished, and room on its disk.

lock                    held by the process that works here, whose number it holds
job.json                what the job is (record.py)
detections/00000.npz    one for each segment (faces/detection.py), sealed
tracks.json             all tracks (faces/track_file.py)
tracks.json.note        what they were made from (fingerprints.py), and their SHA-256
segments/00000.mp4      one for each segment (media/writing/segment.py), sealed
segments/00000.json     what became of its faces (render/outcome.py)
segments/00000.worker   which worker made it, on what (made_by.py); detections have one, too
claims/render-00000     who works on it now (claims.py)
workers.json            what all workers must do alike (job/workers/begin.py)
batches.json            how many faces fit into a batch, where that was measured
finished.json           size and time of the output (finished.py)
failures.jsonl          what went wrong, one JSON object a line
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from videnhance.errors import JobError, OutputError
from videnhance.files import megabytes, sha256_of, written
from videnhance.job import RECORD, SUFFIX
from videnhance.job.directory.claims import Claims
from videnhance.job.directory.record import Record, read_record
from videnhance.job.directory.seal import Seal, is_whole, read_seal
from videnhance.media.timeline import Segment

OWN_FILES = (
    *("output", "failures.jsonl", f"{RECORD}.part", RECORD),
    *("tracks.json.new.part", "tracks.json.new", "tracks.json.part", "tracks.json"),
    *("tracks.json.note.part", "tracks.json.note", "finished.json.part", "finished.json"),
    *("workers.json.part", "workers.json", "batches.json.part", "batches.json", "lock"),
)
"""A job's own files, in the order in which they are removed: while there is a record, it can be
seen that the job is finished; while there is anything of a job, its lock is there."""
_NUMBERED = re.compile(r"\d{5,}\.[a-z0-9]+((\.[\w-]+)?\.part)?")
"""Names in the folders of detections and segments."""
_LEAST_ROOM = 4 << 20
"""Bytes that must be free before a file is begun, whatever its size is thought to be."""


def default_folder(output: Path) -> Path:
    """Where a job stands unless a folder is named: beside its output, named after it."""
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
            expected = record.tracks_sha256 or self.tracks_note.read_text().split()[-1]
            return expected == sha256_of(self.tracks)
        except (OSError, IndexError):
            return False

    def keeps_given_tracks(self) -> bool:
        """Whether tracks.json is a copy of a file named with --tracks."""
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
    def workers(self) -> Path:
        return self.folder / "workers.json"

    @property
    def claims(self) -> Claims:
        return Claims(self.folder / "claims")

    @property
    def failures(self) -> Path:
        return self.folder / "failures.jsonl"

    @property
    def batches(self) -> Path:
        return self.folder / "batches.json"

    def found_batches(self) -> dict[str, int]:
        """What `keep_batches` was given last; empty where nothing readable was kept."""
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
        self.claims.remove()
        for name in OWN_FILES:
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def require_room(path: Path, needed: int, purpose: str) -> None:
    """Raises OutputError where the disk that will hold `path` has less than `needed` bytes free."""
    free = shutil.disk_usage(path).free
    needed = max(needed, _LEAST_ROOM)
    if free < needed:
        raise OutputError(
            f"{path}: {purpose} needs about {megabytes(needed, 0)} and {megabytes(free, 0)} are "
            "free; make room or choose another disk"
        )
