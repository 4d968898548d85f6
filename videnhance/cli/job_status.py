"""What `videnhance status` tells of a job. Text only, no printing."""

from __future__ import annotations

import shlex
from typing import Any

from videnhance.cli.report import duration_text
from videnhance.job.status import Status


def status_facts(status: Status) -> dict[str, Any]:
    """A job's state as plain JSON values."""
    return {
        "job": str(status.folder),
        "kind": status.kind,
        "input": str(status.source),
        "output": str(status.output),
        "process": status.process,
        "finished": status.finished,
        "tracked": status.tracked,
        "steps": {
            step.name: {
                "segments_done": step.segments_done,
                "segments": step.segments,
                "frames_done": step.frames_done,
                "frames": step.frames,
                "frames_per_second": step.frames_per_second,
                "seconds_left": step.seconds_left,
            }
            for step in status.steps
        },
        "workers": [
            {
                "worker": claim.worker,
                "works_on": claim.what,
                "frames_done": claim.done,
                "frames": claim.frames,
                "frames_per_second": claim.frames_per_second,
                "seconds_since_heard": round(claim.age, 1),
            }
            for claim in status.workers
        ],
        "seconds_left": status.seconds_left,
        "failures": list(status.failures),
    }


def status_text(status: Status) -> str:
    """The same for a person."""
    if status.finished:
        state = "finished"
    elif status.process is not None:
        state = f"at work (process {status.process})"
    elif status.workers:
        count = len({claim.worker for claim in status.workers})
        state = f"at work ({count} worker{'s' * (count > 1)})"
    else:
        state = f"stopped; go on with: videnhance resume {shlex.quote(str(status.folder))}"
    lines = [
        f"job       {status.folder} ({status.kind}), {state}",
        f"input     {status.source}",
        f"output    {status.output}",
    ]
    for step in status.steps:
        pace = step.frames_per_second
        lines.append(
            f"{step.name:9} {step.segments_done} of {step.segments} segments, "
            f"{step.frames_done} of {step.frames} frames"
            + (f", {pace:.1f} frames/s" if pace else "")
        )
        if step.name == "detect":
            lines.append(f"track     {'done' if status.tracked else 'to be done'}")
    for claim in status.workers:
        pace = claim.frames_per_second
        lines.append(
            f"worker    {claim.worker or 'beginning'}: {claim.what}"
            + (f", {claim.done} of {claim.frames} frames" if claim.frames else "")
            + (f", {pace:.1f} frames/s" if pace else "")
        )
    if not status.finished:
        left = status.seconds_left
        lines.append(f"left      {'not known yet' if left is None else duration_text(left)}")
    lines += [f"failure   {failure}" for failure in status.failures]
    return "\n".join(lines)
