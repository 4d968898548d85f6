"""Which of a source's other streams an output's container can hold; decided before any work."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from videnhance.errors import ContainerError
from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import codec_name, is_cover, open_source, packets_of
from videnhance.media.sound import acm
from videnhance.media.timeline import LONGEST, Timeline
from videnhance.media.writing.codecs import AVI, CODECS, CONTAINERS, MUXERS

_IN_AVI = ("pcm_s16le", "pcm_u8", "pcm_alaw", "pcm_mulaw", "mp2", "mp3")
"""Sound that AVI keeps packet for packet. AAC begins with a packet that is not to be heard, which
AVI cannot say; of ADPCM and AC-3, PyAV gives the muxer no true length of a block."""
_LOOK = 1000
"""How many packets of a source are searched for the first one of each stream."""


BESIDE = "is copied as it is, with its faces"
"""What is said of every other video."""


@dataclass(frozen=True)
class Copying:
    """What happens to the source's other streams in a given container."""

    kept: tuple[int, ...]
    """Indices of the streams copied packet for packet."""
    dropped: tuple[str, ...]
    """One sentence per stream that the container cannot hold, naming one that could."""
    encoded: tuple[int, ...] = ()
    """Indices of audio streams that are re-encoded as AAC."""
    beside: tuple[str, ...] = ()
    """One sentence per other video that is copied."""


def plan_copying(info: VideoInfo, muxer: str, codec: str, audio: str = "copy") -> Copying:
    """Which streams the container can hold; tested with the muxer itself, by a header in memory.

    `audio` is what to do with sound (settings.AUDIO). Raises ContainerError, naming a container
    that fits, if the video codec does not fit, or sound that should be copied: sound is never
    dropped silently.
    """
    if not _takes_codec(muxer, codec):
        fits = [s for s, other in CONTAINERS.items() if _takes_codec(other, codec)]
        raise ContainerError(
            f"{_suffix(muxer)} cannot hold {codec} video; name the output {' or '.join(fits)}"
        )
    kept: list[int] = []
    anew: list[int] = []
    notes: list[str] = []
    beside: list[str] = []
    with open_source(info) as source:
        first = _first_packets(source)
    with open_source(info) as source:
        for stream in source.streams:
            what = f"{stream.type} stream {stream.index} ({codec_name(stream)})"
            if stream.index == info.stream or _is_written_anew(source, stream):
                continue
            if stream.type == "audio" and audio == "none":
                notes.append(f"{what} is left out, as asked for (--audio none)")
                continue
            if _takes_stream(muxer, stream, first):
                kept.append(stream.index)
                if isinstance(stream, VideoStream) and not is_cover(stream):
                    size = f"{stream.codec_context.width}x{stream.codec_context.height}"
                    beside.append(
                        f"video stream {stream.index} ({codec_name(stream)}, {size}) {BESIDE}; "
                        f"--stream {stream.index} enhances it"
                    )
                continue
            others = [s for s, other in CONTAINERS.items() if _takes_stream(other, stream, first)]
            decodable = stream.codec_context is not None and _takes_codec(muxer, "aac")
            if stream.type == "audio" and audio == "aac" and decodable:
                anew.append(stream.index)
                notes.append(
                    f"{what} does not fit into {_suffix(muxer)} and is encoded anew as AAC, as "
                    "asked for (--audio aac)"
                )
                continue
            cure = f"name the output {' or '.join(others)} to keep it" if others else ""
            if stream.type == "audio":
                choices = "--audio none leaves it out"
                if decodable:
                    choices = f"--audio aac encodes it anew, {choices}"
                if stream.codec_context is None:
                    raise ContainerError(
                        f"{info.path}: FFmpeg does not know the codec of audio stream "
                        f"{stream.index}, so no output can say what it is; {choices}"
                    )
                raise ContainerError(
                    f"{info.path}: {_suffix(muxer)} cannot hold {what}; "
                    f"{cure or 'nor can any other container offered'}, or choose: {choices}"
                )
            notes.append(
                f"{what} does not fit into {_suffix(muxer)} and is left out"
                + (f"; {cure}" if cure else "")
            )
    return Copying(tuple(kept), tuple(notes), tuple(anew), tuple(beside))


def refuse_unfit_times(path: Path, timeline: Timeline, muxer: str) -> None:
    """Raises ContainerError if frames follow each other faster than the container's clock counts,
    or are further apart than it can store."""
    furthest = max((b - a for a, b in pairwise(timeline.pts)), default=0)
    if muxer in ("mp4", "mov") and furthest > LONGEST:
        raise ContainerError(
            f"{path}: two of its frames are {float(furthest * timeline.time_base) / 3600:.1f} "
            f"hours apart, more than {_suffix(muxer)} can tell; name the output .mkv, or choose a "
            "part with --start and --end"
        )
    steps = len(timeline) - 1
    seconds = (timeline.pts[-1] - timeline.pts[0]) * timeline.time_base
    if muxer in ("matroska", "webm") and steps and seconds / steps < Fraction(1, 1000):
        raise ContainerError(
            f"{path}: {_suffix(muxer)} counts time in milliseconds, too coarse for its "
            f"{float(steps / seconds):.0f} frames a second; name the output .mp4 or .mov"
        )


def add_copied(target: OutputContainer, stream: Stream) -> Stream:
    """A stream of `target` for the packets of `stream`; the container must accept it."""
    if acm.is_refused(target.format.name, stream):
        return acm.add_stream(target, stream)
    return target.add_stream_from_template(stream, opaque=True)


def _is_written_anew(source: InputContainer, stream: Stream) -> bool:
    """Whether a data stream of MP4 or MOV holds what the muxer writes from other sources: chapters,
    or the timecode, which is also metadata of the video."""
    if stream.type != "data" or "mov" not in source.format.name:
        return False
    chapters = bool(source.chapters()) and stream.name in ("bin_data", "text")
    return "timecode" in stream.metadata or chapters


def _first_packets(source: InputContainer) -> dict[int, Packet[Any]]:
    """The first packet of each stream that is not video, where it is near the beginning."""
    wanted = [s for s in source.streams if s.type != "video"]
    found: dict[int, Packet[Any]] = {}
    if wanted:
        for packet in islice(packets_of(source), _LOOK):
            if packet.stream.type != "video" and packet.size:
                found.setdefault(packet.stream_index, packet)
            if len(found) == len(wanted):
                break
    return found


def _takes_codec(muxer: str, codec: str) -> bool:
    """`codec`: a row of CODECS, or FFmpeg's name."""
    with av.open(io.BytesIO(), "w", format=muxer) as container:
        name = CODECS[codec].coded if codec in CODECS else codec
        if muxer == MUXERS[AVI]:
            return codec in CODECS and CODECS[codec].in_order is not None
        return name in container.supported_codecs


def _takes_stream(muxer: str, stream: Stream, first: Mapping[int, Packet[Any]]) -> bool:
    if acm.is_refused(muxer, stream):
        return acm.is_taken(stream)
    if muxer == MUXERS[AVI]:
        return stream.type == "audio" and codec_name(stream) in _IN_AVI
    # Matroska would write a cover picture as a second video of one frame.
    if stream.disposition & Disposition.attached_pic and muxer in ("matroska", "webm"):
        return False
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=muxer) as container:
            copy = container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
            # Muxers accept headers of data streams and then refuse their packets; MP4 describes a
            # stream, which damage may forbid, when it has a packet and is finished: try one.
            if stream.index not in first:
                return stream.type != "data"
            packet = Packet(bytes(first[stream.index]))
            packet.pts = packet.dts = 0
            packet.time_base = first[stream.index].time_base
            packet.duration = first[stream.index].duration
            packet.stream = copy
            with nullcontext() if stream.type == "data" else suppress(av.error.FFmpegError):
                container.mux(packet)
        if stream.type != "data":
            return True
        memory.seek(0)
        with av.open(memory, "r") as container:
            return bytes(packet) in (bytes(read) for read in container.demux() if read.size)
    except (av.error.FFmpegError, ValueError):
        return False


def _suffix(muxer: str) -> str:
    return next(suffix for suffix, name in MUXERS.items() if name == muxer)
