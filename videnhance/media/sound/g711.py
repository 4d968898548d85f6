"""G.711 sound in Matroska, which PyAV refuses though Matroska holds it and FFmpeg reads it.

Its packets are written as those of 8-bit PCM, which have the same form. When the file is finished
the track is given its true name: A_MS/ACM with a WAVEFORMATEX (RFC 9559; RFC 2361, tags 6 and 7).
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
"""Ends the name of such a track until it is finished: room for what it needs then."""
_NAME, _CODEC, _PRIVATE = 0x536E, 0x86, 0x63A2


def is_refused(muxer: str, stream: Stream) -> bool:
    """Whether a stream needs to be written in this way."""
    return muxer == "matroska" and isinstance(stream, AudioStream) and codec_name(stream) in TAGS


def is_taken(stream: Stream) -> bool:
    """Whether it can be written so: not where damage has left no channels or no frequency."""
    assert isinstance(stream, AudioStream)
    sound = stream.codec_context
    return sound.layout.nb_channels > 0 and sound.sample_rate > 0


def add_stream(target: OutputContainer, stream: Stream) -> Stream:
    """A stream of `target` for packets of `stream`; its title must end with `mark_of` it."""
    assert isinstance(stream, AudioStream)
    sound = stream.codec_context
    return target.add_stream("pcm_u8", rate=sound.sample_rate, layout=layout_of(stream))


def mark_of(stream: Stream) -> str:
    """What the title of such a stream must end with."""
    return _MARK + str(TAGS[codec_name(stream)])


def name_tracks(path: Path) -> None:
    """Give all such tracks of a finished file their names; their titles are as they were."""

    def named(track: Element) -> Element:
        elements = elements_of(track.data)
        name = dict(elements).get(_NAME, b"").decode()
        title, mark, tag = name.rpartition(_MARK)
        if not mark:
            return track
        rate, channels = _sampling(elements)
        # Format, channels, samples and bytes a second, bytes and bits of a sample, nothing more.
        wave = struct.pack("<HHIIHHH", int(tag), channels, rate, rate * channels, channels, 8, 0)
        changed = [e for e in elements if e.id not in (_NAME, _CODEC, _PRIVATE)]
        changed += [Element(_CODEC, b"A_MS/ACM"), Element(_PRIVATE, wave)]
        if title:
            changed.append(Element(_NAME, title.encode()))
        return Element(track.id, encoded(changed))

    rewrite_tracks(path, named)


def _sampling(track: list[Element]) -> tuple[int, int]:
    """Samples a second, and channels, which are 1 where they are not told."""
    sound = dict(elements_of(dict(track)[0xE1]))
    rate = sound[0xB5]
    channels = int.from_bytes(sound.get(0x9F, b"\x01"), "big")
    return int(struct.unpack(">d" if len(rate) == 8 else ">f", rate)[0]), channels
