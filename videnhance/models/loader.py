"""What detectors and restorers are made with: settings, a device, and weights on asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.models.catalog import BUNDLED
from videnhance.models.store import Obtained, bundled, obtain
from videnhance.settings.groups import DEFAULTS, Settings


def _untold(line: str) -> None:
    """Messages that nobody reads."""


@dataclass(frozen=True)
class Equipment:
    """One is shared by all that a job makes; it remembers which weights were asked for."""

    settings: Settings = DEFAULTS
    device: str = "cpu"
    """Where networks are computed, as torch names it."""
    progress: Progress = silent
    tell: Callable[[str], None] = _untold
    """Is given what the user should know at once: that weights are being fetched, say."""
    stop: Stop = never
    obtained: dict[str, Obtained] = field(default_factory=dict)
    """The weights that were asked for, by name."""
    coding: Coding = UNKNOWN_CODING
    """Of the video."""
    batches: dict[str, int] = field(default_factory=dict)
    """Faces in a batch where that is not a setting, by network and how it is computed: found before
    (job/directory/folder.py keeps them), or found by now."""

    def on(self, device: str) -> Equipment:
        """The same for another device."""
        return replace(self, device=device)

    def weights(self, name: str) -> Path:
        """The file of these weights: given, here already, or fetched once.

        Raises UsageError for a licence that was not accepted, ModelError where they cannot be had.
        """
        if name not in self.obtained:
            wish = self.settings.models
            given = dict(wish.files).get(name)
            if name in BUNDLED:
                self.obtained[name] = bundled(name, given, trust=wish.trust)
                return self.obtained[name].path
            self.obtained[name] = obtain(
                name,
                given=Path(given) if given is not None else None,
                trust=wish.trust,
                offline=wish.offline,
                accepted=wish.accepted,
                progress=self.progress,
                tell=self.tell,
                stop=self.stop,
            )
        return self.obtained[name].path
