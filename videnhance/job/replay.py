"""Replaying a record: the work is done again as recorded, and the two results are compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.errors import InputError, UsageError, VidenhanceError, line_of
from videnhance.evidence.document import Output, Record, Video
from videnhance.evidence.levels import levels_between
from videnhance.evidence.reading import read_record
from videnhance.evidence.settings import settings_in
from videnhance.evidence.verify import (
    Places,
    Statement,
    compared,
    differing,
    input_sha256,
    weights_line,
)
from videnhance.evidence.writing import record_path
from videnhance.files import sha256_of
from videnhance.inference.cache import version_of
from videnhance.job.directory.machine import this_machine, unlike
from videnhance.job.preview.make import make_preview, preview_frame
from videnhance.job.run import enhance, make_portraits_of
from videnhance.media.digests import decoding_libraries
from videnhance.render.networks import backends_of, finding_rows, rendering_rows
from videnhance.settings.groups import Settings


@dataclass(frozen=True)
class Replay:
    """What is to be done again, and where to."""

    places: Places
    """Of the record, of its input (which must be named), and, if it is not beside the record, of
    the result that was recorded."""
    again: Path | None = None
    """The new result; None: it is compared and not kept."""
    tracks: Path | None = None
    """The tracks.json that was given then."""
    overwrite: bool = False


def replay(request: Replay, progress: Progress = silent, stop: Stop = never) -> Iterator[Statement]:
    """Say what is not as it was then, do the work again, and say whether the frames are the same.

    `progress` as for `enhance`. Raises InputError for a record or an input that does not fit, and
    as `enhance`.
    """
    record = read_record(request.places.record)
    source = request.places.input
    assert source is not None
    _refuse_another(record, source, progress)
    settings = settings_in(record, request.places.weights)
    tracks = _tracks(record, request)
    yield from _setup(record, settings, request, given=tracks is not None)
    with _target(record, request) as target:
        how = {
            "overwrite": request.overwrite,
            "tracks": tracks,
            "progress": progress,
            "stop": stop,
        }
        _command(record)(source, target, settings, **how)
        yield from _compared(record, request, target, progress)


def _refuse_another(record: Record, source: Path, progress: Progress) -> None:
    if not source.exists():
        raise InputError(f"{source}: is not there; name the input that was enhanced")
    try:
        digest, _ = input_sha256(record, source, progress)
    except OSError as error:
        raise InputError(
            f"{source}: cannot be read ({line_of(error)}); name the input that was enhanced"
        ) from error
    if digest != record.input.sha256:
        raise InputError(
            f"{source}: is not the input of this record ({record.input.name}): its SHA-256 is "
            f"{digest}, recorded {record.input.sha256}; name the file that was enhanced"
        )


def _tracks(record: Record, request: Replay) -> Path | None:
    """The tracks file to use; None where faces are looked for again."""
    given, known = request.tracks, record.videos[0]
    if not known.tracks_given:
        if given is not None:
            raise UsageError(
                f"--tracks {given}: the record's tracks were found, not given; leave it out"
            )
        return None
    if given is None:
        raise UsageError(
            "--tracks: the result was made with a tracks file, of SHA-256 "
            f"{known.tracks_sha256}; name it"
        )
    try:
        digest = sha256_of(given)
    except OSError as error:
        raise InputError(f"{given}: cannot be read ({line_of(error)}); check its name") from error
    if digest != known.tracks_sha256:
        raise InputError(
            f"{given}: is not the tracks file that was used: its SHA-256 is {digest}, recorded "
            f"{known.tracks_sha256}; name that file"
        )
    return given


def _setup(
    record: Record, settings: Settings, request: Replay, *, given: bool
) -> Iterator[Statement]:
    """In what this machine, its versions and weights are not those of the record."""
    away = [
        f"{name} {here or 'not installed'}, recorded {known}"
        for name, known in record.versions.items()
        if (here := version_of(name)) != known
    ]
    libraries = decoding_libraries()
    away += [
        f"{name} {libraries.get(name)}, recorded {known}"
        for name, known in record.videos[0].decoding.libraries.items()
        if libraries.get(name) != known
    ]
    said = f"other versions: {'; '.join(away)}" if away else "of all packages as recorded"
    yield Statement("versions", "unknown" if away else "holds", said)
    rows = [] if given else finding_rows(settings)
    rows += rendering_rows(settings) if record.kind == "enhance" else []
    machine = this_machine(backends_of(rows, settings), settings.compute.devices)
    others = [text for there in record.machines if (text := unlike(there, machine))]
    said = f"another: {others[0]}" if others else "like the one recorded"
    yield Statement("machine", "unknown" if others else "holds", said)
    for name, known in record.method.weights.items():
        yield weights_line(name, known.sha256, dict(request.places.weights).get(name))


def _command(record: Record) -> Callable[..., object]:
    """What made the result: takes the input, the output, and settings."""
    if record.kind == "portrait":
        return make_portraits_of
    if record.preview is None:
        return enhance
    asked = record.preview
    if asked["at"] is not None:

        def one(source: Path, output: Path, settings: Settings, **how: Any) -> object:
            return preview_frame(
                source, output, asked["at"], settings, layout=asked["layout"], **how
            )

        return one
    return partial(make_preview, layout=asked["layout"], seconds=asked["seconds"])


@contextmanager
def _target(record: Record, request: Replay) -> Iterator[Path]:
    """Where the new result goes: a name of the same container."""
    name = Path(record.output.name)
    if record.kind == "portrait":
        name = Path(name.parts[0])
    if request.again is not None:
        yield request.again
        return
    with tempfile.TemporaryDirectory(prefix="videnhance-replay-") as folder:
        yield Path(folder) / name.name


def _compared(
    record: Record, request: Replay, target: Path, progress: Progress
) -> Iterator[Statement]:
    again = read_record(record_path(target))
    for video, anew in zip(record.videos, again.videos, strict=False):
        # Not their files' SHA-256, which changes with the input's name.
        same = _places(video) == _places(anew)
        said = "were found as recorded" if same else "are not those recorded"
        yield compared("tracks", same, f"stream {video.stream}: {said}")
    there = {Path(output.name).name: output for output in again.outputs}
    for number, output in enumerate(record.outputs):
        name = Path(output.name).name
        # A preview's sheet is called after it.
        is_one = number == 0 or record.kind == "preview"
        other = again.outputs[number] if is_one else there.get(name)
        if other is None:
            yield Statement("output", "differs", f"{name}: was not made again")
            continue
        yield from _streams(request, record, output, other, target, progress)
        if output.pixels is not None:
            same = output.pixels == other.pixels
            said = "bit-equal" if same else "not those recorded"
            yield compared("picture", same, f"{name}: its pixels are {said}")


def _places(video: Video) -> list[tuple[object, ...]]:
    """Where each track is in each frame."""
    return [(t.id, t.start, t.x, t.y, t.side, t.angle, t.score) for t in video.tracks]


def _streams(
    request: Replay,
    record: Record,
    output: Output,
    other: Output,
    target: Path,
    progress: Progress,
) -> Iterator[Statement]:
    for stream, anew in zip(output.streams, other.streams, strict=False):
        name = f"stream {stream.index}"
        if stream.frames is None or anew.frames is None:
            same = stream.packets == anew.packets
            said = f"{name} ({stream.kind}): " + (
                "its packets are the same" if same else "its packets are not those recorded"
            )
            kind = "sound" if stream.kind == "audio" else stream.kind
            yield compared(kind, same, said)
            continue
        known, made = stream.frames, anew.frames
        if (known.count, known.sha256) == (made.count, made.sha256):
            said = f"{name}: all {known.count} frames are bit-equal, SHA-256 {known.sha256}"
            yield Statement("frames", "holds", said)
            continue
        each = [made.crc32_of(k) for k in range(made.count)]
        said = f"{name}: {differing(known.count, known.crc32, each)}"
        yield Statement("frames", "differs", said)
        original = request.places.of_output(record, output)
        if original is None:
            said = "by how much is not known: the result is not beside the record (--original)"
            yield Statement("levels", "unknown", said)
            continue
        try:
            levels = levels_between(
                (original, stream.index),
                (target, anew.index),
                lambda done, total: progress("compare", done, total),
            )
            yield Statement("levels", "unknown", f"{name}: {levels.text}")
        except VidenhanceError as error:
            yield Statement("levels", "unknown", line_of(error))
    if len(output.streams) != len(other.streams):
        said = f"{len(other.streams)} streams, recorded {len(output.streams)}"
        yield Statement("streams", "differs", said)
