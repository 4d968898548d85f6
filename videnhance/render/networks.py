"""The networks that one device renders with, and the weights they all need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from videnhance import detectors, restorers
from videnhance.errors import UsageError
from videnhance.models.catalog import BUNDLED
from videnhance.models.loader import Equipment
from videnhance.render.pixels import IN_MEMORY, Pixels
from videnhance.restorers import Restorer
from videnhance.settings.groups import Settings

if TYPE_CHECKING:
    from videnhance.render.parsing import Parser
    from videnhance.render.upscaling import Upscaler


@dataclass(frozen=True)
class Kit:
    """Serves one segment at a time."""

    restorer: Restorer
    parser: Parser | None = None
    """Finds the mask of each face, with `--mask parsing`."""
    upscaler: Upscaler | None = None
    """Enlarges the frames, with `--upscaler realesrgan-x2` or -x4."""
    pixels: Pixels = IN_MEMORY
    """Where frames and crops are worked on: on the GPU that the restorer's network is on."""


def looking_weights(settings: Settings) -> list[str]:
    """Names of the weights that detection needs."""
    weights = detectors.DETECTORS[detectors.resolved(settings.detect.detector)].weights
    return [] if weights is None else [weights]


def rendering_weights(settings: Settings) -> list[str]:
    """Names of the weights that rendering needs. Raises UsageError for an upscaler of another
    scale."""
    row = restorers.RESTORERS[settings.restore.restorer]
    names = [] if row.weights is None else [row.weights]
    if settings.restore.mask == "parsing":
        names.append("parsenet")
    upscaler, scale = settings.output.upscaler, settings.output.scale
    if upscaler != "lanczos":
        if upscaler != f"realesrgan-x{scale}":
            raise UsageError(
                f"--upscaler {upscaler}: enlarges {upscaler[-1]} times; add --scale {upscaler[-1]}"
            )
        names.append(upscaler)
    return names


def make_kits(equipment: Equipment) -> list[Kit]:
    """One for each device of the settings, if there is a network to compute on them.

    Raises UsageError, ModelError.
    """
    wish = equipment.settings
    networks = rendering_weights(wish)
    return [_kit(equipment.on(d)) for d in (wish.compute.devices if networks else ("cpu",))]


def _kit(equipment: Equipment) -> Kit:
    wish = equipment.settings
    parser: Parser | None = None
    upscaler: Upscaler | None = None
    if wish.restore.mask == "parsing":
        from videnhance.models.loading import load_state
        from videnhance.render.parsing import Parser

        path = equipment.weights("parsenet")
        parser = Parser(load_state(path), equipment.device, path)
    if wish.output.upscaler != "lanczos":
        from videnhance.models.loading import load_state
        from videnhance.render.upscaling import Upscaler

        path = equipment.weights(wish.output.upscaler)
        upscaler = Upscaler(
            load_state(path),
            wish.output.scale,
            equipment.device,
            wish.compute.precision,
            path=path,
        )
    restorer = restorers.create(equipment)
    weights = restorers.RESTORERS[wish.restore.restorer].weights
    if weights is None or weights in BUNDLED:  # fusion, which they build on, works in memory
        return Kit(restorer, parser, upscaler)
    from videnhance.render.gpu import pixels_on

    return Kit(restorer, parser, upscaler, pixels_on(equipment.device))
