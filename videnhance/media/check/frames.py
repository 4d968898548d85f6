"""The check of a finished output against its source: packets are read, nothing is decoded.

What must hold, and how exactly:

    frames      as many as the source has in the range, each at its time. A container counts time
                in ticks of its stream: MP4 and MOV in those of the source, so times are equal;
                Matroska and WebM in whole milliseconds, so a time may be off by up to half a tick.
                AVI has only places: each must be that of the frame's time, to a tick of the source.
    length      the declared end of the last frame: within half a tick for its time, plus, in
                Matroska and WebM, which also round a frame's length, half a tick for that.
    sound       every copied packet is there, in order, with the same data (in a range: all that
                overlap it; PCM to the sample). PCM and ADPCM are compared as one run of bytes,
                because MOV does not keep their packets.
    untouched   the slices of every frame that was not encoded again are the source's, bit for bit
                (untouched.py).
    as stored   the source's frames are shown when an independent reading of it says (witness.py).
    in sync     sound has moved against the picture by less than half the length of an average
                frame, or than the rounding of the two containers, whichever is more.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import av.error
from av.stream import Stream

from videnhance.errors import CheckError, OutputError
from videnhance.files import put_in_place
from videnhance.media.check.sound import (
    Sound,
    compare_ends,
    compare_packets,
    compare_samples,
    read_sounds,
    within,
)
from videnhance.media.check.untouched import compare_untouched
from videnhance.media.check.witness import Span, confirm_times
from videnhance.media.clip import Clip
from videnhance.media.names import as_file
from videnhance.media.reading.groups import Untouched
from videnhance.media.reading.source import is_cover
from videnhance.media.sound.cutting import Window, begin_of
from videnhance.media.sound.encoding import Decoded
from videnhance.media.timeline import Timeline

_SHORT = 0.001
"""Seconds of sound that may become no sample at all if it is re-encoded at another rate."""


@dataclass(frozen=True)
class Check:
    """What the check found. It exists only for an output that passed."""

    frames: int
    """Frames of the output, each at its time in the source."""
    seconds: float
    """From the first frame to the end of the last."""
    sounds: int
    """Number of audio streams compared."""
    sound_packets: int
    """Number of audio packets that are the source's, byte for byte."""
    offset: float
    """Largest number of seconds by which copied sound has moved against the picture."""
    sampled: int = 0
    """Number of copied audio streams that the output's container stores without packets: their
    samples are the source's."""
    encoded: int = 0
    """Number of audio streams that are encoded anew, whose content is not compared."""
    encoded_offset: float = 0.0
    """Largest number of seconds by which the beginning or the end of one of these has moved."""
    picture: bool = False
    """Whether the output is a picture, of which all pixels were read back and compared."""
    repaired: int = 0
    """Audio packets whose times in the source were missing or did not rise. The output is compared
    with the times they were given."""
    silence: float = 0.0
    """Seconds of silence that fill pauses of PCM in the output, whose container has no pauses; of
    the stream with most of it."""
    left_out: int = 0
    """Audio packets dropped because they begin before the output, in a container that cannot store
    such times."""
    witnessed: int = 0
    """Number of times that an independent reading of the source confirms (witness.py)."""
    origin: float = 0.0
    """What the source's clock reads, in seconds, at the output's time 0."""
    untouched: int = 0
    """Frames whose pictures are coded bit for bit as in the source (untouched.py)."""
    place: int = 0
    """Number of the enhanced video among all of the output."""
    lost: tuple[str, ...] = ()
    """What the source declares and the output does not (writing.metadata.lost_from)."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` reads them back."""
        return {**asdict(self), "lost": list(self.lost)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Check:
        return Check(**{**values, "lost": tuple(values["lost"])})


@dataclass(frozen=True)
class Contents:
    """The packets of a written file."""

    tick: Fraction
    """time_base of its video."""
    pts: array[int]
    """pts of its frames, in ticks, sorted."""
    end: Fraction | None
    """Second at which the last frame ends; None if the container does not say."""
    sounds: tuple[Sound, ...]
    seamless: bool
    """Whether its container cannot store pauses in PCM."""
    untimed: bool = False
    """Whether its container has no times at all, only places (AVI)."""


@dataclass(frozen=True)
class Expected:
    """What an output must hold of its source."""

    clip: Clip
    window: Window
    """The time in which the frames are shown."""
    span: tuple[int, int]
    """Frames start..stop (half-open) of the source."""
    copied: Sequence[int]
    """Indices of the streams that are copied packet by packet."""
    decoded: Mapping[int, Decoded]
    """The decoded spans of the streams that are re-encoded, by index."""
    untouched: Untouched | None = None
    """The frames that are copied, too."""
    place: int = 0
    """Number of the enhanced video among all of the output."""

    @property
    def frames(self) -> int:
        return self.span[1] - self.span[0]


def checked(
    output: Path,
    part: Path,
    expected: Expected,
    progress: Callable[[int], None] = lambda frames: None,
) -> Check:
    """Compare the finished file `part`, which is to become `output`, with its source (`check`).

    Raises OutputError, and CheckError if it does not agree, after giving it another name.
    """
    contents = read_contents(part, output, expected.frames, progress, expected.place)
    try:
        found = check(contents, output, expected)
        copied = compare_untouched(
            part, output, expected.clip, expected.untouched, expected.span, expected.place
        )
        return replace(found, untouched=copied)
    except CheckError as error:
        aside = unverified_name(output)
        put_in_place(part, aside)
        raise CheckError(
            f"{error}; it is kept as {aside.name}, not to be relied on: please report this"
        ) from error


def passes(part: Path, expected: Expected) -> bool:
    """Whether a written file agrees with its source; the file stays in either case."""
    try:
        check(read_contents(part, part, expected.frames, place=expected.place), part, expected)
    except (CheckError, OutputError):
        return False
    return True


def unverified_name(output: Path) -> Path:
    """A free file name beside `output`, for an output that failed its check."""
    for number in count(1):
        mark = ".unverified" if number == 1 else f".unverified-{number}"
        path = output.with_name(f"{output.stem}{mark}{output.suffix}")
        if not path.exists():
            break
    return path


def read_contents(
    part: Path,
    output: Path,
    frames: int,
    progress: Callable[[int], None] = lambda frames: None,
    place: int = 0,
) -> Contents:
    """Read a written file's packets; a full disk may show only in what is missing.

    Raises OutputError if the video of number `place` in it does not hold `frames` frames.
    """
    pts = array("q")
    found = 0
    try:
        with av.open(as_file(part)) as container:
            video = [s for s in container.streams.video if not is_cover(s)][place]
            tick = Fraction(video.time_base or 1)
            untimed = container.format.name == "avi"
            seamless = untimed or "mov" in container.format.name
            sounds = {s.index: Sound(Fraction(s.time_base or 1)) for s in container.streams.audio}
            for packet in container.demux(video, *container.streams.audio):
                if not packet.size:
                    continue
                if packet.stream_index in sounds:
                    sounds[packet.stream_index].add(packet, bytes(packet), begin_of(packet))
                elif not packet.is_corrupt and not packet.is_discard:
                    found += 1
                    # The dts is a packet's place in AVI; FFmpeg makes up its pts.
                    own = packet.dts if untimed else packet.pts
                    pts.append(own if own is not None else packet.dts or 0)
                    progress(found)
            for sound in sounds.values():
                sound.settle()
            end = _declared_end(video, untimed=untimed)
    except (av.error.FFmpegError, IndexError):
        found = 0  # the file has not even an index
    if found != frames:
        raise OutputError(
            f"{output}: is incomplete after writing ({found} of {frames} frames): the disk may be "
            "full; make room or choose another folder"
        )
    return Contents(tick, array("q", sorted(pts)), end, tuple(sounds.values()), seamless, untimed)


def check(contents: Contents, output: Path, expected: Expected) -> Check:
    """Compare what was written with the source; the module says what must be equal.

    Raises CheckError, naming the first difference, and InputError.
    """
    timeline, window, decoded = expected.clip.timeline, expected.window, expected.decoded
    start, stop = expected.span
    shown = timeline.pts[start:stop]
    _compare_frames(contents, output, timeline, shown, window.moved)
    end = (timeline.pts[stop - 1] + timeline.duration_of(stop - 1)) * timeline.time_base
    _compare_end(contents, output, end - window.moved)
    seconds = end - shown[0] * timeline.time_base
    copied = (*expected.copied, *decoded)
    before = read_sounds(
        expected.clip, window, copied, seamless=contents.seamless, untimed=contents.untimed
    )
    if len(contents.sounds) < len(before):  # MP4 and MOV have no track without packets
        kept = {k: within(one, window) for k, one in decoded.items()}
        silent = {k for k, (begin, end) in kept.items() if end - begin < _SHORT}
        before = [e for e in before if len(e[2]) and e[0] not in silent]
    if len(before) != len(contents.sounds):
        raise CheckError(
            f"{output}: holds {len(contents.sounds)} of {len(before)} streams of sound"
        )
    offset, apart, packets, left_out, moved = 0.0, 0.0, 0, 0, float(window.moved)
    sampled = encoded = 0
    for (index, framed, old), new in zip(before, contents.sounds, strict=True):
        name = f"{output}: its sound (stream {index} of the source)"
        if index in decoded:
            away = compare_ends(decoded[index], new, window)
            encoded, apart = encoded + 1, max(apart, away)
        elif framed:
            away = compare_packets(name, old, new, moved)
            packets, left_out = packets + len(new), left_out + len(old) - len(new)
            offset = max(offset, away)
        else:
            away = compare_samples(name, old, new, moved)
            sampled, offset = sampled + 1, max(offset, away)
        rounding = Fraction(0) if contents.untimed else contents.tick + new.tick
        limit = float(max(seconds / len(shown) / 2, rounding))
        if away >= limit:
            raise CheckError(
                f"{name} has moved by {away * 1000:.1f} ms against the picture, which is not less "
                f"than {limit * 1000:.1f} ms, half a frame"
            )
    repaired = sum(old.repaired for _, _, old in before)
    silence = max((old.silence for k, _, old in before if k not in decoded), default=0.0)
    # A source that grew meanwhile holds frames by now that were not there when it was read.
    until = window.stop if stop == len(timeline) else None
    recorded = expected.clip.recorded
    each = len(timeline) // len(recorded.timeline)  # a frame for each field
    asked = Span(start // each, -(-stop // each))
    witnessed = confirm_times(output, recorded, asked, until)
    return Check(
        len(shown),
        float(seconds),
        len(before),
        packets,
        offset,
        sampled,
        encoded,
        apart,
        repaired=repaired,
        silence=silence,
        left_out=left_out,
        witnessed=witnessed,
    )


def _compare_frames(
    contents: Contents, output: Path, timeline: Timeline, shown: Sequence[int], moved: Fraction
) -> None:
    first = shown[0] * timeline.time_base - moved
    # In whole numbers of a tick small enough for both clocks and for half ticks, as Fractions are
    # slow: hours of video have millions of frames.
    base, tick = timeline.time_base, contents.tick
    unit = Fraction(1, math.lcm(base.denominator, 2 * tick.denominator, first.denominator))
    one, other, half = int(base / unit), int(tick / unit), int(tick / 2 / unit)
    if contents.untimed:
        half = min(half, one)
    shift = int(first / unit) - shown[0] * one
    for index, (then, now) in enumerate(zip(shown, contents.pts, strict=True)):
        wrong = now * other - (then * one + shift)
        if abs(wrong) > half:
            raise CheckError(
                f"{output}: frame {index} is shown at {float(now * tick):.6f} s, not at "
                f"{float(now * tick - wrong * unit):.6f} s"
            )


def _compare_end(contents: Contents, output: Path, end: Fraction) -> None:
    exact = contents.tick.denominator != 1000
    slack = contents.tick / 2 if exact else contents.tick
    if contents.end is not None and abs(contents.end - end) > slack:
        raise CheckError(
            f"{output}: its last frame ends at {float(contents.end):.6f} s, not at "
            f"{float(end):.6f} s"
        )


def _declared_end(video: Stream, *, untimed: bool) -> Fraction | None:
    """Second at which a stream ends, as declared by its container."""
    # FFmpeg's Matroska muxer writes each track's end as a tag of the form 00:00:01.440000000; the
    # duration FFmpeg reports for such a stream is a guess. MP4 and MOV have no such tag.
    if text := video.metadata.get("DURATION"):
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    if video.duration is None:
        return None
    start = 0 if untimed else video.start_time or 0
    return (start + video.duration) * Fraction(video.time_base or 1)
