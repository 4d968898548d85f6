"""Joining rendered segments and the source's other streams into the output, packet for packet."""

from __future__ import annotations

import heapq
import io
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from videnhance.errors import ContainerError
from videnhance.streams import ColorTags, Segment, Timeline, VideoInfo
from videnhance.video.check import Check, checked
from videnhance.video.codecs import CONTAINERS, color_written, tags_written
from videnhance.video.matroska import FILLER, with_tags, write_aspect
from videnhance.video.packets import (
    other_packets,
    packets_within,
    video_packets,
)
from videnhance.video.source import codec_name, open_source
from videnhance.video.window import Window, window_of
from videnhance.video.writer import put_in_place, write_error

if TYPE_CHECKING:
    from av.container.core import Chapter  # a type only: the compiled module has none

_WRITTEN_ANEW = {
    *("major_brand", "minor_version", "compatible_brands", "encoder", "duration"),
    *("vendor_id", "number_of_bytes", "number_of_frames", "bps"),
}
"""Metadata that describes the container or the old encoding, not the content."""


@dataclass(frozen=True)
class Copying:
    """What becomes of the source's other streams in a given container."""

    kept: tuple[int, ...]
    """Indices of the streams copied packet for packet."""
    dropped: tuple[str, ...]
    """One sentence for each stream that the container cannot hold, and the one that could."""


@dataclass(frozen=True)
class Cut:
    """Frames start..stop (half-open) of the source, when the output is to hold only these."""

    start: int
    stop: int


def plan_copying(info: VideoInfo, muxer: str, codec: str) -> Copying:
    """Which streams the container takes; asks the muxer itself, with a header in memory.

    Raises ContainerError, naming a container that would do, where the video codec or an audio
    stream does not fit: sound is never left out in silence.
    """
    if not _takes_codec(muxer, codec):
        fits = [s for s, other in CONTAINERS.items() if _takes_codec(other, codec)]
        raise ContainerError(
            f"{_suffix(muxer)} cannot hold {codec} video; name the output {' or '.join(fits)}"
        )
    kept, dropped = [], []
    with open_source(info.path) as source:
        for stream in source.streams:
            if stream.index == info.stream:
                continue
            if _takes_stream(muxer, stream):
                kept.append(stream.index)
                continue
            others = [s for s, other in CONTAINERS.items() if _takes_stream(other, stream)]
            cure = f"name the output {' or '.join(others)} to keep it" if others else ""
            what = f"{stream.type} stream {stream.index} ({codec_name(stream)})"
            if stream.type == "audio":
                raise ContainerError(
                    f"{info.path}: {_suffix(muxer)} cannot hold {what}; "
                    f"{cure or 'none of the containers offered can'}"
                )
            dropped.append(
                f"{what} does not fit into {_suffix(muxer)} and is left out"
                + (f"; {cure}" if cure else "")
            )
    return Copying(tuple(kept), tuple(dropped))


def mux(
    output: Path,
    part: Path,
    muxer: str,
    info: VideoInfo,
    timeline: Timeline,
    segments: Sequence[tuple[Segment, Path]],
    copying: Copying,
    progress: Callable[[int], None] = lambda frames: None,
    cut: Cut | None = None,
    checking: Callable[[int], None] = lambda frames: None,
    complete: Callable[[Path, Check], None] = lambda part, found: None,
) -> Check:
    """Write finished segments and the source's other streams to `part`, then rename it `output`.

    Both are on one file system, so the output appears whole or not at all, and `part` is gone
    either way. What was written is compared with the source (check.py); `complete` is called with
    the checked file before it is renamed.

    Every video packet gets the pts of its frame in the source. As dts, the n-th packet of the
    whole stream gets the n-th smallest pts minus one common delay: dts as the segments store them
    collide at the seams when there are B-frames.

    With a `cut` the segments hold its frames, still numbered as in the whole video, and the output
    only what belongs to them (see packets.Window). A cut that begins later than the video moves
    all times so that its first frame is shown at 0. A packet of sound that begins before that is
    skipped up to there by the edit list in MP4 and MOV; in Matroska, unless it can be, it is left
    out, and the sound begins up to one packet late, in its place.

    Raises OutputError where the output cannot be written or the segments do not hold their frames,
    CheckError where it does not agree with the source: then it is kept under another name.
    """
    cut = cut if cut is not None else Cut(0, len(timeline))
    try:
        _write(part, muxer, info, timeline, segments, copying, progress, cut)
        if _lacks_aspect(info, muxer):
            write_aspect(part, info.sample_aspect_ratio, ratio=muxer != "webm")
        span = (cut.start, cut.stop)
        found = checked(output, part, info, timeline, span, copying.kept, checking)
        complete(part, found)
        put_in_place(part, output)
        return found
    except av.error.FFmpegError as error:
        raise write_error(output, error) from error
    finally:
        part.unlink(missing_ok=True)


def _write(
    part: Path,
    muxer: str,
    info: VideoInfo,
    timeline: Timeline,
    segments: Sequence[tuple[Segment, Path]],
    copying: Copying,
    progress: Callable[[int], None],
    cut: Cut,
) -> None:
    whole = (cut.start, cut.stop) == (0, len(timeline))
    window = window_of(timeline, cut.start, cut.stop)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(info.path))
        target = stack.enter_context(
            av.open(str(part), "w", format=muxer, options=_mux_options(info, muxer))
        )
        with av.open(str(segments[0][1])) as first:
            routes = _add_streams(target, source, first.streams.video[0], info, copying, window)
        video = routes[info.stream]
        written = 0
        packets = heapq.merge(
            video_packets(timeline, segments, video),
            other_packets(source, routes, info)
            if whole
            else packets_within(info, source, routes, window),
            key=lambda entry: entry[0],
        )
        for _, packet in packets:
            target.mux(packet)
            if packet.stream is video:
                written += 1
                progress(written)


def _mux_options(info: VideoInfo, muxer: str) -> dict[str, str]:
    if muxer not in ("mp4", "mov"):
        # By default FFmpeg moves all streams until none starts below zero (as AAC's priming does);
        # Matroska can write small negative times, so frames keep theirs.
        return {"avoid_negative_ts": "disabled"}
    # Offsets between streams are stored in the movie's timescale: one that all can be written in.
    bases = [info.time_base.denominator]
    bases += [s.time_base.denominator for s in info.streams if s.time_base and s.kind == "audio"]
    common = math.lcm(*bases)
    return {
        # Without being told to, FFmpeg writes colour only where all three tags are known.
        "movflags": "+faststart" + ("+write_colr" if info.color != ColorTags() else ""),
        "video_track_timescale": str(info.time_base.denominator),
        "movie_timescale": str(common if common < 2**31 else bases[0]),
    }


def _add_streams(
    target: OutputContainer,
    source: InputContainer,
    rendered: VideoStream,
    info: VideoInfo,
    copying: Copying,
    window: Window,
) -> dict[int, Stream]:
    """Output streams by the source's stream index, in the source's order."""
    routes: dict[int, Stream] = {}
    for stream in source.streams:
        if stream.index == info.stream:
            video = _add_video(target, rendered, info)
            routes[stream.index] = video
        elif stream.index in copying.kept:
            routes[stream.index] = target.add_stream_from_template(stream, opaque=True)
        else:
            continue
        added = routes[stream.index]
        added.disposition = stream.disposition
        added.metadata.update(_content_metadata(stream.metadata, window))
        if added is routes.get(info.stream) and _lacks_aspect(info, target.format.name):
            added.metadata["title"] = added.metadata.get("title", "") + FILLER
    target.metadata.update(_content_metadata(source.metadata, window))
    target.set_chapters(_chapters_within(source.chapters(), window))
    return routes


def _add_video(target: OutputContainer, rendered: VideoStream, info: VideoInfo) -> VideoStream:
    """The output's video. All that is said of its picture is said anew: of what the packets do not
    hold themselves, a segment's container has lost a part."""
    source, pix_fmt = rendered.codec_context, rendered.codec_context.pix_fmt or ""
    with with_tags(rendered, tags_written(info, pix_fmt, source.width // info.width)) as template:
        video = target.add_stream_from_template(template, opaque=True)
    assert isinstance(video, VideoStream)
    video.time_base = Fraction(1, info.time_base.denominator)
    context = video.codec_context
    context.pix_fmt = pix_fmt
    if info.average_rate is not None:
        context.framerate = info.average_rate
    if target.format.name in ("mp4", "mov") and codec_name(video) == "hevc":
        context.codec_tag = "hvc1"
    if info.declares_aspect:
        context.sample_aspect_ratio = info.sample_aspect_ratio
    color = color_written(info, pix_fmt, codec_name(rendered))
    context.color_range, context.colorspace = color.range, color.matrix
    context.color_primaries, context.color_trc = color.primaries, color.transfer
    if info.display_matrix is not None:
        video.set_display_matrix(info.display_matrix)
    return video


def _lacks_aspect(info: VideoInfo, muxer: str) -> bool:
    """Whether the aspect must be written when the file is finished."""
    return muxer in ("matroska", "webm") and info.sample_aspect_ratio != 1


def _content_metadata(metadata: dict[str, str], window: Window) -> dict[str, str]:
    # A timecode is that of the first frame, which a cut that begins later leaves out.
    stale = _WRITTEN_ANEW if window.start is None else _WRITTEN_ANEW | {"timecode"}
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in stale and not key.startswith("_STATISTICS")
    }


def _chapters_within(chapters: list[Chapter], window: Window) -> list[Chapter]:
    """The chapters that overlap the window, cut to it, at their times in the output."""
    if window.start is None and window.stop is None:
        return chapters
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = Fraction(chapter["time_base"] or 1)
        start, end = chapter["start"] * unit, chapter["end"] * unit
        if window.start is not None:
            start = max(start, window.start)
        if window.stop is not None:
            end = min(end, window.stop)
        first, last = (round((time - window.moved) / unit) for time in (start, end))
        if first < last:
            kept.append({**chapter, "start": first, "end": last})
    return kept


def _takes_codec(muxer: str, codec: str) -> bool:
    with av.open(io.BytesIO(), "w", format=muxer) as container:
        name = {"h265": "hevc"}.get(codec, codec)
        return name in container.supported_codecs


def _takes_stream(muxer: str, stream: Stream) -> bool:
    # Muxers take headers of data streams whose packets they then refuse, when all work is done.
    if stream.type == "data":
        return False
    # Matroska would write a cover as a second video of one frame.
    if stream.disposition & Disposition.attached_pic and muxer in ("matroska", "webm"):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def _suffix(muxer: str) -> str:
    return next(suffix for suffix, name in CONTAINERS.items() if name == muxer)
