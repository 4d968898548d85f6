"""The options of the command line that more than one command takes, and the settings they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from videnhance.errors import UsageError
from videnhance.settings import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)

Source = Annotated[Path, typer.Argument(metavar="INPUT", help="The video. It is only ever read.")]
JobFolder = Annotated[Path, typer.Argument(metavar="JOB", help="The directory of a job.")]

Restorer = Annotated[
    str, typer.Option(help="fusion: only what the clip itself holds. identity: change nothing.")
]
Strength = Annotated[float, typer.Option(help="Blend of source (0) and restored face (1).")]
Ease = Annotated[
    float, typer.Option(help="Seconds over which strength rises and falls at a track's ends.")
]
Detector = Annotated[str, typer.Option(help="Face detector: centerface.")]
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
Codec = Annotated[str, typer.Option(help="h264, h265, av1, ffv1 (lossless) or prores.")]
Crf = Annotated[
    int | None, typer.Option(help="Quality, lower is better (h264: 17, h265: 19, av1: 23).")
]
Preset = Annotated[str | None, typer.Option(help="Encoder preset (h264, h265: medium; av1: 8).")]
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

# Groups: the parameters of these functions are the options of every command that `takes` them.


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
    scale: Scale = _O.scale,
    codec: Codec = _O.codec,
    crf: Crf = _O.crf,
    preset: Preset = _O.preset,
) -> None:
    """What is done to a face, and how the result is encoded."""


def takes(
    *groups: Callable[..., None],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of the groups; it finds them in its context (settings_of)."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = signature(command, eval_str=True)
        shared = [
            p for group in groups for p in signature(group, eval_str=True).parameters.values()
        ]

        @wraps(command)
        def with_options(**given: Any) -> None:
            command(**{name: given[name] for name in own.parameters})

        together = [*own.parameters.values(), *shared]
        with_options.__signature__ = own.replace(parameters=together)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in together}
        return with_options

    return decorate


def settings_of(wish: Mapping[str, Any]) -> Settings:
    """The settings, checked, of a command's parameters by name; those it lacks are at default.

    Raises UsageError.
    """

    def chosen(**parameters: str) -> dict[str, Any]:
        """Field -> value, where the command has the parameter."""
        return {field: wish[name] for field, name in parameters.items() if name in wish}

    settings = Settings(
        detect=DetectSettings(
            **chosen(
                detector="detector",
                threshold="threshold",
                every="detect_every",
                long_side="detect_size",
            )
        ),
        track=TrackSettings(
            **chosen(max_gap="max_gap", min_eyes="min_eyes", smoothness="smoothness")
        ),
        restore=RestoreSettings(**chosen(restorer="restorer", strength="strength", ease="ease")),
        output=OutputSettings(**chosen(codec="codec", crf="crf", preset="preset", scale="scale")),
        part=PartSettings(
            start=wish.get("start"),
            end=wish.get("end"),
            only=_ids("--only", wish.get("only")),
            skip=_ids("--skip", wish.get("skip")),
        ),
    )
    settings.check()
    return settings


def _ids(option: str, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise UsageError(f"{option} {text}: takes ids of tracks, such as 1,3") from None
