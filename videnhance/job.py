"""A job: the four steps in order, their files in a directory of its own, the output by one rename.

The directory stands beside the output, so that the last step is a rename and not a copy:

    job.json                what is done to which file, with which settings and versions
    detections/00000.npz    per segment (detect.py)
    tracks.json             all tracks (trackfile.py)
    segments/00000.mp4      per segment (video/writer.py)
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from videnhance import detectors, restorers
from videnhance.detect import SIZES, Detections, detect, look_at, suited_size, survey_frames
from videnhance.detect import margins as detect_margins
from videnhance.errors import OutputError
from videnhance.faces import Tracklet
from videnhance.frames import Frame
from videnhance.plan import Plan, make_plan
from videnhance.queues import background, prefetch
from videnhance.render import Restored, finish, overlapping, restore, sample
from videnhance.render import margins as render_margins
from videnhance.settings import Settings
from videnhance.streams import Segment
from videnhance.trackfile import read_tracks, write_tracks
from videnhance.tracking import track
from videnhance.video.mux import mux
from videnhance.video.reader import read_frames
from videnhance.video.writer import SegmentWriter

READ_AHEAD = 8
"""Decoded frames kept ready, and finished frames waiting for the encoder: enough to even out a
frame's cost, little enough to bound memory (8 frames of 4K are 100 MB)."""

DEFAULTS = Settings()

Progress = Callable[[str, int, int], None]
"""Called as progress(step, done, total); total is 0 while unknown."""

ESTIMATE = "Enhanced faces are estimates: compare them with the original before you rely on them."


@dataclass(frozen=True)
class Summary:
    """What a finished job did."""

    output: Path
    frames: int
    frames_with_faces: int
    faces: int
    """Restored crops: one per face and frame."""
    tracks: int
    seconds: float
    """Wall time."""
    detector: str
    restorer: str
    invents: bool
    """Whether the restorer can show what the clip does not hold."""
    notes: tuple[str, ...]
    """What could not be kept, one sentence each."""


def enhance(
    source: Path | str,
    output: Path | str,
    settings: Settings = DEFAULTS,
    *,
    overwrite: bool = False,
    progress: Progress = lambda step, done, total: None,
) -> Summary:
    """Enhance the faces of a video and write the result to `output`.

    The source is only read. `output` appears whole, when all is done, or not at all. Raises a
    VidenhanceError (see errors.py) whose message is one line: the file, the cause and the cure.
    """
    began = time.monotonic()
    plan = make_plan(
        Path(source),
        Path(output),
        settings,
        overwrite=overwrite,
        progress=lambda packets: progress("plan", packets, 0),
    )
    restorer = restorers.create(settings.restore.restorer)
    with job_directory(plan.output) as folder:
        write_record(plan, folder / "job.json")
        detections = detect_all(plan, folder / "detections", progress)
        tracklets = track_all(plan, detections, folder / "tracks.json")
        segments = render_all(plan, tracklets, restorer, folder / "segments", progress)
        mux(
            plan.output,
            folder / "output",
            plan.muxer,
            plan.source,
            plan.timeline,
            list(zip(plan.segments, segments, strict=True)),
            plan.copying,
            lambda frames: progress("mux", frames, len(plan.timeline)),
        )
    return summarize(plan, tracklets, restorer, time.monotonic() - began)


@contextmanager
def job_directory(output: Path) -> Iterator[Path]:
    """A new directory beside the output, removed on leaving however that happens."""
    # Named before it is made, so that no interruption can come between the two.
    unique = f".{output.name}.{os.getpid()}-{secrets.token_hex(4)}.videnhance"
    folder = output.absolute().parent / unique
    try:
        for name in ("detections", "segments"):
            (folder / name).mkdir(parents=True)
        yield folder
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"{output}: working files cannot be written ({error.strerror}); "
            "make room or choose another folder"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def detect_all(plan: Plan, folder: Path, progress: Progress) -> list[Path]:
    """The detections of every segment, a file each."""
    wish = plan.settings.detect
    detector = detectors.create(wish.detector, wish.threshold)
    total = len(plan.timeline)
    long_side = wish.long_side or survey(plan, detector)
    written = []
    for segment in plan.segments:
        path = folder / f"{segment.name}.npz"
        start, stop = detect_margins(segment, total)
        frames = prefetch(
            read_frames(plan.source, plan.timeline, start, stop, plan.encoding.pix_fmt),
            READ_AHEAD,
        )
        detect(
            _counted(frames, lambda index: progress("detect", index + 1, total)),
            segment,
            total,
            detector,
            plan.source.upright,
            plan.source.upright_size,
            every=wish.every,
            long_side=long_side,
        ).save(path)
        written.append(path)
    return written


def survey(plan: Plan, detector: detectors.Detector) -> int:
    """The detection size that suits the faces of this video, from a close look at a few frames."""
    source = plan.source
    seen = [
        look_at(frame, detector, source.upright, source.upright_size, SIZES[-1])
        for index in survey_frames(plan.timeline)
        for frame in read_frames(source, plan.timeline, index, index + 1, plan.encoding.pix_fmt)
    ]
    return suited_size(seen, source.upright_size, plan.settings.track.min_eyes)


def track_all(plan: Plan, detections: Iterable[Path], path: Path) -> tuple[Tracklet, ...]:
    """The tracks of the whole video, written to `path` and read back as any later step would."""
    found = Detections.joined(map(Detections.load, detections))
    times = np.array([plan.timeline.seconds(k) for k in range(len(plan.timeline))])
    tracklets = track(times, found.faces, found.cuts, plan.settings.track)
    write_tracks(path, tracklets, plan.source, plan.timeline)
    return read_tracks(path)


def render_all(
    plan: Plan,
    tracklets: tuple[Tracklet, ...],
    restorer: restorers.Restorer,
    folder: Path,
    progress: Progress,
) -> list[Path]:
    """The files of all segments, rendered one after the other."""
    total = len(plan.timeline)
    written = []
    for segment in plan.segments:
        path = folder / f"{segment.name}.{plan.encoding.segment_format}"
        here = overlapping(segment, tracklets)
        render_segment(
            plan, segment, here, restorer, path, lambda frame: progress("render", frame + 1, total)
        )
        written.append(path)
    return written


def render_segment(
    plan: Plan,
    segment: Segment,
    tracklets: Sequence[Tracklet],
    restorer: restorers.Restorer,
    path: Path,
    tell: Callable[[int], None],
) -> None:
    """One segment's file. Three threads: decode and sample, restore, paint and encode."""
    wish, source = plan.settings, plan.source
    scale = wish.output.scale
    start, stop = render_margins(segment, len(plan.timeline), restorer.radius)
    frames = read_frames(source, plan.timeline, start, stop, plan.encoding.pix_fmt)
    restored = restore(
        prefetch(sample(frames, tracklets, source.upright, scale), READ_AHEAD),
        segment,
        tracklets,
        plan.timeline,
        restorer,
        source.upright,
        strength=wish.restore.strength,
        ease_seconds=wish.restore.ease,
        scale=scale,
    )
    with SegmentWriter(path, plan.encoding, plan.timeline.pts[segment.start]) as writer:

        def write(item: Restored) -> None:
            writer.write(finish(item, scale))

        with background(write, READ_AHEAD) as put:
            for item in restored:
                put(item)
                tell(item.frame.index)


def write_record(plan: Plan, path: Path) -> None:
    """job.json: what this job is, so that it can be told and repeated."""
    record = {
        "videnhance": _version("videnhance"),
        "packages": {name: _version(name) for name in ("av", "numpy", "opencv-python", "filterpy")},
        "source": asdict(plan.source),
        "output": plan.output,
        "settings": asdict(plan.settings),
        "encoding": asdict(plan.encoding),
        "segments": [asdict(segment) for segment in plan.segments],
    }
    path.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")


def summarize(
    plan: Plan, tracklets: tuple[Tracklet, ...], restorer: restorers.Restorer, seconds: float
) -> Summary:
    """The summary of a finished job."""
    covered = {k for tracklet in tracklets for k in range(tracklet.start, tracklet.stop)}
    return Summary(
        output=plan.output,
        frames=len(plan.timeline),
        frames_with_faces=len(covered),
        faces=sum(len(tracklet) for tracklet in tracklets),
        tracks=len(tracklets),
        seconds=seconds,
        detector=plan.settings.detect.detector,
        restorer=restorer.name,
        invents=restorer.invents,
        notes=plan.copying.dropped,
    )


def _counted(frames: Iterable[Frame], tell: Callable[[int], None]) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        tell(frame.index)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
