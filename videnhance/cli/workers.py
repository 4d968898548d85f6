"""The commands of a job that many processes do together, on one machine or many."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videnhance.cli import options
from videnhance.cli.options import takes
from videnhance.cli.session import session
from videnhance.cli.streams import report
from videnhance.cli.working import Working, working
from videnhance.errors import UsageError
from videnhance.storage import url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from videnhance.job.summary import Summary
    from videnhance.job.workers.begin import Ahead
    from videnhance.job.workers.on_ray import RayCrew
    from videnhance.job.workers.work import Worked


@takes("enhance")
def plan(
    context: typer.Context,
    source: options.Source,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The result, as `enhance` takes it.")
    ],
    tracks: options.TracksFile = None,
    job_dir: options.JobDir = None,
    keep_job: options.KeepJob = False,
    restart: options.Restart = False,
    overwrite: options.Overwrite = False,
    worker_cpus: options.WorkerCpus = 0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Prepare the job of enhancing INPUT for workers: `work` in any number of processes, `finish`.

    It takes what `enhance` takes, decides all that is decided once, and computes no segment.
    """
    with working(context) as work:
        from videnhance.job.directory.folder import default_folder
        from videnhance.job.workers.begin import plan_job
        from videnhance.media.writing.codecs import completed

        work.on(job_dir or default_folder(completed(output)))
        ahead = plan_job(
            source,
            output,
            work.settings,
            job_dir=job_dir,
            tracks=tracks,
            origins=work.origins,
            worker_cpus=worker_cpus,
            **work.asked,
        )
        work.say(_ahead_text(ahead))
        work.say_origin()


def work(
    context: typer.Context,
    job: options.JobFolder,
    segment: Annotated[
        int | None,
        typer.Option(
            help="Only this one, from 0: its detections; its frames too, once the tracks are there."
        ),
    ] = None,
    map_path: options.MapPath = None,
    mixed_workers: options.MixedWorkers = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Work on the job in the directory JOB, which `plan` prepared, beside other workers.

    Takes one segment at a time that nobody has, until none is left. A worker that dies is replaced
    by the others.
    """
    with session(verbose, patient=True) as begun:
        from videnhance.cli.progress import Bars
        from videnhance.job.workers.paths import PathMap
        from videnhance.job.workers.work import work as run

        maps = [PathMap.read(text) for text in map_path or ()]
        begun.job = job
        begun.again = f"videnhance work {shlex.quote(str(job))}"
        with Bars(shown=sys.stderr.isatty() and not quiet) as bars:
            did = run(
                job,
                segment=segment,
                maps=maps,
                mixed_workers=mixed_workers,
                progress=bars.show,
                stop=begun.stop,
            )
            bars.end()
        if not quiet:
            report(_worked_text(did, job))


def finish(
    context: typer.Context,
    job: options.JobFolder,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make the output of the job in the directory JOB, once its workers are done.

    What they left undone is done first.
    """
    with working(context) as work:
        from videnhance.job.workers.begin import finish_job

        work.on(job)
        work.tell(finish_job(job, progress=work.bars.show, stop=work.session.stop))


@contextmanager
def crew_of(work: Working, ray: str | None, source: Path) -> Iterator[RayCrew | None]:
    """Who computes the segments of the command, by its options; None: this process does."""
    cpus, maps = work.parameters["worker_cpus"], work.parameters["map_path"]
    mixed, share = work.parameters["mixed_workers"], work.parameters["share"]
    if ray is None:
        given = {
            "--worker-cpus": cpus,
            "--map-path": maps,
            "--mixed-workers": mixed,
            "--share": share,
        }
        for option in (name for name, value in given.items() if value):
            raise UsageError(f"{option}: is for workers; add --ray, or leave it out")
        yield None
        return
    from videnhance.job.workers.on_ray import RayCrew
    from videnhance.job.workers.paths import PathMap

    work.session.when_asked = "dropping the segments in hand"
    read = [PathMap.read(text) for text in maps or ()]
    crew = RayCrew(
        ray,
        worker_cpus=cpus,
        maps=read,
        mixed_workers=mixed,
        share=share,
        source=url_of(source),
    )
    with crew:
        yield crew


def stored(
    work: Working,
    source: Path,
    output: Path,
    stage: Path | None,
    tracks: Path | None,
    crew: RayCrew | None,
) -> Summary:
    """Enhance what is, or is to be, in object storage."""
    from videnhance.job.workers.stored import enhance_stored

    work.session.again = "the same command"
    return enhance_stored(
        source,
        output,
        work.settings,
        overwrite=work.asked["overwrite"],
        stage=stage,
        restart=work.asked["restart"],
        tracks=tracks,
        origins=work.origins,
        crew=crew,
        progress=work.bars.show,
        stop=work.session.stop,
    )


def _ahead_text(ahead: Ahead) -> str:
    job = shlex.quote(str(ahead.job))
    steps = [
        *([f"{ahead.detect} to look for faces in"] if ahead.detect else []),
        f"{ahead.render} to render",
    ]
    lines = [
        f"{ahead.job}",
        f"  {ahead.frames} frames; segments: {', '.join(steps)}",
        *(f"  note: {note}" for note in ahead.notes),
        f"  work on it, in as many processes as you like: videnhance work {job}",
        f"  then: videnhance finish {job}",
    ]
    return "\n".join(lines)


def _worked_text(did: Worked, job: Path) -> str:
    pace = f" ({did.frames / did.seconds:.1f} frames/s)" if did.made and did.seconds else ""
    text = (
        f"{did.worker}: {len(did.made)} segments, {did.frames} frames in {did.seconds:.1f} s{pace}"
    )
    if did.left:
        return f"{text}; {did.left} {'to render' if did.tracked else 'to look for faces in'} left"
    if not did.tracked:
        return f"{text}; the tracks are still to be made"
    return f"{text}; nothing is left: videnhance finish {shlex.quote(str(job))}"
