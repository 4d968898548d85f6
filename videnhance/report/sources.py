"""The files that a report is made from: the record, and the recording and the result that it is
about, which are read again for pictures. All are those of the record, or an error says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from videnhance.errors import InputError, JobError, UsageError
from videnhance.evidence.document import Output, Record, Video
from videnhance.evidence.packed import unpacked
from videnhance.evidence.reading import read_record
from videnhance.evidence.settings import settings_in
from videnhance.evidence.verify import input_sha256
from videnhance.evidence.writing import record_path
from videnhance.faces.tracking import choose
from videnhance.faces.tracklets import Tracks
from videnhance.files import sha256_of
from videnhance.imaging.frames import Zone
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.record import read_record as read_job
from videnhance.job.monitor import Monitor
from videnhance.job.retry import after_damage
from videnhance.media.clip import Clip
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe
from videnhance.settings.groups import Settings


@dataclass(frozen=True)
class Named:
    """What a user named."""

    record: Path
    input: Path | None
    output: Path | None
    """Each None where it is looked for."""
    stream: int | None = None
    """Of several videos in a file, the index of the one to report on; None: the first."""


@dataclass(frozen=True)
class Found:
    """All that a report needs, at hand."""

    record: Record
    video: Video
    settings: Settings
    source: Clip
    result: Clip | None
    """None where the output is no video, as of portraits."""
    folder: Path
    """Where the record lies, and its outputs."""
    tracks: Tracks

    def folder_of(self, setting: str) -> Path | None:
        """The folder that a setting names, as the record has it: often only its name."""
        known = self.record.settings.get(setting)
        return Path(known.value) if known is not None and known.value else None


def named(
    path: Path,
    input: Path | None = None,
    output: Path | None = None,
    stream: int | None = None,
) -> Named:
    """What a record, or a job's directory, and options name; raises JobError, InputError."""
    if not path.is_dir():
        return Named(path, input, output, stream)
    job = JobDirectory(path)
    own = read_job(job.record)
    if own.kind == "detect":
        raise JobError(f"{path}: is a job that ends with tracks; name one of enhance or portrait")
    made = own.output.parent if own.kind == "portrait" else own.output
    # A job and its result may have been moved together.
    places = [record_path(output)] if output else [path.parent / record_path(made).name]
    record = next((place for place in [*places, record_path(made)] if place.exists()), places[0])
    if not record.exists():
        cure = (
            "it was made with --no-record; run it again without"
            if not _keeps_record(own.settings)
            else f"finish it with: videnhance resume {path}"
        )
        raise JobError(f"{path}: there is no record {record} of this job; {cure}")
    return Named(record, input or own.source, output, stream)


def find(named: Named, monitor: Monitor) -> Found:
    """Open everything and compare it with the record.

    Raises InputError naming the file that is missing, or that is another one than the record says,
    and UsageError.
    """
    record = read_record(named.record)
    if record.kind == "preview":
        raise UsageError(f"{named.record}: is the record of a preview; name that of a whole result")
    video, folder = _video(named, record), named.record.absolute().parent
    settings = settings_in(record)
    if len(record.videos) > 1:
        own = replace(settings.source, stream=str(video.stream))
        settings = replace(settings, source=own)
    path = _input(named, record, folder)
    _same_input(path, record, monitor)
    output = named.output or folder / record.output.name
    if record.kind == "portrait":
        result = None
    else:
        _same_output(output, record.output)
        result = open_clip(probe(output, "auto", video.output_stream))
    source = _opened(path, settings, monitor)
    pts = source.timeline.pts[video.start : video.stop]
    if pts != video.source_times.pts:
        raise InputError(
            f"{path}: its frames have other times than in the record; use the videnhance that "
            f"made it ({record.versions.get('videnhance')})"
        )
    return Found(record, video, settings, source, result, folder, _recorded(video, settings))


def _video(named: Named, record: Record) -> Video:
    if named.stream is None:
        return record.videos[0]
    known = [video for video in record.videos if video.stream == named.stream]
    if not known:
        there = ", ".join(str(video.stream) for video in record.videos)
        raise UsageError(
            f"--stream {named.stream}: no such video is in {named.record}; there are {there}"
        )
    return known[0]


def _input(named: Named, record: Record, folder: Path) -> Path:
    if named.input is not None:
        return named.input
    own = record.input
    places = [Path(own.path)] if own.path else []
    places += [folder / own.name, Path.cwd() / own.name]
    for path in places:
        if path.exists():
            return path
    raise InputError(
        f"{named.record}: its input {own.name} is neither beside it nor here; name it with --input"
    )


def _same_input(path: Path, record: Record, monitor: Monitor) -> None:
    if not path.exists():
        raise InputError(f"{path}: there is no such file; name the record's input with --input")
    found, _ = input_sha256(record, path, monitor.tell)
    if found != record.input.sha256:
        raise InputError(
            f"{path}: is another file than the record's input {record.input.name} (its SHA-256 "
            f"begins {found[:8]}, not {record.input.sha256[:8]}); name the right one with --input"
        )


def _same_output(path: Path, recorded: Output) -> None:
    if not path.exists():
        raise InputError(
            f"{path}: the output is missing; put it beside its record or name it with --result"
        )
    found = sha256_of(path)
    if found != recorded.sha256:
        raise InputError(
            f"{path}: is not the output of the record (its SHA-256 begins {found[:8]}, not "
            f"{recorded.sha256[:8]}); `videnhance verify` says what differs"
        )


def _opened(path: Path, settings: Settings, monitor: Monitor) -> Clip:
    wish = settings.source
    return after_damage(
        lambda examined: open_clip(
            probe(path, wish.input_codec, wish.index),
            settings,
            lambda done: monitor.tell("plan", done, 0),
            examined,
        ),
        path,
        wish,
        monitor,
    )


def _recorded(video: Video, settings: Settings) -> Tracks:
    """The tracks as the record has them; raises InputError where it holds none."""
    zones = tuple(Zone(*zone) for zone in video.zones)
    tracks = Tracks(tuple(map(unpacked, video.tracks_file)), zones)
    return choose(tracks, settings.part)


def _keeps_record(settings: Settings) -> bool:
    return settings.record.keep
