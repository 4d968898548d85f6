"""Step 1, plan: look at the source and the wishes, and settle everything before any work."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from videnhance import detectors, restorers
from videnhance.errors import OutputError, chosen
from videnhance.settings import Settings
from videnhance.streams import ColorTags, Segment, Timeline, VideoInfo, segments_of
from videnhance.video.codecs import codec_named, container_for, encoder_options, working_format
from videnhance.video.mux import Copying, plan_copying
from videnhance.video.source import probe, read_timeline
from videnhance.video.writer import Encoding

SEGMENT_FRAMES = 256
"""Frames in a segment: about ten seconds, which is what a stop costs at most."""


@dataclass(frozen=True)
class Plan:
    """A whole job, decided."""

    source: VideoInfo
    output: Path
    muxer: str
    timeline: Timeline
    segments: tuple[Segment, ...]
    encoding: Encoding
    copying: Copying
    settings: Settings


def make_plan(
    source: Path,
    output: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda packets: None,
) -> Plan:
    """Check every wish and read the source's packets; nothing is written.

    Raises UsageError, InputError, OutputError or ContainerError: whatever can be known to fail is
    known here, before the first frame.
    """
    settings.check()
    chosen("--detector", settings.detect.detector, detectors.DETECTORS)
    chosen("--restorer", settings.restore.restorer, restorers.RESTORERS)
    wish = settings.output
    codec = codec_named(wish.codec, wish.crf, wish.preset)
    info = probe(source)
    check_output(source, output, overwrite=overwrite)
    muxer = container_for(output)
    copying = plan_copying(info, muxer, wish.codec)
    timeline = read_timeline(info, progress)
    pix_fmt = working_format(info, codec, wish.scale)
    encoding = Encoding(
        encoder=codec.encoder,
        segment_format=codec.segment_format,
        options=encoder_options(codec, wish.crf, wish.preset),
        pix_fmt=pix_fmt,
        width=info.width * wish.scale,
        height=info.height * wish.scale,
        time_base=info.time_base,
        rate=info.average_rate or Fraction(25),
        sample_aspect_ratio=info.sample_aspect_ratio if info.declares_aspect else None,
        color=_color_written(info, pix_fmt),
    )
    return Plan(
        source=info,
        output=output,
        muxer=muxer,
        timeline=timeline,
        segments=segments_of(len(timeline), SEGMENT_FRAMES),
        encoding=encoding,
        copying=copying,
        settings=settings,
    )


def check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    """Refuse an output that would cost the original or another file, or that cannot be written."""
    if output.exists() and output.samefile(source):
        raise OutputError(f"{output}: is the input itself; choose another name for the output")
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file in it, such as {output / 'out.mp4'}")
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: exists already; choose another name or add --overwrite")
    folder = output.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{output}: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{output}: the folder {folder} cannot be written; choose another")


def _color_written(info: VideoInfo, pix_fmt: str) -> ColorTags:
    """The source's tags; an RGB source encoded as YCbCr is tagged as what it is turned into."""
    rgb = ("rgb", "bgr", "argb", "abgr", "gbr", "pal", "0rgb", "0bgr")
    if info.pix_fmt.startswith(rgb) and not pix_fmt.startswith(rgb):
        return ColorTags(range=1, matrix=1, primaries=1, transfer=13)
    return info.color
