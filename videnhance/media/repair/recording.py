"""A source as it was recorded: which frames it has, when they are shown, and what is not right.

A plain file is known by its packets. Where they are odd (no or repeated times, a file cut off,
packets the container calls damaged), or where decoding showed that they mislead, all of it is
decoded once (examination.py), times are repaired by the rule of timing.py, and what was found is
told:

- A frame that does not decode is left out; all others keep their times, so that the one before is
  shown on.
- A frame the decoder conceals damage in is kept, and told with those up to the next keyframe, which
  may be built on it.
- A picture of another size or pixel format than the stream declares is scaled or converted to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

from videnhance.errors import InputError, UsageError
from videnhance.imaging.frames import Frame
from videnhance.media.info import VideoInfo
from videnhance.media.reading.decoding import read_frames
from videnhance.media.reading.pictures import DEMUXER
from videnhance.media.repair.examination import Examination, examine
from videnhance.media.repair.findings import (
    Finding,
    summed,
    told_damaged,
    told_end,
    told_gaps,
    told_hidden,
    told_looks,
    told_lost,
    told_rate,
    told_times,
)
from videnhance.media.repair.scan import Scan, plain_timeline, refuse_odd, scan, usual_step
from videnhance.media.repair.timing import even, repaired
from videnhance.media.timeline import RecordedTimeline
from videnhance.settings.groups import DEFAULTS, SourceSettings, rate_of


@dataclass(frozen=True)
class Recording:
    """A source as it was recorded, and how it is read."""

    info: VideoInfo
    """With the time base and rate that hold for the timeline."""
    timeline: RecordedTimeline
    hwaccel: str | None = None
    """What its video is decoded by, as FFmpeg names it; None is the processor."""
    clock: tuple[Fraction, ...] = ()
    """Seconds by which times are moved after each time the clock is set back (timing.py)."""
    findings: tuple[Finding, ...] = ()
    """What is odd or damaged."""
    examination: Examination | None = None
    """What decoding all of it showed; None where packets told everything."""

    def frames(
        self, start: int, stop: int, pix_fmt: str, *, limited: bool = False
    ) -> Iterator[Frame]:
        """Recorded frames start..stop (half-open), as decoding.read_frames gives them."""
        return read_frames(
            self.info,
            self.timeline,
            start,
            stop,
            pix_fmt,
            limited=limited,
            hwaccel=self.hwaccel,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """The findings for a person, many of a kind summed up."""
        return tuple(summed(self.findings))

    def as_json(self) -> dict[str, Any] | None:
        """What a job's record keeps of it; None of a plain source."""
        if self.examination is None and not self.findings:
            return None
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "rate": str(self.info.average_rate) if self.info.average_rate else None,
            "examination": self.examination.as_json() if self.examination else None,
        }


def examination_in(values: Mapping[str, Any] | None) -> Examination | None:
    """What `Recording.as_json` kept of an examination; None where there is none."""
    try:
        kept = values["examination"] if values else None
        return None if kept is None else Examination.from_json(kept)
    except (KeyError, TypeError, ValueError):
        return None


def recording_of(
    info: VideoInfo,
    wish: SourceSettings = DEFAULTS.source,
    progress: Callable[[int], None] = lambda done: None,
    known: Examination | None = None,
    *,
    thorough: bool = False,
    hwaccel: str | None = None,
) -> Recording:
    """Look at the packets; where they do not tell, or if `thorough`, at all frames.

    `known` is what an earlier examination of the same file found; `hwaccel` what is to decode the
    video, which the processor does where it was examined. `progress` gets the number of
    packets, then of frames. Raises InputError for a source that holds nothing or needs a rate that
    nobody tells, and with `wish.strict` for any that is not right; UsageError for a rate where all
    frames have times.
    """
    found = scan(info, progress)
    given = rate_of(wish.fps) if wish.fps is not None else None
    if info.container == DEMUXER:  # which counts pictures, so that any rate will do
        shown = given or info.average_rate or Fraction(25)
        info, given = replace(info, time_base=1 / shown, average_rate=shown), None
    if given is not None and found.has_times and found.has_good_times:
        raise UsageError(
            f"--fps {wish.fps}: all frames of {info.path} have times of their own; leave --fps out"
        )
    rate = given if given is not None else None if found.has_times else found.own_rate
    if not found.has_times and rate is None:
        raise InputError(
            f"{info.path}: its frames carry no times, and the {info.codec} stream does not tell "
            "its rate; say how many frames there are in a second with --fps RATE, such as 25"
        )
    if wish.strict and not (rate is not None and _only_lacks_times(found)):
        refuse_odd(info, found)
    if known is not None and known.packets != len(found.packets):
        known = None
    if found.is_plain and known is None and not thorough:
        timeline = plain_timeline(info, found)
        findings = (*_told_pictures(info, found), *told_gaps(timeline))
        return Recording(info, timeline, hwaccel, findings=findings)
    examined = known if known is not None else examine(info, found, progress)
    recording = _understood(info, found, examined, rate)
    if wish.strict:
        _refuse_bad(recording)
    return recording


def _told_pictures(info: VideoInfo, found: Scan) -> Iterator[Finding]:
    if info.container == DEMUXER and info.average_rate is not None and len(found.packets) > 1:
        yield told_rate(info.average_rate, "pictures carry no times")


def _only_lacks_times(found: Scan) -> bool:
    return replace(found, has_times=True, packets=()).is_plain and not any(
        packet.is_corrupt for packet in found.packets
    )


def _refuse_bad(recording: Recording) -> None:
    for finding in recording.findings:
        if finding.kind not in ("rate", "hidden", "gap"):
            raise InputError(
                f"{recording.info.path}: {finding.text}; copy it again from its source, or leave "
                "--strict out to enhance what decodes"
            )


def _understood(
    info: VideoInfo, found: Scan, examined: Examination, rate: Fraction | None
) -> Recording:
    """Times for the frames that were found, and what is to be told."""
    clock: tuple[Fraction, ...] = ()
    numbers = examined.decoding.packets
    packets = [found.packets[number] for number in numbers]
    if rate is not None:
        own = next((p.time for p in packets if p.time is not None and found.has_times), 0)
        base = _common(info.time_base, 1 / rate) if found.has_times else 1 / rate
        step = int(1 / (rate * base))
        pts = even(len(packets), int(own * info.time_base / base), step)
        info, last_duration = replace(info, average_rate=rate, time_base=base), step
        times = [told_rate(rate)]
    else:
        own_times = [packet.pts for packet in packets]
        if all(time is None for time in own_times):
            own_times = [packet.dts for packet in packets]
        known = sorted(time for time in own_times if time is not None)
        step = usual_step(info, known if len(known) == len(own_times) else ())
        mended = repaired(own_times, numbers, step)
        pts, last_duration = mended.pts, usual_step(info, mended.pts)
        if found.has_good_times:
            plain = plain_timeline(info, found)
            last_duration = plain.last_duration if plain.pts[-1] == pts[-1] else last_duration
        times = [*told_times(mended, info.time_base)]
        clock = tuple(ticks * info.time_base for ticks in mended.moved)
    indices = sorted({e.index for e in examined.decoding.entries if e.index < len(pts)})
    timeline = RecordedTimeline(
        info.time_base, pts, tuple(indices), last_duration, examined.decoding
    )
    findings = (
        *_told_pictures(info, found),
        *times,
        *(lost := list(told_lost(info, found, examined, timeline))),
        *told_gaps(timeline, lost),
        *told_damaged(examined, timeline),
        *told_looks(info, examined, timeline),
        *told_hidden(found, examined),
        *told_end(info, found, timeline),
    )
    # The processor examined it, and decodes it.
    return Recording(info, timeline, None, clock, findings, examined)


def _common(one: Fraction, other: Fraction) -> Fraction:
    """The largest time base in which both are whole."""
    across = gcd(one.numerator * other.denominator, other.numerator * one.denominator)
    return Fraction(across, one.denominator * other.denominator)
