"""A source's frames, unchanged, through segments into an output: a job without its faces."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.making.timelines import read_timeline
from videnhance.media.check.frames import Check
from videnhance.media.opening import open_clip
from videnhance.media.reading.decoding import read_frames
from videnhance.media.reading.source import probe
from videnhance.media.timeline import segments_of
from videnhance.media.writing.codecs import codec_named, container_for, encoder_options
from videnhance.media.writing.formats import working_format
from videnhance.media.writing.mux import Cut, mux
from videnhance.media.writing.segment import Encoding, SegmentWriter
from videnhance.media.writing.streams import plan_copying


def through(
    source: Path,
    output: Path,
    *,
    codec: str = "h264",
    length: int = 100,
    preset: str | None = None,
    cut: Cut | None = None,
    audio: str = "copy",
) -> Check:
    """The source's frames, unchanged, through segments of `length` frames into `output`."""
    info = probe(source)
    timeline = read_timeline(info)
    row = codec_named(codec, None, preset)
    muxer = container_for(output)
    copying = plan_copying(info, muxer, codec, audio)
    pix_fmt = working_format(info, row)
    encoding = Encoding(
        encoder=row.encoder,
        segment_format=row.segment_format,
        options=encoder_options(row, None, preset, muxer),
        pix_fmt=pix_fmt,
        width=info.width,
        height=info.height,
        time_base=info.time_base,
        rate=info.average_rate or Fraction(25),
        sample_aspect_ratio=info.sample_aspect_ratio if info.declares_aspect else None,
        color=info.color,
    )
    files = []
    start, stop = (cut.start, cut.stop) if cut is not None else (0, len(timeline))
    for segment in segments_of(start, stop, length):
        path = output.with_name(f"{segment.name}.{row.segment_format}")
        with SegmentWriter(path, encoding, timeline.pts[segment.start]) as writer:
            for frame in read_frames(info, timeline, segment.start, segment.stop, pix_fmt):
                writer.write(frame)
        files.append((segment, path))
    return mux(output, output.with_name("part"), muxer, open_clip(info), files, copying, cut=cut)
