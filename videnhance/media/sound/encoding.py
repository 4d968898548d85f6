"""Sound encoded anew as AAC, for a container that cannot hold it as it is."""

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
"""Sampling frequencies of AAC (ISO/IEC 14496-3, 1.6.3.4)."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
_BITS = 64_000
"""Bits a second for a channel, where the frequency allows so many (6 for each sample)."""
_GAP = 0.01
"""Seconds by which sound may be away from its time before silence is put in or samples are left
out: half a frame of a 50 Hz video."""


_LOUDEST = 8.0
"""Full scale is 1: sound may reach beyond it, but nothing that was recorded by 18 dB."""


class Heard(NamedTuple):
    """Seconds, of the source's clock, at which what was decoded of a sound begins and ends."""

    begin: float
    end: float


def add_encoded(target: OutputContainer, stream: Stream) -> Stream:
    """A stream of AAC for the sound of `stream`: its frequency and its channels, where AAC has
    them."""
    assert isinstance(stream, AudioStream)
    sound = stream.codec_context
    rate = next((r for r in _RATES if r >= sound.sample_rate), 48000)
    channels = min(max(sound.layout.nb_channels, 1), max(_LAYOUTS))
    bits = min(_BITS, 6 * rate) * channels
    return target.add_stream("aac", rate=rate, layout=_LAYOUTS[channels], bit_rate=bits)


def encoded_packets(
    clip: Clip, index: int, route: Stream, window: Window, heard: dict[int, Heard]
) -> Iterator[tuple[float, Packet[Any]]]:
    """(dts in seconds, packet) of a source's stream of sound, what the window keeps of it, less
    what it moves times by. Gaps become silence; what cannot be decoded is a gap. When the sound was
    decoded is noted in `heard`, by the stream's index."""
    assert isinstance(route, AudioStream)
    unit = Fraction(1, route.codec_context.sample_rate)
    moved = round(window.moved / unit)
    for frame in chain(_resampled(clip, index, route, window, heard), (None,)):
        if frame is not None:
            assert frame.pts is not None
            frame.pts -= moved
            bound(frame)
        for packet in route.encode(frame):
            yield float((packet.dts or 0) * packet.time_base), packet


def bound(frame: AudioFrame) -> None:
    """Keep samples to what can be encoded: damaged sound decodes to any floats, and to none."""
    for plane in frame.planes:
        samples = np.frombuffer(memoryview(plane), np.float32)
        np.nan_to_num(samples, copy=False)
        np.clip(samples, -_LOUDEST, _LOUDEST, out=samples)


def _resampled(
    clip: Clip, index: int, route: AudioStream, window: Window, heard: dict[int, Heard]
) -> Iterator[AudioFrame]:
    """The sound as AAC takes it, in frames with pts that count samples."""
    graph: Graph | None = None
    with open_source(clip.info.path) as source:
        stream = source.streams[index]
        assert isinstance(stream, AudioStream)
        for frame in _decoded(clip, source, stream):
            begin = frame.time or 0.0
            if graph is None:
                graph = _graph(stream, frame, route, window)
                heard[index] = Heard(begin, begin)
                form = _form(frame)
            if _form(frame) != form:  # a damaged header; the gap becomes silence
                continue
            end = begin + frame.samples / frame.sample_rate
            heard[index] = Heard(heard[index].begin, max(heard[index].end, end))
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
    told = [f"{name}={float(at):.9f}" for name, at in ends.items() if at is not None]
    if told:
        chain.append(graph.add("atrim", ":".join(told)))
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
