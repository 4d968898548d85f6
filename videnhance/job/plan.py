"""What a job works on and how its output is made, decided from the source and the settings before
any work."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from videnhance import detectors, restorers
from videnhance.errors import OutputError, UsageError, chosen
from videnhance.files import is_device
from videnhance.job import SUFFIX
from videnhance.media.clip import Clip
from videnhance.media.info import VideoInfo
from videnhance.media.opening import open_clip
from videnhance.media.positions import span_of
from videnhance.media.reading.groups import Untouched
from videnhance.media.reading.pictures import files_of
from videnhance.media.reading.refusals import address_of
from videnhance.media.reading.source import probe
from videnhance.media.repair.examination import Examination
from videnhance.media.timeline import Segment, apart, segments_of
from videnhance.media.writing import avi
from videnhance.media.writing.codecs import (
    AVI,
    MUXERS,
    PICTURE,
    codec_named,
    container_for,
    encoder_options,
)
from videnhance.media.writing.formats import (
    color_encoded,
    left_unsaid,
    require_encoder,
    source_options,
    working_format,
)
from videnhance.media.writing.segment import Encoding
from videnhance.media.writing.streams import Copying, plan_copying, refuse_unfit_times
from videnhance.media.writing.untouched import Copyable, NotCopied, copyable
from videnhance.settings.groups import Settings

SEGMENT_FRAMES = 256
"""Frames in a segment: about ten seconds, which is what a stop costs at most."""

RUN_UP = 2.0
"""Seconds beyond each end of a range in which faces are looked for, besides `--max-gap` and
`--ease`: by then the smoother (`--smoothness`, 0.1 s) has forgotten where it began."""


@dataclass(frozen=True)
class Scope:
    """What is looked at: a range of a video's frames, and the run-up on both sides of it.

    Frame indices everywhere are those of the whole video.
    """

    clip: Clip
    start: int
    stop: int
    """Frames start..stop (half-open) are the range."""
    detect_segments: tuple[Segment, ...]
    """The range and its run-up, in segments."""
    settings: Settings

    @property
    def whole(self) -> bool:
        return (self.start, self.stop) == (0, len(self.clip.timeline))


@dataclass(frozen=True)
class Plan:
    """How an output is made, decided before any work."""

    scope: Scope
    muxer: str
    """FFmpeg's name of the output's container; codecs.PICTURE for a PNG."""
    segments: tuple[Segment, ...]
    """The range, in the segments that are rendered."""
    encoding: Encoding
    copying: Copying
    """Which of the source's other streams the output gets."""
    copyable: Copyable | None = None
    """How frames without faces are copied; None: they are encoded as all others."""
    not_copied: str = ""
    """What of the source's stream is in the way of that, in words."""
    untouched: Untouched | None = None
    """The frames that are copied, and so are in no segment, once they are known."""


def make_scope(
    info: VideoInfo,
    settings: Settings,
    progress: Callable[[int], None] = lambda packets: None,
    examined: Examination | None = None,
) -> Scope:
    """Read the source's packets and settle which frames are worked on.

    `examined` is what a decoding of all of it showed, if that was needed (repair/examination.py).

    Raises UsageError for an empty range, InputError for a source that cannot be worked on.
    """
    detector = detectors.resolved(settings.detect.detector)
    settings = replace(settings, detect=replace(settings.detect, detector=detector))
    clip = open_clip(info, settings, progress, examined)
    timeline = clip.timeline
    start, stop = span_of(timeline, settings.part.start, settings.part.end)
    around = RUN_UP + settings.track.max_gap + settings.restore.ease
    first = bisect_left(timeline.pts, timeline.pts[start] - around / timeline.time_base)
    last = bisect_right(timeline.pts, timeline.pts[stop - 1] + around / timeline.time_base)
    return Scope(
        clip=clip,
        start=start,
        stop=stop,
        detect_segments=segments_of(first, last, SEGMENT_FRAMES),
        settings=settings,
    )


def make_plan(
    source: Path,
    output: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda packets: None,
    examined: Examination | None = None,
    delivers: bool = True,
) -> Plan:
    """Check every setting and read the source's packets; nothing is written. Unless it `delivers`,
    the output is somebody else's affair, and not looked at.

    Raises UsageError, InputError, OutputError or ContainerError: whatever can be known to fail is
    known here, before the first frame.
    """
    alone = output.suffix.lower() == f".{PICTURE}"
    if alone:  # its one frame is kept as it is until it is written
        kept = replace(settings.output, codec="ffv1", crf=None, preset=None)
        settings = replace(settings, output=kept)
    detectors.resolved(settings.detect.detector)
    chosen("--restorer", settings.restore.restorer, restorers.RESTORERS)
    wish = settings.output
    codec = codec_named(wish.codec, wish.crf, wish.preset)
    info = probe(source, settings.source.input_codec, settings.source.index)
    if delivers:
        check_output(source, output, overwrite=overwrite)
    muxer = container_for(output)
    if alone:
        others = tuple(f"{s.kind} stream {s.index}" for s in info.streams if s.index != info.stream)
        copying = Copying((), tuple(f"{other} is no part of a picture" for other in others))
    else:
        copying = plan_copying(info, muxer, wish.codec, wish.audio)
        unsaid = left_unsaid(info, muxer, wish.codec)
        copying = replace(copying, dropped=(*copying.dropped, *unsaid))
    scope = make_scope(info, settings, progress, examined)
    clip, info = scope.clip, scope.clip.info
    if alone and scope.stop - scope.start != 1:
        raise UsageError(
            f"{output}: is one picture for {scope.stop - scope.start} frames; name a video, or "
            "choose one frame with --start and --end"
        )
    if muxer == MUXERS[AVI]:
        if wish.keep_origin:
            raise UsageError(
                f"--keep-origin: {output.suffix} holds no times and always begins at 0; name the "
                "output .mp4 or .mkv"
            )
        avi.refuse_unfit(source, clip, (scope.start, scope.stop), copying.kept)
    refuse_unfit_times(source, clip.timeline.part(scope.start, scope.stop), muxer)
    require_encoder(wish.codec, codec)
    pix_fmt = working_format(info, codec, wish.scale)
    encoding = Encoding(
        encoder=codec.encoder,
        segment_format=codec.segment_format,
        options=source_options(
            codec,
            info,
            pix_fmt,
            scope.stop - scope.start,
            encoder_options(codec, wish.crf, wish.preset, muxer),
        ),
        pix_fmt=pix_fmt,
        width=info.width * wish.scale,
        height=info.height * wish.scale,
        time_base=clip.timeline.time_base,
        rate=clip.rate or Fraction(25),
        sample_aspect_ratio=info.sample_aspect_ratio if info.declares_aspect else None,
        color=color_encoded(info, pix_fmt, codec),
    )
    copies, not_copied = _copying_of_frames(clip, encoding, muxer, settings)
    encoding = copies.beside(encoding) if copies is not None else encoding
    return Plan(
        scope=scope,
        muxer=muxer,
        segments=apart(segments_of(scope.start, scope.stop, SEGMENT_FRAMES), clip.timeline),
        encoding=encoding,
        copying=copying,
        copyable=copies,
        not_copied=not_copied,
    )


def _copying_of_frames(
    clip: Clip, encoding: Encoding, muxer: str, settings: Settings
) -> tuple[Copyable | None, str]:
    """How frames without faces can be copied, and else why not, if that is worth telling."""
    if settings.output.copy == "off" or settings.finish.changes:
        return None, ""
    try:
        return copyable(clip, encoding, muxer), ""
    except NotCopied as error:
        return None, str(error)


def check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    """Refuse an output that would cost the original or another file, or that cannot be written."""
    longest = 255 - len(SUFFIX)  # what most file systems take, less what a job adds
    if len(os.fsencode(output.name)) > longest:
        raise OutputError(f"{output}: the name is too long; choose one of {longest} bytes or less")
    if output == Path("-"):
        raise UsageError(f"{output}: a result is a file, and not written to a pipe; name the file")
    if is_device(output):
        raise OutputError(f"{output}: is a device or a pipe; name a file in a folder of yours")
    if output.exists() and any(output.samefile(file) for file in files_of(source)):
        raise OutputError(f"{output}: is the input itself; choose another name for the output")
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file in it, such as {output / 'out.mp4'}")
    if os.path.lexists(output) and not overwrite:
        what = "exists already" if output.exists() else "is a link that leads nowhere"
        raise OutputError(f"{output}: {what}; choose another name or add --overwrite")
    folder = output.absolute().parent
    address = address_of(output)
    if address is not None:
        raise UsageError(f"{address}: looks like a URL, and only files are written; name a file")
    if not folder.is_dir():
        raise OutputError(f"{output}: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{output}: the folder {folder} cannot be written; choose another")
