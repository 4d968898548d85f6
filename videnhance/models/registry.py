"""A row of a table of detectors, restorers or other networks: how one is made, and what it is.

The tables import nothing heavy, so the command line can list them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from videnhance.models.loader import Equipment

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Row(Generic[T]):
    """How something of a name is made, and what is known of it before it is."""

    make: Callable[[Equipment], T]
    weights: str | None = None
    """Name of the weights of its network, for one that has one (models/catalog.py)."""
    about: str = ""
    """What it does or is, in a few words for the help."""
    packages: tuple[str, ...] = ()
    """Distributions that its results depend on, beside those of every job: they are part of a job's
    record and of the fingerprints (job/directory/fingerprints.py)."""
    invents: bool = False
    """Of a restorer: whether it can show what the clip does not hold."""
    learned: bool = False
    """Of a restorer: whether it corrects by what was learned elsewhere, held to what was recorded:
    it invents no detail but estimates, and is given how the video was coded."""
    on_gpu: bool = False
    """Of a restorer: whether it takes crops that are on the GPU on which its network is."""
    rank: int = 0
    """Of a detector: of those whose weights are here "auto" takes the highest; never one of 0."""
