"""A quick look before the long run: a job of a short range, its result set beside the source.

A preview is no mode of its own. It shows what `enhance` makes of a few seconds, as a video and as
a contact sheet of the best moments, or of a single frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from videnhance.errors import ContainerError, Stopped, UsageError, chosen
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracking import choose
from videnhance.faces.tracklets import Tracks
from videnhance.job.monitor import Progress, Run, never, silent
from videnhance.job.plan import check_output
from videnhance.job.preview.estimate import Pace
from videnhance.job.retry import sound
from videnhance.job.run import enhance_as
from videnhance.job.steps.deliver import workplace
from videnhance.job.summary import ESTIMATE, Summary
from videnhance.media.clip import Clip
from videnhance.media.opening import open_clip
from videnhance.media.positions import frame_at
from videnhance.media.repair.examination import Examination
from videnhance.media.writing.codecs import container_for
from videnhance.render.queues import prefetch
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.show.compare import (
    LAYOUTS,
    SWING_SECONDS,
    Layout,
    Picture,
    compose,
    labels_of,
    shown_at,
)
from videnhance.show.highlights import Span, largest_tracks, range_to_show, sightings
from videnhance.show.pairs import (
    Pair,
    PictureVideo,
    container_that_fits,
    read_pairs,
    shown_size,
    write_png,
)
from videnhance.show.sheet import Moment, Row, cell, contact_sheet

SECONDS = 4.0
"""Length of a preview, unless a range is given."""
MOMENTS, TRACKS = 4, 12
"""Best moments of a track on the sheet, and tracks, the largest ones."""
LONGEST = 3600.0
"""Seconds: more is no preview."""
_READ_AHEAD = 4


@dataclass(frozen=True)
class PreviewSummary:
    """What a preview shows, and what the whole would take."""

    video: Path | None
    """None where a single frame was asked for."""
    picture: Path
    """The contact sheet, or the single frame."""
    start: int
    stop: int
    """Frames start..stop (half-open) of the source are shown."""
    start_seconds: float
    """Counted from the video's first frame, as positions are."""
    end_seconds: float
    faces: int
    """Restored crops: one per face and frame."""
    tracks: int
    seconds: float
    """Wall time of the preview."""
    estimate: float | None
    """Seconds that the whole video would take, roughly; None where too little was done to tell."""
    detector: str | None
    restorer: str
    invents: bool
    """Whether the restorer can show what the clip does not hold."""
    notes: tuple[str, ...]


def make_preview(
    source: Path | str,
    output: Path | str,
    settings: Settings = DEFAULTS,
    *,
    layout: str = "side",
    seconds: float = SECONDS,
    sheet: Path | str | None = None,
    overwrite: bool = False,
    tracks: Path | str | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> PreviewSummary:
    """Enhance the best few seconds; write them beside the original, and a contact sheet.

    The range is that of `settings.part` where it names one (`seconds` of it where it names one end
    only); else the one around the best faces, of the `tracks` file's where that is given, else of
    those found in a few frames. `output` is an H.264 video with the source's sound; `sheet` a PNG,
    by default of the same name, written first. Each appears whole; nothing else stays, however it
    ends. Steps told to `progress` besides the job's are "look" and "compare".

    Raises a VidenhanceError as `job.enhance` does.
    """
    began = time.monotonic()
    output = Path(output)
    sheet = Path(sheet) if sheet is not None else output.with_suffix(".png")
    if container_for(output) == "webm":
        raise ContainerError(
            f"{output}: a preview is H.264 video, which .webm cannot hold; name it .mp4 or .mkv"
        )
    if settings.clean.rate == "field":
        raise UsageError("--deinterlace-rate field: not for a preview, which pairs frames")
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"--seconds {seconds:g}: takes more than 0, up to {LONGEST:g}")
    tracks = Path(tracks) if tracks is not None else None
    named = chosen("--layout", layout, LAYOUTS)
    work = _Work(Path(source), settings, named, tracks, progress, stop)

    def attempt(examined: Examination | None) -> PreviewSummary:
        clip = work.opened((output, sheet), overwrite, examined)
        span, notes = range_to_show(clip, settings, seconds, tracks, work.tell_look)
        with workplace(output) as folder:
            made = _enhanced(work, clip, span, output.suffix.lower(), folder)
            blank = np.zeros((*made.size, 3), np.uint8)
            size = compose(blank, blank, named, made.labels).shape[:2]
            with PictureVideo(folder, made.result, (size[0], size[1])) as video:
                rows, left_out = _show(work, made, video)
            write_png(sheet, _sheet(work, made, rows, left_out), folder)
            notes += video.deliver(output)
        return _summary(made, output, sheet, notes, began)

    return sound(attempt, work.source, settings, Run(progress, stop))


def preview_frame(
    source: Path | str,
    output: Path | str,
    at: str,
    settings: Settings = DEFAULTS,
    *,
    layout: str = "side",
    overwrite: bool = False,
    tracks: Path | str | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> PreviewSummary:
    """Enhance the frame shown at the position `at`; write it beside the original, as a PNG.

    `at` is a position as `ranges.parse_position` takes it; any range in `settings` does not count.
    Else as `make_preview`.
    """
    began = time.monotonic()
    output = Path(output)
    tracks = Path(tracks) if tracks is not None else None
    named = chosen("--layout", layout, LAYOUTS)
    work = _Work(Path(source), settings, named, tracks, progress, stop)

    def attempt(examined: Examination | None) -> PreviewSummary:
        clip = work.opened((output,), overwrite, examined)
        index = frame_at(clip.timeline, "--at", at)
        with workplace(output) as folder:
            made = _enhanced(work, clip, (index, index + 1), ".mkv", folder, still=True)
            for pair in read_pairs(clip, made.result, index, made.size):
                write_png(output, _composed(work, made, pair), folder)
        return _summary(made, None, output, (), began)

    return sound(attempt, work.source, settings, Run(progress, stop))


@dataclass(frozen=True)
class _Work:
    """What is asked for."""

    source: Path
    settings: Settings
    layout: Layout
    tracks: Path | None
    progress: Progress
    stop: Callable[[], bool]

    @property
    def scale(self) -> int:
        return self.settings.output.scale

    def opened(
        self, outputs: tuple[Path, ...], overwrite: bool, examined: Examination | None
    ) -> Clip:
        """The source, after checking all that can be known to fail; raises VidenhanceError."""
        clip = open_clip(self.source, Settings(source=self.settings.source), examined=examined)
        for output in outputs:
            check_output(self.source, output, overwrite=overwrite)
        if outputs[-1].suffix.lower() != ".png":
            raise UsageError(f"{outputs[-1]}: is written as PNG; name it with .png")
        return clip

    def tell(self, step: str, done: int, total: int) -> None:
        """Progress of what is done here; raises Stopped where that was asked for."""
        if self.stop():
            raise Stopped("stopped")
        self.progress(step, done, total)

    def tell_look(self, done: int, total: int) -> None:
        self.tell("look", done, total)


@dataclass(frozen=True)
class _Made:
    """What the job of the range made."""

    source: Clip
    result: Clip
    span: Span
    size: tuple[int, int]
    """(height, width) at which original and result are shown."""
    tracks: Tracks
    summary: Summary
    estimate: float | None
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, str]:
        return labels_of(self.summary.restorer or "none", self.summary.invents)


def _enhanced(
    work: _Work, clip: Clip, span: Span, suffix: str, folder: Path, *, still: bool = False
) -> _Made:
    """Enhance the range into the folder; only a `still` may be larger than players can show."""
    suffix, dropped = container_that_fits(clip.info, work.settings.output.codec, suffix)
    target, job = folder / f"result{suffix}", folder / "job"
    part = replace(work.settings.part, start=f"{span[0]}f", end=f"{span[1]}f")
    pace = Pace(work.progress)
    summary = enhance_as(
        work.source,
        target,
        replace(work.settings, part=part),
        clip.recorded.examination,
        overwrite=False,
        folder=job,
        keep_job=True,
        restart=False,
        tracks=work.tracks,
        identify=False,
        run=Run(pace.tell, work.stop),
    )
    tracks = read_tracks(job / "tracks.json", clip)
    # What a container cannot hold depends on the one chosen here, not on the long run's.
    notes = [note for note in summary.notes if note not in dropped]
    whole = (clip.info.upright_size[1] * work.scale, clip.info.upright_size[0] * work.scale)
    size = whole if still else shown_size(whole, work.layout)
    if size != whole:
        notes.append(f"too large for players: each picture is shown {size[1]}x{size[0]}")
    return _Made(
        source=clip,
        result=open_clip(target),
        span=(summary.start, summary.start + summary.frames),
        size=size,
        tracks=choose(tracks, part.only, part.skip),
        summary=summary,
        estimate=pace.whole(summary.all_frames, summary.steps),
        notes=tuple(notes),
    )


def _composed(work: _Work, made: _Made, pair: Pair) -> Picture:
    start, now = map(made.source.timeline.seconds, (made.span[0], pair.source.index))
    return compose(pair.before, pair.after, work.layout, made.labels, (now - start) / SWING_SECONDS)


def _show(work: _Work, made: _Made, video: PictureVideo) -> tuple[list[Row], int]:
    """Write the range into the video; gives the sheet's rows and how many tracks it leaves out."""
    frames = len(made.result.timeline)
    tracklets, left_out = largest_tracks(made.tracks, made.span, TRACKS)
    wanted = sightings(
        made.source,
        tracklets,
        made.span,
        count=MOMENTS,
        ease=work.settings.restore.ease,
        scale=work.scale,
    )
    moments: dict[int, list[Moment]] = {track.id: [] for track in tracklets}
    pairs = read_pairs(made.source, made.result, made.span[0], made.size)
    work.tell("compare", 0, frames)
    for done, pair in enumerate(prefetch(pairs, _READ_AHEAD), 1):
        video.write(_composed(work, made, pair), pair.result.pts)
        index, source = pair.source.index, made.source.info
        for sighting in wanted.get(index, ()):
            place = sighting.place
            moments[sighting.track].append(
                Moment(
                    frame=index,
                    seconds=made.source.timeline.seconds(index),
                    eyes=sighting.eyes,
                    factor=place.factor,
                    before=cell(pair.source, source.upright, place),
                    after=cell(pair.result, made.result.info.upright, place, work.scale),
                )
            )
        work.tell("compare", done, frames)
    return [Row(track, tuple(found)) for track, found in moments.items() if found], left_out


def _sheet(work: _Work, made: _Made, rows: list[Row], left_out: int) -> Picture:
    name, (start, stop) = made.source.info.path.name, made.span
    first, last = made.source.timeline.seconds(start), made.source.timeline.end_of(stop - 1)
    title = f"{name}, {shown_at(first)} to {shown_at(last)}: original beside result"
    original, result = made.labels
    lines = (f"result: {result}", ESTIMATE)
    return contact_sheet(title, lines, rows, (original, result.partition(":")[0]), left_out)


def _summary(
    made: _Made, video: Path | None, picture: Path, notes: tuple[str, ...], began: float
) -> PreviewSummary:
    start, stop = made.span
    return PreviewSummary(
        video=video,
        picture=picture,
        start=start,
        stop=stop,
        start_seconds=made.source.timeline.seconds(start),
        end_seconds=made.source.timeline.end_of(stop - 1),
        faces=made.summary.faces,
        tracks=made.summary.tracks,
        seconds=time.monotonic() - began,
        estimate=made.estimate,
        detector=made.summary.detector,
        restorer=made.summary.restorer or "none",
        invents=made.summary.invents,
        notes=(*notes, *made.notes),
    )
