"""The options of the command line that more than one command takes.

Options that are settings are made from their declarations (settings/table.py). The names of
restorers, detectors and codecs in their help come from the tables of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from videnhance.detectors import DETECTORS
from videnhance.identity import EMBEDDERS
from videnhance.media.writing.codecs import CODECS
from videnhance.restorers import RESTORERS
from videnhance.settings.groups import SETTINGS
from videnhance.settings.panels import panels_of
from videnhance.settings.presets import PRESETS
from videnhance.settings.table import Command, Setting

Source = Annotated[
    Path, typer.Argument(metavar="INPUT", help="The video, or pictures. It is only ever read.")
]
JobFolder = Annotated[Path, typer.Argument(metavar="JOB", help="The directory of a job.")]
TracksFile = Annotated[
    Path | None, typer.Option("--tracks", help="Use the tracks of this file; look for no faces.")
]

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
WorkerCpus = Annotated[
    int,
    typer.Option(
        min=0, help="Processor threads of each worker, which bits depend on; 0: as many as here."
    ),
]
MapPath = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FROM=TO",
        help="What lies in folder FROM where the job began lies in TO on workers; compared by "
        "content. May be given several times.",
    ),
]
MixedWorkers = Annotated[
    bool,
    typer.Option(
        "--mixed-workers", help="Also workers that give other bits in the last digits; recorded."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="auto|local|HOST:PORT",
        help="Compute segments on a Ray cluster: the one this machine is in, one of this machine "
        "alone, or the one with this address (videnhance[ray]).",
    ),
]
Share = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="With --ray: folder in object storage (s3://, gs://) through which workers get the "
        "source and give segments back, if they share no folder (videnhance[s3]).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


def takes_setting(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one setting, which it finds in its context as `takes` does."""
    return _adding([_parameter(SETTINGS[name])])


def takes(command: Command) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command its settings, and `--preset` and `--config`, which may hold them. The command
    finds them in its context (cli/presets.py, cli/parse.py)."""
    settings = (s for p in panels_of(command) for s in SETTINGS.values() if s.panel == p)
    return _adding([*_layers(), *map(_parameter, settings)])


def _adding(shared: list[Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = signature(command, eval_str=True)

        @wraps(command)
        def with_options(**given: Any) -> None:
            command(**{name: given[name] for name in own.parameters})

        together = [*own.parameters.values(), *shared]
        with_options.__signature__ = own.replace(parameters=together)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in together}
        return with_options

    return decorate


def _layers() -> list[Parameter]:
    panel = "Sets of settings, of which the command line wins"
    preset = typer.Option(
        help=f"A set of settings: {', '.join(PRESETS)}; see docs/settings.md.",
        rich_help_panel=panel,
    )
    config = typer.Option(
        metavar="FILE",
        help="Settings of your own, as TOML: the names of options.",
        rich_help_panel=panel,
    )
    return [
        _optional("preset", None, Annotated[str | None, preset]),
        _optional("config", None, Annotated[Path | None, config]),
    ]


def _parameter(setting: Setting) -> Parameter:
    # A switch that is off has no --no- form; one that is on needs it.
    names = () if setting.kind is bool and setting.default else (setting.option,)
    option = typer.Option(
        *names,
        help=help_of(setting),
        metavar=setting.metavar,
        rich_help_panel=setting.panel.title,
    )
    default = setting.written(setting.default)
    return _optional(setting.parameter, default, Annotated[setting.written_kind, option])


def _optional(name: str, default: Any, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def help_of(setting: Setting) -> str:
    """What the command line says of a setting."""
    return setting.help.format(
        choices=setting.listed_choices,
        table=TABLES[setting.table]() if setting.table else "",
        crf=", ".join(f"{name}: {row.crf}" for name, row in CODECS.items() if row.crf is not None),
        encoder_presets=_encoder_presets(),
    )


def _restorers() -> str:
    """Those that invent come last, together."""
    told = [f"{name}: {row.about}." for name, row in RESTORERS.items() if not row.invents]
    invent = [_with(name, row.about) for name, row in RESTORERS.items() if row.invents]
    return " ".join([*told, f"AI, which invents detail: {', '.join(invent)}."])


def _detectors() -> str:
    return ", ".join(_with(name, row.about) for name, row in DETECTORS.items())


def _embedders() -> str:
    return ", ".join(_with(name, row.about) for name, row in EMBEDDERS.items())


def _codecs() -> str:
    """Those that not every machine has come last, by what they need."""
    here = [_with(name, row.about) for name, row in CODECS.items() if row.needs is None]
    needs = dict.fromkeys(row.needs for row in CODECS.values() if row.needs is not None)
    more = [
        f"with {need}: " + ", ".join(name for name, row in CODECS.items() if row.needs == need)
        for need in needs
    ]
    return "; ".join([", ".join(here), *more]) + "."


def _encoder_presets() -> str:
    kinds = dict.fromkeys(row.preset for row in CODECS.values() if row.preset is not None)
    return "; ".join(
        f"{', '.join(name for name, row in CODECS.items() if row.preset == kind)}: {kind}"
        for kind in kinds
    )


def _with(name: str, about: str) -> str:
    return f"{name} ({about})" if about else name


TABLES: dict[str, Callable[[], str]] = {
    "codecs": _codecs,
    "detectors": _detectors,
    "embedders": _embedders,
    "restorers": _restorers,
}
"""The words for what a setting chooses from, by `Setting.table`."""
