"""The timeline of a report as shapes: who is seen when, how strongly faces were changed, damage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from videnhance.report.model import STATES, Mark, Person, Report, Stretch, Table
from videnhance.report.words import clock, percent

_TICKS = 8
"""Marks on the axis, at most."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds between two of them."""
_DAMAGE = {"gap": "gap", "joined": "other", "rate": "other", "order": "other", "name": "other"}
"""How a finding looks; those that are not named here are damage."""
_TOPS = {"recorded": 46, "outside": 46, "gap": 10, "damage": 10, "other": 10}
"""How far the parts of the recording's lane begin below its top, in per cent of its height."""
_LEAST = 0.15
"""Per cent of the width below which a part could not be seen."""


@dataclass(frozen=True)
class Part:
    """A rectangle of a lane, in per cent of the lane's size."""

    look: str
    left: float
    width: float
    top: float
    begin: float
    end: float
    said: str


@dataclass(frozen=True)
class Lane:
    """A row of the timeline."""

    name: str
    said: str
    """All of it in words."""
    parts: tuple[Part, ...]
    person: Person | None = None
    force: str = ""
    """The course of the strength: an SVG path in a square of 10000 x 100."""


@dataclass(frozen=True)
class Chart:
    """The whole timeline."""

    ticks: tuple[tuple[float, str], ...]
    """(per cent, text)"""
    lanes: tuple[Lane, ...]
    table: Table
    length: float
    """Seconds that the width stands for."""


def chart_of(report: Report) -> Chart:
    """The timeline of a report, over the whole source."""
    length = max(report.duration, 1e-3)
    lanes = [_recording(report, length)]
    lanes += [_lane(person, length) for person in report.persons]
    return Chart(_ticks(length), tuple(lanes), _table(report), length)


def _ticks(length: float) -> tuple[tuple[float, str], ...]:
    step = next((s for s in _STEPS if length / s <= _TICKS), 86400.0)
    count = math.floor(length / step)
    return tuple((round(100 * k * step / length, 3), clock(k * step, 0)) for k in range(count + 1))


def _recording(report: Report, length: float) -> Lane:
    begin, end = report.span
    parts = [_part("recorded", begin, end, length, "recorded")]
    if begin > 0:
        parts.append(_part("outside", 0, begin, length, "not worked on"))
    if end < length - 1e-6:
        parts.append(_part("outside", end, length, length, "not worked on"))
    placed = [mark for mark in report.marks if mark.begin is not None]
    # The worst on top of the rest.
    for mark in sorted(placed, key=lambda m: _look(m) == "damage"):
        assert mark.begin is not None
        stop = mark.begin if mark.end is None else mark.end
        parts.append(_part(_look(mark), mark.begin, stop, length, mark.text))
    said = f"Recording, {clock(length)} long: " + (
        "; ".join(mark.text for mark in placed) or "no damage and no gaps were found"
    )
    return Lane("Recording", said, tuple(parts))


def _look(mark: Mark) -> str:
    return _DAMAGE.get(mark.kind, "damage")


def _lane(person: Person, length: float) -> Lane:
    parts = [
        _part("alone" if s.state == "alone" else "seen", s.begin, s.end, length, told(s))
        for s in person.stretches
    ]
    said = f"Track {person.track}: " + "; ".join(told(s) for s in person.stretches[:12])
    if len(person.stretches) > 12:
        said += f"; and {len(person.stretches) - 12} more parts, in the table below"
    return Lane(f"Track {person.track}", said, tuple(parts), person, _force(person.curve, length))


def _part(look: str, begin: float, end: float, length: float, said: str) -> Part:
    left, width = 100 * begin / length, 100 * (end - begin) / length
    width = max(width, _LEAST)
    left = min(left, 100 - width)
    top = _TOPS.get(look, 12)
    return Part(look, round(left, 3), round(width, 3), top, begin, end, said)


def _force(curve: Sequence[tuple[float, float]], length: float) -> str:
    """The area under the strength; nothing where there is none."""
    if not any(value > 0 for _, value in curve):
        return ""
    points = [(round(10000 * t / length), round(88 - 76 * v)) for t, v in curve]
    line = "".join(f"L{x} {y}" for x, y in points)
    return f"M{points[0][0]} 88{line}L{points[-1][0]} 88Z"


def told(stretch: Stretch) -> str:
    """A stretch in words: "0:01.2 to 0:04.8 restored in part (small), strength 62 % on average"."""
    words = f"{clock(stretch.begin)} to {clock(stretch.end)} {STATES[stretch.state]}"
    if stretch.reason:
        words += f" ({stretch.reason})"
    if stretch.strength is not None and stretch.state != "alone":
        words += f", strength {percent(stretch.strength)} on average"
    return words


def _table(report: Report) -> Table:
    rows = [
        (
            f"Track {person.track}",
            clock(s.begin, 2),
            clock(s.end, 2),
            STATES[s.state] + (f": {s.reason}" if s.reason else ""),
            "" if s.strength is None or s.state == "alone" else percent(s.strength),
        )
        for person in report.persons
        for s in person.stretches
    ]
    rows += [
        (
            "Recording",
            "" if mark.begin is None else clock(mark.begin, 2),
            "" if mark.end is None else clock(mark.end, 2),
            mark.text,
            "",
        )
        for mark in report.marks
    ]
    return Table("Timeline", ("", "from", "to", "what", "strength"), tuple(rows))
