"""Step 5, mux and check: segments become the output, whole or not at all, where there is room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from videnhance.errors import OutputError
from videnhance.files import written
from videnhance.imaging.frames import LEFT
from videnhance.job.directory.finished import note_finished
from videnhance.job.directory.folder import require_room
from videnhance.job.job import Job
from videnhance.job.plan import check_output
from videnhance.job.steps.record_file import forget_record
from videnhance.job.steps.stills import embedded_of
from videnhance.media.check.frames import Check
from videnhance.media.opening import open_clip
from videnhance.media.reading.decoding import layout_of
from videnhance.media.reading.pictures import files_of
from videnhance.media.writing.codecs import CODECS, PICTURE
from videnhance.media.writing.mux import Cut
from videnhance.media.writing.mux import mux as mux_segments
from videnhance.media.writing.png import encoded_png, picture_of, read_picture


def require_target(job: Job) -> Job:
    """Refuse a job whose output's name was taken, or that cannot fit, by what its codec needs at
    the very least; raises OutputError."""
    request, plan = job.request, job.plan
    # Another process may have ended this very job while the lock was waited for.
    check_output(request.source, request.output, overwrite=request.overwrite)
    encoding, frames = plan.encoding, job.scope.stop - job.scope.start
    least = CODECS[job.settings.output.codec].least_bits
    needed = int(encoding.width * encoding.height * frames * least / 8)
    folder, beside = job.directory.folder, request.output.absolute().parent
    # While the output is written, the segments it is made of still lie in the job.
    both = folder.stat().st_dev == beside.stat().st_dev
    require_room(folder, needed * (2 if both else 1), "this job")
    require_room(beside, needed, "the output")
    return job


def refuse_changed_source(job: Job) -> Job:
    """Raises InputError where the source was written to since the job began, unless it only grew,
    as a recording in progress does: that is noted."""
    growth = job.source.growth()
    if growth is None:
        return job
    job.monitor.notes.append(growth)
    return replace(job, has_grown=True)


def mux(job: Job) -> Job:
    """Join the segments, check what was written and put the output in place.

    What the check found goes into job.json before. Raises OutputError where something else stands
    there by now, unless it may be overwritten; CheckError.
    """
    request, scope, directory = job.request, job.scope, job.directory
    output = request.output
    beside = output.absolute().parent
    with job.monitor.step("mux"):
        size = sum(path.stat().st_size for _, path in job.segments)
        # What is signed is written anew.
        require_room(beside, size * (2 if job.signatory is not None else 1), output.name)
        # A rename needs one file system: the job's own, so that nothing strange lies about, or
        # else the output's.
        same = directory.folder.stat().st_dev == beside.stat().st_dev
        part = directory.folder / "output" if same else beside / f".{output.name}.part"
        frames = scope.stop - scope.start

        def complete(path: Path, found: Check) -> None:
            with written(directory.record) as record:
                job.record.checked(found.as_json()).write(record)
            note_finished(directory, path, output, overwrite=request.overwrite)
            forget_record(job)

        def seal(path: Path) -> None:
            if job.signatory is not None:
                source = files_of(scope.clip.info.path)[0]
                sha256 = job.record.document["source"]["sha256"]
                job.signatory.sign(path, output, job.mark, source, sha256)
                job.monitor.notes.append(f"signed (C2PA) by {job.signatory.name}")

        if job.plan.muxer == PICTURE:
            check = _deliver_picture(job, part, seal, complete)
        else:
            check = mux_segments(
                output,
                part,
                job.plan.muxer,
                scope.clip,
                job.segments,
                job.plan.copying,
                lambda done: job.monitor.tell("mux", done, frames),
                cut=None if scope.whole else Cut(scope.start, scope.stop),
                ends_with_picture=job.has_grown,
                checking=lambda done: job.monitor.tell("check", done, frames),
                complete=complete,
                keep_origin=job.settings.output.keep_origin,
                untouched=job.plan.untouched,
                mark=job.mark,
                seal=seal,
            )
    return replace(job, check=check)


def _deliver_picture(
    job: Job,
    part: Path,
    seal: Callable[[Path], None],
    complete: Callable[[Path, Check], None],
) -> Check:
    """The one frame of the only segment, as PNG, read back before it is put in place.

    Raises OutputError, where it is not read as it was written too.
    """
    scope, clip, output = job.scope, job.scope.clip, job.request.output
    text = {
        "Source": clip.info.path.name,
        **job.provenance.text,
        "Frame": str(scope.start),
        "Time": f"{clip.timeline.seconds(scope.start):.6f} s",
    }
    ((_, segment),) = job.segments
    (frame,) = open_clip(segment).frames(0, 1)
    color = job.plan.encoding.color  # which a segment does not say
    layout = layout_of(
        frame.layout.pix_fmt,
        full_range=color.range == 2,
        matrix=color.matrix,
        site=clip.info.picture.chroma or LEFT,
    )
    picture = picture_of(replace(frame, layout=layout))
    with written(output, part):
        part.write_bytes(encoded_png(output, picture, text, embedded_of(clip.info)))
        seal(part)
        found = read_picture(part)
        if found is None or not np.array_equal(found, picture):
            raise OutputError(
                f"{output}: is not as it was written: the disk may be full; make room or choose "
                "another folder"
            )
        seconds = float(clip.timeline.duration_of(scope.start) * clip.timeline.time_base)
        check = Check(1, seconds, sounds=0, sound_packets=0, offset=0.0, picture=True)
        complete(part, check)
    return check
