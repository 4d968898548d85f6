"""INPUT and OUTPUT in object storage: fetched before the job, put there after it.

The job itself is one of local files, in a folder of its own; the same command goes on from it. The
output's name appears once, when the output is finished and checked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from videnhance.callbacks import Progress, never, silent
from videnhance.errors import InputError, OutputError, UsageError
from videnhance.evidence.writing import record_path
from videnhance.job.run import enhance
from videnhance.job.steps.crew import Crew
from videnhance.job.summary import Summary
from videnhance.media.writing.codecs import completed
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.storage import Stored, url_of


def enhance_stored(
    source: str | Path,
    output: str | Path,
    settings: Settings = DEFAULTS,
    *,
    overwrite: bool = False,
    stage: Path | None = None,
    restart: bool = False,
    tracks: Path | str | None = None,
    origins: Mapping[str, str] | None = None,
    crew: Crew | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> Summary:
    """`enhance`, where the source or the output is a URL in object storage (s3://bucket/a.mp4).

    `stage`: folder for local files meanwhile; by default one in the current folder, or beside the
    output, named after it. It is removed at the end. All else is as `enhance` takes it. Raises as
    that does, and InputError and OutputError for what the storage refuses.
    """
    from_url, to_url = url_of(source), url_of(output)
    target = completed(Path(Stored(to_url).name if to_url is not None else output))
    if to_url is not None and not target.stem:
        raise UsageError(f"--output {to_url}: names no file; give one, such as {to_url}out.mp4")
    stage = stage or target.with_name(f"{target.name}.stored")
    stored = Stored(to_url).beside(target.name) if to_url is not None else None
    if stored is not None and not overwrite and stored.size() is not None:
        raise OutputError(f"{stored.url}: exists already; choose another name or add --overwrite")
    here = Path(source)
    if from_url is not None:
        there = Stored(from_url)
        here = stage / "source" / there.name
        _fetch(there, here)
    result = stage / "result" / target.name if stored is not None else target
    result.parent.mkdir(parents=True, exist_ok=True)
    summary = enhance(
        here,
        result,
        settings,
        overwrite=overwrite,
        job_dir=stage / "job",
        keep_job=True,  # until its output is where it belongs
        restart=restart,
        tracks=tracks,
        origins=origins,
        crew=crew,
        progress=progress,
        stop=stop,
    )
    if stored is not None:
        record = record_path(result)
        if record.exists():
            stored.beside(record.name).put(record)
        stored.put(result)
    shutil.rmtree(stage)
    if stored is None:
        return replace(summary, job=None)
    notes = (*summary.notes, f"put at {stored.url}")
    return replace(summary, output=Path(target.name), notes=notes, job=None)


def _fetch(stored: Stored, path: Path) -> None:
    size = stored.size()
    if size is None:
        raise InputError(f"{stored.url}: is not there; name a file in a bucket that exists")
    if not path.exists() or path.stat().st_size != size:
        stored.fetch(path)
