"""What surrounds a command: signals, errors as exit codes, and how to go on afterwards."""

from __future__ import annotations

import ctypes
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from videnhance.cli.streams import complain
from videnhance.errors import VidenhanceError

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, as shells have it."""


class Session:
    """One command at work. `stop` is what a job asks; `job` is where its finished work lies."""

    def __init__(self) -> None:
        self.job: Path | None = None
        self.again = ""
        """The command that goes on, if that is not `resume`."""
        self.when_asked = "finishing the segment in hand; Ctrl-C again drops it"
        self._asked = False

    def stop(self) -> bool:
        """Whether Ctrl-C or SIGTERM asked to put the work down."""
        return self._asked

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: the first asks, the second does not wait."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        complain(f"\nvidenhance: {self.when_asked}")

    def tell_how_to_go_on(self, job: Path | None) -> None:
        if _is_begun(job):
            complain(
                "videnhance: finished work is kept; go on with: "
                f"{self.again or f'videnhance resume {shlex.quote(str(job))}'}"
            )
        else:
            complain("videnhance: nothing was written")


def _is_begun(job: Path | None) -> bool:
    try:
        return job is not None and (job / "job.json").exists()
    except OSError:  # a name too long, or a folder that must not be looked into
        return False


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt(3)."""


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for what comes next.

    glibc gives arrays of a few MB back to the system as soon as they are freed, and gets them again
    for the next frame, page by page: 5 % of the processor time of a job, and more memory at the
    peak by 1 %. Elsewhere nothing is done.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_TRIM_THRESHOLD, 256 << 20)
            mallopt(_M_MMAP_THRESHOLD, 32 << 20)


@contextmanager
def session(verbose: bool, *, patient: bool = False) -> Iterator[Session]:
    """The one place where errors become a line on stderr and an exit code.

    `patient`: a first Ctrl-C or SIGTERM only asks to stop (`Session.stop`), as the command has work
    in hand that it can finish.
    """
    work = Session()
    if patient:
        keep_freed_memory()

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    handler = work.ask if patient else interrupt
    previous = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield work
    except typer.Exit:
        raise
    except VidenhanceError as error:
        if verbose:
            complain(traceback.format_exc())
        complain(f"videnhance: {error}")
        if error.job is not None or error.exit_code == INTERRUPTED:
            work.tell_how_to_go_on(error.job)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        complain("videnhance: stopped")
        work.tell_how_to_go_on(work.job)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if verbose:
            complain(traceback.format_exc())
        complain(
            f"videnhance: unexpected {type(error).__name__}: {error}; "
            "please report it with the output of --verbose"
        )
        if _is_begun(work.job):
            work.tell_how_to_go_on(work.job)
        raise typer.Exit(1) from None
    finally:
        for signum, handler_before in previous.items():
            signal.signal(signum, handler_before)
