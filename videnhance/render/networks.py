"""The networks that a device renders with, and the weights they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videnhance import detectors, restorers
from videnhance.errors import UsageError
from videnhance.identity import embedder_row
from videnhance.inference import ONNX_FACE, OPENCV, Traits, Way, distribution_of, way_of
from videnhance.inference.onnx_file import is_onnx
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.render.pixels import IN_MEMORY, Pixels
from videnhance.render.rows import MASKERS, UPSCALERS, Masker
from videnhance.restorers import Restorer
from videnhance.settings.groups import AI_UPSCALERS, Settings
from videnhance.stopwatch import Stopwatch

if TYPE_CHECKING:
    from videnhance.identity.embedding import Embedder
    from videnhance.render.upscaling import Upscaler


@dataclass(frozen=True)
class Networks:
    """The networks of one device; it serves one segment at a time."""

    restorer: Restorer
    parser: Masker | None = None
    """Finds the mask of each face, with `--mask` parsing and the like."""
    upscaler: Upscaler | None = None
    """Enlarges the frames, with an AI `--upscaler`."""
    pixels: Pixels = IN_MEMORY
    """Pixel work: on the GPU that the restorer's network is on, or in memory."""
    watch: Stopwatch = field(default_factory=Stopwatch)
    """Counts how long the stages of rendering take; all devices of a job share one."""
    embedder: Callable[[], Embedder] | None = None
    """Gives what drift is measured with, made when it is first asked for."""


def detecting_rows(settings: Settings) -> list[Row[Any]]:
    """The row of the detector in the settings."""
    return [detectors.DETECTORS[detectors.resolved(settings.detect.detector)]]


def tracking_rows(settings: Settings) -> list[Row[Any]]:
    """The row of what tells persons apart, if that is wanted."""
    return [embedder_row(settings)] if settings.track.persons else []


def finding_rows(settings: Settings) -> list[Row[Any]]:
    """The rows of everything that tracks are made with."""
    return [*detecting_rows(settings), *tracking_rows(settings)]


def rendering_rows(settings: Settings) -> list[Row[Any]]:
    """The rows of everything that rendering uses. Raises UsageError for an upscaler of another
    scale."""
    rows: list[Row[Any]] = [restorers.RESTORERS[settings.restore.restorer]]
    if settings.restore.mask in MASKERS:
        rows.append(MASKERS[settings.restore.mask])
    if settings.restore.max_drift is not None:
        rows.append(embedder_row(settings))
    upscaler, scale = settings.output.upscaler, settings.output.scale
    if upscaler in UPSCALERS:
        factor = AI_UPSCALERS[upscaler]
        if factor != scale:
            raise UsageError(
                f"--upscaler {upscaler}: enlarges {factor} times; add --scale {factor}"
            )
        rows.append(UPSCALERS[upscaler])
    return rows


def weights_of(rows: Sequence[Row[Any]]) -> list[str]:
    """Names of the weights that these rows need."""
    return [row.weights for row in rows if row.weights is not None]


def packages_of(rows: Sequence[Row[Any]], settings: Settings) -> list[str]:
    """The distributions that these rows name and that compute their networks, each once, sorted."""
    named = {package for row in rows for package in row.packages}
    return sorted(named | {distribution_of(b) for b in backends_of(rows, settings) - {OPENCV}})


def backends_of(rows: Sequence[Row[Any]], settings: Settings) -> set[str]:
    """The backends by which this machine computes the networks of these rows."""
    return {way.backend for row in rows for way in ways_of(row, settings)}


def ways_of(row: Row[Any], settings: Settings) -> list[Way]:
    """How this machine computes the network of a row, if it has one: one way for each of the
    devices in the settings, without their numbers. Raises UsageError."""
    traits = traits_of(row, settings)
    if traits is None:
        return []
    loader = Loader(settings)
    ways = {way_of(traits, loader.on(d).execution) for d in settings.compute.devices}
    return sorted({replace(way, device=way.device.partition(":")[0]) for way in ways}, key=str)


def traits_of(row: Row[Any], settings: Settings) -> Traits | None:
    """The row's, but those of an ONNX file where the user gives one in place of its weights."""
    given = dict(settings.models.files).get(row.weights or "")
    if row.copies and given is not None and is_onnx(Path(given)):
        return ONNX_FACE
    return row.traits


def detecting_weights(settings: Settings) -> list[str]:
    """Names of the weights that detection needs."""
    return weights_of(detecting_rows(settings))


def tracking_weights(settings: Settings) -> list[str]:
    """Names of the weights that tracking needs."""
    return weights_of(tracking_rows(settings))


def rendering_weights(settings: Settings) -> list[str]:
    """Names of the weights that rendering needs; raises like `rendering_rows`."""
    return weights_of(rendering_rows(settings))


def drift_weights(settings: Settings) -> list[str]:
    """Names of the weights that drift is measured with. No frame depends on them, so they are not
    among those of rendering."""
    measured = settings.restore.drift != "off" and settings.restore.restorer != "identity"
    return weights_of([embedder_row(settings)]) if measured else []


def make_networks(loader: Loader) -> list[Networks]:
    """The networks for each device in the settings, or for the CPU if none is needed.

    Raises UsageError, ModelError.
    """
    settings = loader.settings
    devices = settings.compute.devices if rendering_weights(settings) else ("cpu",)
    return [_networks_on(loader.on(device)) for device in devices]


def _networks_on(loader: Loader) -> Networks:
    settings = loader.settings
    row = UPSCALERS.get(settings.output.upscaler)
    masker = MASKERS.get(settings.restore.mask)
    parser = masker.make(loader) if masker is not None else None
    upscaler = row.make(loader) if row is not None else None
    restorer = restorers.create(loader)
    embedder = cache(lambda: embedder_row(settings).make(loader))
    restoring = restorers.RESTORERS[settings.restore.restorer]
    traits = traits_of(restoring, settings)
    if not restoring.on_gpu or traits is None:
        return Networks(restorer, parser, upscaler, watch=loader.watch, embedder=embedder)
    from videnhance.render.gpu import pixels_on

    device = way_of(traits, loader.execution).device
    return Networks(restorer, parser, upscaler, pixels_on(device), loader.watch, embedder)
