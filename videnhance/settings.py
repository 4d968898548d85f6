"""What a user can choose, with its defaults and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from videnhance.errors import UsageError

SCALES = (1, 2, 4)

OPTIONS = {
    "detect.detector": "--detector",
    "detect.threshold": "--threshold",
    "detect.every": "--detect-every",
    "detect.long_side": "--detect-size",
    "track.max_gap": "--max-gap",
    "track.min_eyes": "--min-eyes",
    "track.smoothness": "--smoothness",
    "restore.restorer": "--restorer",
    "restore.strength": "--strength",
    "restore.ease": "--ease",
    "output.codec": "--codec",
    "output.crf": "--crf",
    "output.preset": "--preset",
    "output.scale": "--scale",
    "part.start": "--start",
    "part.end": "--end",
    "part.only": "--only",
    "part.skip": "--skip",
}
"""The option of the command line that sets each field, for messages."""


@dataclass(frozen=True)
class TrackSettings:
    """How detections become smoothed tracks (tracking.track)."""

    max_gap: float = 0.5
    """Seconds without a detection after which a face has left."""
    min_eyes: float = 6.0
    """Pixels between the eyes, in the source, under which a face is left alone."""
    smoothness: float = 0.1
    """Seconds: movements faster than about this, and as small as the detector's noise, are taken
    for it (kalman.smooth)."""


@dataclass(frozen=True)
class DetectSettings:
    """Where and how faces are looked for (detect.detect)."""

    detector: str = "centerface"
    threshold: float = 0.4
    """Score of the detector, 0..1, from which something is a face. Of faces with 7 pixels between
    the eyes CenterFace finds 83 % at 0.4 and 75 % at 0.5; false alarms are as rare."""
    every: int = 3
    """Look at every N-th frame; the first and last of every shot are always looked at. Measured on
    seven clips, mean distance of smoothed to raw landmarks in % of the face's width: 0.3 to 3.3 at
    3, 0.4 to 5.8 at 5, 0.5 to 15 at 10 (a dancer is the worst, a talking head the best)."""
    long_side: int = 0
    """Longest side in pixels of the picture the detector sees; 0 chooses it by the faces found in
    a few frames (detect.suited_size). Smaller videos are looked at as they are."""


@dataclass(frozen=True)
class RestoreSettings:
    """What is done to a face (restorers, render)."""

    restorer: str = "fusion"
    strength: float = 1.0
    """0 leaves the source, 1 the restored face; between them a blend."""
    ease: float = 0.2
    """Seconds over which strength rises and falls at the ends of a track."""


@dataclass(frozen=True)
class OutputSettings:
    """How the result is encoded (video.codecs)."""

    codec: str = "h264"
    crf: int | None = None
    """Constant rate factor; None is the codec's default in video.codecs."""
    preset: str | None = None
    scale: int = 1
    """Whole factor by which the picture is enlarged: 1, 2 or 4."""


@dataclass(frozen=True)
class PartSettings:
    """Which part of a video: a range of its frames, and which of the persons in it."""

    start: str | None = None
    """Position (ranges.parse_position) of the first frame; None is the video's first."""
    end: str | None = None
    """Position of the first frame left out; None is the video's end."""
    only: tuple[int, ...] = ()
    """Ids of the tracks to enhance; none named is all."""
    skip: tuple[int, ...] = ()
    """Ids of the tracks to leave alone."""

    @property
    def persons(self) -> bool:
        """Whether some tracks are chosen."""
        return bool(self.only or self.skip)


@dataclass(frozen=True)
class Settings:
    """All settings of a job."""

    detect: DetectSettings = DetectSettings()
    track: TrackSettings = TrackSettings()
    restore: RestoreSettings = RestoreSettings()
    output: OutputSettings = OutputSettings()
    part: PartSettings = PartSettings()

    def check(self) -> None:
        """Raises UsageError naming the option and what it takes."""
        ranges: tuple[tuple[str, float, float, float], ...] = (
            ("detect.threshold", self.detect.threshold, 0.05, 1.0),
            ("detect.every", self.detect.every, 1, 1000),
            ("detect.long_side", self.detect.long_side or 64, 64, 8192),
            ("track.max_gap", self.track.max_gap, 0.0, 60.0),
            ("track.min_eyes", self.track.min_eyes, 1.0, 10000.0),
            ("track.smoothness", self.track.smoothness, 0.001, 10.0),
            ("restore.strength", self.restore.strength, 0.0, 1.0),
            ("restore.ease", self.restore.ease, 0.0, 60.0),
        )
        for field, value, low, high in ranges:
            if not low <= value <= high:
                raise UsageError(f"{OPTIONS[field]} {value:g}: takes {low:g} to {high:g}")
        if self.output.scale not in SCALES:
            raise UsageError(f"--scale {self.output.scale}: takes 1, 2 or 4")

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the way back."""
        values = asdict(self)
        values["part"]["only"] = list(self.part.only)
        values["part"]["skip"] = list(self.part.skip)
        return values

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Settings:
        """Raises KeyError or TypeError where `values` are not those of `as_json`."""
        part = dict(values["part"])
        part.update(only=tuple(part["only"]), skip=tuple(part["skip"]))
        return Settings(
            detect=DetectSettings(**values["detect"]),
            track=TrackSettings(**values["track"]),
            restore=RestoreSettings(**values["restore"]),
            output=OutputSettings(**values["output"]),
            part=PartSettings(**part),
        )
