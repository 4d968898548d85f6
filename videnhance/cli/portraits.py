"""The command that makes portraits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videnhance.cli import options
from videnhance.cli.options import takes
from videnhance.cli.working import working
from videnhance.media.reading.pictures import title_of


@takes("portrait")
def portrait(
    context: typer.Context,
    source: options.Source,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The folder; default: NAME.portraits, here."),
    ] = None,
    tracks: options.TracksFile = None,
    job_dir: options.JobDir = None,
    keep_job: options.KeepJob = False,
    restart: options.Restart = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make one picture of each person in INPUT, of all frames that show them alike; add nothing.

    With --restorer by name, what that makes of the portrait is shown beside it.
    """
    with working(context) as work:
        from videnhance.job.directory.folder import default_folder
        from videnhance.job.run import make_portraits_of as run
        from videnhance.job.steps.portraits import RECORD

        output = output or Path(f"{title_of(source)}.portraits")
        work.on(job_dir or default_folder(output / RECORD))
        summary = run(
            source,
            output,
            work.settings,
            job_dir=job_dir,
            tracks=tracks,
            origins=work.origins,
            **work.asked,
        )
        work.tell(summary)
