"""The command `models`: which weights there are and which are here, fetching and checking them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from videnhance.cli import options
from videnhance.cli.session import INTERRUPTED, session
from videnhance.cli.streams import complain, report, say
from videnhance.errors import ModelError, chosen
from videnhance.files import megabytes

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Weights of networks: list them, fetch them, check them.",
)

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="As `models list` has them.")]
SomeNames = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Only these; default: all here.")
]
AcceptLicense = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Accept the licence of these weights; it is remembered."),
]


@app.command("list")
def list_weights(as_json: options.AsJson = False, verbose: options.Verbose = False) -> None:
    """Show all weights: size, licence, what they were trained on, URL, SHA-256, where they are."""
    with session(verbose):
        facts = weights_facts()
        say(json.dumps(facts, indent=2) if as_json else weights_text(facts))


@app.command()
def pull(
    names: Names,
    accept_license: AcceptLicense = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fetch weights into the folder of `models path`, unless they are there.

    Stopped by whatever it was, the same command goes on where it was.
    """
    with session(verbose):
        from videnhance.cli.progress import Bars
        from videnhance.models.catalog import WEIGHTS
        from videnhance.models.store import obtain

        for name in names:  # before any of them is fetched
            chosen("weights", name, WEIGHTS)
        for name in names:
            try:
                with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
                    found = obtain(
                        name,
                        accepted=accept_license or (),
                        progress=bars.show,
                        tell=lambda line: None if quiet else complain(line),
                    )
            except KeyboardInterrupt:
                complain("videnhance: stopped; what has come is kept, the same command goes on")
                raise typer.Exit(INTERRUPTED) from None
            if not quiet:
                report(f"{name}: {found.path}, verified")


@app.command()
def verify(
    names: SomeNames = None, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> None:
    """Hash the weights that are here and compare them with those published."""
    with session(verbose):
        from videnhance.cli.progress import Bars
        from videnhance.models.catalog import folder
        from videnhance.models.store import verify as check

        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            checked = check(names or (), progress=bars.show)
        missing = [name for name in names or () if name not in {item.name for item in checked}]
        if not quiet:
            for item in checked:
                say(f"{item.name}: {'as published' if item.good else 'NOT as published'}")
            if not checked and not missing:
                say(f"{folder()}: no weights are here")
        bad = [item.name for item in checked if not item.good] + missing
        if bad:
            raise ModelError(
                f"{folder()}: missing, or not as published: {', '.join(bad)}; run `videnhance "
                f"models pull {' '.join(bad)}`"
            )


@app.command()
def path(verbose: options.Verbose = False) -> None:
    """Print the folder in which weights are kept; VIDENHANCE_MODELS chooses another."""
    with session(verbose):
        from videnhance.models.catalog import folder

        say(str(folder()))


def weights_facts() -> list[dict[str, Any]]:
    """All weights as plain JSON values; "path" is None where they are not here."""
    from videnhance.models.catalog import WEIGHTS, located

    def place(name: str) -> str | None:
        found = located(name)
        return None if found is None else str(found)

    return [
        {**asdict(weights), "file": weights.file, "path": place(name)}
        for name, weights in WEIGHTS.items()
    ]


def weights_text(facts: list[dict[str, Any]]) -> str:
    """The same facts for a person."""
    return "\n".join(
        line
        for item in facts
        for line in (
            f"{item['name']:18}{_size(item['size']):>10}  {'here' if item['path'] else '-'}",
            f"  licence     {item['licence']}"
            + ("; to be accepted with --accept-license" if item["consent"] else ""),
            f"  trained on  {item['trained_on']}",
            f"  from        {item['url']}",
            f"  bytes       {item['size'] or 'not known'}",
            f"  SHA-256     {item['sha256']}",
        )
    )


def _size(size: int | None) -> str:
    return "" if size is None else megabytes(size)
