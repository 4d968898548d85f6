"""In what condition a source is: which frames it has, when they are shown, and what is not right.

A plain file is known by its packets. Where they are odd (no or repeated times, a file cut off,
packets the container calls damaged), or where decoding showed that they mislead, all of it is
decoded once (examine.py), times are repaired by the rule of timing.py, and what was found is told:

- A frame that does not decode is left out; all others keep their times, so that the one before is
  shown on.
- A frame the decoder conceals damage in is kept, and told with those up to the next keyframe, which
  may be built on it.
- A picture of another size or pixel format than the stream declares is scaled or converted to that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

from videnhance.errors import InputError, UsageError
from videnhance.settings import DEFAULTS, SourceSettings, rate_of
from videnhance.streams import Timeline, VideoInfo
from videnhance.video.examine import Examination, examine
from videnhance.video.scan import Scan, plain_timeline, refuse_odd, scan, usual_step
from videnhance.video.timing import Repaired, even, repaired

_NAMED = 6
"""Stretches of one kind that are told one by one; the rest is counted."""


@dataclass(frozen=True)
class Finding:
    """Something that is not right with a source, and what was done about it."""

    kind: str
    """rate, times, lost, damaged, size, hidden, cut off, unread."""
    text: str
    """One sentence."""
    start: float | None = None
    end: float | None = None
    """Where, in seconds since the first frame."""
    frames: int = 0


@dataclass(frozen=True)
class Condition:
    """A source, understood."""

    info: VideoInfo
    """With the time base and rate that hold for its timeline."""
    timeline: Timeline
    findings: tuple[Finding, ...] = ()
    examination: Examination | None = None
    """None where packets told everything."""

    @property
    def notes(self) -> tuple[str, ...]:
        """The findings for a person, many of a kind summed up."""
        return tuple(_summed(self.findings))

    def as_json(self) -> dict[str, Any] | None:
        """What a job's record keeps of it; None of a plain source."""
        if self.examination is None:
            return None
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "rate": str(self.info.average_rate) if self.info.average_rate else None,
            "examination": self.examination.as_json(),
        }


def examination_in(values: Mapping[str, Any] | None) -> Examination | None:
    """What `Condition.as_json` kept of an examination; None where there is none."""
    try:
        return Examination.from_json(values["examination"]) if values else None
    except (KeyError, TypeError, ValueError):
        return None


def condition_of(
    info: VideoInfo,
    wish: SourceSettings = DEFAULTS.source,
    progress: Callable[[int], None] = lambda done: None,
    known: Examination | None = None,
    *,
    thorough: bool = False,
) -> Condition:
    """Look at the packets; where they do not tell, or if `thorough`, at all frames.

    `known` is what an earlier examination of the same file found. `progress` gets the number of
    packets, then of frames. Raises InputError for a source that holds nothing or needs a rate that
    nobody tells, and with `wish.strict` for any that is not right; UsageError for a rate where all
    frames have times.
    """
    found = scan(info, progress)
    given = rate_of(wish.fps) if wish.fps is not None else None
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
        return Condition(info, plain_timeline(info, found))
    examined = known if known is not None else examine(info, found, progress)
    condition = _understood(info, found, examined, rate)
    if wish.strict:
        _refuse_bad(condition)
    return condition


def _only_lacks_times(found: Scan) -> bool:
    return replace(found, has_times=True, packets=()).is_plain and not any(
        packet.is_corrupt for packet in found.packets
    )


def _refuse_bad(condition: Condition) -> None:
    for finding in condition.findings:
        if finding.kind not in ("rate", "hidden"):
            raise InputError(
                f"{condition.info.path}: {finding.text}; copy it again from its source, or leave "
                "--strict out to enhance what decodes"
            )


def _understood(
    info: VideoInfo, found: Scan, examined: Examination, rate: Fraction | None
) -> Condition:
    """Times for the frames that were found, and what is to be told."""
    info = replace(info, hwaccel=None)  # the processor examined it, and decodes it
    numbers = examined.decoding.packets
    packets = [found.packets[number] for number in numbers]
    if rate is not None:
        own = next((p.time for p in packets if p.time is not None and found.has_times), 0)
        base = _common(info.time_base, 1 / rate) if found.has_times else 1 / rate
        step = int(1 / (rate * base))
        pts = even(len(packets), int(own * info.time_base / base), step)
        info, last_duration = replace(info, average_rate=rate, time_base=base), step
        times = [Finding("rate", f"frames carry no usable times: they are shown {_rate(rate)}")]
    else:
        own_times = [packet.pts for packet in packets]
        if all(time is None for time in own_times):
            own_times = [packet.dts for packet in packets]
        step = usual_step(info, sorted(time for time in own_times if time is not None))
        mended = repaired(own_times, numbers, step)
        pts, last_duration = mended.pts, usual_step(info, mended.pts)
        if found.has_good_times:
            plain = plain_timeline(info, found)
            last_duration = plain.last_duration if plain.pts[-1] == pts[-1] else last_duration
        times = [*_told_times(mended, info.time_base)]
    indices = sorted({e.index for e in examined.decoding.entries if e.index < len(pts)})
    timeline = Timeline(info.time_base, pts, tuple(indices), last_duration, examined.decoding)
    findings = (
        *times,
        *_told_lost(info, found, examined, timeline),
        *_told_damaged(examined, timeline),
        *_told_looks(info, examined, timeline),
        *_told_hidden(found, examined),
        *_told_end(info, found, timeline),
    )
    return Condition(info, timeline, findings, examined)


def _common(one: Fraction, other: Fraction) -> Fraction:
    """The largest time base in which both are whole."""
    across = gcd(one.numerator * other.denominator, other.numerator * one.denominator)
    return Fraction(across, one.denominator * other.denominator)


def _rate(rate: Fraction) -> str:
    return f"{float(rate):g} a second"


def _told_times(mended: Repaired, base: Fraction) -> Iterator[Finding]:
    def seconds(index: int) -> float:
        return float((mended.pts[index] - mended.pts[0]) * base)

    if mended.sorted:
        yield Finding("times", "times are stored in the order of decoding: sorted as frames show")
    for index in mended.set_back:
        at = seconds(index)
        text = f"the clock is set back at {at:.3f} s: what follows goes on from there"
        yield Finding("times", text, at, at)
    if mended.spread:
        count = len(mended.spread)
        at, end = seconds(mended.spread[0]), seconds(mended.spread[-1])
        yield Finding(
            "times",
            f"{_frames(count)} had no time of their own, or one out of order, {_from_to(at, end)}: "
            "spread evenly between their neighbours",
            at,
            end,
            count,
        )


def _told_lost(
    info: VideoInfo, found: Scan, examined: Examination, timeline: Timeline
) -> Iterator[Finding]:
    shown = sorted(zip(examined.decoding.packets, timeline.pts, strict=True))
    numbers = [number for number, _ in shown]
    usual = usual_step(info, timeline.pts)
    for first, last in _runs(examined.lost):
        own = [found.packets[n].pts for n in range(first, last + 1)]
        told = [time for time in own if time is not None]
        if len(told) == len(own) and found.has_good_times:
            start, end = min(told), max(told) + usual
        else:
            before, after = bisect_left(numbers, first) - 1, bisect_left(numbers, last)
            start = shown[before][1] + usual if before >= 0 else timeline.pts[0]
            end = shown[after][1] if after < len(shown) else timeline.pts[-1] + usual
        count = last + 1 - first
        a, b = (float((ticks - timeline.pts[0]) * timeline.time_base) for ticks in (start, end))
        if b <= 0:
            text = f"{_frames(count)} before the first that decodes: lost"
        else:
            text = f"{_frames(count)} {_from_to(a, b)}: lost, does not decode"
        yield Finding("lost", text, a, b, count)


def _told_damaged(examined: Examination, timeline: Timeline) -> Iterator[Finding]:
    for first, last in _runs(examined.damaged):
        start, end = timeline.seconds(first), _end(timeline, last)
        yield Finding(
            "damaged",
            f"{_frames(last + 1 - first)} {_from_to(start, end)}: damaged, or built on damaged "
            "ones; kept as the decoder conceals it",
            start,
            end,
            last + 1 - first,
        )


def _told_looks(info: VideoInfo, examined: Examination, timeline: Timeline) -> Iterator[Finding]:
    ends = [*(look.begin for look in examined.looks[1:]), len(timeline)]
    for look, stop in zip(examined.looks, ends, strict=False):
        size = (look.width, look.height)
        if (*size, look.pix_fmt) == (info.width, info.height, info.pix_fmt):
            continue
        start, end = timeline.seconds(look.begin), _end(timeline, stop - 1)
        yield Finding(
            "size",
            f"{_frames(stop - look.begin)} {_from_to(start, end)}: {size[0]}x{size[1]} "
            f"{look.pix_fmt}, made {info.width}x{info.height} {info.pix_fmt} as declared",
            start,
            end,
            stop - look.begin,
        )


def _told_hidden(found: Scan, examined: Examination) -> Iterator[Finding]:
    left_out = sum(packet.is_discard for packet in found.packets)
    count = len(found.packets) - left_out - len(examined.lost) - len(examined.decoding.packets)
    if count > 0:
        yield Finding(
            "hidden",
            f"{count} packets hold no frame of their own (second fields, frames never shown)",
            frames=count,
        )


def _told_end(info: VideoInfo, found: Scan, timeline: Timeline) -> Iterator[Finding]:
    if found.cut_off is not None:
        end = _end(timeline, len(timeline) - 1)
        text = f"the file is cut off: it {found.cut_off}; the last frame ends at {end:.3f} s"
        yield Finding("cut off", text, end, info.duration)
    elif found.unread:
        yield Finding("unread", "parts of the file cannot be read; what lies between them is used")


def _end(timeline: Timeline, index: int) -> float:
    """Seconds since the first frame at which a frame is over."""
    return timeline.seconds(index) + float(timeline.duration_of(index) * timeline.time_base)


def _frames(count: int) -> str:
    return f"{count} frame{'s' * (count != 1)}"


def _from_to(start: float, end: float) -> str:
    return f"from {start:.3f} to {end:.3f} s"


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of every run of successive numbers."""
    first = last = None
    for number in numbers:
        if last is not None and number != last + 1:
            yield first or 0, last
            first = number
        first, last = number if first is None else first, number
    if last is not None:
        yield first or 0, last


def _summed(findings: Sequence[Finding]) -> Iterator[str]:
    kinds = Counter(finding.kind for finding in findings)
    told: Counter[str] = Counter()
    for finding in findings:
        told[finding.kind] += 1
        if told[finding.kind] <= _NAMED:
            yield finding.text
        elif told[finding.kind] == kinds[finding.kind]:
            rest = [f for f in findings if f.kind == finding.kind][_NAMED:]
            yield (
                f"and {len(rest)} more such stretches ({finding.kind}), "
                f"{_frames(sum(f.frames for f in rest))} in all: job.json has them (--keep-job)"
            )
