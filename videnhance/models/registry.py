"""The rows of the tables of detectors, restorers and other networks: how to make one, and facts.

The tables import nothing heavy, so that the command line can list them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from videnhance.inference import Traits

if TYPE_CHECKING:
    from videnhance.models.loader import Loader

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Row(Generic[T]):
    """How to make one entry of a table, and what is known about it before it is made."""

    make: Callable[[Loader], T]
    weights: str | None = None
    """Name of its network's weights, if it has any (models/catalog.py)."""
    about: str = ""
    """What it is or does, in a few words for the help."""
    packages: tuple[str, ...] = ()
    """Distributions that its results depend on, besides those of every job. They are part of a
    job's record and of the fingerprints (job/directory/fingerprints.py)."""
    invents: bool = False
    """For a restorer: whether it can show detail that the clip does not hold."""
    learned: bool = False
    """For a restorer: whether it corrects by what a network learned from other video, limited by
    what was recorded. It estimates detail, but does not invent it, and is given how the video was
    coded."""
    on_gpu: bool = False
    """For a restorer: whether it takes crops that are on its network's GPU."""
    traits: Traits | None = None
    """How its network may be computed; None where it has none."""
    copies: bool = False
    """Whether its network may also be given as an ONNX file (Weights.also)."""
    rank: int = 0
    """For a detector: "auto" takes the highest rank whose weights are on this machine, never 0."""
