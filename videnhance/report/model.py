"""What a report shows. Plain values only: where they come from is gather.py's business, how they
look the template's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from videnhance.faces.tracklets import Tracks
from videnhance.imaging.frames import Zone
from videnhance.media.timeline import Timeline

State = Literal["restored", "lowered", "alone"]
"""What became of a face: restored at the full strength asked for, at less, or left as recorded."""
STATES: dict[State, str] = {
    "restored": "restored",
    "lowered": "restored in part",
    "alone": "left as recorded",
}

SMALL = 12.0
"""Pixels between the eyes below which a face is said to hold too little to tell persons apart: the
guidance on facial comparison has no number of its own; at 12 the whole face is some 25 pixels wide,
and features that tell persons apart, such as the corner of an eye, are a pixel or less."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture that the page holds."""

    uri: str
    """A data: URI."""
    width: int
    height: int


@dataclass(frozen=True)
class Change:
    """How far a result lies from what was recorded, in levels of 255, over the picture shown."""

    mean: float
    largest: int
    share: float
    """Share of the pixels that are changed by more than a viewer can see."""


@dataclass(frozen=True)
class Moment:
    """One face at one time. All its pictures show the same place."""

    frame: int
    seconds: float
    eyes: float
    """Pixels between the eyes in the source."""
    original: Picture
    """Its own pixels."""
    result: Picture
    """Its own pixels, `scale` of them for each of the original's."""
    difference: Picture
    change: Change
    strength: float | None = None
    reason: str | None = None
    """The gate's, where the strength is below 1."""
    guard: float | None = None
    """Share of its pixels in which a correction was held back."""
    invention: Picture | None = None
    """How far variations of a restorer that invents lie apart, where that was measured."""


@dataclass(frozen=True)
class Stretch:
    """Seconds, one behind another, in which the same became of a face."""

    begin: float
    end: float
    state: State
    reason: str | None = None
    strength: float | None = None
    """In the mean, 0..1."""


@dataclass(frozen=True)
class Portrait:
    """One picture of a person, integrated from several frames."""

    pictures: tuple[tuple[str, Picture], ...]
    """(what it is, the picture), the portrait among them."""
    said: str


@dataclass(frozen=True)
class Person:
    """A track: one face, followed without a break."""

    track: int
    begin: float
    end: float
    faces: int
    """One for each frame that it is in."""
    restored: int | None
    """How many of them were; None where nothing is known of that."""
    eyes: tuple[float, float]
    """Least and most pixels between the eyes."""
    stretches: tuple[Stretch, ...]
    curve: tuple[tuple[float, float], ...] = ()
    """(seconds, strength) at the bends of its course."""
    face: Picture | None = None
    """A small picture to know it by."""
    moments: tuple[Moment, ...] = ()
    portraits: tuple[Portrait, ...] = ()
    guard: float | None = None
    """Share of its corrected pixels in which the correction was held back, in the mean."""
    invented: float | None = None
    """Share of its detail that is a guess, where that was measured."""
    chosen: bool = True
    """Whether anything was to be done to it."""
    perhaps: int | None = None
    """The number of the person that it may show, as a suggestion; None where that is not known."""
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Moment | None:
        """The moment that is shown first: the one with the most pixels."""
        return max(self.moments, key=lambda moment: moment.eyes, default=None)


@dataclass(frozen=True)
class Mark:
    """Something odd or damaged about the source."""

    kind: str
    text: str
    begin: float | None = None
    end: float | None = None
    """Seconds; None where it has no place in time."""


@dataclass(frozen=True)
class Table:
    """A table of facts; each row's first cell is what it is about."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    long: bool = False
    """Whether it is folded away until it is asked for."""


@dataclass(frozen=True)
class View:
    """A whole frame, on which persons are ticked and zones drawn."""

    frame: int
    seconds: float
    picture: Picture
    boxes: tuple[tuple[int, float, float, float, float], ...]
    """(track, left, top, width, height) in pixels of the upright source."""


@dataclass(frozen=True)
class Choosing:
    """What the page needs to make a tracks.json and the command that uses it."""

    name: str
    """The source's."""
    source: str
    output: str
    """Names as the command has them, quoted for a shell."""
    options: str
    """The options that the result was made with, as the command line takes them."""
    size: tuple[int, int]
    """Width and height of the upright picture, which zones are given in."""
    views: tuple[View, ...]
    tracks: Tracks
    timeline: Timeline


@dataclass(frozen=True)
class Report:
    """A whole report."""

    source: str
    """The video's name."""
    facts: tuple[tuple[str, str], ...]
    """What it is, in few words: (length, "8.8 s")."""
    sentences: tuple[str, ...]
    """What was done, in sentences that need no knowledge of the field."""
    caution: str
    invents: bool
    labels: tuple[str, str]
    """What is written at an original and at a result."""
    scale: int
    span: tuple[float, float]
    """From where to where the source was worked on, seconds."""
    duration: float
    """Of the whole source, seconds."""
    persons: tuple[Person, ...]
    marks: tuple[Mark, ...]
    tables: tuple[Table, ...]
    choosing: Choosing | None
    made: str
    """When, and by which version, this page was made."""
    omitted: int = 0
    """Tracks that are in the tables and the timeline, but have no pictures here."""


def zones_of(choosing: Choosing | None) -> Sequence[Zone]:
    """The zones that the tracks hold already."""
    return choosing.tracks.zones if choosing else ()
