"""A source as it was recorded: which frames it has, when they are shown, and what is wrong with it.

Of a plain file, the packets say everything. If they are odd (missing or repeated times, a truncated
file, packets marked as damaged), or if decoding showed that they are misleading, the whole file is
decoded once (examination.py), times are repaired by the rules of timing.py, and the findings are
reported:

- A frame that does not decode is dropped. All others keep their times, so the frame before it is
  shown longer.
- A frame in which the decoder conceals damage is kept. It is reported together with the frames up
  to the next keyframe, which may be predicted from it.
- A picture of another size or pixel format than the stream declares is converted to the declared
  one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

from videnhance.errors import DamagedError, InputError, UsageError
from videnhance.imaging.frames import Frame
from videnhance.media.info import VideoInfo
from videnhance.media.reading.decoding import read_frames
from videnhance.media.reading.kept import KeptFrames
from videnhance.media.reading.pictures import DEMUXER
from videnhance.media.repair.examination import Examination, examine
from videnhance.media.repair.findings import (
    Finding,
    behind_findings,
    damage_findings,
    end_findings,
    gap_findings,
    hidden_findings,
    joined_findings,
    lost_findings,
    name_findings,
    rate_finding,
    summed,
    time_findings,
    variant_findings,
)
from videnhance.media.repair.inferred import usual_step
from videnhance.media.repair.scan import Scan, frame_rate, plain_timeline, refuse_odd, scan
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
    """FFmpeg's name of the device that decodes its video; None is the CPU."""
    clock: tuple[Fraction, ...] = ()
    """Seconds by which times are moved, for each time the clock is set back (timing.py)."""
    findings: tuple[Finding, ...] = ()
    """What is odd or damaged."""
    examination: Examination | None = None
    """What decoding the whole file showed; None if the packets were enough."""
    kept: KeptFrames | None = None
    """Where decoded frames are kept that will be asked for again."""

    def frames(
        self, start: int, stop: int, pix_fmt: str, *, limited: bool = False
    ) -> Iterator[Frame]:
        """Recorded frames start..stop (half-open), from decoding.read_frames."""

        def read() -> Iterator[Frame]:
            return read_frames(
                self.info,
                self.timeline,
                start,
                stop,
                pix_fmt,
                limited=limited,
                hwaccel=self.hwaccel,
            )

        if self.kept is None:
            return read()
        return self.kept.reading(start, stop, (pix_fmt, limited), read)

    @property
    def notes(self) -> tuple[str, ...]:
        """The findings as sentences; many of one kind are summed up."""
        return tuple(summed(self.findings))

    def as_json(self) -> dict[str, Any] | None:
        """What a job's record stores about it; None for a plain source."""
        if self.examination is None and not self.findings:
            return None
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "rate": str(self.info.average_rate) if self.info.average_rate else None,
            "examination": self.examination.as_json() if self.examination else None,
        }


def examination_in(values: Mapping[str, Any] | None) -> Examination | None:
    """The examination stored by `Recording.as_json`; None if there is none."""
    try:
        kept = values["examination"] if values else None
        return None if kept is None else Examination.from_json(kept)
    except (KeyError, TypeError, ValueError):
        return None


def recording_of(
    info: VideoInfo,
    settings: SourceSettings = DEFAULTS.source,
    progress: Callable[[int], None] = lambda done: None,
    known: Examination | None = None,
    *,
    thorough: bool = False,
    hwaccel: str | None = None,
) -> Recording:
    """Read all packets; if they are odd, or if `thorough`, decode all frames too.

    `known`: what an earlier examination of the same file found. `hwaccel`: the device to decode
    with; a file that was examined is always decoded by the CPU. `progress` gets the number of
    packets, then of frames. Raises InputError for a source without frames, or without a frame rate
    if it needs one, and with `settings.strict` for any source that is not plain; UsageError if a
    rate is given but all frames have times.
    """
    found = scan(info, progress)
    info = replace(info, average_rate=frame_rate(info, found))
    given = rate_of(settings.fps) if settings.fps is not None else None
    if info.container == DEMUXER:  # it only counts pictures, so any rate will do
        shown = given or info.average_rate or Fraction(25)
        info, given = replace(info, time_base=1 / shown, average_rate=shown), None
    if given is not None and found.has_times and found.has_good_times:
        raise UsageError(
            f"--fps {settings.fps}: all frames of {info.path} have times of their own; "
            "leave --fps out"
        )
    rate = given if given is not None else None if found.has_times else found.own_rate
    if not found.has_times and rate is None:
        raise InputError(
            f"{info.path}: its frames carry no times, and the {info.codec} stream does not declare "
            "its rate; say how many frames there are in a second with --fps RATE, such as 25"
        )
    if settings.strict and not (rate is not None and _only_lacks_times(found)):
        refuse_odd(info, found)
    if known is not None and known.packets != len(found.packets):
        known = None
    if found.is_plain and known is None and not thorough:
        timeline = plain_timeline(info, found)
        findings = (
            *name_findings(info),
            *_picture_findings(info, found),
            *(joined := list(joined_findings(info, timeline))),
            *gap_findings(timeline, joined),
            *behind_findings(found),
        )
        return Recording(info, timeline, hwaccel, findings=findings)
    examined = known if known is not None else examine(info, found, progress)
    recording = _understood(info, found, examined, rate)
    if settings.strict:
        _refuse_bad(recording)
    return recording


def _picture_findings(info: VideoInfo, found: Scan) -> Iterator[Finding]:
    if info.container == DEMUXER and info.average_rate is not None and len(found.packets) > 1:
        yield rate_finding(info.average_rate, "pictures carry no times")


def _only_lacks_times(found: Scan) -> bool:
    return replace(found, has_times=True, packets=()).is_plain and not any(
        packet.is_corrupt for packet in found.packets
    )


def _refuse_bad(recording: Recording) -> None:
    for finding in recording.findings:
        if finding.kind not in ("name", "rate", "order", "hidden", "gap", "joined"):
            raise DamagedError(
                f"{recording.info.path}: {finding.text}; copy it again from its source, or leave "
                "--strict out to enhance what decodes"
            )


def _understood(
    info: VideoInfo, found: Scan, examined: Examination, rate: Fraction | None
) -> Recording:
    """The recording, with repaired times and all findings, after an examination."""
    clock: tuple[Fraction, ...] = ()
    numbers = examined.decoding.packets
    packets = [found.packets[number] for number in numbers]
    if rate is not None:
        own = next((p.time for p in packets if p.time is not None and found.has_times), 0)
        base = _common(info.time_base, 1 / rate) if found.has_times else 1 / rate
        step = int(1 / (rate * base))
        pts = even(len(packets), int(own * info.time_base / base), step)
        info, last_duration = replace(info, average_rate=rate, time_base=base), step
        times = [rate_finding(rate)]
    else:
        own_times = [packet.pts for packet in packets]
        if all(time is None for time in own_times):
            own_times = [packet.dts for packet in packets]
        known = sorted(time for time in own_times if time is not None)
        step = usual_step(info, known if len(known) == len(own_times) else ())
        mended = repaired(own_times, numbers, step)
        usual = usual_step(info, mended.pts)
        ends = (mended.pts[-1] + usual * (k + 1) for k in range(found.held))
        pts, last_duration = (*mended.pts, *ends)[found.held :], usual
        if found.has_good_times:
            plain = plain_timeline(info, found)
            last_duration = plain.last_duration if plain.pts[-1] == pts[-1] else last_duration
        times = [*time_findings(mended, info.time_base)]
        clock = tuple(ticks * info.time_base for ticks in mended.moved)
    indices = sorted({e.index for e in examined.decoding.entries if e.index < len(pts)})
    timeline = RecordedTimeline(
        info.time_base, pts, tuple(indices), last_duration, examined.decoding
    )
    findings = (
        *name_findings(info),
        *_picture_findings(info, found),
        *times,
        *(lost := list(lost_findings(info, found, examined, timeline))),
        *(joined := list(joined_findings(info, timeline))),
        *gap_findings(timeline, [*lost, *joined]),
        *damage_findings(examined, timeline),
        *variant_findings(info, examined, timeline),
        *hidden_findings(found, examined),
        *end_findings(info, found, timeline),
        *behind_findings(found),
    )
    # The CPU examined it, so the CPU decodes it: damage may decode differently elsewhere.
    return Recording(info, timeline, None, clock, findings, examined)


def _common(one: Fraction, other: Fraction) -> Fraction:
    """The largest time base in which both are whole numbers."""
    across = gcd(one.numerator * other.denominator, other.numerator * one.denominator)
    return Fraction(across, one.denominator * other.denominator)
