"""Following and stopping long work: two functions that the caller passes in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(step, done, total); total is 0 while unknown."""
Stop = Callable[[], bool]
"""Called now and then; once it returns True, the work ends early, where it can be resumed."""


def silent(step: str, done: int, total: int) -> None:
    """The default `progress`: does nothing."""


def never() -> bool:
    """The default `stop`: never stops."""
    return False
