"""The frame of a command that works on a video: its session, its settings, its bars, its words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import typer

from videnhance.callbacks import Progress, Stop
from videnhance.cli.parse import settings_of
from videnhance.cli.presets import layered
from videnhance.cli.session import Session, session
from videnhance.cli.streams import report

if TYPE_CHECKING:
    from videnhance.cli.progress import Bars
    from videnhance.job.summary import Summary
    from videnhance.settings.groups import Settings


class Asked(TypedDict):
    """What every command that makes a job of its own asks for, as job/run.py takes it."""

    overwrite: bool
    keep_job: bool
    restart: bool
    progress: Progress
    stop: Stop


@dataclass(frozen=True)
class Working:
    """A command at work."""

    parameters: Mapping[str, Any]
    """Of the command, by name, as they were given."""

    settings: Settings
    origin: str | None
    """Where settings come from that the command line does not say, in one line."""
    origins: dict[str, str]
    """By name, where each comes from that is not at its default."""
    bars: Bars
    quiet: bool
    verbose: bool
    session: Session

    @property
    def asked(self) -> Asked:
        given = self.parameters
        return Asked(
            overwrite=given["overwrite"],
            keep_job=given["keep_job"],
            restart=given["restart"],
            progress=self.bars.show,
            stop=self.session.stop,
        )

    def on(self, job: Path) -> None:
        """Finished work lies in the directory `job` from here on."""
        self.session.job = job

    def say(self, text: str) -> None:
        """Print a line of what was done, unless `--quiet`."""
        self.bars.end()
        if not self.quiet:
            report(text)

    def tell(self, summary: Summary) -> None:
        """Print the summary, unless `--quiet`."""
        from videnhance.cli.report import summary_text, times_text

        self.say(summary_text(summary))
        self.say_origin()
        if self.verbose:
            self.say(times_text(summary))

    def say_origin(self) -> None:
        """Print where settings come from, if not from the command line alone."""
        if self.origin is not None:
            self.say(f"  settings: {self.origin}")


@contextmanager
def working(context: typer.Context, *, patient: bool = True) -> Iterator[Working]:
    """A command with the parameters `quiet` and `verbose`, and those settings that it takes.

    `patient`: as for `session`. Raises what that does.
    """
    quiet, verbose = context.params["quiet"], context.params["verbose"]
    with session(verbose, patient=patient) as begun:
        layers = layered(context)
        settings = settings_of(layers.given)
        from videnhance.cli.progress import Bars

        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            yield Working(
                context.params, settings, layers.told, layers.origins, bars, quiet, verbose, begun
            )
