"""Positions as users write them, and the frames they mean."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videnhance.errors import UsageError
from videnhance.media.positions import Position, frame_at, parse_position, span_of
from videnhance.media.timeline import Timeline

EVEN = Timeline(Fraction(1, 25), tuple(range(50, 150)), (0,), 1)
"""100 frames at 25 a second; the first pts is 2 s."""
THIRDS = Timeline(Fraction(1, 30), tuple(range(90)), (0,), 1)
UNEVEN = Timeline(Fraction(1, 1000), (7, 47, 48, 1007, 3007), (0,), 500)
"""Shown at 0, 0.04, 0.041, 1 and 3 s; ends at 3.5 s."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", Fraction(0)),
        ("90", Fraction(90)),
        ("12.5", Fraction(25, 2)),
        ("0.04", Fraction(1, 25)),
        ("1:30.5", Fraction(181, 2)),
        ("00:01:30.500", Fraction(181, 2)),
        ("90:00", Fraction(5400)),
        ("75:59.9", Fraction(45599, 10)),
        ("10:00:00", Fraction(36000)),
        ("1:5", Fraction(65)),
        ("0.100000000000000005551115123125", Fraction("0.100000000000000005551115123125")),
    ],
)
def test_times(text: str, seconds: Fraction) -> None:
    assert parse_position("--start", text) == Position(seconds=seconds)


def test_frame_numbers() -> None:
    assert parse_position("--at", "120f") == Position(frame=120)
    assert parse_position("--at", "0f") == Position(frame=0)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-1", "-5f", "+3", "nan", "NaN", "inf", "1e3", "12ff", "f", "12.5f", "1:75"),
        *("1:60:00", "1:2:3:4", ":30", "1:", "1:-5", "1.5:00", "12,5", ".", "5.", "one", "1 0"),
        *("٣", "5\n", "9" * 5000, "9" * 5000 + "f"),
    ],
)
def test_what_is_no_position_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_position("--end", text)
    message = str(caught.value)
    assert message.startswith(f"--end {text!r}: is no position")
    assert "\n" not in message
    for form in ("12.5", "1:30.5", "120f"):
        assert form in message


@pytest.mark.parametrize(
    ("timeline", "start", "end", "span"),
    [
        (EVEN, None, None, (0, 100)),
        (EVEN, "1", "2", (25, 50)),
        (EVEN, "0", "0.04", (0, 1)),
        (EVEN, "0.01", None, (1, 100)),
        (EVEN, None, "0:3.999", (0, 100)),
        (EVEN, None, "1:00:00", (0, 100)),
        (EVEN, "10f", "500f", (10, 100)),
        (EVEN, "99f", None, (99, 100)),
        (EVEN, "3.96", "100f", (99, 100)),
        (EVEN, "1", "30f", (25, 30)),
        (THIRDS, "0.033", "0.067", (1, 2)),
        (THIRDS, "0.0339", "0.1", (2, 3)),
        (THIRDS, "00:00:01.033", "00:00:01.067", (31, 32)),
        (UNEVEN, "0.04", "1", (1, 3)),
        (UNEVEN, "0.041", "3", (2, 4)),
        (UNEVEN, "0.2", None, (3, 5)),
        (UNEVEN, "2", "3.2", (4, 5)),
    ],
)
def test_spans(
    timeline: Timeline, start: str | None, end: str | None, span: tuple[int, int]
) -> None:
    assert span_of(timeline, start, end) == span


def test_a_frame_is_found_at_its_time_rounded_to_milliseconds() -> None:
    timeline = Timeline(Fraction(1001, 60000), tuple(range(1, 4001)), (0,), 1)
    for index in range(4000):
        text = f"{float(index * timeline.time_base):.3f}"
        assert frame_at(timeline, "--at", text) == index
        assert span_of(timeline, text, None)[0] == index


def test_exact_arithmetic_at_the_edge_of_the_tolerance() -> None:
    timeline = Timeline(Fraction(1, 10000), (0, 10, 20), (0,), 10)
    assert span_of(timeline, "0.0015", None) == (1, 3)  # half a millisecond after frame 1: counts
    assert span_of(timeline, "0.00150001", None) == (2, 3)
    assert frame_at(timeline, "--at", "0.0005") == 1
    assert frame_at(timeline, "--at", "0.00049999") == 0


@pytest.mark.parametrize(
    ("start", "end", "what"),
    [
        (
            "4",
            None,
            "--start 4: no frame begins there or later; the video has 100 frames and lasts ",
        ),
        ("3.99", None, "--start 3.99: no frame begins"),
        ("100f", None, "--start 100f: no frame begins"),
        ("100f", "50f", "--start 100f: no frame begins"),
        ("2", "1", "--start 2 --end 1: no frame lies in this range; name a later --end"),
        ("2", "2", "--start 2 --end 2: no frame"),
        ("0.041", "0.08", "--start 0.041 --end 0.08: no frame"),
        (None, "0", "--end 0: no frame"),
        ("x", None, "--start 'x': is no position"),
        (None, "x", "--end 'x': is no position"),
    ],
)
def test_ranges_without_a_frame_are_refused(start: str | None, end: str | None, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        span_of(EVEN, start, end)
    assert str(caught.value).startswith(what)
    if "'" not in what:
        assert str(caught.value).endswith("the video has 100 frames and lasts 4.000 s")


@pytest.mark.parametrize(
    ("timeline", "text", "index"),
    [
        (EVEN, "0", 0),
        (EVEN, "0.039", 0),
        (EVEN, "0.04", 1),
        (EVEN, "3.99", 99),
        (EVEN, "99f", 99),
        (THIRDS, "0.033", 1),
        (UNEVEN, "0.999", 2),
        (UNEVEN, "2.9", 3),
        (UNEVEN, "3.499", 4),
    ],
)
def test_the_frame_shown_at_a_position(timeline: Timeline, text: str, index: int) -> None:
    assert frame_at(timeline, "--at", text) == index


@pytest.mark.parametrize("text", ["4", "4.5", "1:00", "100f"])
def test_nothing_is_shown_beyond_the_end(text: str) -> None:
    with pytest.raises(
        UsageError, match=rf"^--at {text}: is beyond the end; .*100 frames.*4\.000 s$"
    ):
        frame_at(EVEN, "--at", text)
