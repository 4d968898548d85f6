"""Which frames go into the output as the source has them: packets are copied, not encoded again.

Two encoders then write one stream, each with its own parameter sets. They are told apart by their
numbers (ids): ours get one that the source does not use, and the output's header has both. So that
a player shows both alike, a source is copied from only if its parameter sets say the same of their
pictures as ours do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from videnhance.media.clip import Clip
from videnhance.media.reading.decoding import FULL_RANGE_NAMES
from videnhance.media.reading.groups import Group, header_of
from videnhance.media.reading.h264 import H264Error, Header, sequence_of
from videnhance.media.timeline import Segment
from videnhance.media.writing.segment import Encoding

_ENCODER, _PARAMS = "libx264", "x264-params"
_IDS = 32
_MUXERS = ("mp4", "mov", "matroska")
"""Those that keep parameter sets beside the packets, however many there are."""


@dataclass(frozen=True)
class Copyable:
    """How frames of a source can be copied."""

    header: Header
    """The source's parameter sets."""
    id: int
    """The number that parameter sets of encoded frames get."""

    def beside(self, encoding: Encoding) -> Encoding:
        """`encoding`, so that its packets can stand beside copied ones."""
        given = encoding.options.get(_PARAMS)
        own = f"sps-id={self.id}"
        params = f"{given}:{own}" if given else own
        return replace(encoding, options={**encoding.options, _PARAMS: params})


class NotCopied(ValueError):
    """Why a source's frames cannot be copied, in words."""


def copyable(clip: Clip, encoding: Encoding, muxer: str) -> Copyable | None:
    """How frames of the clip can be copied into an output of this encoding; None where the output
    is no H.264 in the source's own format.

    Raises NotCopied where only the stream itself is in the way, and InputError.
    """
    info, recorded = clip.info, clip.recorded
    alike = (
        info.codec == "h264"
        and encoding.encoder == _ENCODER
        and muxer in _MUXERS
        and (encoding.width, encoding.height) == (info.width, info.height)
        and encoding.pix_fmt == FULL_RANGE_NAMES.get(info.pix_fmt, info.pix_fmt)
        and clip.cleaning is None
    )
    if not alike:
        return None
    if recorded.examination is not None:
        raise NotCopied("it is damaged, or its times had to be repaired")
    if info.picture.dynamic:
        raise NotCopied("single frames carry HDR metadata")
    try:
        header = header_of(info)
        used = header.ids
        pictures = [sequence_of(unit).picture for unit in header.sps]
    except H264Error as error:
        raise NotCopied(str(error)) from error
    if len(pictures) != 1 or not header.pps:
        raise NotCopied(f"its header has {len(pictures)} sequence parameter sets, not one")
    if pictures[0].chroma == 3:
        raise NotCopied("older encoders wrote 4:4:4 in ways that a decoder must be told of")
    if not pictures[0].progressive:
        raise NotCopied("it is coded interlaced")
    found = Copyable(header, next(k for k in range(1, _IDS) if k not in used))
    ours = sequence_of(encoder_header(found.beside(encoding)).sps[0])
    if ours.id != found.id:
        raise NotCopied("this encoder does not number its parameter sets")
    for name, own in ours.picture._asdict().items():
        if own != getattr(pictures[0], name):
            raise NotCopied(f"its stream itself says other things of its picture ({name})")
    return found


def encoder_header(encoding: Encoding) -> Header:
    """The parameter sets that an encoder of H.264 will write. Raises H264Error."""
    context = cast(VideoCodecContext, VideoCodecContext.create(encoding.encoder, "w"))
    encoding.tell(context)
    context.framerate = encoding.rate
    context.options = dict(encoding.options)
    context.flags |= Flags.global_header
    context.open()
    return Header.of(context.extradata)


def output_header(source: Header, encoded: bytes | None) -> bytes:
    """The header of an output of copied packets, and of encoded ones with the header `encoded`
    (None: there are none). Raises H264Error."""
    sps, pps = source.sps, source.pps
    if encoded is not None:
        own = Header.of(encoded)
        sps, pps = (*sps, *own.sps), (*pps, *own.pps)
    return Header(4, sps, pps).encoded()


def divided(
    segments: Sequence[Segment], groups: Sequence[Group], taken: Sequence[range]
) -> tuple[tuple[Segment, ...], tuple[Group, ...]]:
    """The segments without the frames that can be copied, and those frames.

    A group is copied if it lies within the segments and holds no frame of those `taken`. What is
    left of a segment is one segment for each stretch.
    """
    start, stop = segments[0].start, segments[-1].stop
    runs: list[Group] = []
    for group in groups:
        within = start <= group.start and group.stop <= stop
        if not within or any(r.start < group.stop and group.start < r.stop for r in taken):
            continue
        if runs and runs[-1].stop == group.start:
            last = runs.pop()
            group = Group(last.start, group.stop, max(last.ahead, group.ahead))
        runs.append(group)
    left: list[tuple[int, int]] = []
    for segment in segments:
        at = segment.start
        for run in runs:
            if run.start < segment.stop and segment.start < run.stop:
                left += [(at, run.start)] if at < run.start else []
                at = max(at, run.stop)
        left += [(at, segment.stop)] if at < segment.stop else []
    return tuple(Segment(k, first, after) for k, (first, after) in enumerate(left)), tuple(runs)
