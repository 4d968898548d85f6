"""Settings of what is worked on: a range of a video, and some of the persons in it."""

from __future__ import annotations

from dataclasses import dataclass

from videnhance.settings.panels import PERSONS
from videnhance.settings.table import setting
from videnhance.settings.text import IDS, PERSON_NUMBERS


@dataclass(frozen=True)
class PartSettings:
    """Which part of a video: a range of its frames, and which of the persons in it."""

    start: str | None = setting(
        None,
        "--start",
        "First frame: seconds, hh:mm:ss.mmm or a frame number such as 120f.",
        may_remake=("detect", "render"),
    )
    """Position (positions.parse_position)."""
    end: str | None = setting(
        None,
        "--end",
        "First frame left out, written as --start is.",
        may_remake=("detect", "render"),
    )
    only: tuple[int, ...] = setting(
        (),
        "--only",
        "Enhance these tracks only: ids such as 1,3.",
        form=IDS,
        panel=PERSONS,
        may_remake=("render",),
    )
    """None named is all."""
    skip: tuple[int, ...] = setting(
        (),
        "--skip",
        "Leave these tracks alone: ids such as 2.",
        form=IDS,
        panel=PERSONS,
        may_remake=("render",),
    )

    only_person: tuple[int, ...] = setting(
        (),
        "--only-person",
        "Enhance the tracks of these persons only: numbers such as 1,3.",
        form=PERSON_NUMBERS,
        panel=PERSONS,
        may_remake=("render",),
    )
    """As tracks.json numbers them; with `only`, both are enhanced."""
    skip_person: tuple[int, ...] = setting(
        (),
        "--skip-person",
        "Leave the tracks of these persons alone: numbers such as 2.",
        form=PERSON_NUMBERS,
        panel=PERSONS,
        may_remake=("render",),
    )

    @property
    def persons(self) -> bool:
        """Whether some tracks are chosen."""
        return bool(self.only or self.skip or self.only_person or self.skip_person)
