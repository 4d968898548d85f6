"""Sound in Matroska that PyAV refuses, though Matroska can hold it and FFmpeg reads it there.

PyAV asks FFmpeg whether Matroska has a name of its own for a codec. All others that have a number
in WAV go into a track A_MS/ACM, whose private data are WAV's description of the sound, a
WAVEFORMATEX (RFC 9559, and Matroska's codec mappings). FFmpeg makes it here, as the header of a WAV
file in memory.

The packets are written as 8-bit PCM, as they are. When the file is finished, the track gets its
true codec. Ours until PyAV takes such a stream; no other library we use writes Matroska.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from videnhance.media.reading.matroska import Element, elements_of, encoded, rewrite_tracks
from videnhance.media.reading.source import codec_name
from videnhance.media.sound.cutting import layout_of

_MUXER = "matroska"
_MARK = "," * 48
"""At the end of such a track's title while it is written, followed by the codec's data in
hexadecimal digits: this keeps room for the data, which replace it in the finished file."""
_NAME, _CODEC, _PRIVATE = 0x536E, 0x86, 0x63A2
_AUDIO, _BITS = 0xE1, 0x6264


def is_refused(muxer: str, stream: Stream) -> bool:
    """Whether a stream must be written in this way, if it can be written at all."""
    if muxer != _MUXER or not isinstance(stream, AudioStream) or stream.codec_context is None:
        return False
    with av.open(io.BytesIO(), "w", format=muxer) as container:
        return codec_name(stream) not in container.supported_codecs


def is_taken(stream: Stream) -> bool:
    """Whether it can be: WAV has a number for the codec, and what is written is read as it was."""
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=_MUXER) as trial:
            copy = add_stream(trial, stream)
            copy.metadata["title"] = mark_of(stream)
            packet = Packet(bytes(64))
            packet.pts = packet.dts = 0
            packet.stream = copy
            trial.mux(packet)
        name_tracks(memory)
        memory.seek(0)
        with av.open(memory) as written:
            return codec_name(written.streams[0]) == codec_name(stream)
    except (av.error.FFmpegError, ValueError, IndexError):
        return False


def add_stream(target: OutputContainer, stream: Stream) -> Stream:
    """A stream of `target` for packets of `stream`; its title must end with `mark_of(stream)`."""
    assert isinstance(stream, AudioStream)
    rate = stream.codec_context.sample_rate
    return target.add_stream("pcm_u8", rate=rate, layout=layout_of(stream))


def mark_of(stream: Stream) -> str:
    """The mark that the title of such a stream must end with. Raises ValueError or an error of
    FFmpeg where WAV has no number for its codec."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="wav") as container:
        container.add_stream_from_template(stream, opaque=True)
        container.start_encoding()
    header = memory.getvalue()
    at = header.index(b"fmt ")
    (size,) = struct.unpack_from("<I", header, at + 4)
    return _MARK + header[at + 8 : at + 8 + size].hex()


def name_tracks(file: Path | BinaryIO) -> None:
    """Set the codec of all such tracks of a finished file, and remove the marks from titles."""

    def named(track: Element) -> Element:
        elements = elements_of(track.data)
        name = dict(elements).get(_NAME, b"").decode()
        title, mark, wave = name.rpartition(_MARK)
        if not mark:
            return track
        changed = [
            Element(_AUDIO, _without_bits(e.data)) if e.id == _AUDIO else e
            for e in elements
            if e.id not in (_NAME, _CODEC, _PRIVATE)
        ]
        changed += [Element(_CODEC, b"A_MS/ACM"), Element(_PRIVATE, bytes.fromhex(wave))]
        if title:
            changed.append(Element(_NAME, title.encode()))
        return Element(track.id, encoded(changed))

    rewrite_tracks(file, named)


def _without_bits(audio: bytes) -> bytes:
    """A track's sampling without the bits of a sample of PCM."""
    return encoded(e for e in elements_of(audio) if e.id != _BITS)
