"""The origin of a source's clock: what it read at the time that is the output's 0."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from fractions import Fraction

_DATES = (datetime(1990, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc))
"""A clock that reads seconds since 1970 between these shows the date. Hours of uptime, and the 26.5
hours of MPEG's clock, are far from that."""
_HOLDS_DATES = ("mp4", "mov", "matroska", "webm")


def date_of(origin: Fraction) -> datetime | None:
    """The date, if a clock that reads so many seconds shows one."""
    first, last = (Fraction(int(date.timestamp())) for date in _DATES)
    if not first <= origin < last:
        return None
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
        microseconds=int(origin * 1_000_000)
    )


def creation_time(muxer: str, origin: Fraction) -> dict[str, str]:
    """The metadata by which the container says when the output's time 0 was; empty if it was no
    date, or the container has no place for it."""
    date = date_of(origin)
    if date is None or muxer not in _HOLDS_DATES:
        return {}
    return {"creation_time": date.isoformat(timespec="microseconds").replace("+00:00", "Z")}


def sentence(muxer: str, suffix: str, origin: Fraction) -> str:
    """What was done about an origin other than 0, for the summary."""
    if origin < 0:
        return (
            f"{suffix} has no times before 0, where its source begins: picture and sound are "
            f"{float(-origin):.3f} s later, together"
        )
    date = date_of(origin)
    read = f"{float(origin):.3f} s" if date is None else f"{date:%Y-%m-%d %H:%M:%S} (UTC)"
    told = ", and says so as its creation time" if creation_time(muxer, origin) else ""
    kept = "; --keep-origin keeps its times" if muxer != "avi" else ""
    return f"the source's clock begins at {read}, the output at 0{told}{kept}"
