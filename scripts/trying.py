"""Restorers are shown the crops that a job makes of a degraded clip, beside the truth."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from degrading import Image
from judging import BICUBIC, Embed, Shown

from videnhance import restorers
from videnhance.faces.alignment import crop_to_frame, eye_distance
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.identity import embedder_row
from videnhance.imaging.affine import compose, scaling, warp
from videnhance.imaging.frames import FloatArray
from videnhance.job.run import enhance
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.media.opening import open_clip
from videnhance.media.reading.coding import coding_of
from videnhance.media.reading.source import probe
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.settings.groups import OutputSettings, RestoreSettings, Settings

Kept = dict[tuple[int, int], dict[str, FloatArray]]
"""By track and frame: the crop by each restorer, and as it came."""


@dataclass(frozen=True)
class Trial:
    """Which restorers are shown the crops, on which device, and how the faces are found."""

    settings: Settings
    names: Sequence[str]
    device: str = "cpu"
    coding: Coding = UNKNOWN_CODING
    """Of the clip they are shown."""

    @cached_property
    def embed(self) -> Embed:
        """What the identity of faces is measured with."""
        return embedder_row(self.settings).make(Loader(self.settings, self.device)).embed

    def restorers(self) -> dict[str, restorers.Restorer]:
        """New ones: what they remember is of one video. Raises UsageError, ModelError."""
        made = {}
        for name in self.names:
            wish = replace(self.settings, restore=RestoreSettings(restorer=name))
            made[name] = restorers.create(Loader(wish, self.device, coding=self.coding))
        return made


class Recording:
    """Stands in for a restorer: shows every window to all, and keeps what came out."""

    name = "recording"
    batch = 1
    invents = False

    def __init__(self, inner: Mapping[str, restorers.Restorer]) -> None:
        self._inner = inner
        self.radius = max((restorer.radius for restorer in inner.values()), default=0)
        self.kept: Kept = {}
        self._seconds: dict[str, list[float]] = {name: [] for name in inner}

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        for window in windows:
            crops = {BICUBIC: window.crops[window.centre]}
            for name, restorer in self._inner.items():
                seen = within(window, restorer.radius)
                began = time.perf_counter()
                crops[name] = restorer.restore([seen])[0]
                self._seconds[name].append(time.perf_counter() - began)
            self.kept[window.tracklet, window.frames[window.centre]] = crops
        return [window.crops[window.centre] for window in windows]

    def milliseconds(self) -> dict[str, float]:
        """The median for a face and frame: the first takes longer."""
        return {n: 1000 * float(np.median(s)) for n, s in self._seconds.items() if s}


def within(window: CropWindow, radius: int) -> CropWindow:
    """The same with at most so many neighbours on each side."""
    first, stop = max(window.centre - radius, 0), window.centre + radius + 1
    return replace(
        window,
        frames=window.frames[first:stop],
        crops=window.crops[first:stop],
        centre=window.centre - first,
    )


def tried(path: Path, trial: Trial) -> tuple[tuple[Tracklet, ...], Recording]:
    """Tracks of a clip and what the restorers made of it, from the tool's own steps.

    Raises VidenhanceError."""
    settings = replace(trial.settings, output=OutputSettings(preset="ultrafast"))
    info = probe(path)
    coding = coding_of(info, open_clip(info).recorded.timeline)
    recording = Recording(replace(trial, coding=coding).restorers())
    restorers.RESTORERS[Recording.name] = Row(lambda loader: recording)
    try:
        with tempfile.TemporaryDirectory() as folder:
            job = Path(folder) / "job"
            settings = replace(settings, restore=RestoreSettings(restorer=Recording.name))
            enhance(path, Path(folder) / "out.mkv", settings, job_dir=job, keep_job=True)
            tracks = read_tracks(job / "tracks.json", open_clip(info))
    finally:
        del restorers.RESTORERS[Recording.name]
    return tracks.tracklets, recording


def beside_truth(
    clean: Sequence[Image], tracklets: Sequence[Tracklet], kept: Kept, scale: tuple[float, float]
) -> list[Shown]:
    """The crops with their truths; `scale`: how much wider and higher the truth is."""
    shown = []
    for tracklet in tracklets:
        for frame in range(tracklet.start, tracklet.stop):
            crops = kept[tracklet.id, frame]
            size = len(crops[BICUBIC])
            pose = tracklet.poses[frame - tracklet.start]
            to_clean = compose(scaling(*scale), crop_to_frame(pose, size))
            truth = np.clip(warp(clean[frame], to_clean, (size, size)) / np.float32(255.0), 0, 1)
            shown.append(Shown(tracklet.id, frame, float(eye_distance(pose)), truth, crops))
    return shown


def sample_truth() -> list[Image]:
    """The sample's clean frames, from the script that made it."""
    path = Path(__file__).resolve().parent / "make_samples.py"
    spec = importlib.util.spec_from_file_location("make_samples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_samples"] = module
    spec.loader.exec_module(module)
    return list(module.clean_frames())
