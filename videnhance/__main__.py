"""The command `videnhance`, and `python -m videnhance`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    # While modules are imported nothing is begun: Ctrl-C ends the process at once, without a trace
    # of where it was. The session of a command takes the signal over.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from videnhance.cli.streams import complain, open_missing, unwritable
    from videnhance.errors import OutputError

    open_missing()
    from videnhance.cli.commands import app

    try:
        app(prog_name="videnhance")
    except OSError as error:  # in printing what no command prints: --help, --version
        refused_options = getattr(error.__context__, "exit_code", None)
        if refused_options is not None:  # of which standard error could not be told
            sys.exit(refused_options)
        refusal = error if isinstance(error, OutputError) else unwritable(error)
        complain(f"videnhance: {refusal}")
        sys.exit(refusal.exit_code)


if __name__ == "__main__":
    main()
