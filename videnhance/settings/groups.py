"""What a user can choose, with its defaults and units."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from math import isfinite
from typing import Any

from videnhance.errors import UsageError
from videnhance.settings.clean_up import OPTIONS as CLEAN_UP_OPTIONS
from videnhance.settings.clean_up import CleanSettings, FinishSettings

SCALES = (1, 2, 4)
ON_ERROR = ("fail", "keep")
MASKS = ("ellipse", "box", "parsing")
UPSCALERS = ("lanczos", "realesrgan-x2", "realesrgan-x4")
HWACCELS = ("off", "auto", "cuda", "qsv", "vaapi", "videotoolbox", "d3d11va")
AUDIO = ("copy", "aac", "none")
PRECISIONS = ("auto", "f32", "bf16", "fp16")

OPTIONS = {
    "source.fps": "--fps",
    "source.strict": "--strict",
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
    "restore.fidelity": "--fidelity",
    "restore.steady": "--steady",
    "restore.mask": "--mask",
    "restore.match_color": "--match-color",
    "restore.on_error": "--on-error",
    "gate.eyes": "--gate-eyes",
    "gate.sharpness": "--gate-sharpness",
    "gate.turned": "--gate-turned",
    "gate.misfit": "--gate-misfit",
    "gate.score": "--gate-score",
    "compute.devices": "--devices",
    "compute.precision": "--precision",
    "compute.batch_size": "--batch-size",
    "compute.compile": "--compile",
    "compute.hwaccel": "--hwaccel",
    "models.files": "--weights",
    "models.trust": "--trust-weights",
    "models.offline": "--offline",
    "models.accepted": "--accept-license",
    **CLEAN_UP_OPTIONS,
    "output.codec": "--codec",
    "output.crf": "--crf",
    "output.preset": "--encoder-preset",
    "output.scale": "--scale",
    "output.upscaler": "--upscaler",
    "output.audio": "--audio",
    "output.frames": "--frames",
    "output.stills": "--stills",
    "part.start": "--start",
    "part.end": "--end",
    "part.only": "--only",
    "part.skip": "--skip",
}
"""The option of the command line that sets each field, for messages."""


Limit = tuple[float, float] | None
"""(none, full): at `none` and beyond strength is 0, at `full` and beyond 1, between them it rises
smoothly; None: not judged."""


@dataclass(frozen=True)
class SourceSettings:
    """How a source is read (media.repair.recording)."""

    fps: str | None = None
    """Frames a second, such as 25 or 30000/1001, of a source whose frames carry no usable times."""
    strict: bool = False
    """Whether damage, and times that have to be repaired, are errors."""


def rate_of(text: str) -> Fraction:
    """The rate written for `--fps`; raises UsageError."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, 1000) <= rate <= 1000 or rate.numerator > 10**6:
        raise UsageError(f"--fps {text}: takes frames a second such as 25, 12.5 or 30000/1001")
    return rate


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

    restorer: str = "auto"
    strength: float = 1.0
    """0 leaves the source, 1 the restored face; between them a blend."""
    ease: float = 0.2
    """Seconds over which strength rises and falls at the ends of a track."""
    fidelity: float = 0.5
    """CodeFormer's w: 0 is the prettiest face, 1 the one most like the source."""
    steady: float = 0.7
    """How far made-up texture is averaged along the track (steady.steady): 0 not at all, 1 fully.
    Only for restorers that invent."""
    mask: str = "ellipse"
    """Where a face is painted: "ellipse" from hairline to chin, "box" the whole crop, "parsing"
    what a network takes for face (parsing.Parser)."""
    match_color: bool = True
    """Give a restored face the colours of its source (colormatch). Only for those restorers."""
    on_error: str = "fail"
    """What a crop that cannot be restored does: "fail" ends the job, "keep" leaves it as it was
    recorded and lists it."""


@dataclass(frozen=True)
class GateLimits:
    """What holds a restorer that invents back (faces/gate.py), as (none, full).

    Raises UsageError where they are in the wrong order.

    Defaults follow what the networks were trained on: GFPGAN's training (TencentARC/GFPGAN,
    options/train_gfpgan_v1.yml) shrinks faces of 126 pixels between the eyes up to 8 times, so to
    16, and blurs them with sigma up to 10, which takes the sharpness of faces as recorded (eight
    clips, medians of 0.6 to 1) to 0.48 to 0.67.
    """

    eyes: Limit = (8.0, 16.0)
    """Pixels between the eyes, in the source."""
    sharpness: Limit = (0.22, 0.4)
    """`gate.sharpness`. Tracks of eight clips: medians of 0.61 to 1, single frames from 0.48."""
    turned: Limit = (65.0, 45.0)
    """Degrees by which the face looks away (`gate.turned_away`). A three-quarter view has about
    40."""
    misfit: Limit = (0.10, 0.05)
    """`gate.landmark_misfit`. Eight clips: 0.03 at most."""
    score: Limit = (0.3, 0.5)
    """The detector's score. CenterFace gives sharp frontal faces 0.9, those of 6 pixels between
    the eyes 0.53 and more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            limit: Limit = getattr(self, field.name)
            if limit is None:
                continue
            none, full = limit
            falls = field.name in ("turned", "misfit")
            if not (all(map(isfinite, limit)) and (none > full if falls else none < full)):
                order = "above" if falls else "below"
                raise UsageError(
                    f"{OPTIONS[f'gate.{field.name}']} {none:g},{full:g}: the first, where "
                    f"strength is 0, must be {order} the second, where it is full"
                )


@dataclass(frozen=True)
class ComputeSettings:
    """Where and how networks are computed (restorers.network)."""

    devices: tuple[str, ...] = ("auto",)
    """cpu, cuda:0, mps...: segments are shared among them; auto is the first GPU, else the CPU."""
    precision: str = "auto"
    """f32, bf16, fp16; auto is bf16 where the device gains from it, else f32."""
    batch_size: int = 0
    """Faces in a batch; 0 chooses it by the device and its memory."""
    compile: bool = False
    """Use torch.compile: slow to begin, faster for long videos."""
    hwaccel: str = "off"
    """What decodes the video: "off" the processor, "cuda" NVDEC, and so on as FFmpeg names them;
    "auto" the first that can, else the processor."""


@dataclass(frozen=True)
class ModelSettings:
    """Where the weights of networks come from (models.obtain)."""

    files: tuple[tuple[str, str], ...] = ()
    """(name of the weights, path of a file to use for them)."""
    trust: bool = False
    """Take given files even if they are not the published ones."""
    offline: bool = False
    """Never use the network."""
    accepted: tuple[str, ...] = ()
    """Names of weights whose licence is accepted."""


@dataclass(frozen=True)
class OutputSettings:
    """How the result is encoded (media.writing.codecs)."""

    codec: str = "h264"
    crf: int | None = None
    """Constant rate factor; None is the codec's default in media.writing.codecs."""
    preset: str | None = None
    scale: int = 1
    """Whole factor by which the picture is enlarged: 1, 2 or 4."""
    upscaler: str = "lanczos"
    """How: "lanczos", or a network that invents texture, "realesrgan-x2" or "realesrgan-x4"."""
    audio: str = "copy"
    """What becomes of sound: "copy" copies every packet and refuses a container that cannot hold
    it, "aac" encodes anew what the container cannot hold, "none" leaves all sound out."""
    frames: str | None = None
    """Absolute path of a folder for every finished frame as PNG."""
    stills: str | None = None
    """Absolute path of a folder for each track's best moments as PNG, original beside result."""


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

    source: SourceSettings = SourceSettings()
    detect: DetectSettings = DetectSettings()
    track: TrackSettings = TrackSettings()
    restore: RestoreSettings = RestoreSettings()
    gate: GateLimits = GateLimits()
    compute: ComputeSettings = ComputeSettings()
    models: ModelSettings = ModelSettings()
    clean: CleanSettings = dataclasses.field(default_factory=CleanSettings)
    finish: FinishSettings = dataclasses.field(default_factory=FinishSettings)
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
            ("restore.fidelity", self.restore.fidelity, 0.0, 1.0),
            ("restore.steady", self.restore.steady, 0.0, 1.0),
            ("compute.batch_size", self.compute.batch_size, 0, 1024),
        )
        if self.source.fps is not None:
            rate_of(self.source.fps)
        for field, value, low, high in ranges:
            if not low <= value <= high:
                raise UsageError(f"{OPTIONS[field]} {value:g}: takes {low:g} to {high:g}")
        self.clean.check()
        self.finish.check()
        if self.output.scale not in SCALES:
            raise UsageError(f"--scale {self.output.scale}: takes 1, 2 or 4")
        for field, wish, choices in (
            ("restore.on_error", self.restore.on_error, ON_ERROR),
            ("restore.mask", self.restore.mask, MASKS),
            ("compute.precision", self.compute.precision, PRECISIONS),
            ("compute.hwaccel", self.compute.hwaccel, HWACCELS),
            ("output.upscaler", self.output.upscaler, UPSCALERS),
            ("output.audio", self.output.audio, AUDIO),
        ):
            if wish not in choices:
                raise UsageError(f"{OPTIONS[field]} {wish}: takes {', '.join(choices)}")

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the way back."""
        values: dict[str, Any] = _listed(asdict(self))
        return values

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Settings:
        """Raises KeyError or TypeError where `values` are not those of `as_json`."""
        groups: dict[str, Any] = {
            name: type(getattr(DEFAULTS, name))(**{key: _tupled(v) for key, v in group.items()})
            for name, group in values.items()
        }
        return Settings(**groups)


DEFAULTS = Settings()


def _listed(value: Any) -> Any:
    """With every tuple in it a list, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _listed(entry) for key, entry in value.items()}
    return [_listed(entry) for entry in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
