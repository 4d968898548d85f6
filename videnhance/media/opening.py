"""Opening: from a file to a Clip, which is probed, scanned for damage and set up for clean-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from videnhance.media.clip import Clip, cleaned_up
from videnhance.media.info import VideoInfo
from videnhance.media.reading.hwaccel import decodes_by
from videnhance.media.reading.source import probe
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
    """A clip of the source (a path, or the result of `probe`), read and cleaned up by the settings.

    Reads all packets. Decodes only if the packets are odd, or if clean-up must be measured.
    `examined`: what an earlier examination of the source found. `progress` gets the number of
    packets, then of frames. Raises InputError, UsageError.
    """
    wish = settings.source
    info = probe(source, wish.input_codec, wish.index) if isinstance(source, Path) else source
    hwaccel = decodes_by(info, settings.compute.hwaccel)
    recorded = recording_of(info, settings.source, progress, examined, hwaccel=hwaccel)
    return cleaned_up(recorded, settings.clean, working_format(recorded.info, CODECS["ffv1"]))
