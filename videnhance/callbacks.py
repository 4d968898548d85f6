"""How long work is followed and stopped: two functions that the caller passes in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(step, done, total); total is 0 while unknown."""
Stop = Callable[[], bool]
"""Asked now and then; once it returns True the work ends early, where it can be resumed."""


def silent(step: str, done: int, total: int) -> None:
    """The progress of work that nobody follows."""


def never() -> bool:
    """The `stop` of work that nobody stops."""
    return False
