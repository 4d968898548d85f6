"""A clip: a source as it is processed, frame by frame, together with its recording.

Detection, tracking, rendering and the pictures for people all get a Clip, and a frame's index
always counts the clip's frames. If deinterlacing makes a picture of each field, a clip has twice as
many frames as its recording. The recorded frames have a type of timeline of their own,
RecordedTimeline, which only the Recording and the functions that open its file accept.
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
from videnhance.media.reading.kept import KeptFrames
from videnhance.media.repair.recording import Recording
from videnhance.media.timeline import Timeline
from videnhance.settings.clean_up import CleanSettings

_PLACES, _RUN = 6, 6
"""How many places are sampled to measure what holds for a whole clip, and frames at each."""
_INTERLACED = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}
"""FFmpeg's AVFieldOrder of interlaced streams (TT, BB, TB, BT: coded, then shown first)."""


@dataclass(frozen=True)
class Clip:
    """A source as it is processed."""

    recorded: Recording
    """The source before any clean-up."""
    pix_fmt: str
    """Pixel format in which frames are read."""
    cleaning: Cleaning | None = None
    """The clean-up of whole frames, before anything else; None: no clean-up."""
    notes: tuple[str, ...] = ()
    """What the user should know about the clean-up, one sentence each."""

    @property
    def info(self) -> VideoInfo:
        """Facts about the source; its time base and rate are those of the recorded frames."""
        return self.recorded.info

    @cached_property
    def timeline(self) -> Timeline:
        """When each frame of the clip is shown."""
        return self.recorded.timeline.fields() if self._has_fields else self.recorded.timeline

    @property
    def rate(self) -> Fraction | None:
        """Frames a second on average, as declared or given; None if unknown."""
        rate = self.info.average_rate
        return 2 * rate if rate and self._has_fields else rate

    def frames(
        self, start: int, stop: int, pix_fmt: str | None = None, *, limited: bool = False
    ) -> Iterator[Frame]:
        """Frames start..stop (half-open), cleaned up, in `pix_fmt` (by default the clip's);
        `limited` converts full range to limited range.

        Raises InputError, and DamagedError for damage that is not known yet.
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
        """Frames start..stop (half-open) of this clip as they were recorded. If each field is a
        frame of the clip, every recorded frame comes twice."""
        if not self._has_fields:
            yield from self.recorded.frames(start, stop, self.pix_fmt)
            return
        for frame in self.recorded.frames(start // 2, -(-stop // 2), self.pix_fmt):
            for index in (2 * frame.index, 2 * frame.index + 1):
                if start <= index < stop:
                    yield replace(frame, index=index, pts=self.timeline.pts[index])

    def keeping(self, kept: KeptFrames) -> Clip:
        """The same clip, which keeps there what will be asked for again."""
        return replace(self, recorded=replace(self.recorded, kept=kept))

    @property
    def _has_fields(self) -> bool:
        return self.cleaning is not None and self.cleaning.fields


def cleaned_up(recorded: Recording, settings: CleanSettings, pix_fmt: str) -> Clip:
    """A clip of the recording, cleaned up by the settings and read in `pix_fmt`.

    Settings of "auto" are measured at a few places of the whole recording. Raises InputError if
    these cannot be read, or if a filter does not take `pix_fmt`.
    """
    order, notes = _field_order(recorded, settings, pix_fmt)
    cleaning = Cleaning(
        order=order,
        fields=order is not None and settings.rate == "field",
        deblock=settings.deblock,
        denoise=settings.denoise,
        lens=settings.lens if settings.lens and any(settings.lens) else None,
    )
    cleaning, measured = _with_tones(cleaning, recorded, settings, pix_fmt)
    notes += measured
    if cleaning == Cleaning():
        return Clip(recorded, pix_fmt, notes=tuple(notes))
    cleaning.refuse_unfit(pix_fmt, recorded.info.path)
    notes.append("whole frames were cleaned up, so pixels outside faces differ from the source")
    return Clip(recorded, pix_fmt, cleaning, tuple(notes))


def _field_order(
    recorded: Recording, settings: CleanSettings, pix_fmt: str
) -> tuple[str | None, list[str]]:
    """The field order to deinterlace by, None for no deinterlacing; and notes."""
    declared = _INTERLACED.get(recorded.info.field_order)
    if settings.deinterlace == "off":
        if declared is None:
            return None, []
        return None, [
            "its stream is declared interlaced; if edges look like combs, add --deinterlace auto"
        ]
    runs = [_lumas(recorded, at, pix_fmt) for at in _places(recorded.timeline)]
    scanning = Scanning.of(
        verdict(*run[k - 1 : k + 2]) for run in runs for k in range(1, len(run) - 1)
    )
    if not scanning.is_interlaced and settings.deinterlace != "bwdif":
        said = "it is declared so, but " if declared else ""
        return None, [
            f"not deinterlaced: {said}no fields of different times were found ({scanning.summary})"
        ]
    votes = [first_field(run) for run in runs]
    top, bottom = votes.count("tff"), votes.count("bff")
    order = "tff" if top > bottom else "bff" if bottom > top else declared or "tff"
    first = "top" if order == "tff" else "bottom"
    twice = ", a picture for each field" if settings.rate == "field" else ""
    return order, [f"deinterlaced by bwdif, {first} field first{twice} ({scanning.summary})"]


def _with_tones(
    cleaning: Cleaning, recorded: Recording, settings: CleanSettings, pix_fmt: str
) -> tuple[Cleaning, list[str]]:
    """`cleaning` with measured white balance and levels, if these are set to "auto"; and notes."""
    notes: list[str] = []
    if "auto" not in (settings.levels, settings.white_balance):
        return cleaning, notes
    seen = [
        frame for at in _places(recorded.timeline) for frame in recorded.frames(at, at + 1, pix_fmt)
    ]
    if settings.white_balance == "auto":
        cleaning = replace(cleaning, balance=measured_balance(seen))
        seen = [toned(frame, Tones(balance=cleaning.balance)) for frame in seen]
        gains = ", ".join(f"{gain:.2f}" for gain in cleaning.balance or ())
        notes.append(f"white balance: red, green, blue times {gains}")
    if settings.levels == "auto":
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
    """The first plane in 8-bit steps: luma, or green for RGB formats."""
    scale = 1.0 / (1 << (frame.layout.depth - 8))
    return np.asarray(frame.planes[0].astype(np.float32) * np.float32(scale), np.float32)
