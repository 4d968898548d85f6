"""From a file to a Clip: what it is, what is right and wrong with it, how it is worked on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from videnhance.media.clip import Clip, cleaned_up
from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import decodes_by, probe
from videnhance.media.repair.examination import Examination
from videnhance.media.repair.recording import recording_of
from videnhance.media.writing.codecs import CODECS
from videnhance.media.writing.formats import working_format
from videnhance.settings.groups import DEFAULTS, Settings


def open_clip(
    source: VideoInfo | Path,
    settings: Settings = DEFAULTS,
    progress: Callable[[int], None] = lambda done: None,
    examined: Examination | None = None,
) -> Clip:
    """The source (a path, or what `probe` said of it) read and cleaned up as the settings say.

    Reads the packets; decodes only where they do not tell, or where clean-up has to be measured.
    `examined` is what an earlier examination of the source found; `progress` gets the number of
    packets, then of frames. Raises InputError, UsageError.
    """
    info = probe(source) if isinstance(source, Path) else source
    hwaccel = decodes_by(info, settings.compute.hwaccel)
    recorded = recording_of(info, settings.source, progress, examined, hwaccel=hwaccel)
    return cleaned_up(recorded, settings.clean, working_format(recorded.info, CODECS["ffv1"]))
