"""The command line: parses, calls the public API, prints.

Nothing heavy is imported until a command runs, so that --help is instant.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videnhance.cli import evidence, models, options, page, portraits, workers
from videnhance.cli.options import takes, takes_setting
from videnhance.cli.parse import refuse_mixed, settings_of
from videnhance.cli.session import INTERRUPTED, session
from videnhance.cli.streams import complain, report, say
from videnhance.cli.workers import crew_of, stored
from videnhance.cli.working import Working, working
from videnhance.errors import UsageError
from videnhance.media.reading.pictures import title_of
from videnhance.storage import url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from videnhance.job.batch import BatchItem
    from videnhance.job.summary import Summary


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Enhance small, blurred or noisy faces in video. A restored face is an educated guess.",
)


app.add_typer(models.app, name="models")
app.command()(portraits.portrait)
app.command()(evidence.verify)
app.command()(evidence.replay)
app.command()(page.report)
app.command()(workers.plan)
app.command()(workers.work)
app.command()(workers.finish)


@app.command()
@takes("enhance")
def enhance(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="The video, a picture, or the folder or numbered name (f/%05d.png) of pictures "
            "that make a video. With --out-dir also several, folders and globs.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The result: .mp4, .m4v, .mov, .mkv (also without a suffix), .webm or .avi; for "
            "one picture .png.",
        ),
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option(help="Folder for the results, which keep their names.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="With --out-dir: also the folders in a folder.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out inputs whose result exists.")
    ] = False,
    tracks: options.TracksFile = None,
    job_dir: options.JobDir = None,
    keep_job: options.KeepJob = False,
    restart: options.Restart = False,
    overwrite: options.Overwrite = False,
    ray: options.Ray = None,
    worker_cpus: options.WorkerCpus = 0,
    map_path: options.MapPath = None,
    mixed_workers: options.MixedWorkers = False,
    share: options.Share = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Enhance the faces of INPUT and write the result to OUTPUT.

    Stopped by whatever it was, the same command goes on where it was.
    """
    with working(context) as work, crew_of(work, ray, sources[0]) as crew:
        settings = work.settings
        refuse_mixed(sources, output, out_dir, recursive, tracks or settings.part.persons)
        from videnhance.job.directory.folder import default_folder
        from videnhance.job.run import enhance as run
        from videnhance.media.writing.codecs import completed

        def one(source: Path, result: Path, folder: Path | None = job_dir) -> Summary:
            work.on(folder or default_folder(result))
            return run(
                source,
                result,
                settings,
                job_dir=folder,
                tracks=tracks,
                origins=work.origins,
                crew=crew,
                **work.asked,
            )

        if out_dir is not None:
            from videnhance.job.batch import inputs_of

            items = inputs_of(sources, recursive=recursive, out_dir=out_dir)
            code = _batch(work, items, one, out_dir, job_dir, skip_existing=skip_existing)
            raise typer.Exit(code)
        assert output is not None
        if url_of(sources[0]) or url_of(output):
            work.tell(stored(work, sources[0], output, job_dir, tracks, crew))
            return
        output = completed(output)
        if skip_existing and output.exists():
            work.say(f"{output} exists; nothing to do")
            return
        work.tell(one(sources[0], output))


@app.command()
@takes("detect")
def detect(
    context: typer.Context,
    source: options.Source,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The tracks; default: NAME.tracks.json, here."),
    ] = None,
    job_dir: options.JobDir = None,
    keep_job: options.KeepJob = False,
    restart: options.Restart = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find and follow the faces of INPUT; write their tracks, to look at, edit or enhance from."""
    with working(context) as work:
        from videnhance.job.directory.folder import default_folder
        from videnhance.job.run import detect_tracks as run

        # Not beside the input: the folder of a recording is not ours to write to.
        output = output or Path(f"{title_of(source)}.tracks.json")
        work.on(job_dir or default_folder(output))
        work.tell(run(source, output, work.settings, job_dir=job_dir, **work.asked))


@app.command()
@takes("preview")
def preview(
    context: typer.Context,
    source: options.Source,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The video (with --at the PNG); default: here."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="One frame only, as PNG: a position as --start takes it.")
    ] = None,
    layout: Annotated[str, typer.Option(help="side, stack or wipe: original and result.")] = "side",
    seconds: Annotated[float, typer.Option(help="Length, where no range is given.")] = 4.0,
    sheet: Annotated[
        Path | None, typer.Option(help="The contact sheet; default: the output's name with .png.")
    ] = None,
    tracks: options.TracksFile = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the best seconds of INPUT before and after; say how long the whole would take."""
    with working(context, patient=False) as work:
        from videnhance.cli.report import preview_text
        from videnhance.job.preview.make import make_preview, preview_frame

        if at is not None:
            for name in ("start", "end", "seconds", "sheet"):
                origin = context.get_parameter_source(name)
                if origin is not None and origin.name == "COMMANDLINE":
                    raise UsageError(
                        f"--{name}: does not go with --at, which shows one frame; leave it out"
                    )
        output = output or Path(
            f"{title_of(source)}.{'preview.mp4' if at is None else 'frame.png'}"
        )
        if at is not None:
            found = preview_frame(
                source,
                output,
                at,
                work.settings,
                layout=layout,
                overwrite=overwrite,
                tracks=tracks,
                origins=work.origins,
                progress=work.bars.show,
                stop=work.session.stop,
            )
        else:
            found = make_preview(
                source,
                output,
                work.settings,
                layout=layout,
                seconds=seconds,
                sheet=sheet,
                overwrite=overwrite,
                tracks=tracks,
                origins=work.origins,
                progress=work.bars.show,
                stop=work.session.stop,
            )
        work.say(preview_text(found))
        work.say_origin()


@app.command()
def resume(
    context: typer.Context,
    job: options.JobFolder,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Go on with the job in the directory JOB, as it was begun."""
    with working(context) as work:
        from videnhance.job.run import resume as run

        work.on(job)
        work.tell(run(job, progress=work.bars.show, stop=work.session.stop))


@app.command()
def status(
    job: options.JobFolder, as_json: options.AsJson = False, verbose: options.Verbose = False
) -> None:
    """Say how far the job in the directory JOB is."""
    with session(verbose):
        from videnhance.cli.job_status import status_facts, status_text
        from videnhance.job.status import read_status

        found = read_status(job)
        say(json.dumps(status_facts(found), indent=2) if as_json else status_text(found))


@app.command()
@takes_setting("source.input_codec")
def probe(
    context: typer.Context,
    source: options.Source,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Say what INPUT is: streams, frames, timing, rotation, colour."""
    with session(verbose):
        from videnhance.cli.report import probe_facts, probe_text

        facts = probe_facts(source, settings_of(context.params).source.input_codec)
        say(json.dumps(facts, indent=2) if as_json else probe_text(facts))


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    # Read when torch is loaded. Its threads otherwise spin while they wait for each other, and take
    # the cores from those they wait for where other work runs too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if version:
        from importlib.metadata import version as version_of

        say(f"videnhance {version_of('videnhance')}")


def _batch(
    work: Working,
    items: Sequence[BatchItem],
    one: Callable[[Path, Path, Path | None], Summary],
    out_dir: Path,
    job_dir: Path | None,
    *,
    skip_existing: bool,
) -> int:
    """Do all of them by `one`, which takes source, result and the job's directory; print the table
    of what became of each. Returns the exit code."""
    from videnhance.job import SUFFIX
    from videnhance.job.batch import closing_table, exit_code_of, run_batch

    def each(source: Path, result: Path) -> Summary:
        name = result.relative_to(out_dir)
        within = name.with_name(name.name + SUFFIX)
        return one(source, result, job_dir / within if job_dir else None)

    results = run_batch(
        items,
        each,
        skip_existing=skip_existing,
        stop=work.session.stop,
        tell=lambda item, k, n: None if work.quiet else work.bars.head(f"[{k}/{n}] {item.source}"),
    )
    code = exit_code_of(results)
    work.bars.end()
    if not work.quiet or code:
        (complain if work.quiet else report)(closing_table(results))
    if any(result.exit_code == INTERRUPTED for result in results):
        complain(
            "videnhance: finished work is kept; go on with the same command and --skip-existing"
        )
    return code
