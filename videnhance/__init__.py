"""Enhance small, blurred or noisy faces in video, and say plainly what was done.

    import videnhance
    summary = videnhance.enhance("in.mp4", "out.mp4", videnhance.Settings())

Importing this package loads no detector, no model and none of the libraries they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from videnhance.errors import (
    ContainerError,
    InputError,
    ModelError,
    OutputError,
    TruncatedError,
    UsageError,
    VidenhanceError,
)

if TYPE_CHECKING:
    from videnhance.job import Summary, enhance
    from videnhance.settings import (
        DetectSettings,
        OutputSettings,
        RestoreSettings,
        Settings,
        TrackSettings,
    )
    from videnhance.streams import VideoInfo
    from videnhance.video.source import probe

__all__ = [
    "ContainerError",
    "DetectSettings",
    "InputError",
    "ModelError",
    "OutputError",
    "OutputSettings",
    "RestoreSettings",
    "Settings",
    "Summary",
    "TrackSettings",
    "TruncatedError",
    "UsageError",
    "VidenhanceError",
    "VideoInfo",
    "enhance",
    "probe",
]

_LAZY = {
    "Summary": "job",
    "enhance": "job",
    "DetectSettings": "settings",
    "OutputSettings": "settings",
    "RestoreSettings": "settings",
    "Settings": "settings",
    "TrackSettings": "settings",
    "VideoInfo": "streams",
    "probe": "video.source",
}
"""Public names by the module that holds them, imported when first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'videnhance' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"videnhance.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return __all__
