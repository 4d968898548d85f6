"""What of each restored face is a guess, if that is asked for: maps beside the stills, and a share.

trackNNN_frameNNNNNN_invention-AI.png   a moment: as recorded, restored, the map
invention.json                          the shares, the moments, and the method
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from videnhance import restorers
from videnhance.errors import UsageError, VidenhanceError
from videnhance.files import written
from videnhance.job.job import Job
from videnhance.media.writing.png import write_png
from videnhance.render.invention import Energy, Moment, Spread, share_of, spreads
from videnhance.show.highlights import sightings
from videnhance.show.invention import FULL, shown
from videnhance.show.stills import MOMENTS

FORMAT, VERSION = "videnhance invention", 1
FILE = "invention.json"


def require_invention(job: Job) -> None:
    """Raises UsageError where no such maps can be made."""
    count, restorer = job.settings.evidence.invention, job.settings.restore.restorer
    if not count or job.planned is None:
        return
    row = restorers.RESTORERS.get(restorer)
    if row is not None and not row.invents:
        raise UsageError(
            f"--invention {count}: {restorer} invents nothing; leave it out, or name a --restorer "
            "that does"
        )
    if job.settings.output.stills is None:
        raise UsageError(f"--invention {count}: its maps stand beside the stills; add --stills DIR")


def save_inventions(job: Job) -> Job:
    """The maps of each track's best moments, with the shares, of the output that is in place.

    Raises OutputError and what reading and restoring do, saying that the output is finished.
    """
    count, folder = job.settings.evidence.invention, job.settings.output.stills
    if not count or folder is None:
        return job
    done = job.record.document.get("invention")
    if done is None or not (Path(folder) / FILE).exists():
        try:
            with job.monitor.step("invention"):
                done = _made(job, Path(folder), count)
        except VidenhanceError as error:
            raise type(error)(f"{error} ({job.request.output} itself is finished)") from error
        record = job.record if job.check is None else job.record.checked(job.check.as_json())
        job = replace(job, entered=record.noted(invention=done))
        with written(job.directory.record) as part:
            job.record.write(part)
    shares = {int(track): float(share) for track, share in done["tracks"].items()}
    for track, share in shares.items():
        job.monitor.notes.append(
            f"track {track}: {share:.0%} of this face's detail is a guess: so much of what "
            f"{_name(job)} added differs among {count} variations (what they agree on may be, too)"
        )
    return replace(job, invention=shares)


def _made(job: Job, folder: Path, count: int) -> dict[str, Any]:
    scope, clip, plan = job.scope, job.scope.clip, job.plan
    span = scope.start, scope.stop
    tracklets = [t for t in job.tracks.tracklets if t.start < span[1] and span[0] < t.stop]
    by_id = {track.id: track for track in tracklets}
    found = sightings(
        clip,
        tracklets,
        span,
        everyone=job.tracks.everyone,
        count=MOMENTS,
        ease=job.settings.restore.ease,
        scale=job.settings.output.scale,
    )
    moments = [Moment(by_id[s.track], frame) for frame in sorted(found) for s in found[frame]]
    total, done = len(moments) * count, 0

    def tell() -> None:
        nonlocal done
        done += 1
        job.monitor.tell("invention", done, total)

    entries: list[dict[str, Any]] = []
    energies: dict[int, list[Energy]] = {}
    for one in spreads(
        clip,
        moments,
        count,
        job.loader,
        job.settings.output.scale,
        plan.encoding.pix_fmt,
        limited=(clip.info.color.range, plan.encoding.color.range) == (2, 1),
        tell=tell,
    ):
        energies.setdefault(one.moment.track.id, []).append(one.energy)
        entries.append(_saved(job, folder, one, count))
    shares = {str(track): round(share_of(energies[track]), 4) for track in sorted(energies)}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "restorer": _name(job),
        "variations": count,
        "white": FULL,
        "tracks": shares,
        "moments": entries,
    }
    with written(folder / FILE, folder / f".{FILE}.part") as part:
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return {"variations": count, "tracks": shares}


def _saved(job: Job, folder: Path, one: Spread, count: int) -> dict[str, Any]:
    """Write a moment's picture; gives its entry."""
    track, frame = one.moment.track.id, one.moment.frame
    seconds, name = job.scope.clip.timeline.seconds(frame), f"track{track:03d}_frame{frame:06d}"
    path = folder / f"{name}_invention-AI.png"
    text = {
        "Source": job.scope.clip.info.path.name,
        "Track": str(track),
        "Frame": str(frame),
        "Time": f"{seconds:.3f} s",
        "Variations": str(count),
        **job.provenance.text,
    }
    write_png(path, shown(one, count, _name(job)), text, folder / f".{path.name}.part")
    share = round(share_of([one.energy]), 4)
    return {
        "track": track,
        "frame": frame,
        "seconds": round(seconds, 6),
        "share": share,
        "levels": round(255 * one.energy.guessed**0.5, 2),
        "file": path.name,
    }


def _name(job: Job) -> str:
    assert job.restorer is not None
    return job.restorer.name
