"""The last step: the record of the result, beside it (evidence), once the result has its name.

A job that ends between the two is finished and has no record yet: the same command, or resume,
writes it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from videnhance.errors import InputError
from videnhance.evidence.columns import Times
from videnhance.evidence.document import (
    FORMAT,
    VERSION,
    Color,
    Decoding,
    Finding,
    Input,
    Method,
    Output,
    Picture,
    Record,
    Setting,
    Stream,
    Video,
)
from videnhance.evidence.packed import packed
from videnhance.evidence.reading import read_record
from videnhance.evidence.weights import weights_used
from videnhance.evidence.writing import write_record
from videnhance.files import sha256_of
from videnhance.imaging.frames import LEFT
from videnhance.job.evidence.columns import columns_of
from videnhance.job.evidence.files import file_of, video_file_of
from videnhance.job.job import Job, method_of
from videnhance.job.steps.record_file import path_of_record
from videnhance.job.summary import ESTIMATE, summarize
from videnhance.media.clip import Clip
from videnhance.media.digests import StreamDigest, decoding_libraries, video_of
from videnhance.media.info import VideoInfo
from videnhance.media.reading.decoding import layout_of
from videnhance.settings.groups import DEFAULTS, SETTINGS
from videnhance.settings.table import Setting as Declared
from videnhance.settings.text import FILE_PAIR, FILES, FOLDER

_FOLDERS = re.compile(r"(?<![\w:/.~])~?/(?:[^\s/:;,()']+/)+")
"""The folders of an absolute path in a sentence; no URL has them."""


def keep_record(job: Job) -> Job:
    """Write the record of the finished result, unless it is there; raises OutputError, and
    InputError where the result cannot be read back."""
    if not job.settings.record.keep or _is_recorded(job):
        return job
    with job.monitor.step("record"):
        write_record(path_of_record(job), _record(job))
    return job


def _is_recorded(job: Job) -> bool:
    """Whether the record of this very output is there."""
    try:
        found = read_record(path_of_record(job))
    except InputError:
        return False
    output = job.request.output
    return found.output.size == output.stat().st_size and found.output.sha256 == sha256_of(output)


def _record(job: Job) -> Record:
    document, request = job.record.document, job.request
    method, invents = method_of(job.settings, job.restorer) if job.restorer else (None, False)
    detector = None if job.tracks_file is not None else job.settings.detect.detector
    outputs, digest = _outputs(job)
    return Record(
        format=FORMAT,
        version=VERSION,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind=request.kind,
        said=ESTIMATE,
        input=_input(job),
        outputs=outputs,
        method=Method(detector, method, invents, weights_used(job.loader.obtained, detector)),
        settings=_settings(job),
        versions=dict(document["versions"]),
        machines=tuple(dict(machine) for machine in job.record.machines),
        videos=(_video(job, digest),),
        notes=tuple(_named_only(job, note) for note in summarize(job).notes),
    )


def _input(job: Job) -> Input:
    info, source = job.scope.clip.info, job.record.document["source"]
    return Input(
        name=info.path.name,
        size=source["size"],
        sha256=source["sha256"] or job.source.sha256(job.tell_hash),
        container=info.container,
        streams=tuple(
            Stream(
                s.index,
                s.kind,
                s.codec,
                s.detail,
                s.language,
                str(s.time_base) if s.time_base is not None else None,
                s.start,
                s.duration,
            )
            for s in info.streams
        ),
        written_by=info.written_by,
        path=_path(job, info.path),
    )


def _outputs(job: Job) -> tuple[tuple[Output, ...], StreamDigest | None]:
    """All files of the result, and the digest of the enhanced video."""
    output = job.request.output
    paths = job.settings.record.paths
    if job.request.kind == "portrait":
        folder = output.parent
        files = [output, *sorted(p for p in folder.iterdir() if p.suffix in (".png", ".pdf"))]
        return tuple(file_of(file, folder.parent, paths=paths) for file in files), None
    if job.check is None or job.check.picture:
        return (file_of(output, output.parent, paths=paths),), None
    index, frames = video_of(output, job.check.place), job.scope.stop - job.scope.start

    def tell(done: int) -> None:
        job.monitor.tell("record", done, frames)

    whole, digests = video_file_of(output, (index,), tell, paths=paths)
    return (whole,), digests[index]


def _video(job: Job, digest: StreamDigest | None) -> Video:
    clip, scope, document = job.scope.clip, job.scope, job.record.document
    pts = clip.timeline.pts[scope.start : scope.stop]
    frames = digest.frames if digest is not None else None
    return Video(
        stream=clip.info.stream,
        output_stream=digest.index if digest is not None else None,
        picture=_picture(clip.info),
        decoding=_decoding(job),
        cleaned_up=document.get("cleaned up"),
        encoding=document["encoding"],
        frames=len(clip.timeline),
        start=scope.start,
        stop=scope.stop,
        source_times=Times.of(pts, clip.timeline.time_base),
        output_times=Times.of(frames.pts, frames.time_base) if frames and frames.pts else None,
        untouched=tuple((s.start, s.stop) for s in job.record.untouched),
        findings=tuple(
            Finding(f.kind, _named_only(job, f.text), f.start, f.end, f.frames)
            for f in clip.recorded.findings
        ),
        check=job.check.as_json() if job.check is not None else None,
        tracks_sha256=sha256_of(job.directory.tracks),
        tracks_given=job.tracks_file is not None,
        zones=tuple((z.x0, z.y0, z.x1, z.y1) for z in job.tracks.zones),
        tracks_file=packed(job.tracks.everyone, clip.timeline),
        tracks=columns_of(job),
        mark=document.get("mark"),
        invention=document.get("invention"),
    )


def _picture(info: VideoInfo) -> Picture:
    color = info.color
    return Picture(
        codec=info.codec,
        pix_fmt=info.pix_fmt,
        width=info.width,
        height=info.height,
        rotation=info.rotation,
        mirrored=info.mirrored,
        sample_aspect_ratio=str(info.sample_aspect_ratio),
        color=Color(color.range, color.matrix, color.primaries, color.transfer),
        chroma_site=info.picture.chroma or LEFT,
    )


def _decoding(job: Job) -> Decoding:
    clip: Clip = job.scope.clip
    info, planned = clip.info, job.planned
    painted = planned.encoding.pix_fmt if planned is not None else None
    layout = layout_of(clip.pix_fmt, full_range=info.color.range == 2, matrix=info.color.matrix)
    return Decoding(
        libraries=decoding_libraries(),
        device=clip.recorded.hwaccel,
        read_as=info.read_as,
        looked_at=clip.pix_fmt,
        painted=painted,
        limited=planned is not None and (info.color.range, planned.encoding.color.range) == (2, 1),
        luma_weights=layout.luma_weights,
    )


def _settings(job: Job) -> dict[str, Setting]:
    asked, resolved, origins = job.request.settings, job.settings, job.request.origins
    values = resolved.as_json()
    found = {}
    for name, declared in SETTINGS.items():
        value = values[declared.group][declared.field]
        if resolved.value(name) != asked.value(name):
            source = "chosen"
        elif name in origins:
            source = origins[name]
        else:
            source = "default" if asked.value(name) == DEFAULTS.value(name) else "caller"
        if not job.settings.record.paths:
            value = _names_of(declared, value)
        found[name] = Setting(declared.option, value, source)
    return found


def _names_of(declared: Declared, value: Any) -> Any:
    """The value with names in place of paths."""
    if declared.form is FOLDER and value is not None:
        return Path(value).name
    if declared.form is FILES:
        return [[name, Path(file).name] for name, file in value]
    if declared.form is FILE_PAIR and value is not None:
        return [Path(file).name for file in value]
    return value


def _path(job: Job, path: Path) -> str | None:
    return str(path.absolute()) if job.settings.record.paths else None


def _named_only(job: Job, sentence: str) -> str:
    """A sentence in which files are called by their names only."""
    if job.settings.record.paths:
        return sentence
    request = job.request
    known = (request.source.parent, request.output.parent, job.directory.folder.parent, Path.home())
    for folder in sorted({str(one.absolute()) for one in known}, key=len, reverse=True):
        sentence = sentence.replace(f"{folder.rstrip('/')}/", "")
    return _FOLDERS.sub("", sentence)
