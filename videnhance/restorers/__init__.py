"""Restorers by name: a plain table, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from videnhance.errors import chosen
from videnhance.faces import CropWindow
from videnhance.frames import FloatArray


class Restorer(Protocol):
    """Makes aligned crops better.

    `radius`: neighbours wanted on each side of a crop; near a tracklet's ends there are fewer.
    `invents`: whether its output can hold what the clip does not, so that it must be marked.
    The result for a window is a function of that window alone, so that it does not matter where a
    video is cut into segments.
    """

    name: str
    radius: int
    invents: bool

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """One crop for each window: (S, S, 3) float32 RGB 0..1, the centre crop's size."""
        ...


def _identity() -> Restorer:
    from videnhance.restorers.identity import Identity

    return Identity()


def _fusion() -> Restorer:
    from videnhance.restorers.fusion import Fusion

    return Fusion()


RESTORERS: dict[str, Callable[[], Restorer]] = {"fusion": _fusion, "identity": _identity}


def create(name: str) -> Restorer:
    """The restorer of that name; raises UsageError naming those there are."""
    return chosen("--restorer", name, RESTORERS)()
