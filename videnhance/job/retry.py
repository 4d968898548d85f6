"""Work on a source that turns out to be damaged begins again, once all of it was examined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from videnhance.errors import DamagedError
from videnhance.job.monitor import Monitor
from videnhance.media.reading.source import probe
from videnhance.media.repair.examination import Examination
from videnhance.media.repair.recording import recording_of
from videnhance.settings.groups import SourceSettings

T = TypeVar("T")


def after_damage(
    attempt: Callable[[Examination | None], T],
    source: Path,
    settings: SourceSettings,
    monitor: Monitor,
    known: Examination | None = None,
) -> T:
    """What `attempt` returns, which is given what is known of the source's damage.

    Damage that packets do not show is met where frames are decoded. Then every frame is decoded
    once, and the attempt made again: what each reading gives is settled before any of it is used.
    With `--strict`, what that shows is refused, unless only packets and frames differ. Raises what
    `attempt` raises; DamagedError only from a second attempt.
    """
    examined, is_first = known, True
    while True:
        try:
            return attempt(examined)
        except DamagedError:
            if not is_first:
                raise
        is_first = False
        examined = recording_of(
            probe(source, settings.input_codec, settings.index),
            settings,
            lambda done: monitor.tell("examine", done, 0),
            thorough=True,
        ).examination
