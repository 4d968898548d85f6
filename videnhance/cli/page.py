"""The command that makes a report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from videnhance.cli import options
from videnhance.cli.session import session
from videnhance.cli.streams import report as tell


def report(
    work: Annotated[
        Path,
        typer.Argument(metavar="RECORD|JOB", help="OUT.json, beside a result; or a job's folder."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page; default: the record's name with .html."),
    ] = None,
    input: Annotated[
        Path | None,
        typer.Option("--input", help="The recording; default: beside the record, or here."),
    ] = None,
    result: Annotated[
        Path | None, typer.Option("--result", help="The result; default: beside the record.")
    ] = None,
    portraits: Annotated[
        Path | None, typer.Option("--portraits", help="The folder of its portraits.")
    ] = None,
    stills: Annotated[
        Path | None, typer.Option("--stills", help="The folder of its stills and invention maps.")
    ] = None,
    stream: Annotated[
        int | None, typer.Option("--stream", help="Of several videos, the index of one.")
    ] = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show what was done to a video as one page that opens in any browser, without network."""
    with session(verbose, patient=True) as begun:
        from videnhance.cli.progress import Bars
        from videnhance.report.gather import page_name, write_report

        page = output or page_name(work)
        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            made = write_report(
                work,
                page,
                input=input,
                result=result,
                portraits=portraits,
                stills=stills,
                stream=stream,
                overwrite=overwrite,
                progress=bars.show,
                stop=begun.stop,
            )
            bars.end()
        if not quiet:
            size = page.stat().st_size / 1e6
            count = len(made.persons)
            tell(f"{page}: {count} track{'s' * (count != 1)}, {size:.1f} MB; open it in a browser")
