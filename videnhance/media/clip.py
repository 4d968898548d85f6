"""A clip: a source as it is worked on, frame by frame, and as it was recorded.

A Clip is what detection, tracking, rendering and the pictures for people are given; a frame's index
counts its frames everywhere. Where deinterlacing makes a picture of each field these are twice as
many as the recorded frames, which have a timeline, a RecordedTimeline, that only the Recording and
the functions that open its file take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from videnhance.imaging.frames import Frame
from videnhance.imaging.grading import Tones, measured_balance, measured_levels, toned
from videnhance.media.info import VideoInfo
from videnhance.media.reading.clean_up import Cleaning, cleaned
from videnhance.media.reading.interlacing import Luma, Scanning, first_field, verdict
from videnhance.media.repair.recording import Recording
from videnhance.media.timeline import Timeline
from videnhance.settings.clean_up import CleanSettings

_PLACES, _RUN = 6, 6
"""Where a clip is looked at to settle what holds for all of it: places, and frames at each."""
_INTERLACED = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}
"""FFmpeg's AVFieldOrder of interlaced streams (TT, BB, TB, BT: coded, then shown first)."""


@dataclass(frozen=True)
class Clip:
    """A source as it is worked on."""

    recorded: Recording
    """The same before any clean-up."""
    pix_fmt: str
    """Sample format in which frames are looked at."""
    cleaning: Cleaning | None = None
    """What frames go through before anything looks at them; None: nothing."""
    notes: tuple[str, ...] = ()
    """What the user should know of that, one sentence each."""

    @property
    def info(self) -> VideoInfo:
        """Facts about the source; its time base and rate are those of the recorded frames."""
        return self.recorded.info

    @cached_property
    def timeline(self) -> Timeline:
        """When each frame that is worked on is shown."""
        return self.recorded.timeline.fields() if self._has_fields else self.recorded.timeline

    @property
    def rate(self) -> Fraction | None:
        """Frames a second on average, as declared or given; None where unknown."""
        rate = self.info.average_rate
        return 2 * rate if rate and self._has_fields else rate

    def frames(
        self, start: int, stop: int, pix_fmt: str | None = None, *, limited: bool = False
    ) -> Iterator[Frame]:
        """Frames start..stop (half-open) as they are worked on: cleaned up, in `pix_fmt` (by
        default the clip's), and with `limited` converted from full range to limited.

        Raises InputError, and DamagedError where damage is met that is not known yet.
        """
        form = pix_fmt or self.pix_fmt
        if self.cleaning is None:
            return self.recorded.frames(start, stop, form, limited=limited)
        return cleaned(
            lambda first, last: self.recorded.frames(first, last, form, limited=limited),
            len(self.recorded.timeline),
            self.timeline,
            self.cleaning,
            start,
            stop,
            self.info.path,
        )

    def recorded_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Frames start..stop (half-open) of this clip as they were recorded: the recorded frame
        that holds both fields comes twice where each is a frame of its own."""
        if not self._has_fields:
            yield from self.recorded.frames(start, stop, self.pix_fmt)
            return
        for frame in self.recorded.frames(start // 2, -(-stop // 2), self.pix_fmt):
            for index in (2 * frame.index, 2 * frame.index + 1):
                if start <= index < stop:
                    yield replace(frame, index=index, pts=self.timeline.pts[index])

    @property
    def _has_fields(self) -> bool:
        return self.cleaning is not None and self.cleaning.fields


def cleaned_up(recorded: Recording, wish: CleanSettings, pix_fmt: str) -> Clip:
    """The recording as it is worked on, cleaned up as `wish` says, looked at in `pix_fmt`.

    What `wish` leaves to us is measured at a few places of the whole recording. Raises InputError
    where these cannot be read, or where a filter does not take `pix_fmt`.
    """
    order, notes = _field_order(recorded, wish, pix_fmt)
    cleaning = Cleaning(
        order=order,
        fields=order is not None and wish.rate == "field",
        deblock=wish.deblock,
        denoise=wish.denoise,
        lens=wish.lens if wish.lens and any(wish.lens) else None,
    )
    cleaning, measured = _with_tones(cleaning, recorded, wish, pix_fmt)
    notes += measured
    if cleaning == Cleaning():
        return Clip(recorded, pix_fmt, notes=tuple(notes))
    cleaning.refuse_unfit(pix_fmt, recorded.info.path)
    notes.append("whole frames were cleaned up, so pixels outside faces differ from the source")
    return Clip(recorded, pix_fmt, cleaning, tuple(notes))


def _field_order(
    recorded: Recording, wish: CleanSettings, pix_fmt: str
) -> tuple[str | None, list[str]]:
    """The order of fields by which to deinterlace, None where it is not to be; and notes."""
    declared = _INTERLACED.get(recorded.info.field_order)
    if wish.deinterlace == "off":
        if declared is None:
            return None, []
        return None, [
            "its stream says that it is interlaced; where edges look like combs, add "
            "--deinterlace auto"
        ]
    runs = [_lumas(recorded, at, pix_fmt) for at in _places(recorded.timeline)]
    scanning = Scanning.of(
        verdict(*run[k - 1 : k + 2]) for run in runs for k in range(1, len(run) - 1)
    )
    if not scanning.is_interlaced and wish.deinterlace != "bwdif":
        said = "it is declared so, but " if declared else ""
        return None, [
            f"not deinterlaced: {said}no fields of different times were found ({scanning.told})"
        ]
    votes = [first_field(run) for run in runs]
    top, bottom = votes.count("tff"), votes.count("bff")
    order = "tff" if top > bottom else "bff" if bottom > top else declared or "tff"
    first = "top" if order == "tff" else "bottom"
    twice = ", a picture for each field" if wish.rate == "field" else ""
    return order, [f"deinterlaced by bwdif, {first} field first{twice} ({scanning.told})"]


def _with_tones(
    cleaning: Cleaning, recorded: Recording, wish: CleanSettings, pix_fmt: str
) -> tuple[Cleaning, list[str]]:
    """With white balance and levels as measured, where they are wanted; and notes."""
    notes: list[str] = []
    if "auto" not in (wish.levels, wish.white_balance):
        return cleaning, notes
    seen = [
        frame for at in _places(recorded.timeline) for frame in recorded.frames(at, at + 1, pix_fmt)
    ]
    if wish.white_balance == "auto":
        cleaning = replace(cleaning, balance=measured_balance(seen))
        seen = [toned(frame, Tones(balance=cleaning.balance)) for frame in seen]
        gains = ", ".join(f"{gain:.2f}" for gain in cleaning.balance or ())
        notes.append(f"white balance: red, green, blue times {gains}")
    if wish.levels == "auto":
        cleaning = replace(cleaning, levels=measured_levels(seen))
        black, white, gamma = cleaning.levels or (0.0, 1.0, 1.0)
        notes.append(f"levels: {black:.0%} to {white:.0%} stretched, gamma {gamma:.2f}")
    return cleaning, notes


def _places(timeline: Timeline) -> list[int]:
    last = max(len(timeline) - _RUN, 0)
    return sorted({int(k) for k in np.linspace(0, last, _PLACES)})


def _lumas(recorded: Recording, at: int, pix_fmt: str) -> list[Luma]:
    stop = min(at + _RUN, len(recorded.timeline))
    return [_luma(frame) for frame in recorded.frames(at, stop, pix_fmt)]


def _luma(frame: Frame) -> Luma:
    """In 8-bit steps; of G, B, R planes the green."""
    scale = 1.0 / (1 << (frame.layout.depth - 8))
    return np.asarray(frame.planes[0].astype(np.float32) * np.float32(scale), np.float32)
