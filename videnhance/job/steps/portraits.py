"""Portraits: one picture of each person, as files in a folder, with a sheet and a record.

Each portrait's own file is written last of its files and says what it was made from, so a job that
goes on, or is run again, makes only what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from videnhance import restorers
from videnhance.errors import VidenhanceError
from videnhance.faces.tracklets import Tracklet
from videnhance.files import sha256_of, written
from videnhance.imaging.frames import Array
from videnhance.job.directory.fingerprints import poses_digest
from videnhance.job.directory.finished import note_finished
from videnhance.job.directory.record import PACKAGES, digest_of
from videnhance.job.job import Job
from videnhance.job.steps.portrait_files import (
    METHOD,
    PortraitFiles,
    deep,
    kept,
    part_of,
    read_back,
    save,
)
from videnhance.job.steps.record_file import forget_record
from videnhance.media.writing.marks import ENHANCED, INVENTED
from videnhance.media.writing.png import write_png
from videnhance.portraits.integrate import Integrated
from videnhance.portraits.noise import coding_noise
from videnhance.portraits.patches import Square
from videnhance.portraits.persons import (
    Portrait,
    Wish,
    frames_to_read,
    portrait,
    signal_of,
    steps_of,
    views_of,
    worths,
)
from videnhance.portraits.restored import restored
from videnhance.portraits.sheet import SheetRow, pdf_of, sheet_pages, whole_sheet
from videnhance.portraits.views import View
from videnhance.restorers import AUTO, Restorer
from videnhance.show.compare import captioned, labels_of, shown_at

FORMAT, VERSION = "videnhance portraits", 1
RECORD = "portraits.json"
_NOTHING = "nothing added"


def named_restorer(job: Job) -> str | None:
    """The restorer to show as a further column: only one that was asked for by name."""
    name = job.settings.restore.restorer
    return None if name in (AUTO, "identity") else name


def make_portraits(job: Job) -> Job:
    """With the portraits in the folder of the output, which is their record."""
    output = job.request.output
    document, lines = _made(job, output.parent)
    with written(output, output.with_name(f".{output.name}.part")) as part:
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        note_finished(job.directory, part, output, overwrite=job.may_overwrite)
        forget_record(job)
    job.monitor.notes.extend(lines)
    return replace(job, portraits=lines)


def save_portraits(job: Job) -> Job:
    """Beside a video that is in place, if they are asked for.

    Raises OutputError and what reading does, saying that the output is finished.
    """
    folder = job.settings.output.portraits
    if folder is None:
        return job
    try:
        document, lines = _made(job, Path(folder))
        with written(Path(folder) / RECORD) as part:
            part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except VidenhanceError as error:
        raise type(error)(f"{error} ({job.request.output} itself is finished)") from error
    job.monitor.notes.extend(lines)
    return replace(job, portraits=lines)


def _made(job: Job, folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """All portraits and their sheet, in the folder; the record, and a line for each portrait."""
    scope, clip, wish = job.scope, job.scope.clip, job.settings.portrait
    span = scope.start, scope.stop
    tracks = [t for t in job.tracks.tracklets if t.start < span[1] and span[0] < t.stop]
    coding = coding_noise(clip.info, clip.recorded.timeline)
    name = named_restorer(job)
    restorer = restorers.create(job.loader) if name is not None else None
    total, done = frames_to_read(tracks, span), 0

    def look() -> None:
        nonlocal done
        done += 1
        job.monitor.tell("look", done, total)

    with job.monitor.step("look"):
        found = worths(clip, tracks, job.tracks.everyone, span, look)
    views = [
        (track, number, view)
        for track in tracks
        for number, view in enumerate(views_of(track, found[track.id], wish.views), 1)
    ]
    entries: list[dict[str, Any]] = []
    rows: list[SheetRow] = []
    total, done = sum(steps_of(view) for _, _, view in views), 0

    def tell() -> None:
        nonlocal done
        done += 1
        job.monitor.tell("portrait", min(done, total), total)

    with job.monitor.step("portrait"):
        for track, number, view in views:
            before = done
            entry, row = _one(job, folder, track, number, view, coding.variance, restorer, tell)
            done = before + steps_of(view)
            entries.append(entry)
            rows += [row] if row is not None else []
    for track in tracks:
        if not any(entry["track"] == track.id for entry in entries):
            reason = "no frame shows the face clearly enough"
            entries.append(_refused(track.id, 1, reason, ()))
    _write_sheet(job, folder, rows, [e for e in entries if e["file"] is None])
    document = {
        "format": FORMAT,
        "version": VERSION,
        "method": METHOD,
        "source": {
            "name": clip.info.path.name,
            "sha256": job.record.document["source"]["sha256"],
        },
        "frames": [span[0], span[1]],
        "settings": asdict(wish),
        "restorer": name,
        "models": {name: used.sha256 for name, used in job.loader.obtained.items()},
        "versions": job.record.document["versions"],
        "coding noise": asdict(coding),
        "portraits": entries,
        "files": {
            path.name: sha256_of(path)
            for path in sorted(folder.glob("*.p[nd][gf]"))
            if path.name.startswith(("track", "sheet."))
        },
    }
    return document, tuple(_line(entry) for entry in entries)


def _one(
    job: Job,
    folder: Path,
    track: Tracklet,
    number: int,
    view: View,
    coded: float,
    restorer: Restorer | None,
    tell: Any,
) -> tuple[dict[str, Any], SheetRow | None]:
    """One portrait's entry in the record, and its row of the sheet; made unless it is there."""
    wish = job.settings.portrait
    files = PortraitFiles(folder, f"track{track.id:03d}_view{number}_x{wish.scale}")
    fingerprint = _fingerprint(job, track, number, view, coded)
    entry = kept(files, fingerprint)
    if entry is None:
        clip = job.scope.clip
        kind = Wish(scale=wish.scale, views=wish.views)
        found = portrait(clip, track, view, number, kind, coded, tell)
        if not isinstance(found.made, Integrated):
            return _refused(track.id, number, found.made.reason, found.frames), None
        entry = _entry(job, found, found.made, files)
        mark = job.mark_as(ENHANCED, f"portrait: {entry['said']}")
        save(files, found.made, entry, fingerprint, clip.info.path.name, mark)
    return entry, _sheet_row(job, files, track, entry, restorer)


def _entry(job: Job, found: Portrait, made: Integrated, files: PortraitFiles) -> dict[str, Any]:
    timeline = job.scope.clip.timeline
    first, last = made.frames[0], made.frames[-1]
    begin, end = timeline.seconds(first), timeline.end_of(last)
    how = "averaged" if made.still else "integrated"
    said = f"{how} from {len(made.frames)} frames of {end - begin:.1f} s; {_NOTHING}"
    if made.still:
        said += " (the face does not move by parts of a pixel, so no finer detail can be had)"
    return {
        "track": found.track,
        "view": found.number,
        "file": files.picture.name,
        "said": said,
        "reference": {"frame": found.frame, "seconds": timeline.seconds(found.frame)},
        "from": begin,
        "to": end,
        "frames": list(made.frames),
        "left out": made.left_out,
        "still": made.still,
        "eyes": found.eyes,
        "square": asdict(found.square),
        "noise": made.noise,
        "support": dict(signal_of(made)),
    }


def _sheet_row(
    job: Job,
    files: PortraitFiles,
    track: Tracklet,
    entry: dict[str, Any],
    restorer: Restorer | None,
) -> SheetRow:
    """Read back from the files, so that what is shown is what was written."""
    picture = read_back(files.picture)
    frame = int(entry["reference"]["frame"])
    cells: list[tuple[str, Array]] = [
        ("best frame as recorded, its own pixels", read_back(files.beside("recorded"))),
        ("the same, enlarged (bicubic)", read_back(files.beside("bicubic"))),
        ("portrait: integrated", picture),
    ]
    if restorer is not None:
        levels = np.asarray(picture.astype(np.float32) / np.float32(65535))
        pose, square = track.poses[frame - track.start], Square(**entry["square"])
        made = deep(restored(levels, square, pose, restorer, frame))
        end = "-AI" if restorer.invents else ""
        path = files.beside(f"{restorer.name}{end}")
        label = labels_of(restorer.name, restorer.invents)[1]
        mark = job.mark_as(INVENTED if restorer.invents else ENHANCED, label)
        text = {"Title": label, "Portrait": files.picture.name, **mark.text}
        if restorer.invents and job.settings.evidence.label:
            (shown,) = captioned((made,), (label, ""))
        else:
            shown = made
        write_png(path, shown, text, part_of(path))
        cells.append((label, made))
    most = entry["support"]["most"]
    label = f"what carries it: black 0, white {most:.0f} frames"
    cells.append((label, read_back(files.beside("support"))))
    heading = f"track {entry['track']}" + (f", view {entry['view']}" if entry["view"] > 1 else "")
    seconds = entry["reference"]["seconds"]
    lines = (
        f"{entry['said']}",
        f"best frame {frame} at {shown_at(seconds)}; frames {shown_at(entry['from'])} to "
        f"{shown_at(entry['to'])}; {entry['eyes']:.0f} px between the eyes; "
        f"x{job.settings.portrait.scale}",
    )
    return SheetRow(heading, tuple(cells), lines)


def _write_sheet(
    job: Job, folder: Path, rows: Sequence[SheetRow], refused: Sequence[Mapping[str, Any]]
) -> None:
    title = f"{job.scope.clip.info.path.name}: portraits"
    lines = [f"track {e['track']}, view {e['view']}: {e['said']}" for e in refused]
    pages = sheet_pages(title, lines, rows)
    path = folder / "sheet.png"
    write_png(path, whole_sheet(pages), {"Title": title}, part_of(path))
    with written(folder / "sheet.pdf", folder / ".sheet.pdf.part") as part:
        part.write_bytes(pdf_of(pages, title))


def _fingerprint(job: Job, track: Tracklet, number: int, view: View, coded: float) -> str:
    """Of all that a portrait's content is a function of."""
    document = job.record.document
    return digest_of(
        "portrait",
        document["source"]["sha256"],
        document.get("condition"),
        {name: document["versions"].get(name) for name in ("videnhance", *PACKAGES)},
        document.get("decoded by"),
        document.get("cleaned up"),
        document["pix_fmt"],
        [track.id, track.start, number, view.reference, list(view.rows)],
        poses_digest(track),
        job.settings.portrait.scale,
        coded,
    )


def _refused(track: int, number: int, reason: str, frames: Sequence[int]) -> dict[str, Any]:
    said = f"not made: {reason}"
    return {"track": track, "view": number, "file": None, "said": said, "frames": list(frames)}


def _line(entry: Mapping[str, Any]) -> str:
    where = f" -> {entry['file']}" if entry["file"] else ""
    view = f", view {entry['view']}" if entry["view"] > 1 else ""
    return f"track {entry['track']}{view}: {entry['said']}{where}"
