"""The last step: segments become the output, whole or not at all, where there is room for it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from videnhance.errors import OutputError, VidenhanceError
from videnhance.faces.tracklets import Tracks
from videnhance.files import put_in_place
from videnhance.imaging.frames import LEFT
from videnhance.job.directory.folder import JobDirectory, require_room
from videnhance.job.directory.record import Record
from videnhance.job.monitor import Run
from videnhance.job.plan import Plan, Scope
from videnhance.media.check.frames import Check
from videnhance.media.opening import open_clip
from videnhance.media.reading.decoding import layout_of
from videnhance.media.reading.pictures import DEMUXER, Embedded, embedded, exif_of, files_of
from videnhance.media.timeline import Segment
from videnhance.media.writing.codecs import CODECS, PICTURE
from videnhance.media.writing.mux import Cut, mux
from videnhance.media.writing.png import (
    FrameFiles,
    picture_of,
    read_picture,
    require_folder,
    write_part,
)
from videnhance.show.stills import Made, save_stills


def deliver(
    plan: Plan,
    files: Sequence[tuple[Segment, Path]],
    job: JobDirectory,
    record: Record,
    made: Made,
    run: Run,
    *,
    overwrite: bool,
) -> Check:
    """Join the segments, check what was written and put the output in place.

    What the check found goes into job.json before. Raises OutputError where something else stands
    there by now, unless `overwrite`; CheckError.
    """
    scope = plan.scope
    beside = plan.output.absolute().parent
    size = sum(path.stat().st_size for _, path in files)
    require_room(beside, size, f"{plan.output.name}")
    # A rename needs one file system: the job's own, so that nothing strange lies about, or else
    # the output's.
    same = job.folder.stat().st_dev == beside.stat().st_dev
    part = job.folder / "output" if same else beside / f".{plan.output.name}.part"
    frames = scope.stop - scope.start

    def complete(path: Path, found: Check) -> None:
        _rewrite(job, record.checked(found.as_json()))
        note_finished(job, path, plan.output, overwrite)

    if plan.muxer == PICTURE:
        return _deliver_picture(plan, files[0][1], part, made, complete)
    return mux(
        plan.output,
        part,
        plan.muxer,
        scope.clip,
        files,
        plan.copying,
        lambda done: run.tell("mux", done, frames),
        cut=None if scope.whole else Cut(scope.start, scope.stop),
        checking=lambda done: run.tell("check", done, frames),
        complete=complete,
    )


def frame_files(plan: Plan, made: Made, *, ours: bool) -> FrameFiles | None:
    """Where every finished frame goes as a picture, if that is asked for; raises OutputError."""
    scope = plan.scope
    wish = scope.settings.output.frames
    if wish is None:
        return None
    _require(scope, Path(wish), "--frames", ours=ours)
    text = {"Source": scope.clip.info.path.name, **made.text}
    return FrameFiles(Path(wish), scope.clip.timeline.time_base, text, _embedded(scope))


def require_stills(plan: Plan, *, ours: bool) -> None:
    """The folder for stills, if they are asked for; raises OutputError."""
    wish = plan.scope.settings.output.stills
    if wish is not None:
        _require(plan.scope, Path(wish), "--stills", ours=ours)


def _require(scope: Scope, folder: Path, option: str, *, ours: bool) -> None:
    """Raises OutputError also for a folder that holds the source's own pictures."""
    require_folder(folder, option, ours=ours)
    if folder.resolve() in {file.resolve().parent for file in files_of(scope.clip.info.path)}:
        raise OutputError(f"{folder}: holds the input; name another folder for the pictures made")


def _embedded(scope: Scope) -> Embedded:
    """What pictures say beside their pixels: what the source's first one says, or how a player
    turns the video."""
    source = scope.clip.info
    if source.container == DEMUXER:
        return embedded(files_of(source.path)[0])
    return Embedded(exif_of(source.display_matrix), None)


def _deliver_picture(
    plan: Plan, segment: Path, part: Path, made: Made, complete: Callable[[Path, Check], None]
) -> Check:
    """The one frame of a segment, as PNG, read back before it is put in place.

    Raises OutputError, where it is not read as it was written too.
    """
    scope, output = plan.scope, plan.output
    text = {
        "Source": scope.clip.info.path.name,
        **made.text,
        "Frame": str(scope.start),
        "Time": f"{scope.clip.timeline.seconds(scope.start):.6f} s",
    }
    (frame,) = open_clip(segment).frames(0, 1)
    color = plan.encoding.color  # which a segment does not say
    layout = layout_of(
        frame.layout.pix_fmt,
        full_range=color.range == 2,
        matrix=color.matrix,
        site=scope.clip.info.picture.chroma or LEFT,
    )
    picture = picture_of(replace(frame, layout=layout))
    try:
        write_part(output, picture, text, part, _embedded(scope))
        written = read_picture(part)
        if written is None or not np.array_equal(written, picture):
            raise OutputError(
                f"{output}: is not as it was written: the disk may be full; make room or choose "
                "another folder"
            )
        seconds = float(
            scope.clip.timeline.duration_of(scope.start) * scope.clip.timeline.time_base
        )
        found = Check(frames=1, seconds=seconds, sounds=0, sound_packets=0, offset=0.0)
        complete(part, found)
        put_in_place(part, output)
        return found
    finally:
        part.unlink(missing_ok=True)


def deliver_stills(plan: Plan, tracks: Tracks, made: Made, run: Run) -> None:
    """Each track's best moments, if they are asked for, of the output that is in place.

    Raises OutputError and what reading does, saying that the output is finished.
    """
    scope = plan.scope
    wish = scope.settings.output.stills
    if wish is None:
        return
    try:
        count = save_stills(
            Path(wish),
            scope.clip,
            (scope.start, scope.stop),
            scope.settings,
            plan.output,
            tracks,
            made,
            lambda done, total: run.tell("stills", done, total),
        )
    except VidenhanceError as error:
        raise type(error)(f"{error} ({plan.output} itself is finished)") from error
    run.notes.append(f"{count} stills in {wish}")


def _rewrite(job: JobDirectory, record: Record) -> None:
    part = job.record.with_name(job.record.name + ".part")
    try:
        record.write(part)
        put_in_place(part, job.record)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{job.record}: cannot be written ({error.strerror})") from error


def require_room_for(plan: Plan, folder: Path) -> None:
    """Refuse a job that cannot fit, by what its codec needs at the very least."""
    encoding, frames = plan.encoding, plan.scope.stop - plan.scope.start
    least = CODECS[plan.scope.settings.output.codec].least_bits
    needed = int(encoding.width * encoding.height * frames * least / 8)
    beside = plan.output.absolute().parent
    # While the output is written, the segments it is made of still lie in the job.
    both = folder.stat().st_dev == beside.stat().st_dev
    require_room(folder, needed * (2 if both else 1), "this job")
    require_room(beside, needed, "the output")


def note_finished(job: JobDirectory, part: Path, output: Path, overwrite: bool) -> None:
    """Note how the output will look, just before it is put in place: a job that is killed between
    that and its own removal is then known to be done.

    Raises OutputError where another file took the output's name while the job worked.
    """
    if output.exists() and not overwrite:
        raise OutputError(
            f"{output}: was written by something else meanwhile; move it away and run the same "
            "command again (finished work is used), or add --overwrite and --restart"
        )
    with part.open("rb") as file:
        os.fsync(file.fileno())
    stat = part.stat()
    note = job.finished.with_name(job.finished.name + ".part")
    try:
        note.write_text(json.dumps({"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}))
        put_in_place(note, job.finished)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{job.finished}: cannot be written ({error.strerror})") from error


def is_finished(job: JobDirectory, output: Path) -> bool:
    """Whether the output is in place and is this job's."""
    try:
        if not (job.record.exists() and job.tracks.exists()):
            return False
        note, stat = json.loads(job.finished.read_text()), output.stat()
        return bool((note["size"], note["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns))
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """A hidden folder beside the output, removed at the end however it comes."""
    beside = output.absolute().parent
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=beside)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error
    with folder as path:
        try:
            yield Path(path)
        except VidenhanceError as error:
            # The job goes with the folder: there is none to go on with.
            error.job = None
            raise
