"""The command `models`: which weights there are and which are here; fetching, finding, checking."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from re import sub
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from videnhance.cli import options
from videnhance.cli.session import INTERRUPTED, session
from videnhance.cli.streams import complain, report, say
from videnhance.errors import ModelError, chosen
from videnhance.files import megabytes

if TYPE_CHECKING:
    from videnhance.models.finding import Found
    from videnhance.models.store import Checked

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Weights of networks: list them, fetch them, find them, check them.",
)

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="As `models list` has them.")]
SomeNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME|FILE", help="Only these, or files elsewhere; default: all here."),
]
AcceptLicense = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Accept the licence of these weights; it is remembered."),
]


@app.command("list")
def list_weights(
    long: Annotated[
        bool, typer.Option("--long", help="All of each: training data, URL, SHA-256 too.")
    ] = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Show all weights: what for, size, speed on two processor cores, licence, whether here."""
    with session(verbose):
        facts = weights_facts()
        if as_json:
            say(json.dumps(facts, indent=2))
        else:
            say(weights_text(facts) if long else weights_table(facts))


@app.command()
def find(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Only in these; default: other programs' folders."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is there, link nothing.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find weights that other programs have fetched, and link them here, without copying them.

    Looks where FaceFusion, ComfyUI, Stable Diffusion WebUI, GFPGAN, CodeFormer, Real-ESRGAN, torch,
    Hugging Face and uniface keep theirs. What is linked was hashed before.
    """
    with session(verbose):
        from videnhance.cli.progress import Bars
        from videnhance.models.finding import PROGRAMS, find

        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            found = find(folders or (), link=not dry_run, progress=bars.show)
        if quiet:
            return
        for item in found:
            report(found_text(item))
        if not any(item.name for item in found):
            usual = f"the folders of {', '.join(PROGRAMS[:-1])} and {PROGRAMS[-1]}"
            where = ", ".join(map(str, folders or ())) or usual
            report(f"no weights that videnhance knows in {where}")


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
    """Hash the weights that are here, or files elsewhere, and compare them with those published."""
    with session(verbose):
        from videnhance.cli.progress import Bars
        from videnhance.models.catalog import WEIGHTS, folder
        from videnhance.models.store import digest_of
        from videnhance.models.store import verify as check

        elsewhere = [Path(name) for name in names or () if name not in WEIGHTS and _is_path(name)]
        named = [name for name in names or () if Path(name) not in elsewhere]
        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            checked = check(named, progress=bars.show) if named or not names else []
            digests = [(path, digest_of(path, bars.show, again=True)) for path in elsewhere]
        missing = [name for name in named if name not in {item.name for item in checked}]
        strangers = []
        for path, digest in digests:
            known = next((w.name for w in WEIGHTS.values() if digest in w.hashes), None)
            strangers += [] if known else [str(path)]
            if not quiet:
                what = f"is {known}, as published" if known else f"unknown (SHA-256 {digest})"
                say(f"{path}: {what}")
        if not quiet:
            for item in checked:
                say(f"{item.name}: {checked_text(item)}")
            if not names and not checked:
                say(f"{folder()}: no weights are here")
        bad = [item.name for item in checked if not item.good] + missing
        if bad:
            raise ModelError(
                f"{folder()}: missing, or not as published: {', '.join(bad)}; run `videnhance "
                f"models pull {' '.join(bad)}`"
            )
        if strangers:
            raise ModelError(
                f"{', '.join(strangers)}: not among the weights that videnhance knows; "
                "`videnhance models list --long` has their SHA-256"
            )


@app.command()
def path(verbose: options.Verbose = False) -> None:
    """Print the folder in which weights are kept; VIDENHANCE_MODELS chooses another."""
    with session(verbose):
        from videnhance.models.catalog import folder

        say(str(folder()))


def found_text(item: Found) -> str:
    """What `find` says of one file."""
    whose = f"{item.path} ({item.program})" if item.program else str(item.path)
    if item.name is None:
        why = item.state or "by its SHA-256 another file"
        return f"{whose}: looks like {item.looked_like}, not used ({why})"
    give = f"; give it with --weights {item.name}={item.path}"
    ends = {"here": "; is here already", "linked": ", linked", "copy": give, "": ""}
    return f"{item.name}: {whose}, verified{ends[item.state]}"


def checked_text(item: Checked) -> str:
    """What `verify` says of one file that is here."""
    if item.linked is None:
        return "as published" if item.good else "NOT as published"
    if not item.sha256:
        return f"NOT here: its link leads to {item.linked}, which is gone"
    return f"{'as published' if item.good else 'NOT as published'}, linked to {item.linked}"


def weights_facts() -> list[dict[str, Any]]:
    """All weights as plain JSON values; "path" is None where they are not here."""
    from videnhance.models.catalog import WEIGHTS, located

    def place(name: str) -> str | None:
        found = located(name)
        return None if found is None else str(found)

    uses = _uses()
    return [
        {
            **asdict(weights),
            "file": weights.file,
            "for": uses.get(name, []),
            "path": place(name),
        }
        for name, weights in WEIGHTS.items()
    ]


def _uses() -> dict[str, list[str]]:
    """What weights are for, by their names: from the tables, so that nothing is forgotten."""
    from videnhance.detectors import DETECTORS
    from videnhance.identity import EMBEDDERS
    from videnhance.render.rows import MASKERS, UPSCALERS
    from videnhance.restorers import RESTORERS

    uses: dict[str, list[str]] = {}
    for what, rows in (
        ("restores faces: --restorer", RESTORERS),
        ("finds faces: --detector", DETECTORS),
        ("enlarges frames: --upscaler", UPSCALERS),
        ("masks faces: --mask", MASKERS),
        ("embeds faces: --identity-model", EMBEDDERS),
    ):
        for name, row in rows.items():
            if row.weights is not None:
                uses.setdefault(row.weights, []).append(f"{what} {name}")
    return uses


_COLUMNS = {"name": 20, "for": 28, "size": 9, "speed, 2 cores": 17, "here": 4, "licence": 36}
"""Of the table, with their widths."""


def weights_table(facts: list[dict[str, Any]]) -> str:
    """The same facts for a person, in short; what is too wide for its column goes on below."""
    rows = [
        (
            item["name"],
            item["for"][0] if item["for"] else "",
            _size(item["size"]),
            item["speed"] or "not measured",
            "here" if item["path"] else "-",
            ("to be accepted: " if item["consent"] else "") + _briefly(item["licence"]),
        )
        for item in facts
    ]
    lines = ["  ".join(f"{name:{width}}" for name, width in _COLUMNS.items()).rstrip()]
    for row in rows:
        cells = [
            wrap(text, width, break_on_hyphens=False) or [""]
            for text, width in zip(row, _COLUMNS.values(), strict=True)
        ]
        for parts in zip_longest(*cells, fillvalue=""):
            pairs = zip(parts, _COLUMNS.values(), strict=True)
            lines.append("  ".join(f"{part:{width}}" for part, width in pairs).rstrip())
    lines.append("Their training data, URLs and SHA-256: videnhance models list --long")
    return "\n".join(lines)


def weights_text(facts: list[dict[str, Any]]) -> str:
    """The same facts for a person, all of them."""
    return "\n".join(
        line
        for item in facts
        for line in (
            f"{item['name']:18}{_size(item['size']):>10}  {'here' if item['path'] else '-'}",
            f"  licence     {item['licence']}"
            + ("; to be accepted with --accept-license" if item["consent"] else ""),
            f"  for         {'; '.join(item['for'])}",
            f"  speed       {item['speed'] or 'not measured'}, two processor cores",
            f"  trained on  {item['trained_on']}",
            f"  from        {item['url']}",
            f"  bytes       {item['size'] or 'not known'}",
            f"  SHA-256     {item['sha256'] or 'not known'}",
        )
    )


def _briefly(licence: str) -> str:
    """Without the address of its text."""
    return sub(r" \(https?://\S+\)", "", licence)


def _is_path(name: str) -> bool:
    return "/" in name or Path(name).is_file()


def _size(size: int | None) -> str:
    return "" if size is None else megabytes(size)
