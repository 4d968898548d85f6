"""The command line: parses, calls the public API, prints, and turns errors into exit codes.

Nothing heavy is imported until a command runs, so that --help is instant.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from videnhance.errors import VidenhanceError
from videnhance.settings import (
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, as shells have it."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Enhance small, blurred or noisy faces in video. A restored face is an educated guess.",
)

_D, _T, _R, _O = DetectSettings(), TrackSettings(), RestoreSettings(), OutputSettings()

Source = Annotated[Path, typer.Argument(metavar="INPUT", help="The video. It is only ever read.")]


@app.command()
def enhance(
    source: Source,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The result: .mp4, .m4v, .mov, .mkv or .webm."),
    ],
    restorer: Annotated[
        str,
        typer.Option(help="fusion: only what the clip itself holds. identity: change nothing."),
    ] = _R.restorer,
    strength: Annotated[
        float, typer.Option(help="Blend of source (0) and restored face (1).")
    ] = _R.strength,
    detector: Annotated[str, typer.Option(help="Face detector: centerface.")] = _D.detector,
    threshold: Annotated[
        float, typer.Option(help="Detector score from which something is a face, 0..1.")
    ] = _D.threshold,
    detect_every: Annotated[
        int, typer.Option(help="Look for faces in every N-th frame; the tracker fills in.")
    ] = _D.every,
    detect_size: Annotated[
        int,
        typer.Option(
            help="Longest side in pixels of the picture the detector sees; 0: by the faces found."
        ),
    ] = _D.long_side,
    min_eyes: Annotated[
        float, typer.Option(help="Smallest face: pixels between the eyes.")
    ] = _T.min_eyes,
    max_gap: Annotated[
        float, typer.Option(help="Seconds without detection after which a track ends.")
    ] = _T.max_gap,
    smoothness: Annotated[
        float, typer.Option(help="Seconds: faster movements are taken for the detector's noise.")
    ] = _T.smoothness,
    ease: Annotated[
        float, typer.Option(help="Seconds over which strength rises and falls at a track's ends.")
    ] = _R.ease,
    scale: Annotated[int, typer.Option(help="Enlarge the video: 1, 2 or 4.")] = _O.scale,
    codec: Annotated[
        str, typer.Option(help="h264, h265, av1, ffv1 (lossless) or prores.")
    ] = _O.codec,
    crf: Annotated[
        int | None, typer.Option(help="Quality, lower is better (h264: 17, h265: 19, av1: 23).")
    ] = _O.crf,
    preset: Annotated[
        str | None, typer.Option(help="Encoder preset (h264, h265: medium; av1: 8).")
    ] = _O.preset,
    overwrite: Annotated[bool, typer.Option(help="Replace OUTPUT if it exists.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no summary; errors only.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also each step's time, and traces of errors.")
    ] = False,
) -> None:
    """Enhance the faces of INPUT and write the result to OUTPUT."""
    settings = Settings(
        detect=DetectSettings(
            detector=detector, threshold=threshold, every=detect_every, long_side=detect_size
        ),
        track=TrackSettings(max_gap=max_gap, min_eyes=min_eyes, smoothness=smoothness),
        restore=RestoreSettings(restorer=restorer, strength=strength, ease=ease),
        output=OutputSettings(codec=codec, crf=crf, preset=preset, scale=scale),
    )
    with _errors_as_exit_codes(verbose):
        settings.check()
        from videnhance.job import enhance as run
        from videnhance.progress import Bars
        from videnhance.report import summary_text

        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            summary = run(source, output, settings, overwrite=overwrite, progress=bars.show)
        if not quiet:
            typer.echo(summary_text(summary))
            if verbose:
                for step, seconds in bars.seconds.items():
                    typer.echo(f"{step}: {seconds:.1f} s")


@app.command()
def probe(
    source: Source,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Traces of errors.")] = False,
) -> None:
    """Say what INPUT is: streams, frames, timing, rotation, colour."""
    with _errors_as_exit_codes(verbose):
        from videnhance.report import probe_facts, probe_text

        facts = probe_facts(source)
        typer.echo(json.dumps(facts, indent=2) if as_json else probe_text(facts))


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"videnhance {version_of('videnhance')}")


@contextmanager
def _errors_as_exit_codes(verbose: bool) -> Iterator[None]:
    """The one place where errors become a line on stderr and an exit code."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except VidenhanceError as error:
        if verbose:
            traceback.print_exc()
        typer.echo(f"videnhance: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("videnhance: stopped; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if verbose:
            traceback.print_exc()
        typer.echo(
            f"videnhance: unexpected {type(error).__name__}: {error}; "
            "please report it with the output of --verbose",
            err=True,
        )
        raise typer.Exit(1) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
