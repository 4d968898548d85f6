"""Joining rendered segments and the source's other streams into the output, packet for packet."""

from __future__ import annotations

import heapq
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from videnhance.errors import ContainerError, OutputError
from videnhance.streams import Segment, Timeline, VideoInfo
from videnhance.video.codecs import CONTAINERS
from videnhance.video.source import codec_name, open_source
from videnhance.video.writer import put_in_place, write_error

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
) -> None:
    """Write finished segments and the source's other streams to `part`, then rename it `output`.

    Both are on one file system, so the output appears whole or not at all.

    Every video packet gets the pts of its frame in the source. As dts, the n-th packet of the
    whole stream gets the n-th smallest pts minus one common delay: dts as the segments store them
    collide at the seams when there are B-frames.
    """
    try:
        with ExitStack() as stack:
            source = stack.enter_context(open_source(info.path))
            target = stack.enter_context(
                av.open(str(part), "w", format=muxer, options=_mux_options(info, muxer))
            )
            with av.open(str(segments[0][1])) as first:
                routes = _add_streams(target, source, first, info, copying)
                video = routes[info.stream]
            written = 0
            packets = heapq.merge(
                _video_packets(timeline, segments, video),
                _other_packets(source, routes, info.stream),
                key=lambda entry: entry[0],
            )
            for _, packet in packets:
                target.mux(packet)
                if packet.stream is video:
                    written += 1
                    progress(written)
        put_in_place(part, output)
    except av.error.FFmpegError as error:
        raise write_error(output, error) from error


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
        "movflags": "+faststart",
        "video_track_timescale": str(info.time_base.denominator),
        "movie_timescale": str(common if common < 2**31 else bases[0]),
    }


def _add_streams(
    target: OutputContainer,
    source: InputContainer,
    segment: InputContainer,
    info: VideoInfo,
    copying: Copying,
) -> dict[int, Stream]:
    """Output streams by the source's stream index, in the source's order."""
    routes: dict[int, Stream] = {}
    for stream in source.streams:
        if stream.index == info.stream:
            video = target.add_stream_from_template(segment.streams.video[0], opaque=True)
            video.time_base = Fraction(1, info.time_base.denominator)
            if info.average_rate is not None:
                video.codec_context.framerate = info.average_rate
            if target.format.name in ("mp4", "mov") and codec_name(video) == "hevc":
                video.codec_context.codec_tag = "hvc1"
            if info.display_matrix is not None:
                video.set_display_matrix(info.display_matrix)
            routes[stream.index] = video
        elif stream.index in copying.kept:
            routes[stream.index] = target.add_stream_from_template(stream, opaque=True)
        else:
            continue
        added = routes[stream.index]
        added.disposition = stream.disposition
        added.metadata.update(_content_metadata(stream.metadata))
    target.metadata.update(_content_metadata(source.metadata))
    target.set_chapters(source.chapters())
    return routes


def _content_metadata(metadata: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _WRITTEN_ANEW and not key.startswith("_STATISTICS")
    }


def _segment_packets(
    timeline: Timeline, segments: Sequence[tuple[Segment, Path]]
) -> Iterator[tuple[int, int, Packet[Any]]]:
    """(order of decoding, frame index, packet) of all segments; raises OutputError on a gap."""
    order = 0
    header: bytes | None = None
    for segment, path in segments:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            extradata = stream.codec_context.extradata
            if order and extradata != header:
                raise OutputError(f"{path}: is encoded otherwise than the segments before it")
            header = extradata
            # The file counts ticks of 1/denominator from 0; the plan, units of time_base.
            unit = timeline.time_base / Fraction(stream.time_base or timeline.time_base)
            start = timeline.pts[segment.start]
            for packet in container.demux(stream):
                if packet.size == 0 or packet.pts is None:
                    continue
                index = timeline.index_of(start + int(Fraction(packet.pts) / unit))
                if index is None or not segment.start <= index < segment.stop:
                    raise OutputError(f"{path}: holds a frame that is not in the plan")
                yield order, index, packet
                order += 1
        if order != segment.stop:
            raise OutputError(f"{path}: holds {order - segment.start} of {len(segment)} frames")


def _video_packets(
    timeline: Timeline, segments: Sequence[tuple[Segment, Path]], stream: Stream
) -> Iterator[tuple[float, Packet[Any]]]:
    """(dts in seconds, packet) of the whole video in decoding order."""
    base = Fraction(1, timeline.time_base.denominator)
    step = timeline.time_base.numerator
    # No packet may be decoded after it is shown: by that much decoding runs ahead.
    ahead = max(
        timeline.pts[order] - timeline.pts[index]
        for order, index, _ in _segment_packets(timeline, segments)
    )
    for order, index, packet in _segment_packets(timeline, segments):
        packet.pts = timeline.pts[index] * step
        packet.dts = (timeline.pts[order] - ahead) * step
        packet.duration = timeline.duration_of(index) * step
        packet.time_base = base
        packet.stream = stream
        yield float(packet.dts * base), packet


def _other_packets(
    source: InputContainer, routes: dict[int, Stream], video: int
) -> Iterator[tuple[float, Packet[Any]]]:
    """(seconds, packet) of every copied stream, data and times as they are in the source."""
    chosen = [stream for stream in source.streams if stream.index in routes]
    chosen = [stream for stream in chosen if stream.index != video]
    if not chosen:
        return
    latest = 0.0
    for packet in source.demux(*chosen):
        if packet.size == 0 or packet.time_base is None:
            continue
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is not None:
            latest = float(packet.dts * packet.time_base)
        packet.stream = routes[packet.stream_index]
        yield latest, packet


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
