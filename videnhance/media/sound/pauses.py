"""Silence in the pauses of PCM, for MP4, MOV and AVI.

These containers store PCM samples one after the other, without times: everything after a pause
would be played too early. AVI has no time for the first one either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from videnhance.media.reading.source import codec_name
from videnhance.media.sound.cutting import begin_of, sample_width

SEAMLESS = ("mp4", "mov", "avi")
"""Muxers that cannot store pauses in PCM."""
UNTIMED = ("avi",)
"""Those of them in which all sound begins at 0."""
_PAUSE, _LEAST = Fraction(2, 5), Fraction(5, 1000)
"""A gap shorter than this share of a video frame, or than this many seconds, is not filled: times
may jitter by that much. The check allows half a frame."""
_LONGEST = 600
"""Longest pause, in seconds, that is filled: more is not worth its bytes."""
_PIECE = 1
"""Longest packet of silence, in seconds."""

_SILENCE = {"pcm_mulaw": b"\xff", "pcm_alaw": b"\xd5", "pcm_u8": b"\x80"}
"""The byte that is silence (ITU-T G.711: the codes of the smallest value). It is 0 for signed
samples and floats."""


def filled(
    frame_rate: Fraction | None,
    packets: Iterable[Packet[Any]],
    silent: Callable[[int, Fraction, Fraction], None] = lambda stream, begin, end: None,
    start: Fraction | None = None,
) -> Iterator[Packet[Any]]:
    """The packets, with packets of silence added where PCM pauses.

    `frame_rate`: the video's frames a second, None if unknown. `silent` is called for each pause
    with the stream's index, and its begin and end in seconds. `start`: the second at which all
    sound must begin, in a container that has no time for it; None if it may begin at any.
    """
    pause = max(_PAUSE / frame_rate, _LEAST) if frame_rate else _LEAST
    due: dict[int, Fraction] = {}
    for packet in packets:
        stream, begin = packet.stream, begin_of(packet)
        width, byte = sample_width(stream), _silence_of(stream)
        if isinstance(stream, AudioStream) and width and byte and begin is not None:
            index, rate = stream.index, stream.codec_context.sample_rate
            now = due.get(index, begin if start is None else min(start, begin))
            missing = round((begin - now) * rate)
            least = pause if index in due else Fraction(1, 2 * rate)
            if least * rate < missing <= _LONGEST * rate:
                after = now + Fraction(missing, rate)
                silent(index, now, after)
                while now < after:
                    samples = min(int((after - now) * rate), _PIECE * rate)
                    yield _piece(packet, byte * (samples * width), now, Fraction(samples, rate))
                    now += Fraction(samples, rate)
            due[index] = now + Fraction(packet.size // width, rate)
        yield packet


def _silence_of(stream: Stream) -> bytes | None:
    name = codec_name(stream)
    return _SILENCE.get(name, b"\0" if name.startswith(("pcm_s", "pcm_f")) else None)


def _piece(packet: Packet[Any], data: bytes, begin: Fraction, length: Fraction) -> Packet[Any]:
    piece: Packet[Any] = Packet(data)
    unit = Fraction(packet.time_base or 1)
    piece.stream, piece.time_base = packet.stream, packet.time_base
    piece.pts = piece.dts = round(begin / unit)
    piece.duration = round(length / unit)
    piece.is_keyframe = True
    return piece
