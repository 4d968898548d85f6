"""`--stream all`: every video of a file is enhanced, one after the other, into one output.

Each video is a job of its own. It enhances one, and copies the others bit for bit; its output is
the source of the next. The last makes the output. All stand in one directory, named like that of a
single job, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from videnhance.errors import ContainerError, JobError, UsageError, VidenhanceError
from videnhance.evidence.reading import read_record
from videnhance.evidence.writing import record_path, write_record
from videnhance.job.evidence.several import together
from videnhance.job.monitor import Monitor
from videnhance.job.request import JobRequest
from videnhance.job.steps.record_file import refuse_taken
from videnhance.job.summary import Summary
from videnhance.media.info import VideoInfo
from videnhance.media.reading.marks import MARKED
from videnhance.media.reading.source import probe
from videnhance.media.writing.codecs import PICTURE
from videnhance.media.writing.streams import BESIDE
from videnhance.settings.reading import EVERY

Run = Callable[[JobRequest, Monitor], Summary]


def run_every(request: JobRequest, monitor: Monitor, run: Run) -> Summary:
    """Enhance every video of the source; the summary is that of the last, with those of the others.

    `run` does one job. Raises as it does, and UsageError for what is meant for one video only.
    """
    _refuse_what_is_for_one(request)
    info = probe(request.source, request.settings.source.input_codec)
    count = len(_videos(info))
    if count == 1:
        return run(_of(request, None), monitor)
    folder = request.directory.folder
    record, keep = record_path(request.output), request.settings.record.keep
    if keep:
        refuse_taken(record, overwrite=request.overwrite or folder.exists())
    if request.directory.record.exists():
        raise JobError(
            f"{folder}: holds a job of one video; end that first, or name another --job-dir"
        )
    found: list[Summary] = []
    source = request.source
    for number in range(count):
        stream = _videos(probe(source, _codec(request, source)))[number]
        is_last = number == count - 1
        output = folder / f"{number}{request.output.suffix}"
        one = replace(
            _of(request, stream),
            source=source,
            output=request.output if is_last else output,
            overwrite=request.overwrite and is_last,
            job_dir=folder / f"video {number}",
            keep_job=True,
            record=folder / f"{number}.json",
        )
        folder.mkdir(exist_ok=True)
        try:
            done = run(one, monitor.anew())
        except VidenhanceError as error:
            error.job = None  # going on with that alone would not make the output
            raise
        notes = tuple(note for note in done.notes if BESIDE not in note)
        if number:  # what it was made from is marked by the one before
            notes = tuple(note for note in notes if not note.startswith(MARKED))
        job = folder if request.keep_job else None
        found.append(replace(done, output=request.output, video=stream, notes=notes, job=job))
        source = one.output
        _refuse_fewer(source, count)
    if keep:
        parts = [read_record(folder / f"{number}.json") for number in range(count)]
        frames = sum(part.stop - part.start for one in parts for part in one.videos)

        def tell(decoded: int) -> None:
            monitor.tell("record", decoded, frames)

        write_record(record, together(parts, info, request.output, request.settings, tell))
    if not request.keep_job:
        shutil.rmtree(folder)
    return replace(found[-1], others=tuple(found[:-1]))


def _refuse_what_is_for_one(request: JobRequest) -> None:
    settings = request.settings
    meant_for_one = {
        "detect": request.kind == "detect",
        "--tracks": request.tracks is not None,
        "--start and --end": bool(settings.part.start or settings.part.end),
        "--only and --skip": settings.part.persons,
        "--frames": settings.output.frames is not None,
        "--stills": settings.output.stills is not None,
        "--sign": settings.evidence.sign is not None,
        f".{PICTURE}": request.output.suffix.lower() == f".{PICTURE}",
    }
    for name, is_asked in meant_for_one.items():
        if is_asked:
            raise UsageError(f"--stream {EVERY}: {name} is of one video; name its number")


def _of(request: JobRequest, stream: int | None) -> JobRequest:
    number = None if stream is None else str(stream)
    settings = request.settings
    source = replace(settings.source, stream=number)
    return replace(request, settings=replace(settings, source=source))


def _codec(request: JobRequest, source: Path) -> str:
    """As what the source is read; what was written here says by itself what it is."""
    return request.settings.source.input_codec if source == request.source else "auto"


def _videos(info: VideoInfo) -> list[int]:
    return [stream.index for stream in info.streams if stream.is_video]


def _refuse_fewer(written: Path, count: int) -> None:
    there = len(_videos(probe(written)))
    if there != count:
        raise ContainerError(
            f"--stream {EVERY}: {written.suffix} holds only {there} of the {count} videos; name "
            "the output .mkv"
        )
