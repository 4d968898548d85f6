"""From a record, or a job, to the report on it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePath

import numpy as np

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.errors import OutputError
from videnhance.evidence.columns import Track, unrolled
from videnhance.evidence.document import Record, Video
from videnhance.files import written
from videnhance.inference.cache import version_of
from videnhance.job import SUFFIX
from videnhance.job.monitor import Monitor
from videnhance.report import account
from videnhance.report.again import options_of
from videnhance.report.guesses import guesses_in
from videnhance.report.methods import methods
from videnhance.report.model import Choosing, Mark, Person, Report, Table, View
from videnhance.report.page import page_of
from videnhance.report.persons import Judged, Material, Values, persons_of
from videnhance.report.portraits import portraits_in
from videnhance.report.sources import Found, find, named
from videnhance.report.words import clock
from videnhance.show.compare import labels_of


def write_report(
    path: Path | str,
    output: Path | str,
    *,
    input: Path | str | None = None,
    result: Path | str | None = None,
    portraits: Path | str | None = None,
    stills: Path | str | None = None,
    stream: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    stop: Stop = never,
) -> Report:
    """Write the report of a record, or of a job's directory, to `output`; returns what it shows.

    `input`, `result`, `portraits` and `stills` (their folders): where these are not found beside
    the record. `stream`: of several videos that were enhanced, the index of the one to report on;
    by default the first. Raises InputError, JobError, UsageError and OutputError.
    """
    page = Path(output)
    if page.exists() and not overwrite:
        raise OutputError(f"{page}: exists already; choose another name or add --overwrite")
    if not page.absolute().parent.is_dir():
        raise OutputError(f"{page}: the folder {page.absolute().parent} does not exist; create it")
    given = named(Path(path), _path(input), _path(result), stream)
    monitor = Monitor(progress, stop)
    report = report_of(find(given, monitor), _path(portraits), _path(stills), monitor)
    with written(page) as part:
        part.write_text(page_of(report), encoding="utf-8")
    return report


def page_name(work: Path) -> Path:
    """What the report of a record or a job is called, in the folder one is in."""
    name = work.resolve().name
    return Path(f"{name.removesuffix('.json').removesuffix(SUFFIX)}.report.html")


def report_of(
    found: Found, portraits: Path | None, stills: Path | None, monitor: Monitor
) -> Report:
    """The report on what was found."""
    record, video, settings, clip = found.record, found.video, found.settings, found.source
    timeline, span = clip.timeline, (video.start, video.stop)
    restorer = record.method.restorer or "identity"
    duration = timeline.end_of(len(timeline) - 1)
    made = portraits_in(portraits, found)
    guesses = guesses_in(stills, found)
    material = Material(
        source=clip,
        result=found.result,
        span=span,
        tracks=found.tracks,
        ease=settings.restore.ease,
        scale=settings.output.scale,
        judged={t.id: judged(t) for t in video.tracks if account.restored_in(t) is not None},
        notes={t.id: notes_on(t) for t in video.tracks},
        portraits=made,
        invented=guesses.shares,
        inventions=guesses.maps,
    )
    persons, views, omitted = persons_of(material, monitor.tell)
    values = {name: setting.value for name, setting in record.settings.items()}
    used = methods(record.method.detector, record.method.restorer, values, portraits=bool(made))
    return Report(
        source=record.input.name,
        facts=(*_which(record, video), ("length", clock(duration)), *account.facts(record, video)),
        sentences=account.sentences(record, video),
        caution=account.cautioned(record),
        invents=record.method.invents,
        labels=labels_of(restorer, record.method.invents),
        scale=settings.output.scale,
        span=(timeline.seconds(span[0]), timeline.end_of(span[1] - 1)),
        duration=duration,
        persons=tuple(sorted(persons, key=together)),
        marks=tuple(Mark(f.kind, f.text, f.start, f.end) for f in video.findings),
        tables=_ordered(account.tables(record, video), used),
        choosing=_choosing(found, views),
        made=_made(record),
        omitted=omitted,
    )


def _which(record: Record, video: Video) -> tuple[tuple[str, str], ...]:
    """Of several videos, which one this is, and which others there are."""
    others = [str(other.stream) for other in record.videos if other is not video]
    if not others:
        return ()
    return (("video stream", f"{video.stream} (reports of their own: {', '.join(others)})"),)


def judged(track: Track) -> Judged:
    """What the record says of each of a track's faces."""
    return Judged(
        track.start,
        _floats(unrolled(track.strength)),
        tuple(unrolled(track.reason)),
        _floats(unrolled(track.held_back)),
    )


def together(person: Person) -> tuple[float, int]:
    """Tracks that may show one person stand together; those of whom that is not known, last."""
    return (math.inf if person.perhaps is None else person.perhaps, person.track)


def notes_on(track: Track) -> tuple[str, ...]:
    """What is to be said of a track: that it drifts, and what held its restoration back."""
    return tuple(note for note in (_drift(track), _left_alone(track)) if note is not None)


def _drift(track: Track) -> str | None:
    drift, explained = track.drift_median, track.drift_explained
    if drift is None or explained is None or drift <= explained:
        return None
    return (
        f"The restored face lies {drift:.2f} from its source, more than the {explained:.2f} that "
        "the recording explains: it may look like somebody else."
    )


def _left_alone(track: Track) -> str | None:
    if not track.chosen:
        return "Not chosen: left as recorded."
    strengths, reasons = list(unrolled(track.strength)), list(unrolled(track.reason))
    alone = [why for strength, why in zip(strengths, reasons, strict=True) if strength == 0 and why]
    if not alone:
        return None
    most = max(sorted(set(alone)), key=alone.count)
    where = f"in {len(alone):,} of its {len(strengths):,} frames"
    if len(alone) == len(strengths):
        where = "in all of its frames"
    return f"Left as recorded {where}. The reason{' in most' * (len(set(alone)) > 1)}: {most}."


def _choosing(found: Found, views: tuple[View, ...]) -> Choosing:
    name = found.record.input.name
    suffix = PurePath(found.record.output.name).suffix
    stem = PurePath(name).stem
    output = f"{stem}_chosen{suffix if found.record.kind != 'portrait' else '.mp4'}"
    return Choosing(
        name=name,
        source=shlex.quote(name),
        output=shlex.quote(output),
        options=options_of(found.settings),
        size=found.source.info.upright_size,
        views=views,
        tracks=found.tracks,
        timeline=found.source.timeline,
    )


def _ordered(tables: tuple[Table, ...], used: Table) -> tuple[Table, ...]:
    """With the methods after the models."""
    names = [table.name for table in tables]
    at = names.index("Models and licences") + 1 if "Models and licences" in names else len(names)
    return (*tables[:at], used, *tables[at:])


def _made(record: Record) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"Report made on {now} by videnhance {version_of('videnhance')}, of a result made on "
        f"{record.made.replace('T', ' ').removesuffix('Z')} UTC"
    )


def _floats(values: Iterable[float | None]) -> Values:
    """With NaN for what is not known."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)
