"""What detectors and restorers are made from: settings, a device, and weights on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.inference import Definition, Execution, Network, compiled
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.models.catalog import BUNDLED
from videnhance.models.store import Obtained, bundled, obtain
from videnhance.settings.groups import DEFAULTS, Settings
from videnhance.stopwatch import Stopwatch


def _unheard(line: str) -> None:
    """The default `tell`: does nothing."""


@dataclass(frozen=True)
class Loader:
    """Settings, a device and weights; one is shared by everything that a job makes. It remembers
    which weights were requested."""

    settings: Settings = DEFAULTS
    device: str = "cpu"
    """torch's name of the device that networks run on."""
    progress: Progress = silent
    tell: Callable[[str], None] = _unheard
    """Called with what the user should know at once, such as that weights are being fetched."""
    stop: Stop = never
    obtained: dict[str, Obtained] = field(default_factory=dict)
    """The weights requested so far, by name."""
    coding: Coding = UNKNOWN_CODING
    """How the video was coded."""
    batches: dict[str, int] = field(default_factory=dict)
    """Batch sizes found by trying, if the settings give none, by network, device and precision: in
    an earlier run (job/directory/folder.py keeps them), or in this one."""
    variation: int = 0
    """Above 0, restorers that invent are made so that they would invent something else: of their
    weights, with other noise, or with another fidelity (render.invention)."""
    watch: Stopwatch = field(default_factory=Stopwatch)
    """Counts how long the stages of rendering take."""

    def on(self, device: str) -> Loader:
        """A copy for another device."""
        return replace(self, device=device)

    @property
    def execution(self) -> Execution:
        """How the settings want networks to be computed on this device."""
        compute = self.settings.compute
        return Execution(self.device, compute.precision, compute.backend, compute.compile)

    def compiled(self, definition: Definition) -> Network:
        """The network for this device. Raises UsageError, ModelError."""
        return compiled(definition, self.execution)

    def weights(self, name: str) -> Path:
        """The file of these weights: given by the user, already here, or fetched once.

        Raises UsageError if a licence was not accepted, ModelError if they cannot be obtained.
        """
        if name not in self.obtained:
            settings = self.settings.models
            given = dict(settings.files).get(name)
            if name in BUNDLED:
                self.obtained[name] = bundled(name, given, trust=settings.trust)
                return self.obtained[name].path
            self.obtained[name] = obtain(
                name,
                given=Path(given) if given is not None else None,
                trust=settings.trust,
                offline=settings.offline,
                accepted=settings.accepted,
                progress=self.progress,
                tell=self.tell,
                stop=self.stop,
            )
        return self.obtained[name].path

    def identified(self, name: str) -> tuple[Path, str]:
        """The same file and its SHA-256."""
        path = self.weights(name)
        return path, self.obtained[name].sha256
