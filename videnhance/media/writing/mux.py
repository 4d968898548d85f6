"""Muxing: joins rendered segments and the source's other streams, packet by packet."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from videnhance.files import written
from videnhance.media.check.frames import Check, Expected, checked, passes
from videnhance.media.clip import Clip
from videnhance.media.info import ColorTags, VideoInfo
from videnhance.media.names import as_file
from videnhance.media.reading.groups import Untouched
from videnhance.media.reading.marks import marks_in
from videnhance.media.reading.matroska import FILLER, with_tags, write_aspect
from videnhance.media.reading.source import codec_name, open_source
from videnhance.media.sound import acm
from videnhance.media.sound.cutting import Window, begin_of, moved_to_zero, window_of
from videnhance.media.sound.encoding import Decoded, add_encoded, encoded_packets
from videnhance.media.timeline import Segment
from videnhance.media.writing import avi
from videnhance.media.writing.formats import color_written, tags_written
from videnhance.media.writing.marks import Mark
from videnhance.media.writing.metadata import (
    chapters_within,
    content_metadata,
    described,
    lost_from,
    metadata_options,
)
from videnhance.media.writing.origin import creation_time, from_first, sentences, with_origin
from videnhance.media.writing.packets import other_packets, packets_within, video_packets
from videnhance.media.writing.segment import write_error
from videnhance.media.writing.streams import Copying, add_copied
from videnhance.media.writing.untouched import output_header

_LATE = Fraction(1, 100)
"""Seconds by which a copied video may begin later than the range without a word."""


@dataclass(frozen=True)
class Cut:
    """Frames start..stop (half-open) of the source, if the output shall hold only these."""

    start: int
    stop: int


def mux(
    output: Path,
    part: Path,
    muxer: str,
    clip: Clip,
    segments: Sequence[tuple[Segment, Path]],
    copying: Copying,
    progress: Callable[[int], None] = lambda frames: None,
    cut: Cut | None = None,
    checking: Callable[[int], None] = lambda frames: None,
    complete: Callable[[Path, Check], None] = lambda part, found: None,
    *,
    ends_with_picture: bool = False,
    keep_origin: bool = False,
    untouched: Untouched | None = None,
    mark: Mark | None = None,
    seal: Callable[[Path], None] = lambda part: None,
) -> Check:
    """Write finished segments and the source's other streams to `part`, then rename it to `output`.

    Both are on one file system, so the output appears complete or not at all, and `part` is gone
    either way. `ends_with_picture`: what the source holds after the last frame is left out, since
    it was not there when its frames were read. What was written is compared with the source
    (check/frames.py); `complete` is called with the checked file before it is renamed. The frames
    that are `untouched` are in no segment: the source's own packets of them are copied. `mark`:
    what the output says of itself; without one, what its source does. `seal` is called with the
    file when all is written, and may write it anew; what is checked is what it leaves.

    Every video packet gets the pts of its frame in the source. As dts, the n-th packet of the
    whole stream gets the n-th smallest pts minus one common delay: the dts stored in the segments
    collide at the seams if there are B-frames.

    With a `cut`, the segments hold its frames, numbered as in the whole video, and the output holds
    only what belongs to them (see cutting.Window). If the cut begins later than the video, all
    times are moved so that its first frame is shown at 0. Of an audio packet that begins before 0,
    players skip the early part by the edit list in MP4 and MOV. Matroska can do that only for some
    codecs; otherwise the packet is dropped, and the sound begins up to one packet late, at its
    right time. Video that begins before 0 keeps its times if the container can store them;
    otherwise all times are moved so that the first of picture and sound is at 0. They are moved so
    too if both begin later than 0 (writing/origin.py). With `keep_origin` neither that nor a cut
    moves times.

    Raises OutputError if the output cannot be written or the segments do not hold their frames, and
    CheckError if it does not agree with the source: it is then kept under another name.
    """
    info, timeline = clip.info, clip.timeline
    mark = mark if mark is not None else Mark(found=marks_in(info))
    cut = cut if cut is not None else Cut(0, len(timeline))
    span = (cut.start, cut.stop)
    begin = from_first(clip, (*copying.kept, *copying.encoded))
    window = (
        avi.window_in(clip, span, copying.kept)
        if muxer == "avi"
        else with_origin(window_of(timeline, *span), begin, keep=keep_origin)
    )
    if ends_with_picture and window.stop is None:
        end = timeline.pts[cut.stop - 1] + timeline.duration_of(cut.stop - 1)
        window = replace(window, stop=end * timeline.time_base)
    below = muxer != "avi" and window.start is None and timeline.pts[0] < 0
    if below and muxer in ("mp4", "mov"):
        window = moved_to_zero(window, clip)
    with written(output, part):
        try:
            decoded, begun = _write(
                part, muxer, clip, segments, copying, progress, window, untouched, mark
            )
            place = _place(info, copying, begun if muxer in ("mp4", "mov") else copying.kept)
            expected = Expected(clip, window, span, copying.kept, decoded, untouched, place)
            # FFmpeg reads times before 0 in Matroska only if it can guess them: test, else move.
            early = below or _has_early_sound(info, copying.kept)
            early = early and muxer != "avi" and window.start is None and not window.moved
            if early and not passes(part, expected):
                window = moved_to_zero(window, clip)
                decoded, begun = _write(
                    part, muxer, clip, segments, copying, progress, window, untouched, mark
                )
                expected = replace(expected, window=window, decoded=decoded)
            if _lacks_aspect(info, muxer):
                write_aspect(part, info.sample_aspect_ratio, ratio=muxer != "webm")
            if muxer == "matroska":
                acm.name_tracks(part)
            mark.append(part, muxer)
            seal(part)
            found = checked(output, part, expected, checking)
            lost = lost_from(info, part, output.suffix, window, copying.kept)
            silent = [k for k, (begin, end) in decoded.items() if begin == end]
            lost += tuple(f"audio stream {k} cannot be decoded and is silent" for k in silent)
            lost += sentences(part, output.suffix, window, begin)
            lost += tuple(_late_videos(info, copying, window, begun))
            found = replace(found, lost=lost, origin=float(window.moved), place=place)
            complete(part, found)
        except av.error.FFmpegError as error:
            raise write_error(output, error) from error
    return found


def _write(
    part: Path,
    muxer: str,
    clip: Clip,
    segments: Sequence[tuple[Segment, Path]],
    copying: Copying,
    progress: Callable[[int], None],
    window: Window,
    untouched: Untouched | None,
    mark: Mark,
) -> tuple[dict[int, Decoded], dict[int, Fraction | None]]:
    """Write the file. Returns, by the source's index, the decoded spans of the audio streams that
    are re-encoded, and when each stream begins in the output, if something of it is in it."""
    info = clip.info
    begun: dict[int, Fraction | None] = {}
    decoded = dict.fromkeys(copying.encoded, Decoded(0, 0))
    with ExitStack() as stack:
        source = stack.enter_context(open_source(info))
        target = stack.enter_context(
            av.open(
                as_file(part),
                "w",
                format=muxer,
                options=_mux_options(
                    clip,
                    muxer,
                    copying,
                    content_metadata(source.metadata, window, info.average_rate),
                ),
            )
        )
        first = source.streams[info.stream]  # where no frame is encoded
        if segments:
            first = stack.enter_context(av.open(as_file(segments[0][1]))).streams.video[0]
        assert isinstance(first, VideoStream)
        routes = _add_streams(target, source, first, clip, copying, window)
        target.metadata.update(mark.tags(muxer, target.metadata))
        video = routes[info.stream]
        if untouched is not None and untouched.runs:
            own = first.codec_context.extradata if segments else None
            video.codec_context.extradata = output_header(untouched.header, own)
        pictures = video_packets(clip, segments, video, window.moved, untouched)
        if muxer == "avi":
            span = (segments[0][0].start, segments[-1][0].stop)
            part_of = clip.timeline.part(*span)
            video.time_base = 1 / (avi.even_rate(part_of, clip.rate) or Fraction(25))
            end = (part_of.pts[-1] + part_of.last_duration) * part_of.time_base - window.moved
            pictures = avi.in_places(pictures, first, video, end)
        written = 0
        copied = {k: route for k, route in routes.items() if k not in copying.encoded}
        packets = heapq.merge(
            pictures,
            other_packets(source, copied, clip)
            if window == Window(None, None) and muxer != "avi"
            else packets_within(clip, source, copied, window),
            *(encoded_packets(clip, k, routes[k], window, decoded) for k in copying.encoded),
            key=lambda entry: entry[0],
        )
        sources = {route.index: index for index, route in routes.items()}
        for _, packet in packets:
            begun.setdefault(sources[packet.stream_index], begin_of(packet))
            target.mux(packet)
            if packet.stream is video and packet.size:
                written += 1
                progress(written)
    return decoded, begun


def _place(info: VideoInfo, copying: Copying, there: Container[int]) -> int:
    """Number of the enhanced video among all of the output. `there`: the streams that it has a
    track of; MP4 and MOV have none without packets."""
    others = [s.index for s in info.streams if s.is_video and s.index in copying.kept]
    return sum(index in there and index < info.stream for index in others)


def _late_videos(
    info: VideoInfo, copying: Copying, window: Window, begun: Mapping[int, Fraction | None]
) -> Iterator[str]:
    """What a range does not hold of the videos that are copied: decoding begins at a keyframe."""
    for stream in info.streams:
        if window.start is None or not stream.is_video or stream.index not in copying.kept:
            continue
        begin = begun.get(stream.index)
        if begin is None:
            yield f"video stream {stream.index} has no keyframe in the range and is left out"
        elif begin > _LATE:
            yield (
                f"video stream {stream.index} begins {float(begin):.3f} s later than the range, at "
                "its first keyframe in it"
            )


def _mux_options(
    clip: Clip, muxer: str, copying: Copying, metadata: dict[str, str]
) -> dict[str, str]:
    if muxer not in ("mp4", "mov"):
        # By default FFmpeg moves all streams until none starts below zero (as AAC's priming does);
        # Matroska can write small negative times, so frames keep theirs.
        return {"avoid_negative_ts": "disabled"}
    # Offsets between streams are stored in the movie's timescale: choose one that fits all.
    info, ticks = clip.info, clip.timeline.time_base.denominator
    others = [s for s in info.streams if s.is_video and s.index in copying.kept]
    scale = math.lcm(ticks, *(s.time_base.denominator for s in others if s.time_base))
    bases = [ticks]
    bases += [s.time_base.denominator for s in info.streams if s.time_base and s.kind == "audio"]
    common = math.lcm(*bases)
    return {
        # Without write_colr, FFmpeg writes colour only if all three tags are known.
        "movflags": "+faststart"
        + ("+write_colr" if info.color != ColorTags() else "")
        + metadata_options(muxer, metadata),
        "video_track_timescale": str(scale if scale < 2**31 else ticks),
        "movie_timescale": str(common if common < 2**31 else bases[0]),
    }


def _add_streams(
    target: OutputContainer,
    source: InputContainer,
    rendered: VideoStream,
    clip: Clip,
    copying: Copying,
    window: Window,
) -> dict[int, Stream]:
    """Output streams by the source's stream index, in the source's order."""
    info = clip.info
    routes: dict[int, Stream] = {}
    for stream in source.streams:
        if stream.index == info.stream:
            video = _add_video(target, rendered, clip)
            routes[stream.index] = video
        elif stream.index in copying.kept:
            routes[stream.index] = add_copied(target, stream)
        elif stream.index in copying.encoded:
            routes[stream.index] = add_encoded(target, stream)
        else:
            continue
        added = routes[stream.index]
        added.disposition = stream.disposition
        own = described(source, stream)
        added.metadata.update(content_metadata(own, window, info.average_rate))
        if stream.index in copying.kept and acm.is_refused(target.format.name, stream):
            added.metadata["title"] = added.metadata.get("title", "") + acm.mark_of(stream)
        if added is routes.get(info.stream) and _lacks_aspect(info, target.format.name):
            added.metadata["title"] = added.metadata.get("title", "") + FILLER
    moment = creation_time(target.format.name, window.moved)
    target.metadata.update(
        {**moment, **content_metadata(source.metadata, window, info.average_rate)}
    )
    target.set_chapters(chapters_within(source.chapters(), window))
    return routes


def _add_video(target: OutputContainer, rendered: VideoStream, clip: Clip) -> VideoStream:
    """The output's video stream. Its picture tags are all set again from the source: a segment's
    container has lost some of those that are not in the packets."""
    info, source = clip.info, rendered.codec_context
    pix_fmt = source.pix_fmt or ""
    with with_tags(rendered, tags_written(info, pix_fmt, source.width // info.width)) as template:
        video = target.add_stream_from_template(template, opaque=True)
    assert isinstance(video, VideoStream)
    video.time_base = Fraction(1, clip.timeline.time_base.denominator)
    context = video.codec_context
    context.pix_fmt = pix_fmt
    if clip.rate is not None:
        context.framerate = clip.rate
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


def _has_early_sound(info: VideoInfo, kept: Sequence[int]) -> bool:
    return any(s.start < 0 for s in info.streams if s.index in kept and s.start is not None)


def _lacks_aspect(info: VideoInfo, muxer: str) -> bool:
    """Whether the sample aspect ratio must be written after the file is finished."""
    return muxer in ("matroska", "webm") and info.sample_aspect_ratio != 1
