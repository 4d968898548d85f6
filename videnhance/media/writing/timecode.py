"""Timecodes (SMPTE ST 12-1), moved on to a later frame.

A timecode counts frames in whole numbers a second: 25, 30, and 30 for 29.97 too. To keep up with
the clock at such a rate, "drop frame" leaves out two numbers a minute (four at 60), but not every
tenth.
"""

from __future__ import annotations

import re
from fractions import Fraction

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)")
_DROPPED = {30: 2, 60: 4}
"""Numbers left out each minute, by frames a second."""
_FASTEST = 120
"""Frames a second: what is declared beyond is no rate of video, but the tick of its clock."""


def later(timecode: str, seconds: Fraction, rate: Fraction | None) -> str | None:
    """The timecode of the frame that is shown so many seconds later; `rate`: frames a second. After
    24 hours it begins anew. None where it is no timecode of that rate."""
    found = _FORM.fullmatch(timecode.strip())
    if found is None or not rate or rate > _FASTEST:
        return None
    hours, minutes, whole, sign, frame = found.groups()
    a_second = max(round(rate), 1)
    dropped = 0 if sign == ":" else _DROPPED.get(a_second)
    if dropped is None or int(frame) >= a_second:
        return None
    minute = int(hours) * 60 + int(minutes)
    number = (minute * 60 + int(whole)) * a_second + int(frame)
    number -= dropped * (minute - minute // 10)
    per_ten = 600 * a_second - 9 * dropped
    number = (number + round(seconds * rate)) % (144 * per_ten)
    tens, rest = divmod(number, per_ten)
    # The first minute of ten has all its numbers.
    past = max((rest - dropped) // (60 * a_second - dropped), 0)
    number += dropped * (9 * tens + past)
    whole_seconds, frames = divmod(number, a_second)
    minute, second = divmod(whole_seconds, 60)
    return f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}{sign}{frames:0{len(frame)}d}"
