"""How the source is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from videnhance.errors import UsageError
from videnhance.settings.table import setting


def rate_of(text: str) -> Fraction:
    """The rate written for `--fps`; raises UsageError."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, 1000) <= rate <= 1000 or rate.numerator > 10**6:
        raise UsageError(f"--fps {text}: takes frames a second such as 25, 12.5 or 30000/1001")
    return rate


def _rate(option: str, text: str) -> None:
    rate_of(text)


EVERY = "all"
"""The value of `--stream` for every video of a file."""


def _stream(option: str, text: str) -> None:
    if text != EVERY and not (text.isascii() and text.isdigit() and len(text) < 4):
        raise UsageError(f"{option} {text}: takes the number of a video stream, such as 1, or all")


@dataclass(frozen=True)
class SourceSettings:
    """How a source is read (media.repair.recording)."""

    fps: str | None = setting(
        None,
        "--fps",
        "Frames a second, such as 25, where a file's frames carry no usable times.",
        rule=_rate,
        may_remake=("detect", "render"),
    )
    """Such as 25 or 30000/1001."""
    input_codec: str = setting(
        "auto",
        "--input-codec",
        "What the video is coded in, where the file says it wrongly: {choices}.",
        choices=("auto", "h264", "hevc", "mjpeg", "mpeg4", "mpeg2video", "mpeg1video"),
        remakes=("detect", "render"),
    )
    """auto is what the file says, or, where that is no codec or shows no picture, what its bytes
    look like (media.reading.recoding)."""
    strict: bool = setting(False, "--strict", "Damage, or times that need repair, are an error.")
    stream: str | None = setting(
        None,
        "--stream",
        "Of several videos in a file: the number that probe shows, or all; default: the largest.",
        rule=_stream,
        metavar="N",
        may_remake=("detect", "render"),
    )
    """Index of a video stream, or EVERY."""

    @property
    def index(self) -> int | None:
        """Of the video stream that is named; None where none or every one is."""
        return None if self.stream in (None, EVERY) else int(self.stream)
