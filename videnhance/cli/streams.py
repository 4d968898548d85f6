"""Standard output and standard error, which may be closed, full, or a pipe that nobody reads."""

from __future__ import annotations

import os
import sys

import typer

from videnhance.errors import OutputError, line_of

_OUTPUT, _ERROR = 1, 2


def open_missing() -> None:
    """Open those of the standard streams that the process was started without.

    Else the next file to be opened, such as the video that is written, would get the number of one
    of them, and with it whatever libraries print. Standard output gets one that cannot be written:
    what was asked for is not lost without a word.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free number, which is this one
    # Python has None for a stream that was closed when it started.
    sys.stdout = sys.stdout or os.fdopen(_OUTPUT, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(_ERROR, "w", closefd=False)


def say(text: str) -> None:
    """Print a line, or several, to standard output; raises OutputError where that fails."""
    try:
        typer.echo(text)
    except OSError as error:
        raise unwritable(error) from error


def report(text: str) -> None:
    """Print what was done, now that it is done: that it cannot be printed is no failure of it."""
    try:
        say(text)
    except OutputError as error:
        reason = line_of(error.__cause__)
        complain(f"videnhance: the work is done, but what was done cannot be printed ({reason})")


def complain(text: str) -> None:
    """Print a line to standard error. Where that fails, nobody can be told."""
    try:
        typer.echo(text, err=True)
    except OSError:
        _give_up(_ERROR)


def unwritable(error: OSError) -> OutputError:
    """The error of printing to standard output, to which nothing more is printed."""
    _give_up(_OUTPUT)
    return OutputError(
        f"standard output: cannot be written ({line_of(error)}); send it to a file that has room"
    )


def _give_up(stream: int) -> None:
    """Print nothing more there: as Python ends it would try again, and fail with another code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
