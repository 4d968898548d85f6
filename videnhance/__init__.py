"""Enhance small, blurred or noisy faces in video, and say plainly what was done.

    import videnhance
    summary = videnhance.enhance("in.mp4", "out.mp4", videnhance.Settings())

Importing this package loads no detector, no model and none of the libraries they need. Only the
names in `__all__` are public; everything else may change in any release.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""Not from typing, which takes a while: Ctrl-C in it would show a trace of where that was."""
if TYPE_CHECKING:
    from typing import Any

    from videnhance.errors import (
        CheckError,
        ContainerError,
        DamagedError,
        InputError,
        JobError,
        ModelError,
        OutputError,
        Stopped,
        TruncatedError,
        UsageError,
        VidenhanceError,
    )
    from videnhance.evidence.document import Record
    from videnhance.evidence.reading import read_record
    from videnhance.evidence.verify import Places, Statement, verify
    from videnhance.job.preview.make import PreviewSummary, make_preview, preview_frame
    from videnhance.job.replay import Replay, replay
    from videnhance.job.run import detect_tracks, enhance, resume
    from videnhance.job.status import Status, read_status
    from videnhance.job.summary import Summary
    from videnhance.job.workers.begin import Ahead, finish_job, plan_job
    from videnhance.job.workers.on_ray import RayCrew
    from videnhance.job.workers.paths import PathMap
    from videnhance.job.workers.stored import enhance_stored
    from videnhance.job.workers.work import Worked, work
    from videnhance.media.info import VideoInfo
    from videnhance.media.reading.source import probe
    from videnhance.settings.clean_up import CleanSettings, FinishSettings
    from videnhance.settings.groups import (
        ComputeSettings,
        DetectSettings,
        EvidenceSettings,
        GateLimits,
        ModelSettings,
        OutputSettings,
        PartSettings,
        RecordSettings,
        RestoreSettings,
        Settings,
        SourceSettings,
        TrackSettings,
    )

__all__ = [
    "Ahead",
    "CheckError",
    "CleanSettings",
    "ComputeSettings",
    "ContainerError",
    "DamagedError",
    "DetectSettings",
    "EvidenceSettings",
    "FinishSettings",
    "GateLimits",
    "InputError",
    "JobError",
    "ModelError",
    "ModelSettings",
    "OutputError",
    "OutputSettings",
    "PartSettings",
    "PathMap",
    "Places",
    "PreviewSummary",
    "RayCrew",
    "Record",
    "RecordSettings",
    "Replay",
    "RestoreSettings",
    "Settings",
    "SourceSettings",
    "Statement",
    "Status",
    "Stopped",
    "Summary",
    "TrackSettings",
    "TruncatedError",
    "UsageError",
    "VidenhanceError",
    "VideoInfo",
    "Worked",
    "detect_tracks",
    "enhance",
    "enhance_stored",
    "finish_job",
    "make_preview",
    "plan_job",
    "preview_frame",
    "probe",
    "read_record",
    "read_status",
    "replay",
    "resume",
    "verify",
    "work",
]

_LAZY = {
    "CheckError": "errors",
    "ContainerError": "errors",
    "DamagedError": "errors",
    "InputError": "errors",
    "JobError": "errors",
    "ModelError": "errors",
    "OutputError": "errors",
    "Stopped": "errors",
    "TruncatedError": "errors",
    "UsageError": "errors",
    "VidenhanceError": "errors",
    "Record": "evidence.document",
    "read_record": "evidence.reading",
    "Places": "evidence.verify",
    "Statement": "evidence.verify",
    "verify": "evidence.verify",
    "Replay": "job.replay",
    "replay": "job.replay",
    "PreviewSummary": "job.preview.make",
    "make_preview": "job.preview.make",
    "preview_frame": "job.preview.make",
    "detect_tracks": "job.run",
    "enhance": "job.run",
    "resume": "job.run",
    "Status": "job.status",
    "read_status": "job.status",
    "Summary": "job.summary",
    "Ahead": "job.workers.begin",
    "finish_job": "job.workers.begin",
    "plan_job": "job.workers.begin",
    "RayCrew": "job.workers.on_ray",
    "enhance_stored": "job.workers.stored",
    "PathMap": "job.workers.paths",
    "Worked": "job.workers.work",
    "work": "job.workers.work",
    "VideoInfo": "media.info",
    "probe": "media.reading.source",
    "CleanSettings": "settings.clean_up",
    "FinishSettings": "settings.clean_up",
    "ComputeSettings": "settings.groups",
    "DetectSettings": "settings.groups",
    "EvidenceSettings": "settings.groups",
    "GateLimits": "settings.groups",
    "ModelSettings": "settings.groups",
    "OutputSettings": "settings.groups",
    "PartSettings": "settings.groups",
    "RecordSettings": "settings.groups",
    "RestoreSettings": "settings.groups",
    "Settings": "settings.groups",
    "SourceSettings": "settings.groups",
    "TrackSettings": "settings.groups",
}
"""Public names by the module that holds them, imported when first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'videnhance' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"videnhance.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return __all__
