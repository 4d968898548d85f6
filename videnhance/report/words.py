"""Numbers as a report writes them."""

from __future__ import annotations


def clock(seconds: float, decimals: int = 1) -> str:
    """ "0:04.8", "1:02:03.0": minutes and seconds, and hours where there are any."""
    ticks = round(max(seconds, 0.0) * 10**decimals)
    whole, part = divmod(ticks, 10**decimals)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    tail = f".{part:0{decimals}d}" if decimals else ""
    return (f"{hours}:{minute:02d}" if hours else f"{minute}") + f":{second:02d}{tail}"


def percent(share: float) -> str:
    """As in 62 %, with a space that does not break; a little is not written as none, nor nearly
    all as all."""
    if 0 < share < 0.01:
        return "under 1\u00a0%"
    if 0.99 < share < 1:
        return "over 99\u00a0%"
    return f"{100 * share:.0f}\u00a0%"


def counted(count: int, what: str) -> str:
    """ "1 frame", "2 frames"."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def listed(words: list[str] | tuple[str, ...]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def eyes(span: tuple[float, float]) -> str:
    """ "18 to 23 pixels"."""
    least, most = round(span[0]), round(span[1])
    return f"{most} pixels" if least == most else f"{least} to {most} pixels"
