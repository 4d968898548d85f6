"""A quick look before the long run: a job of a short range, its result set beside the source.

A preview is no mode of its own. It shows what `enhance` makes of a few seconds, as a video and as
a contact sheet of the best moments, or of a single frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videnhance.callbacks import Progress, never, silent
from videnhance.errors import ContainerError, UsageError, chosen
from videnhance.imaging.lettering import Picture
from videnhance.job.monitor import Monitor
from videnhance.job.preview.range import (
    EnhancedRange,
    PreviewRequest,
    enhanced_range,
    workplace,
)
from videnhance.job.preview.record import forget_record, keep_record
from videnhance.job.retry import after_damage
from videnhance.job.summary import ESTIMATE
from videnhance.media.positions import frame_at
from videnhance.media.reading.kept import KeptFrames
from videnhance.media.repair.examination import Examination
from videnhance.media.writing.codecs import container_for
from videnhance.media.writing.png import write_png
from videnhance.render.outcome import NO_GAIN
from videnhance.render.queues import prefetch
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.settings.reading import EVERY
from videnhance.show.compare import LAYOUTS, compose, shown_at
from videnhance.show.highlights import largest_tracks, range_to_show, sightings
from videnhance.show.pairs import PictureVideo, read_pairs
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
    """One per face and frame."""
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
    restored: int | None = None
    """How many of the faces were restored: others were left as recorded."""


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
    origins: Mapping[str, str] | None = None,
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
        raise UsageError("--deinterlace-rate field: a preview pairs frames; leave it out")
    if settings.source.stream == EVERY:
        raise UsageError(f"--stream {EVERY}: a preview is of one video; name its number")
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"--seconds {seconds:g}: takes more than 0, up to {LONGEST:g}")
    request = _request(source, settings, layout, tracks, origins, progress, stop)

    def attempt(examined: Examination | None) -> PreviewSummary:
        clip = request.opened((output, sheet), overwrite, examined)
        span, notes = range_to_show(
            clip,
            settings,
            seconds,
            request.tracks,
            lambda done, total: request.monitor.tell("look", done, total),
        )
        with workplace(output) as folder:
            shown = enhanced_range(request, clip, span, output.suffix.lower(), folder)
            blank = np.zeros((*shown.size, 3), np.uint8)
            height, width = compose(blank, blank, request.layout, shown.labels).shape[:2]
            with PictureVideo(folder, shown.result, (height, width)) as video:
                rows, left_out = _show(shown, video)
            write_png(sheet, _sheet(shown, rows, left_out), {}, folder / f"{sheet.name}.part")
            forget_record(output)
            notes += video.deliver(output)
            keep_record(shown, output, sheet, {"layout": layout, "seconds": seconds, "at": None})
        return _summary(shown, output, sheet, notes, began)

    return after_damage(attempt, request.source, settings.source, request.monitor)


def preview_frame(
    source: Path | str,
    output: Path | str,
    at: str,
    settings: Settings = DEFAULTS,
    *,
    layout: str = "side",
    overwrite: bool = False,
    tracks: Path | str | None = None,
    origins: Mapping[str, str] | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = never,
) -> PreviewSummary:
    """Enhance the frame shown at the position `at`; write it beside the original, as a PNG.

    `at` is a position as `ranges.parse_position` takes it; any range in `settings` does not count.
    Else as `make_preview`.
    """
    began = time.monotonic()
    output = Path(output)
    request = _request(source, settings, layout, tracks, origins, progress, stop)

    def attempt(examined: Examination | None) -> PreviewSummary:
        clip = request.opened((output,), overwrite, examined)
        index = frame_at(clip.timeline, "--at", at)
        clip = clip.keeping(KeptFrames(index))
        with workplace(output) as folder:
            span = (index, index + 1)
            shown = enhanced_range(request, clip, span, ".mkv", folder, still=True)
            forget_record(output)
            for pair in read_pairs(clip, shown.result, index, shown.size):
                write_png(output, shown.composed(pair), {}, folder / f"{output.name}.part")
            keep_record(shown, None, output, {"layout": layout, "seconds": None, "at": at})
        return _summary(shown, None, output, (), began)

    return after_damage(attempt, request.source, settings.source, request.monitor)


def _request(
    source: Path | str,
    settings: Settings,
    layout: str,
    tracks: Path | str | None,
    origins: Mapping[str, str] | None,
    progress: Progress,
    stop: Callable[[], bool],
) -> PreviewRequest:
    return PreviewRequest(
        Path(source),
        settings,
        chosen("--layout", layout, LAYOUTS),
        Path(tracks) if tracks is not None else None,
        Monitor(progress, stop),
        origins or {},
    )


def _show(shown: EnhancedRange, video: PictureVideo) -> tuple[list[Row], int]:
    """Write the range into the video; gives the sheet's rows and how many tracks it leaves out."""
    frames, scale = len(shown.result.timeline), shown.request.scale
    left_alone = shown.summary.left_alone
    notes = {track: [str(fate)] for track, fate in left_alone.items()}
    for track in shown.summary.gainless:
        notes.setdefault(track, []).append(NO_GAIN)
    for track, drift in shown.summary.drifts.items():
        if drift.is_beyond:
            notes.setdefault(track, []).append(str(drift))
    untouched = {track for track, fate in left_alone.items() if fate.altogether}
    tracklets, left_out = largest_tracks(shown.tracks, shown.span, TRACKS, last=untouched)
    wanted = sightings(
        shown.source,
        tracklets,
        shown.span,
        everyone=shown.tracks.everyone,
        count=MOMENTS,
        ease=shown.request.settings.restore.ease,
        scale=scale,
    )
    moments: dict[int, list[Moment]] = {track.id: [] for track in tracklets}
    pairs = read_pairs(shown.source, shown.result, shown.span[0], shown.size)
    shown.request.monitor.tell("compare", 0, frames)
    for done, pair in enumerate(prefetch(pairs, _READ_AHEAD), 1):
        video.write(shown.composed(pair), pair.result.pts)
        index, source = pair.source.index, shown.source.info
        for sighting in wanted.get(index, ()):
            place = sighting.place
            moments[sighting.track].append(
                Moment(
                    frame=index,
                    seconds=shown.source.timeline.seconds(index),
                    eyes=sighting.eyes,
                    factor=place.factor,
                    before=cell(pair.source, source.upright, place),
                    after=cell(pair.result, shown.result.info.upright, place, scale),
                )
            )
        shown.request.monitor.tell("compare", done, frames)
    persons = {track.id: track.person for track in tracklets}
    rows = [
        Row(track, tuple(found), "; ".join(notes.get(track, ())), persons[track])
        for track, found in moments.items()
        if found
    ]
    return grouped(rows), left_out


def grouped(rows: Sequence[Row]) -> list[Row]:
    """The rows of one person one after another, where the first of them stands."""
    first: dict[int, int] = {}
    for place, row in enumerate(rows):
        if row.person is not None:
            first.setdefault(row.person, place)
    order = [first[row.person] if row.person is not None else k for k, row in enumerate(rows)]
    return [rows[k] for k in sorted(range(len(rows)), key=lambda k: (order[k], k))]


def _sheet(shown: EnhancedRange, rows: list[Row], left_out: int) -> Picture:
    name, (start, stop) = shown.source.info.path.name, shown.span
    first, last = shown.source.timeline.seconds(start), shown.source.timeline.end_of(stop - 1)
    title = f"{name}, {shown_at(first)} to {shown_at(last)}: original beside result"
    original, result = shown.labels
    lines = (f"result: {result}", ESTIMATE)
    return contact_sheet(title, lines, rows, (original, result.partition(":")[0]), left_out)


def _summary(
    shown: EnhancedRange, video: Path | None, picture: Path, notes: tuple[str, ...], began: float
) -> PreviewSummary:
    start, stop = shown.span
    return PreviewSummary(
        video=video,
        picture=picture,
        start=start,
        stop=stop,
        start_seconds=shown.source.timeline.seconds(start),
        end_seconds=shown.source.timeline.end_of(stop - 1),
        faces=shown.summary.faces,
        tracks=shown.summary.tracks,
        seconds=time.monotonic() - began,
        estimate=shown.estimate,
        detector=shown.summary.detector,
        restorer=shown.summary.restorer or "none",
        invents=shown.summary.invents,
        notes=(*notes, *shown.notes),
        restored=shown.summary.restored,
    )
