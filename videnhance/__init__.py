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
    JobError,
    ModelError,
    OutputError,
    Stopped,
    TruncatedError,
    UsageError,
    VidenhanceError,
)

if TYPE_CHECKING:
    from videnhance.job import detect_tracks, enhance, resume
    from videnhance.preview import PreviewSummary, make_preview, preview_frame
    from videnhance.settings import (
        DetectSettings,
        OutputSettings,
        PartSettings,
        RestoreSettings,
        Settings,
        TrackSettings,
    )
    from videnhance.status import Status, read_status
    from videnhance.streams import VideoInfo
    from videnhance.summary import Summary
    from videnhance.video.source import probe

__all__ = [
    "ContainerError",
    "DetectSettings",
    "InputError",
    "JobError",
    "ModelError",
    "OutputError",
    "OutputSettings",
    "PartSettings",
    "PreviewSummary",
    "RestoreSettings",
    "Settings",
    "Status",
    "Stopped",
    "Summary",
    "TrackSettings",
    "TruncatedError",
    "UsageError",
    "VidenhanceError",
    "VideoInfo",
    "detect_tracks",
    "enhance",
    "make_preview",
    "preview_frame",
    "probe",
    "read_status",
    "resume",
]

_LAZY = {
    "PreviewSummary": "preview",
    "Status": "status",
    "Summary": "summary",
    "detect_tracks": "job",
    "enhance": "job",
    "make_preview": "preview",
    "preview_frame": "preview",
    "resume": "job",
    "read_status": "status",
    "DetectSettings": "settings",
    "OutputSettings": "settings",
    "PartSettings": "settings",
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
