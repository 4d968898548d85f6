"""A job of a short range, in a folder of its own, and its result beside the source."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from videnhance.errors import OutputError, UsageError, VidenhanceError, cure_of
from videnhance.evidence.writing import record_path
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracking import choose
from videnhance.faces.tracklets import Tracks
from videnhance.imaging.lettering import Picture
from videnhance.job.monitor import Monitor
from videnhance.job.plan import check_output
from videnhance.job.preview.estimate import Pace
from videnhance.job.request import JobRequest
from videnhance.job.run import run_once
from videnhance.job.steps.record_file import refuse_taken
from videnhance.job.summary import Summary
from videnhance.media.clip import Clip
from videnhance.media.opening import open_clip
from videnhance.media.repair.examination import Examination
from videnhance.settings.groups import Settings
from videnhance.show.compare import SWING_SECONDS, Layout, compose, labels_of
from videnhance.show.highlights import Span
from videnhance.show.pairs import Pair, container_that_fits, shown_size


@dataclass(frozen=True)
class PreviewRequest:
    """What a preview is asked to show."""

    source: Path
    settings: Settings
    layout: Layout
    tracks: Path | None
    monitor: Monitor
    origins: Mapping[str, str]
    """By name, where settings come from that a command, preset or file gave."""

    @property
    def scale(self) -> int:
        return self.settings.output.scale

    def opened(
        self, outputs: tuple[Path, ...], overwrite: bool, examined: Examination | None
    ) -> Clip:
        """The source as recorded, after checking all that can be known to fail; raises
        VidenhanceError."""
        clip = open_clip(self.source, Settings(source=self.settings.source), examined=examined)
        for output in outputs:
            check_output(self.source, output, overwrite=overwrite)
        if self.settings.record.keep:
            refuse_taken(record_path(outputs[0]), overwrite=overwrite)
        if outputs[-1].suffix.lower() != ".png":
            raise UsageError(f"{outputs[-1]}: is written as PNG; name it with .png")
        return clip


@dataclass(frozen=True)
class EnhancedRange:
    """A range of the source and what a job made of it."""

    request: PreviewRequest
    source: Clip
    result: Clip
    span: Span
    size: tuple[int, int]
    """(height, width) at which original and result are shown."""
    tracks: Tracks
    summary: Summary
    estimate: float | None
    """Seconds that the whole video would take."""
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, str]:
        """Of original and result."""
        return labels_of(self.summary.restorer or "none", self.summary.invents)

    def composed(self, pair: Pair) -> Picture:
        """A frame and its result as one picture."""
        start, now = map(self.source.timeline.seconds, (self.span[0], pair.source.index))
        phase = (now - start) / SWING_SECONDS
        return compose(pair.before, pair.after, self.request.layout, self.labels, phase)


def enhanced_range(
    request: PreviewRequest,
    clip: Clip,
    span: Span,
    suffix: str,
    folder: Path,
    *,
    still: bool = False,
) -> EnhancedRange:
    """Enhance the range into the folder; only a `still` may be larger than players can show."""
    settings = request.settings
    output = replace(settings.output, keep_origin=False)
    sound = "copy"
    if still:  # nobody hears a picture
        sound, output = "none", replace(output, audio="none")
    suffix, dropped = container_that_fits(clip.info, output.codec, suffix, sound)
    part = replace(settings.part, start=f"{span[0]}f", end=f"{span[1]}f")
    pace = Pace(request.monitor.progress)
    job = JobRequest(
        request.source,
        folder / f"result{suffix}",
        replace(
            settings,
            part=part,
            output=output,
            evidence=replace(settings.evidence, sign=None, invention=0),
        ),
        job_dir=folder / "job",
        keep_job=True,
        tracks=request.tracks,
        identify=settings.record.keep,
        origins=request.origins,
        kept=clip.recorded.kept,
    )
    summary = run_once(job, Monitor(pace.tell, request.monitor.stop), clip.recorded.examination)
    tracks = read_tracks(job.directory.tracks, clip)
    # What a container cannot hold depends on the one chosen here, not on the long run's.
    notes = [note for note in summary.notes if note not in dropped]
    whole = (clip.info.upright_size[1] * request.scale, clip.info.upright_size[0] * request.scale)
    size = whole if still else shown_size(whole, request.layout)
    if size != whole:
        notes.append(f"too large for players: each picture is shown {size[1]}x{size[0]}")
    return EnhancedRange(
        request=request,
        source=clip,
        result=open_clip(job.output),
        span=(summary.start, summary.start + summary.frames),
        size=size,
        tracks=choose(tracks, part),
        summary=summary,
        estimate=pace.whole(summary.all_frames, summary.steps),
        notes=tuple(notes),
    )


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """A hidden folder beside the output, removed at the end however it comes."""
    beside = output.absolute().parent
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=beside)
    except OSError as error:
        cure = cure_of(error, "choose another folder")
        raise OutputError(f"{output}: cannot be written ({error.strerror}); {cure}") from error
    with folder as path:
        try:
            yield Path(path)
        except VidenhanceError as error:
            # The job goes with the folder: there is none to go on with.
            error.job = None
            raise
