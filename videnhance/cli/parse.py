"""From the parameters of a command to the settings of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from videnhance.errors import UsageError
from videnhance.models.catalog import WEIGHTS
from videnhance.restorers import RESTORERS
from videnhance.settings.clean_up import CleanSettings, FinishSettings
from videnhance.settings.groups import (
    OPTIONS,
    ComputeSettings,
    DetectSettings,
    GateLimits,
    Limit,
    ModelSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
    SourceSettings,
    TrackSettings,
)


def settings_of(wish: Mapping[str, Any]) -> Settings:
    """The settings, checked, of a command's parameters by name; those it lacks are at default.

    Raises UsageError.
    """

    def chosen(**parameters: str) -> dict[str, Any]:
        """Field -> value, where the command has the parameter."""
        return {field: wish[name] for field, name in parameters.items() if name in wish}

    settings = Settings(
        source=SourceSettings(**chosen(fps="fps", strict="strict")),
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
        restore=RestoreSettings(
            **chosen(
                restorer="restorer",
                strength="strength",
                ease="ease",
                fidelity="fidelity",
                steady="steady",
                mask="mask",
                match_color="match_color",
                on_error="on_error",
            )
        ),
        gate=GateLimits(
            **{
                name: _limit(OPTIONS[f"gate.{name}"], wish[f"gate_{name}"])
                for name in (field.name for field in fields(GateLimits))
                if f"gate_{name}" in wish
            }
        ),
        compute=ComputeSettings(
            **chosen(precision="precision", compile="compile", hwaccel="hwaccel"),
            devices=_devices(wish.get("devices", "auto")),
            batch_size=_batch_size(wish.get("batch_size", "auto")),
        ),
        models=ModelSettings(
            **chosen(trust="trust_weights", offline="offline"),
            files=tuple(
                _weights(text, wish.get("restorer", "")) for text in wish.get("weights") or ()
            ),
            accepted=tuple(sorted(set(wish.get("accept_license") or ()))),
        ),
        clean=CleanSettings(
            **chosen(
                deinterlace="deinterlace",
                rate="deinterlace_rate",
                deblock="deblock",
                denoise="denoise",
                levels="levels",
                white_balance="white_balance",
            ),
            lens=_lens(wish.get("lens")),
        ),
        finish=FinishSettings(
            **{name: wish[name] for name in _FINISH if name in wish},
        ),
        output=OutputSettings(
            frames=_absolute(wish.get("frames")),
            stills=_absolute(wish.get("stills")),
            **chosen(
                codec="codec",
                crf="crf",
                preset="encoder_preset",
                scale="scale",
                upscaler="upscaler",
                audio="audio",
            ),
        ),
        part=PartSettings(
            start=wish.get("start"),
            end=wish.get("end"),
            only=_ids("--only", wish.get("only")),
            skip=_ids("--skip", wish.get("skip")),
        ),
    )
    settings.check()
    return settings


def _limit(option: str, text: str) -> Limit:
    if text == "off":
        return None
    try:
        none, full = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"{option} {text}: takes NONE,FULL such as 8,16, or off") from None
    return none, full


def _devices(text: str) -> tuple[str, ...]:
    devices = tuple(part.strip() for part in text.split(","))
    if not all(devices) or len(set(devices)) < len(devices):
        raise UsageError(f"--devices {text}: takes different names such as cuda:0,cuda:1")
    return devices


def _batch_size(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(f"--batch-size {text}: takes auto or a number from 1")
    return int(text)


def _weights(text: str, restorer: str) -> tuple[str, str]:
    """(name of the weights, absolute path): a job may go on from another folder."""
    name, equals, file = text.partition("=")
    if not (equals and name in WEIGHTS):
        row = RESTORERS.get(restorer)
        name, file = (row.weights if row is not None else None) or "", text
    if name not in WEIGHTS:
        raise UsageError(
            f"--weights {text}: {restorer} has no weights; write NAME=FILE, with a name as "
            "`videnhance models list` has it"
        )
    return name, str(Path(file).absolute())


def _absolute(path: Path | None) -> str | None:
    """A job may go on from another folder."""
    return None if path is None else str(path.absolute())


def _lens(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        first, second = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"--lens {text}: takes K1,K2 such as -0.2,0") from None
    return first, second


_FINISH = tuple(field.name for field in fields(FinishSettings))


def _ids(option: str, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise UsageError(f"{option} {text}: takes ids of tracks, such as 1,3") from None


def refuse_mixed(
    sources: list[Path],
    output: Path | None,
    out_dir: Path | None,
    recursive: bool,
    persons: object,
) -> None:
    """Raises UsageError where it is not clear what goes where."""
    if (output is None) == (out_dir is None):
        raise UsageError("name one result with --output (-o), or a folder for many with --out-dir")
    if out_dir is not None and persons:
        raise UsageError("--tracks, --only, --skip: are of one video; leave --out-dir out")
    if output is not None and len(sources) > 1:
        raise UsageError(
            f"--output {output}: is one file for {len(sources)} inputs; use --out-dir, or name the "
            "folder of a video's pictures"
        )
    if output is not None and recursive:
        raise UsageError("--recursive: is for folders; name a folder for the results, --out-dir")
