"""Sound re-encoded as AAC, for a container that cannot hold it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream

from videnhance.media.clip import Clip
from videnhance.media.reading.source import open_source
from videnhance.media.repair.mending import mended_packets
from videnhance.media.sound.cutting import Window

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Sampling rates of AAC (ISO/IEC 14496-3, 1.6.3.4)."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
_BITS = 64_000
"""Bits a second per channel, if the sampling rate allows that many (6 per sample)."""
_GAP = 0.01
"""Seconds that sound may be off its time before silence is inserted or samples are dropped: half a
frame of a 50 Hz video."""


_LOUDEST = 8.0
"""Largest sample kept. Full scale is 1; sound may exceed it, but no recording does by 18 dB."""


class Decoded(NamedTuple):
    """The span of an audio stream that was decoded, in seconds of the source's clock."""

    begin: float
    end: float


def add_encoded(target: OutputContainer, stream: Stream) -> Stream:
    """An AAC stream for the sound of `stream`, at its rate and with its channels if possible."""
    assert isinstance(stream, AudioStream)
    sound = stream.codec_context
    rate = next((r for r in _RATES if r >= sound.sample_rate), 48000)
    channels = min(max(sound.layout.nb_channels, 1), max(_LAYOUTS))
    bits = min(_BITS, 6 * rate) * channels
    return target.add_stream("aac", rate=rate, layout=_LAYOUTS[channels], bit_rate=bits)


def encoded_packets(
    clip: Clip, index: int, route: Stream, window: Window, decoded: dict[int, Decoded]
) -> Iterator[tuple[float, Packet[Any]]]:
    """(dts in seconds, packet) of one audio stream of a source, re-encoded: the part that the
    window keeps, at its times in the output. Gaps become silence; so does sound that cannot be
    decoded. The decoded span is stored in `decoded` under the stream's index."""
    assert isinstance(route, AudioStream)
    unit = Fraction(1, route.codec_context.sample_rate)
    moved = round(window.moved / unit)
    for frame in chain(_resampled(clip, index, route, window, decoded), (None,)):
        if frame is not None:
            assert frame.pts is not None
            frame.pts -= moved
            bound(frame)
        for packet in route.encode(frame):
            yield float((packet.dts or 0) * packet.time_base), packet


def bound(frame: AudioFrame) -> None:
    """Limit samples, in place, to what can be encoded: damaged sound decodes to any float, even to
    NaN."""
    for plane in frame.planes:
        samples = np.frombuffer(memoryview(plane), np.float32)
        np.nan_to_num(samples, copy=False)
        np.clip(samples, -_LOUDEST, _LOUDEST, out=samples)


def _resampled(
    clip: Clip, index: int, route: AudioStream, window: Window, decoded: dict[int, Decoded]
) -> Iterator[AudioFrame]:
    """The sound in the format that AAC takes, in frames whose pts count samples."""
    graph: Graph | None = None
    with open_source(clip.info) as source:
        stream = source.streams[index]
        assert isinstance(stream, AudioStream)
        for frame in _decoded(clip, source, stream):
            begin = frame.time or 0.0
            if graph is None:
                graph = _graph(stream, frame, route, window)
                decoded[index] = Decoded(begin, begin)
                form = _form(frame)
            if _form(frame) != form:  # its header is damaged: drop it; the gap becomes silence
                continue
            end = begin + frame.samples / frame.sample_rate
            decoded[index] = Decoded(decoded[index].begin, max(decoded[index].end, end))
            graph.push(frame)
            yield from _pulled(graph)
        if graph is not None:
            graph.push(None)
            yield from _pulled(graph)


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _decoded(clip: Clip, source: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    for packet in mended_packets(source, clip.recorded.clock, stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            if frame.pts is not None:
                yield frame


def _graph(stream: AudioStream, first: AudioFrame, route: AudioStream, window: Window) -> Graph:
    graph = Graph()
    target = route.codec_context
    chain = [
        graph.add_abuffer(
            sample_rate=first.sample_rate,
            format=first.format.name,
            layout=first.layout.name,
            time_base=first.time_base or stream.time_base,
        ),
        graph.add("aresample", f"{target.sample_rate}:async=1:min_hard_comp={_GAP}"),
        graph.add(
            "aformat",
            f"sample_fmts=fltp:sample_rates={target.sample_rate}:"
            f"channel_layouts={target.layout.name}",
        ),
    ]
    ends = {"start": window.start, "end": window.stop}
    limits = [f"{name}={float(at):.9f}" for name, at in ends.items() if at is not None]
    if limits:
        chain.append(graph.add("atrim", ":".join(limits)))
    chain.append(graph.add("abuffersink"))
    graph.link_nodes(*chain).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame
