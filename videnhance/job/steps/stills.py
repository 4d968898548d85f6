"""Pictures beside the output: every finished frame as it is rendered, and each person's best
moments when the output is in place."""

from __future__ import annotations

from pathlib import Path

from videnhance.errors import OutputError, VidenhanceError
from videnhance.job.job import Job
from videnhance.media.info import VideoInfo
from videnhance.media.reading.pictures import DEMUXER, Embedded, embedded, exif_of, files_of
from videnhance.media.writing.png import FrameFiles, require_folder
from videnhance.show.stills import save_stills


def frame_files(job: Job) -> FrameFiles | None:
    """Where every finished frame goes as a picture, if that is asked for; raises OutputError."""
    folder = job.settings.output.frames
    if folder is None:
        return None
    _require(job, Path(folder), "--frames")
    info = job.scope.clip.info
    text = {"Source": info.path.name, **job.provenance.text}
    return FrameFiles(Path(folder), job.scope.clip.timeline.time_base, text, embedded_of(info))


def require_stills(job: Job) -> None:
    """The folders for stills and portraits, if they are asked for; raises OutputError."""
    wish = job.settings.output
    for folder, option in ((wish.stills, "--stills"), (wish.portraits, "--portraits")):
        if folder is not None and job.planned is not None:
            _require(job, Path(folder), option)


def save_best_moments(job: Job) -> Job:
    """Each track's best moments, if they are asked for, of the output that is in place.

    Raises OutputError and what reading does, saying that the output is finished.
    """
    folder, scope, output = job.settings.output.stills, job.scope, job.request.output
    if folder is None:
        return job
    try:
        count = save_stills(
            Path(folder),
            scope.clip,
            (scope.start, scope.stop),
            job.settings,
            output,
            job.tracks,
            job.provenance,
            {track: str(fate) for track, fate in job.left_alone.items()},
            lambda done, total: job.monitor.tell("stills", done, total),
        )
    except VidenhanceError as error:
        raise type(error)(f"{error} ({output} itself is finished)") from error
    job.monitor.notes.append(f"{count} stills in {folder}")
    return job


def embedded_of(info: VideoInfo) -> Embedded:
    """What pictures of a source say beside their pixels: what its first one says, or how a player
    turns the video."""
    if info.container == DEMUXER:
        return embedded(files_of(info.path)[0])
    return Embedded(exif_of(info.display_matrix), None)


def _require(job: Job, folder: Path, option: str) -> None:
    """Raises OutputError also for a folder that holds the source's own pictures."""
    require_folder(folder, option, ours=job.may_overwrite)
    sources = files_of(job.scope.clip.info.path)
    if folder.resolve() in {file.resolve().parent for file in sources}:
        raise OutputError(f"{folder}: holds the input; name another folder for the pictures made")
