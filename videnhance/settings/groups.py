"""What a user can choose, with its defaults and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from videnhance.settings.clean_up import CleanSettings, FinishSettings
from videnhance.settings.detecting import DetectSettings, TrackSettings
from videnhance.settings.evidence import EvidenceSettings
from videnhance.settings.panels import (
    CLEANING,
    DETECTING,
    EVIDENCE,
    FINISHING,
    NETWORKS,
    PART,
    PICTURES,
    PORTRAITS,
    READING,
    RECORD,
    RESTORING,
)
from videnhance.settings.part import PartSettings
from videnhance.settings.reading import SourceSettings, rate_of
from videnhance.settings.restoring import GateLimits, Limit, RestoreSettings
from videnhance.settings.table import declared, group, setting
from videnhance.settings.text import COUNT, DEVICES, FILES, FOLDER, NAMES

__all__ = [
    "AI_UPSCALERS",
    "CleanSettings",
    "ComputeSettings",
    "DEFAULTS",
    "DetectSettings",
    "EvidenceSettings",
    "FinishSettings",
    "GateLimits",
    "Limit",
    "ModelSettings",
    "OutputSettings",
    "PartSettings",
    "RecordSettings",
    "RestoreSettings",
    "SETTINGS",
    "Settings",
    "SourceSettings",
    "TrackSettings",
    "rate_of",
    "settings_with",
]

AI_UPSCALERS = {"realesrgan-x2": 2, "realesrgan-x4": 4, "realesr-general-x4v3": 4}
"""The networks among the choices of `--upscaler`, and how many times each enlarges."""


@dataclass(frozen=True)
class ComputeSettings:
    """Where and how networks are computed (restorers.network)."""

    devices: tuple[str, ...] = setting(
        ("auto",),
        "--devices",
        "AI: cpu, cuda, mps, or several GPUs: cuda:0,cuda:1; auto: by itself.",
        form=DEVICES,
    )
    """Segments are shared among them; auto is the first GPU, else the CPU."""
    precision: str = setting(
        "auto",
        "--precision",
        "AI: f32, bf16, fp16; auto: the fastest that serves.",
        choices=("auto", "f32", "bf16", "fp16"),
    )
    """auto is bf16 where the device gains from it and the network bears it, else f32."""
    backend: str = setting(
        "auto",
        "--backend",
        "AI: torch or openvino; auto: openvino on a CPU, torch on a GPU.",
        choices=("auto", "torch", "openvino"),
    )
    batch_size: int = setting(
        0,
        "--batch-size",
        "AI: faces computed at once; auto: what fits.",
        within=(0, 1024),
        form=COUNT,
        remakes=(),
    )
    """0 chooses it by the device and its memory."""
    compile: bool = setting(False, "--compile", "AI: torch.compile; slow to begin, then faster.")
    hwaccel: str = setting(
        "off",
        "--hwaccel",
        "Decode the video by a GPU: cuda (NVDEC), qsv, vaapi...; auto; off.",
        choices=("off", "auto", "cuda", "qsv", "vaapi", "videotoolbox", "d3d11va"),
    )
    """As FFmpeg names them; "auto" is the first that can, else the processor."""


@dataclass(frozen=True)
class ModelSettings:
    """Where the weights of networks come from (models.store.obtain)."""

    files: tuple[tuple[str, str], ...] = setting(
        (),
        "--weights",
        "Weights to use instead of fetching them; default NAME: of the restorer.",
        form=FILES,
        metavar="[NAME=]FILE",
        may_remake=("detect", "render"),
    )
    """(name of the weights, path of a file to use for them)."""
    identity: str = setting(
        "dlib",
        "--identity-model",
        "What persons and drift are measured with: {table}.",
        table="embedders",
        may_remake=("detect", "render"),
    )
    """See identity/embedding.py; all have the same unit of distance."""
    trust: bool = setting(
        False, "--trust-weights", "Use given weights that are not those published."
    )
    offline: bool = setting(False, "--offline", "Never fetch anything.")
    accepted: tuple[str, ...] = setting(
        (),
        "--accept-license",
        "Accept the licence of these weights; it is remembered.",
        form=NAMES,
        metavar="NAME",
    )


@dataclass(frozen=True)
class OutputSettings:
    """How the result is encoded (media.writing.codecs)."""

    codec: str = setting("h264", "--codec", "{table}", table="codecs", may_remake=("render",))
    crf: int | None = setting(
        None, "--crf", "Quality, lower is better ({crf}).", may_remake=("render",)
    )
    """Constant rate factor; None is the codec's default."""
    preset: str | None = setting(
        None, "--encoder-preset", "Of the encoder ({encoder_presets}).", may_remake=("render",)
    )
    copy: str = setting(
        "auto",
        "--copy",
        "Frames without faces: auto copies them bit for bit where H.264 stays H.264; off.",
        choices=("auto", "off"),
        may_remake=("render",),
    )
    """"auto" copies whole groups of pictures without a tracked face, packet by packet, if nothing
    else is done to them either (media.writing.untouched)."""
    scale: int = setting(
        1, "--scale", "Enlarge the video: {choices}.", choices=(1, 2, 4), remakes=("render",)
    )
    upscaler: str = setting(
        "lanczos",
        "--upscaler",
        f"How --scale is done: lanczos, or AI: {', '.join(AI_UPSCALERS)}.",
        choices=("lanczos", *AI_UPSCALERS),
        remakes=("render",),
    )
    """The networks invent texture."""
    audio: str = setting(
        "copy",
        "--audio",
        "Sound: copy it, aac (encode anew what the output's container cannot hold), or none.",
        choices=("copy", "aac", "none"),
    )
    """"copy" copies every packet and refuses a container that cannot hold it."""
    keep_origin: bool = setting(
        False,
        "--keep-origin",
        "Keep the times of the source's clock, instead of beginning at 0.",
    )
    """Its clock may show the date, or hours of uptime."""
    frames: str | None = setting(
        None,
        "--frames",
        "Every finished frame as PNG, lossless.",
        form=FOLDER,
        metavar="DIR",
        panel=PICTURES,
    )
    """Absolute path of a folder."""
    stills: str | None = setting(
        None,
        "--stills",
        "Each track's best moments as PNG, original beside result.",
        form=FOLDER,
        metavar="DIR",
        panel=PICTURES,
    )
    """Absolute path of a folder."""
    portraits: str | None = setting(
        None,
        "--portraits",
        "One picture of each person, integrated from all frames that show them alike.",
        form=FOLDER,
        metavar="DIR",
        panel=PICTURES,
    )
    """Absolute path of a folder."""


@dataclass(frozen=True)
class PortraitSettings:
    """Of portraits (portraits, job/steps/portraits.py)."""

    scale: int = setting(
        2,
        "--portrait-scale",
        "Pixels of a portrait per source pixel: {choices}.",
        choices=(2, 3, 4),
    )
    views: int = setting(
        1, "--views", "Most portraits of a track, of different sides of the face.", within=(1, 8)
    )


@dataclass(frozen=True)
class RecordSettings:
    """Of the record that is written beside a result (evidence)."""

    keep: bool = setting(
        True, "--record", "Write beside the result what was done, as OUT.json (docs/evidence.md)."
    )
    paths: bool = setting(
        False, "--record-paths", "Whole paths in the record; else only the names of files."
    )


@dataclass(frozen=True)
class Settings:
    """All settings of a job.

    Raises UsageError naming the option and what it takes.
    """

    source: SourceSettings = group(SourceSettings(), READING)
    detect: DetectSettings = group(DetectSettings(), DETECTING, remakes=("detect",))
    track: TrackSettings = group(TrackSettings(), DETECTING, remakes=("track",))
    restore: RestoreSettings = group(RestoreSettings(), RESTORING, remakes=("render",))
    gate: GateLimits = group(GateLimits(), RESTORING, remakes=("render",))
    compute: ComputeSettings = group(ComputeSettings(), NETWORKS, may_remake=("detect", "render"))
    models: ModelSettings = group(ModelSettings(), NETWORKS)
    clean: CleanSettings = group(CleanSettings(), CLEANING, may_remake=("detect", "render"))
    finish: FinishSettings = group(FinishSettings(), FINISHING, remakes=("render",))
    output: OutputSettings = group(OutputSettings(), RESTORING)
    portrait: PortraitSettings = group(PortraitSettings(), PORTRAITS)
    record: RecordSettings = group(RecordSettings(), RECORD)
    part: PartSettings = group(PartSettings(), PART)
    evidence: EvidenceSettings = group(EvidenceSettings(), EVIDENCE)

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises UsageError naming the option and what it takes. It has run where there is a
        Settings: nothing needs to call it again."""
        for known in SETTINGS.values():
            known.check(self.value(known.name))

    def value(self, name: str) -> Any:
        """Of the setting of that name, such as detect.every."""
        part, _, field = name.partition(".")
        return getattr(getattr(self, part), field)

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the way back."""
        values: dict[str, Any] = _listed(asdict(self))
        return values

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Settings:
        """Raises KeyError or TypeError where `values` are not those of `as_json`."""
        groups: dict[str, Any] = {
            name: type(getattr(DEFAULTS, name))(**{key: _tupled(v) for key, v in part.items()})
            for name, part in values.items()
        }
        return Settings(**groups)


SETTINGS = declared(Settings)
"""Every setting there is, by name, such as detect.every, in the order of declaration."""
DEFAULTS = Settings()


def settings_with(values: Mapping[str, Any]) -> Settings:
    """Settings with these values by name, such as detect.every, and else the defaults; raises
    UsageError."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        parts.setdefault(SETTINGS[name].group, {})[SETTINGS[name].field] = value
    return Settings(**{part: type(getattr(DEFAULTS, part))(**own) for part, own in parts.items()})


def _listed(value: Any) -> Any:
    """With every tuple in it a list, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _listed(entry) for key, entry in value.items()}
    return [_listed(entry) for entry in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
