"""Findings: what is wrong with a source, in words: kind, place, and what was done about it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from videnhance.media.info import VideoInfo
from videnhance.media.reading.joined import joined_in
from videnhance.media.reading.pictures import DEMUXER
from videnhance.media.repair.examination import Examination
from videnhance.media.repair.inferred import usual_step
from videnhance.media.repair.scan import Scan
from videnhance.media.repair.timing import Repaired
from videnhance.media.timeline import RecordedTimeline

_EVEN = 0.9
"""Share of equal steps from which a rate counts as even; only then are longer steps reported."""
_GAP = 1.75
"""A step longer than this many usual steps is a gap; containers round times by less."""
_NAMED = 6
"""Number of findings of one kind that are listed one by one; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a source, and what was done about it."""

    kind: str
    """name, rate, times, order, lost, gap, damaged, size, hidden, cut off, codec, sound, unread,
    joined or behind."""
    text: str
    """One sentence."""
    start: float | None = None
    end: float | None = None
    """From where to where, in seconds since the first frame."""
    frames: int = 0


def name_findings(info: VideoInfo) -> Iterator[Finding]:
    """The video is coded in something else than what it is called."""
    if info.taken_for is not None:
        yield Finding(
            "name",
            f"its video is called {info.taken_for} and shows no picture as that: read as "
            f"{info.read_as}, which its bytes look like (--input-codec names another)",
        )


def rate_finding(rate: Fraction, what: str = "frames carry no usable times") -> Finding:
    """Times were made from a frame rate."""
    return Finding("rate", f"{what}: shown at {float(rate):g} a second")


def time_findings(mended: Repaired, base: Fraction) -> Iterator[Finding]:
    """Times were sorted, spread evenly, or moved after a clock reset."""

    def seconds(index: int) -> float:
        return float((mended.pts[index] - mended.pts[0]) * base)

    if mended.sorted:
        yield Finding("order", "times are stored in decoding order: sorted as frames are shown")
    for index in mended.set_back:
        at = seconds(index)
        text = f"the clock is set back at {at:.3f} s: later times continue from there"
        yield Finding("times", text, at, at)
    if mended.spread:
        count = len(mended.spread)
        at, end = seconds(mended.spread[0]), seconds(mended.spread[-1])
        yield Finding(
            "times",
            f"{_frames(count)} had no time of {'their' if count > 1 else 'its'} own, or one out of "
            f"order, {_from_to(at, end)}: "
            "spread evenly between their neighbours",
            at,
            end,
            count,
        )


def lost_findings(
    info: VideoInfo, found: Scan, examined: Examination, timeline: RecordedTimeline
) -> Iterator[Finding]:
    """Frames that do not decode."""
    shown = sorted(zip(examined.decoding.packets, timeline.pts, strict=True))
    numbers = [number for number, _ in shown]
    usual = usual_step(info, timeline.pts)
    for first, last in _runs(examined.lost):
        own = [found.packets[n].pts for n in range(first, last + 1)]
        known = [time for time in own if time is not None]
        if len(known) == len(own) and found.has_good_times:
            start, end = min(known), max(known) + usual
        else:
            before, after = bisect_left(numbers, first) - 1, bisect_left(numbers, last)
            start = shown[before][1] + usual if before >= 0 else timeline.pts[0]
            end = shown[after][1] if after < len(shown) else timeline.pts[-1] + usual
            # If frames are not stored in the order shown, the one stored before may be shown later.
            start, end = min(start, end), max(start, end)
        count = last + 1 - first
        a, b = (float((ticks - timeline.pts[0]) * timeline.time_base) for ticks in (start, end))
        if b <= 0:
            text = f"{_frames(count)} before the first that decodes: lost"
        else:
            text = f"{_frames(count)} {_from_to(a, b)}: lost, does not decode"
        yield Finding("lost", text, a, b, count)


def gap_findings(timeline: RecordedTimeline, lost: Sequence[Finding] = ()) -> Iterator[Finding]:
    """Where frames of an even rate are missing, and it is not known whether they ever existed."""
    steps = np.diff(timeline.pts)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if not len(steps) or np.mean(np.abs(steps - usual) <= max(1.0, usual / 10)) < _EVEN:
        return
    for index in np.flatnonzero(steps > _GAP * usual):
        over = timeline.pts[index] + round(usual) - timeline.pts[0]
        start, end = float(over * timeline.time_base), timeline.seconds(int(index) + 1)
        for begin, stop in _without(start, end, lost):
            count = round((stop - begin) / (usual * float(timeline.time_base)))
            if count:
                span = _from_to(begin, stop)
                text = f"{_frames(count)} {span} not in the file: never recorded, or lost"
                yield Finding("gap", text, begin, stop, count)


def _without(
    start: float, end: float, reported: Sequence[Finding]
) -> Iterator[tuple[float, float]]:
    """The parts of a span that these findings do not cover."""
    spans = sorted((f.start, f.end) for f in reported if f.start is not None and f.end is not None)
    for begin, stop in spans:
        if begin < end and start < stop:
            if start < begin:
                yield start, begin
            start = stop
    if start < end:
        yield start, end


def damage_findings(examined: Examination, timeline: RecordedTimeline) -> Iterator[Finding]:
    """Frames in which the decoder conceals damage, or that may be predicted from these."""
    for first, last in _runs(examined.damaged):
        start, end = timeline.seconds(first), timeline.end_of(last)
        yield Finding(
            "damaged",
            f"{_frames(last + 1 - first)} {_from_to(start, end)}: damaged, or built on damaged "
            "ones; kept as the decoder conceals it",
            start,
            end,
            last + 1 - first,
        )


def variant_findings(
    info: VideoInfo, examined: Examination, timeline: RecordedTimeline
) -> Iterator[Finding]:
    """Frames of another size or pixel format than the stream declares."""
    ends = [*(variant.begin for variant in examined.variants[1:]), len(timeline)]
    for variant, stop in zip(examined.variants, ends, strict=False):
        size = (variant.width, variant.height)
        if (*size, variant.pix_fmt) == (info.width, info.height, info.pix_fmt):
            continue
        start, end = timeline.seconds(variant.begin), timeline.end_of(stop - 1)
        yield Finding(
            "size",
            f"{_frames(stop - variant.begin)} {_from_to(start, end)}: {size[0]}x{size[1]} "
            f"{variant.pix_fmt}, made {info.width}x{info.height} {info.pix_fmt} as declared",
            start,
            end,
            stop - variant.begin,
        )


def hidden_findings(found: Scan, examined: Examination) -> Iterator[Finding]:
    """Packets that rightly have no frame."""
    left_out = sum(packet.is_discard for packet in found.packets)
    count = len(found.packets) - left_out - len(examined.lost) - len(examined.decoding.packets)
    if count > 0:
        what = "packets hold" if count > 1 else "packet holds"
        text = f"{count} {what} no frame of their own: second fields, or frames never shown"
        yield Finding("hidden", text, frames=count)


def end_findings(info: VideoInfo, found: Scan, timeline: RecordedTimeline) -> Iterator[Finding]:
    """A truncated file, damaged sound, and parts that cannot be read."""
    if found.cut_off is not None:
        end = timeline.end_of(len(timeline) - 1)
        text = (
            f"the file {found.cut_off}: it is probably cut off; the last frame ends at {end:.3f} s"
        )
        yield Finding("cut off", text, end, info.duration)
    if found.changed is not None:
        end, (codec, count) = timeline.end_of(len(timeline) - 1), found.changed
        text = (
            f"the video changes from {info.codec} to {codec} at {end:.3f} s: what follows is left "
            f"out, {count} packets; split the file there to enhance that part too"
        )
        yield Finding("codec", text, end, None, count)
    first = timeline.pts[0] * timeline.time_base
    for begin, over in found.broken_sound:
        start, stop = float(begin - first), float(over - first)
        text = f"sound {_from_to(start, stop)}: damaged packets, left out"
        yield Finding("sound", text, start, stop)
    if found.unread and found.cut_off is None:
        yield Finding("unread", "parts of the file cannot be read; what lies between them is used")


def joined_findings(info: VideoInfo, timeline: RecordedTimeline) -> Iterator[Finding]:
    """Where another recording follows in the same file."""
    parts = joined_in(info.path) if info.container != DEMUXER else None
    for part, begin in list(zip(parts.parts, parts.begins, strict=False))[1:] if parts else ():
        ticks = math.floor(begin / timeline.time_base)
        index = min(bisect_left(timeline.pts, ticks), len(timeline) - 1)
        text = (
            f"another recording lies in the file from byte {part.begin} on: it follows at "
            f"{timeline.seconds(index):.3f} s"
        )
        before = timeline.seconds(max(index - 1, 0))
        yield Finding("joined", text, before, timeline.seconds(index))


def behind_findings(found: Scan) -> Iterator[Finding]:
    """What of a file is not read."""
    return (Finding("behind", rest.text) for rest in found.behind)


def _frames(count: int) -> str:
    return f"{count} frame{'s' * (count != 1)}"


def _from_to(start: float, end: float) -> str:
    return f"from {start:.3f} to {end:.3f} s"


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    first = last = None
    for number in numbers:
        if last is not None and number != last + 1:
            yield first or 0, last
            first = number
        first, last = number if first is None else first, number
    if last is not None:
        yield first or 0, last


def summed(findings: Sequence[Finding]) -> Iterator[str]:
    """The texts of the findings; of each kind the first _NAMED, then one line for the rest."""
    kinds = Counter(finding.kind for finding in findings)
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= _NAMED:
            yield finding.text
        elif seen[finding.kind] == kinds[finding.kind]:
            rest = [f for f in findings if f.kind == finding.kind][_NAMED:]
            yield (
                f"and {len(rest)} more such stretches ({finding.kind}), "
                f"{_frames(sum(f.frames for f in rest))} in all: job.json has them (--keep-job)"
            )
