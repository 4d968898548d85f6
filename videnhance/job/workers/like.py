"""A worker opens a job: it plans it anew, and is refused where it would give other bits.

What it would make follows from the source, the settings, weights, versions, how networks are
computed, the processor and threads. All but the last two are part of what finished work is
recognized by, so they must agree; `--mixed-workers` lets versions, processors and threads differ,
and what differs is kept with each segment.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from videnhance.errors import JobError, UsageError
from videnhance.files import written
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.machine import Machine, unlike
from videnhance.job.directory.record import Record, read_record
from videnhance.job.job import Job
from videnhance.job.monitor import Monitor
from videnhance.job.request import JobRequest
from videnhance.job.steps.plan import plan
from videnhance.job.workers.paths import PathMap, mapped, mapped_settings, refuse_other_source
from videnhance.media.repair.recording import examination_in
from videnhance.render.networks import finding_rows, rendering_rows, ways_of

_FOLLOW = ("encoding", "pix_fmt", "looks", "decoded by", "cleaned up")
"""Entries of a record that follow from the source and the settings, and must do so alike."""


def use_threads(machine: Machine) -> None:
    """Let this process compute in as many threads as a machine of a record did: sums are shared
    among them, and are rounded accordingly."""
    import cv2

    if machine.get("OpenCV threads"):
        cv2.setNumThreads(int(machine["OpenCV threads"]))
    if machine.get("torch threads"):
        import torch

        torch.set_num_threads(int(machine["torch threads"]))


def limit_threads(count: int) -> None:
    """Let this process compute in so many threads, also where torch is loaded later."""
    import cv2

    cv2.setNumThreads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def ways(job: Job) -> dict[str, list[str]]:
    """How this machine computes the networks of a job, by weights."""
    rendering = rendering_rows(job.settings) if job.planned else []
    finding = [] if job.tracks_file else finding_rows(job.settings)
    return {
        str(row.weights or " ".join(row.packages)): [str(w) for w in ways_of(row, job.settings)]
        for row in (*finding, *rendering)
        if row.traits is not None
    }


def save_common(job: Job, long_side: int) -> None:
    """Write workers.json: what is decided once for all workers, and what they must do alike."""
    common = {"long_side": long_side, "ways": ways(job)}
    with written(job.directory.workers) as part:
        part.write_text(json.dumps(common) + "\n", encoding="utf-8")


def common_of(directory: JobDirectory) -> dict[str, Any]:
    """What `save_common` wrote; raises JobError."""
    try:
        common: dict[str, Any] = json.loads(directory.workers.read_text(encoding="utf-8"))
        return common
    except (OSError, ValueError):
        raise JobError(
            f"{directory.folder}: is not prepared for workers; run videnhance plan with its input, "
            "output and settings first"
        ) from None


def opened(
    directory: JobDirectory, monitor: Monitor, maps: Sequence[PathMap], *, mixed: bool
) -> tuple[Job, str]:
    """The job of a directory, as this machine works on it, and in what that is unlike the one on
    which the job began ("" where in nothing).

    Raises JobError where this machine would give other bits, unless they may be `mixed`; and
    InputError where the source is not here.
    """
    record = read_record(directory.record)
    begun_on = record.machines[0] if record.machines else {}
    use_threads(begun_on)
    request = JobRequest.recorded(record, directory)
    source = mapped(request.source, maps)
    is_mapped = source != request.source
    sha256 = record.document["source"]["sha256"]
    refuse_other_source(request.source, source, sha256, by_content=is_mapped)
    settings = mapped_settings(request.settings, maps)
    request = replace(request, source=source, settings=settings)
    refuse_frames(request, maps)
    examined = examination_in(record.document.get("condition"))
    job = plan(request, monitor, examined, is_finished=False, delivers=False)
    job = replace(job, entered=record)
    return job, refused(job, record, begun_on, common_of(directory)["ways"], mixed=mixed)


def refuse_frames(request: JobRequest, maps: Sequence[PathMap]) -> None:
    """Raises UsageError where workers could not write the pictures of frames."""
    if maps and request.settings.output.frames is not None:
        raise UsageError(
            "--frames: is one folder, which workers find under one path only; leave it out where "
            "there is --map-path, and take the frames from the result"
        )


def refused(
    job: Job, record: Record, begun_on: Machine, common: dict[str, list[str]], *, mixed: bool
) -> str:
    """In what this machine is unlike the one on which the job began; raises JobError where that is
    not allowed."""
    where = f"worker on {socket.gethostname()}"
    other = _other_ways(common, ways(job))
    if other:
        raise JobError(
            f"{where}: computes networks otherwise ({other}), and would give other bits; name "
            "--devices, --precision and --backend for the job so that all workers do alike"
        )
    mine = job.make_record(False).noted(settings=record.document["settings"])
    different = [
        text for text in record.differences(mine) if not text.startswith(("versions.", "models"))
    ]
    different += [n for n in _FOLLOW if record.document.get(n) != mine.document.get(n)]
    if different:
        raise JobError(
            f"{where}: plans this job otherwise: {'; '.join(different)}; give it the same source, "
            "settings and videnhance"
        )
    weights = [
        name
        for name, used in record.document["models"].items()
        if used["sha256"] != (mine.document["models"].get(name) or {}).get("sha256")
    ]
    if weights:
        raise JobError(
            f"{where}: has other weights for {', '.join(weights)}; give it those of the job with "
            "--weights, or remove its own"
        )
    versions = [text for text in record.differences(mine) if text.startswith("versions.")]
    told = unlike(begun_on, job.machine)
    found = "; ".join((*versions, *([told] if told else [])))
    if found and not mixed:
        raise JobError(
            f"{where}: would give other bits: {found}; take a machine like the one on which the "
            "job began, or add --mixed-workers, which records it"
        )
    return found


def _other_ways(there: dict[str, list[str]], here: dict[str, list[str]]) -> str:
    return ", ".join(
        f"{name}: {' and '.join(there.get(name, [])) or 'not'} there, "
        f"{' and '.join(here.get(name, [])) or 'not'} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    )
