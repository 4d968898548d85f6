"""Step 1, plan: whatever can be known to fail is known before any work, and nothing is written."""

from __future__ import annotations

from dataclasses import replace

from videnhance.errors import UsageError
from videnhance.job.job import Job
from videnhance.job.monitor import Monitor
from videnhance.job.plan import Plan, Scope, check_output, make_plan, make_scope
from videnhance.job.request import JobRequest, TracksFile
from videnhance.job.source import SourceFiles
from videnhance.job.steps.invention import require_invention
from videnhance.job.steps.record_file import require_record
from videnhance.job.steps.stills import require_stills
from videnhance.media.reading.coding import coding_of
from videnhance.media.reading.marks import UNMARKED, marks_in
from videnhance.media.reading.source import probe
from videnhance.media.repair.examination import Examination
from videnhance.media.writing.png import require_folder
from videnhance.media.writing.signing import Signatory
from videnhance.models.loader import Loader
from videnhance.render.networks import (
    detecting_weights,
    drift_weights,
    rendering_weights,
    tracking_weights,
)
from videnhance.restorers import AUTO, is_learned


def plan(
    request: JobRequest,
    monitor: Monitor,
    examined: Examination | None,
    *,
    is_finished: bool,
    delivers: bool = True,
) -> Job:
    """The job of a request, decided, with all weights that it needs at hand.

    `examined` is what an earlier examination of the source found; `is_finished`: the output is in
    place and this job's; `delivers`: this process will write it, and not only segments of it.
    Raises UsageError, InputError, OutputError, ContainerError, ModelError.
    """
    with monitor.step("plan"):
        scope, planned = _planned(request, monitor, examined, is_finished, delivers)
        if request.kept is not None:
            scope = replace(scope, clip=scope.clip.keeping(request.kept))
            planned = replace(planned, scope=scope) if planned is not None else None
    monitor.notes.extend(scope.clip.notes)
    found = marks_in(scope.clip.info) if request.kind != "detect" else UNMARKED
    signs = request.kind == "enhance" and not is_finished and delivers
    pair = scope.settings.evidence.sign if signs else None
    signatory = Signatory.of(pair, request.output) if pair is not None else None
    monitor.notes.extend(found.notes(signs=signatory is not None))
    loader = _loader(request, scope, monitor)
    job = Job(
        request=request,
        monitor=monitor,
        scope=scope,
        planned=planned,
        tracks_file=TracksFile.read(request.tracks, scope) if request.tracks is not None else None,
        source=SourceFiles.of(scope.clip.info.path),
        loader=loader,
        was_begun=request.directory.record.exists(),
        found=found,
        signatory=signatory,
    )
    if delivers:
        require_stills(job)
        require_invention(job)
        if not is_finished and request.kind != "detect":
            require_record(job)
    return job


def _planned(
    request: JobRequest,
    monitor: Monitor,
    examined: Examination | None,
    is_finished: bool,
    delivers: bool,
) -> tuple[Scope, Plan | None]:
    def progress(packets: int) -> None:
        monitor.tell("plan", packets, 0)

    overwrite = request.overwrite or is_finished
    if request.kind == "enhance":
        planned = make_plan(
            request.source,
            request.output,
            request.settings,
            overwrite=overwrite,
            progress=progress,
            examined=examined,
            delivers=delivers,
        )
        return planned.scope, planned
    if not delivers:
        pass
    elif request.kind == "portrait":
        ours = overwrite or request.directory.record.exists()
        require_folder(request.output.parent, "portraits", ours=ours)
        overwrite = ours
    elif request.output.suffix.lower() != ".json":
        raise UsageError(f"{request.output}: tracks are written as JSON; name it with .json")
    wish = request.settings.source
    info = probe(request.source, wish.input_codec, wish.index)
    if delivers:
        check_output(request.source, request.output, overwrite=overwrite)
    return make_scope(info, request.settings, progress, examined), None


def _loader(request: JobRequest, scope: Scope, monitor: Monitor) -> Loader:
    """With all weights that will be asked for: what cannot be had is known before the work."""
    settings = scope.settings
    loader = Loader(
        settings,
        device=settings.compute.devices[0],
        progress=monitor.tell,
        tell=monitor.notes.append,
        stop=monitor.stop,
    )
    names: list[str] = []
    if request.kind == "enhance":
        names += [*rendering_weights(settings), *drift_weights(settings)]
        if is_learned(settings.restore.restorer):
            recorded = scope.clip.recorded
            coding = coding_of(recorded.info, recorded.timeline)
            loader = replace(loader, coding=coding)
    elif request.kind == "portrait" and settings.restore.restorer not in (AUTO, "identity"):
        names += rendering_weights(settings)
    if request.tracks is None:
        names += [*detecting_weights(settings), *tracking_weights(settings)]
    for name in names:
        loader.weights(name)
    return loader
