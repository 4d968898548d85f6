"""The options of the command line that more than one command takes, and the settings they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from videnhance.settings.clean_up import CleanSettings, FinishSettings
from videnhance.settings.groups import (
    ComputeSettings,
    DetectSettings,
    GateLimits,
    ModelSettings,
    OutputSettings,
    RestoreSettings,
    TrackSettings,
)

Source = Annotated[
    Path, typer.Argument(metavar="INPUT", help="The video, or pictures. It is only ever read.")
]
JobFolder = Annotated[Path, typer.Argument(metavar="JOB", help="The directory of a job.")]

Restorer = Annotated[
    str,
    typer.Option(
        help="auto: clarity where that measures nearer to the truth, else fusion. fusion: only "
        "what the clip itself holds. clarity: that, corrected by a network that comes with "
        "videnhance. identity: change nothing. AI, which invents detail: gfpgan (also -1.2, "
        "-1.3, -1.4), restoreformer, codeformer."
    ),
]
Fidelity = Annotated[
    float, typer.Option(help="codeformer: 0 is the prettiest face, 1 the one most like the source.")
]
Steady = Annotated[
    float, typer.Option(help="AI: hold made-up texture still from frame to frame, 0 to 1.")
]
Mask = Annotated[
    str, typer.Option(help="Where a face is painted: ellipse, box, or parsing (by a network).")
]
MatchColor = Annotated[
    bool, typer.Option(help="AI: give a restored face the colours of its source.")
]
GateEyes = Annotated[
    str,
    typer.Option(
        help="AI, all --gate options: where it is held back, as NONE,FULL (no strength, full "
        "strength) or off. Here by pixels between the eyes."
    ),
]
GateSharpness = Annotated[str, typer.Option(help="By the sharpness of the face, 0 to 1.")]
GateTurned = Annotated[str, typer.Option(help="By the degrees it looks away.")]
GateMisfit = Annotated[str, typer.Option(help="By how little its landmarks are a face's.")]
GateScore = Annotated[str, typer.Option(help="By the detector's score, 0 to 1.")]
OnError = Annotated[
    str, typer.Option(help="A face that cannot be restored: fail, or keep it as recorded.")
]
Devices = Annotated[
    str, typer.Option(help="AI: cpu, cuda, mps, or several GPUs: cuda:0,cuda:1; auto: by itself.")
]
Precision = Annotated[str, typer.Option(help="AI: f32, bf16, fp16; auto: the fastest that serves.")]
BatchSize = Annotated[str, typer.Option(help="AI: faces computed at once; auto: what fits.")]
Compile = Annotated[
    bool, typer.Option("--compile", help="AI: torch.compile; slow to begin, then faster.")
]
Hwaccel = Annotated[
    str, typer.Option(help="Decode the video by a GPU: cuda (NVDEC), qsv, vaapi...; auto; off.")
]
WeightFiles = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]FILE",
        help="Weights to use instead of fetching them; default NAME: of the restorer.",
    ),
]
TrustWeights = Annotated[
    bool, typer.Option("--trust-weights", help="Use given weights that are not those published.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never fetch anything.")]
AcceptLicense = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Accept the licence of these weights; it is remembered."),
]
Strength = Annotated[float, typer.Option(help="Blend of source (0) and restored face (1).")]
Ease = Annotated[
    float, typer.Option(help="Seconds over which strength rises and falls at a track's ends.")
]
Detector = Annotated[
    str,
    typer.Option(
        help="centerface, retinaface, retinaface-mobile; auto: the best whose weights are here."
    ),
]
Threshold = Annotated[
    float, typer.Option(help="Detector score from which something is a face, 0..1.")
]
DetectEvery = Annotated[
    int, typer.Option(help="Look for faces in every N-th frame; the tracker fills in.")
]
DetectSize = Annotated[
    int,
    typer.Option(
        help="Longest side in pixels of the picture the detector sees; 0: by the faces found."
    ),
]
MinEyes = Annotated[float, typer.Option(help="Smallest face: pixels between the eyes.")]
MaxGap = Annotated[float, typer.Option(help="Seconds without detection after which a track ends.")]
Smoothness = Annotated[
    float, typer.Option(help="Seconds: faster movements are taken for the detector's noise.")
]
Scale = Annotated[int, typer.Option(help="Enlarge the video: 1, 2 or 4.")]
UpscalerName = Annotated[
    str, typer.Option(help="How --scale is done: lanczos, or AI: realesrgan-x2, realesrgan-x4.")
]
Codec = Annotated[
    str,
    typer.Option(
        help="h264, h265, av1, ffv1 (lossless) or prores; by a GPU h264_nvenc, hevc_nvenc, "
        "av1_nvenc."
    ),
]
Crf = Annotated[
    int | None, typer.Option(help="Quality, lower is better (h264: 17, h265: 19, av1: 23).")
]
Fps = Annotated[
    str | None,
    typer.Option(help="Frames a second, such as 25, where a file's frames carry no usable times."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Damage, or times that need repair, are an error.")
]
Frames = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Every finished frame as PNG, lossless.")
]
Stills = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Each track's best moments as PNG, original beside result."),
]
Preset = Annotated[
    str | None, typer.Option(help="A set of settings: cctv, phone, film, archive; see the README.")
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings of your own, as TOML: the names of options."),
]
EncoderPreset = Annotated[
    str | None, typer.Option(help="Of the encoder (h264, h265: medium; av1: 8).")
]
Deinterlace = Annotated[
    str, typer.Option(help="off; auto: where fields are combed; bwdif: whatever is found.")
]
DeinterlaceRate = Annotated[str, typer.Option(help="A picture for each frame, or each field.")]
Deblock = Annotated[float, typer.Option(help="Smooth a codec's block borders first, 0 to 1.")]
Denoise = Annotated[float, typer.Option(help="Average over seven frames first, 0 to 1.")]
Levels = Annotated[str, typer.Option(help="auto: stretch a dark clip's tones first; off.")]
WhiteBalance = Annotated[str, typer.Option(help="auto: take away a tint first; off.")]
Lens = Annotated[
    str | None, typer.Option(metavar="K1,K2", help="Straighten a lens first; barrels: K1 below 0.")
]
Brightness = Annotated[float, typer.Option(help="Of the result, -1 to 1.")]
Contrast = Annotated[float, typer.Option(help="Of the result, 0 to 4; 1 leaves it.")]
Saturation = Annotated[float, typer.Option(help="Of the result, 0 to 4; 1 leaves it.")]
Sharpen = Annotated[float, typer.Option(help="The result, 0 to 3.")]
Audio = Annotated[
    str,
    typer.Option(
        help="Sound: copy it, aac (encode anew what the output's container cannot hold), or none."
    ),
]
Start = Annotated[
    str | None,
    typer.Option(help="First frame: seconds, hh:mm:ss.mmm or a frame number such as 120f."),
]
End = Annotated[str | None, typer.Option(help="First frame left out, written as --start is.")]
TracksFile = Annotated[
    Path | None, typer.Option("--tracks", help="Use the tracks of this file; look for no faces.")
]
Only = Annotated[str | None, typer.Option(help="Enhance these tracks only: ids such as 1,3.")]
Skip = Annotated[str | None, typer.Option(help="Leave these tracks alone: ids such as 2.")]

JobDir = Annotated[
    Path | None,
    typer.Option(help="Where finished work is kept until the end; default: beside the output."),
]
KeepJob = Annotated[bool, typer.Option("--keep-job", help="Keep that directory at the end.")]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Go on with other settings; what still fits is used again."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary; errors only.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also each step's time, and traces of errors.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

_D, _T, _R, _O = DetectSettings(), TrackSettings(), RestoreSettings(), OutputSettings()
_C, _M = ComputeSettings(), ModelSettings()
_CL, _F = CleanSettings(), FinishSettings()
_GATE = {
    name: "off" if limit is None else f"{limit[0]:g},{limit[1]:g}"
    for name, limit in vars(GateLimits()).items()
}

# Groups: the parameters of these functions are the options of every command that `takes` them.


def reading(fps: Fps = None, strict: Strict = False) -> None:
    """How the source is read."""


def part(start: Start = None, end: End = None) -> None:
    """A range of a video."""


def persons(only: Only = None, skip: Skip = None) -> None:
    """Some of the persons in it."""


def looking(
    detector: Detector = _D.detector,
    threshold: Threshold = _D.threshold,
    detect_every: DetectEvery = _D.every,
    detect_size: DetectSize = _D.long_side,
    min_eyes: MinEyes = _T.min_eyes,
    max_gap: MaxGap = _T.max_gap,
    smoothness: Smoothness = _T.smoothness,
) -> None:
    """Where faces are looked for, and how they are followed."""


def restoring(
    restorer: Restorer = _R.restorer,
    strength: Strength = _R.strength,
    ease: Ease = _R.ease,
    fidelity: Fidelity = _R.fidelity,
    steady: Steady = _R.steady,
    mask: Mask = _R.mask,
    match_color: MatchColor = _R.match_color,
    gate_eyes: GateEyes = _GATE["eyes"],
    gate_sharpness: GateSharpness = _GATE["sharpness"],
    gate_turned: GateTurned = _GATE["turned"],
    gate_misfit: GateMisfit = _GATE["misfit"],
    gate_score: GateScore = _GATE["score"],
    on_error: OnError = _R.on_error,
    scale: Scale = _O.scale,
    upscaler: UpscalerName = _O.upscaler,
    codec: Codec = _O.codec,
    crf: Crf = _O.crf,
    encoder_preset: EncoderPreset = _O.preset,
    audio: Audio = _O.audio,
) -> None:
    """What is done to a face, and how the result is encoded."""


def pictures(frames: Frames = None, stills: Stills = None) -> None:
    """Pictures beside the video."""


def layers(preset: Preset = None, config: Config = None) -> None:
    """Sets of settings, of which the command line wins."""


def cleaning(
    deinterlace: Deinterlace = _CL.deinterlace,
    deinterlace_rate: DeinterlaceRate = _CL.rate,
    deblock: Deblock = _CL.deblock,
    denoise: Denoise = _CL.denoise,
    levels: Levels = _CL.levels,
    white_balance: WhiteBalance = _CL.white_balance,
    lens: Lens = None,
) -> None:
    """What whole frames go through before anything looks at them."""


def finishing(
    brightness: Brightness = _F.brightness,
    contrast: Contrast = _F.contrast,
    saturation: Saturation = _F.saturation,
    sharpen: Sharpen = _F.sharpen,
) -> None:
    """What whole frames go through at the end."""


def networks(
    devices: Devices = "auto",
    precision: Precision = _C.precision,
    batch_size: BatchSize = "auto",
    compile: Compile = _C.compile,
    hwaccel: Hwaccel = _C.hwaccel,
    weights: WeightFiles = None,
    trust_weights: TrustWeights = _M.trust,
    offline: Offline = _M.offline,
    accept_license: AcceptLicense = None,
) -> None:
    """What networks are computed with."""


def takes(
    *groups: Callable[..., None],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of the groups; it finds them in its context (settings_of).

    Its help shows every group under its first line.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = signature(command, eval_str=True)
        shared = [_in_panel(p, _title(group)) for group in groups for p in _parameters(group)]

        @wraps(command)
        def with_options(**given: Any) -> None:
            command(**{name: given[name] for name in own.parameters})

        together = [*own.parameters.values(), *shared]
        with_options.__signature__ = own.replace(parameters=together)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in together}
        return with_options

    return decorate


def _parameters(group: Callable[..., None]) -> Iterable[Parameter]:
    return signature(group, eval_str=True).parameters.values()


def _title(group: Callable[..., None]) -> str:
    return (group.__doc__ or "").partition(".")[0]


def _in_panel(parameter: Parameter, title: str) -> Parameter:
    kind, option = get_args(parameter.annotation)
    option = copy(option)
    option.rich_help_panel = title
    return parameter.replace(annotation=Annotated[kind, option])
