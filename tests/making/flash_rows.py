"""Every container and codec in which a white picture and a click are compared, and how they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.making.flash import BEGINS, CLICK, FLASH, Moments, moments, write_flash
from tests.making.settings import UNCHANGED
from videnhance.job.run import enhance
from videnhance.job.summary import Summary


class Row(NamedTuple):
    """A container and a codec; `sound`: codec, rate; `begins`: names of BEGINS."""

    suffix: str
    codec: str
    reordered: bool = False
    sound: tuple[str, int] = ("pcm_s16le", 8000)
    rate: int = 10
    begins: tuple[str, ...] = tuple(BEGINS)

    def named(self, begin: str) -> str:
        parts = (self.suffix, self.codec, "B" if self.reordered else "-", self.sound[0], begin)
        return " ".join(parts)


LATE = tuple(BEGINS)[:3]
"""For containers without times below 0."""
AAC, MP2, MP3, OPUS = ("aac", 48000), ("mp2", 16000), ("libmp3lame", 48000), ("libopus", 48000)
FLV = ("aac", 44100)
B = (False, True)
BASES = ("libx264", "libx265", "mpeg4", "mpeg2video")
"""Codecs with and without B-frames."""


def all_rows() -> Iterator[Row]:
    """Of every container: each of its codecs, with B-frames and without, each way to begin."""
    for codec in ("libx264", "mpeg4"):
        yield from (Row(".avi", codec, b, begins=LATE) for b in B)
    # FFmpeg's own AVI muxer takes no H.265: it is written as H.264 and renamed.
    yield from (Row(".avi", "libx265", b, begins=LATE) for b in B)
    yield from (Row(".avi", c, begins=LATE) for c in ("mjpeg", "ffv1", "wmv2", "libvpx"))
    for sound in (AAC, MP3, ("ac3", 48000)):
        yield from (Row(".avi", "libx264", b, sound, begins=LATE) for b in B)
    for suffix, sound in ((".mp4", AAC), (".mov", ("pcm_s16le", 8000)), (".mkv", AAC)):
        yield from (Row(suffix, codec, b, sound) for codec in BASES for b in B)
        yield Row(suffix, "mjpeg", False, sound)
        if suffix != ".mov":
            yield from (Row(suffix, c, False, sound) for c in ("ffv1", "libvpx-vp9", "libsvtav1"))
    yield Row(".mkv", "libvpx", False, OPUS)
    yield from (Row(".webm", c, False, OPUS) for c in ("libvpx", "libvpx-vp9", "libsvtav1"))
    for codec in BASES:
        yield from (Row(".ts", codec, b, MP2, 25) for b in B)
    yield from (Row(".ts", "libx264", b, AAC, 25) for b in B)
    yield Row(".ts", "mpeg1video", False, MP2, 25)
    for codec in ("mpeg2video", "mpeg1video", "libx264"):
        yield from (Row(".mpg", codec, b, MP2, 25, LATE) for b in B)
    yield from (Row(".flv", "libx264", b, FLV, begins=LATE) for b in B)
    yield Row(".flv", "flv", False, FLV, begins=LATE)
    for codec in ("libx264", "mpeg4"):
        yield from (Row(".wmv", codec, b, MP3, begins=LATE) for b in B)
    yield from (Row(".wmv", codec, False, MP3, begins=LATE) for codec in ("wmv1", "wmv2"))
    # FFmpeg's own NUT muxer writes times below 0, as of decoding with B-frames, wrongly.
    yield from (Row(".nut", codec, begins=LATE) for codec in ("libx264", "mpeg4"))


@dataclass(frozen=True)
class Measured:
    """What decoding of an output shows; seconds."""

    away: float
    """By how much the click is further behind the white picture than it was written."""
    first: float
    """By how much the white picture is further behind the first one than it was written."""
    half: float
    """Half a frame: the most that is allowed."""
    summary: Summary
    before: Moments
    after: Moments

    @property
    def is_same(self) -> bool:
        """Whether the output has the source's frames, in their order."""
        pairs = zip(self.before.pictures, self.after.pictures, strict=False)
        same = len(self.before.pictures) == len(self.after.pictures)
        return same and all(np.array_equal(one, other) for one, other in pairs)


def measured(row: Row, begin: str, folder: Path, suffix: str = ".mkv") -> Measured:
    """Makes the clip of a row in a folder, enhances it to `suffix` and looks at both. The detector
    "square" of the tests must be there."""
    begins = BEGINS[begin]
    sound, samples = row.sound
    source = write_flash(
        folder / f"in{row.suffix}",
        row.codec,
        sound,
        begins,
        reordered=row.reordered,
        rate=row.rate,
        samples=samples,
    )
    output = folder / f"out{suffix}"
    summary = enhance(source, output, UNCHANGED, overwrite=True)
    before, after = moments(source), moments(output)
    flash = after.times[after.flash]
    # MP4 and MOV hide what is before 0 by an edit list; the first frame shown is then at 0.
    hidden = row.suffix in (".mp4", ".mov")
    first = Fraction(0) if hidden and begins.picture < 0 else begins.picture
    return Measured(
        away=after.click - flash - float(CLICK - FLASH),
        first=flash - after.times[0] - float(FLASH - first),
        half=0.5 / row.rate,
        summary=summary,
        before=before,
        after=after,
    )
