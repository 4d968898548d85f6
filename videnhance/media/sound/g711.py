"""G.711 sound in Matroska. PyAV refuses it, though Matroska can hold it and FFmpeg can read it.

Its packets are written as 8-bit PCM, which has the same form. When the file is finished, the track
gets its true codec: A_MS/ACM with a WAVEFORMATEX (RFC 9559; RFC 2361, tags 6 and 7). Ours until
PyAV takes such a stream; no other library we use writes Matroska.
"""

from __future__ import annotations

import struct
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

from videnhance.media.reading.matroska import Element, elements_of, encoded, rewrite_tracks
from videnhance.media.reading.source import codec_name
from videnhance.media.sound.cutting import layout_of

TAGS = {"pcm_alaw": 6, "pcm_mulaw": 7}
_MARK = "," * 48
"""Padding at the end of such a track's title while it is written: it keeps room for the codec's
data, which replaces it in the finished file."""
_NAME, _CODEC, _PRIVATE = 0x536E, 0x86, 0x63A2


def is_refused(muxer: str, stream: Stream) -> bool:
    """Whether a stream must be written in this way."""
    return muxer == "matroska" and isinstance(stream, AudioStream) and codec_name(stream) in TAGS


def is_taken(stream: Stream) -> bool:
    """Whether it can be: not if damage has left it without channels or sampling rate."""
    assert isinstance(stream, AudioStream)
    sound = stream.codec_context
    return sound.layout.nb_channels > 0 and sound.sample_rate > 0


def add_stream(target: OutputContainer, stream: Stream) -> Stream:
    """A stream of `target` for packets of `stream`; its title must end with `mark_of(stream)`."""
    assert isinstance(stream, AudioStream)
    sound = stream.codec_context
    return target.add_stream("pcm_u8", rate=sound.sample_rate, layout=layout_of(stream))


def mark_of(stream: Stream) -> str:
    """The mark that the title of such a stream must end with."""
    return _MARK + str(TAGS[codec_name(stream)])


def name_tracks(path: Path) -> None:
    """Set the codec of all such tracks of a finished file, and remove the marks from titles."""

    def named(track: Element) -> Element:
        elements = elements_of(track.data)
        name = dict(elements).get(_NAME, b"").decode()
        title, mark, tag = name.rpartition(_MARK)
        if not mark:
            return track
        rate, channels = _sampling(elements)
        # Format tag, channels, samples a second, bytes a second, block size, bits a sample, and 0
        # for no further data.
        wave = struct.pack("<HHIIHHH", int(tag), channels, rate, rate * channels, channels, 8, 0)
        changed = [e for e in elements if e.id not in (_NAME, _CODEC, _PRIVATE)]
        changed += [Element(_CODEC, b"A_MS/ACM"), Element(_PRIVATE, wave)]
        if title:
            changed.append(Element(_NAME, title.encode()))
        return Element(track.id, encoded(changed))

    rewrite_tracks(path, named)


def _sampling(track: list[Element]) -> tuple[int, int]:
    """Samples a second, and channels (1 if the track does not declare them)."""
    sound = dict(elements_of(dict(track)[0xE1]))
    rate = sound[0xB5]
    channels = int.from_bytes(sound.get(0x9F, b"\x01"), "big")
    return int(struct.unpack(">d" if len(rate) == 8 else ">f", rate)[0]), channels
