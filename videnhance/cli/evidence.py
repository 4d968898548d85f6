"""The commands that work on records: verify and replay."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videnhance.cli import options
from videnhance.cli.options import takes_setting
from videnhance.cli.parse import settings_of
from videnhance.cli.session import session
from videnhance.cli.streams import say
from videnhance.errors import CheckError

if TYPE_CHECKING:
    from videnhance.callbacks import Progress
    from videnhance.evidence.verify import Statement

RecordFile = Annotated[
    Path, typer.Argument(metavar="RECORD", help="The record beside a result: out.mp4.json.")
]

_STATES = {"holds": "ok", "differs": "WRONG", "unknown": "-"}


@takes_setting("models.files")
def verify(
    context: typer.Context,
    record: RecordFile,
    source: Annotated[
        Path | None,
        typer.Option("--input", help="The input; default: of its name, beside the record or here."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="The result; default: beside the record.")
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say line by line whether input and result are still what RECORD says; exit code 3 if not."""
    with session(verbose):
        from videnhance.evidence.verify import Places
        from videnhance.evidence.verify import verify as run

        weights = settings_of(context.params).models.files
        places = Places(record, source, output, weights)
        _say_all(partial(run, places), quiet=quiet)


@takes_setting("models.files")
def replay(
    context: typer.Context,
    record: RecordFile,
    source: options.Source,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The new result; default: it is not kept."),
    ] = None,
    original: Annotated[
        Path | None,
        typer.Option("--original", help="The result recorded; default: beside the record."),
    ] = None,
    tracks: options.TracksFile = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Do it again as RECORD says, and compare the frames bit for bit; exit code 3 if they differ.

    First it is said in what versions, machine or weights are not those recorded.
    """
    with session(verbose):
        from videnhance.evidence.verify import Places
        from videnhance.job.replay import Replay
        from videnhance.job.replay import replay as run

        weights = settings_of(context.params).models.files
        places = Places(record, source, original, weights)
        _say_all(partial(run, Replay(places, output, tracks, overwrite)), quiet=quiet)


def _say_all(compare: Callable[[Progress], Iterable[Statement]], *, quiet: bool) -> None:
    """Print what is found, beside a bar; exits with an error's code where something is not as
    recorded."""
    from videnhance.cli.progress import Bars

    wrong = 0
    with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
        for line in compare(bars.show):
            bars.end()
            wrong += line.state == "differs"
            if not quiet or line.state == "differs":
                say(line_text(line))
    if wrong:
        raise typer.Exit(CheckError.exit_code)


def line_text(line: Statement) -> str:
    """A line of what was compared, for a person."""
    return f"{_STATES[line.state]:6} {line.what:8} {line.said}"
