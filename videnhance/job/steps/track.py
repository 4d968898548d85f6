"""Step 3, track: from all detections, looking forward and back, to tracks.json in the job; or that
file from elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from videnhance.faces.detection import Detections
from videnhance.faces.track_file import read_tracks, write_tracks
from videnhance.faces.tracking import choose
from videnhance.faces.tracking import track as tracks_of
from videnhance.faces.tracklets import Tracks
from videnhance.files import written
from videnhance.job.directory.fingerprints import tracks_fingerprint
from videnhance.job.directory.finished import note_finished
from videnhance.job.job import Job
from videnhance.job.steps.persons import with_persons


def track(job: Job) -> Job:
    """With the tracks of the job's tracks.json, which is made first where there is none."""
    with job.monitor.step("track"):
        job.monitor.pause()
        if not job.directory.tracks_fit(tracks_fingerprint(job.record)):
            _make_tracks(job)
        return recall(job)


def copy_tracks_file(job: Job) -> Job:
    """With the tracks of the file that the user named, of which the job keeps a copy."""
    assert job.tracks_file is not None
    with job.monitor.step("track"):
        job.monitor.pause()
        with written(job.directory.tracks) as part:
            part.write_bytes(job.tracks_file.content)
        return recall(job)


def recall(job: Job) -> Job:
    """With the tracks that the directory holds already."""
    return replace(job, tracks=read_tracks(job.directory.tracks, job.scope.clip))


def choose_persons(job: Job) -> Job:
    """With the tracks only that the settings choose."""
    part = job.settings.part
    return replace(job, tracks=choose(job.tracks, part))


def deliver_tracks(job: Job) -> Job:
    """Write the tracks to the output; raises OutputError."""
    output = job.request.output
    with written(output, output.with_name(f".{output.name}.part")) as part:
        write_tracks(part, job.tracks, job.scope.clip)
        note_finished(job.directory, part, output, overwrite=job.request.overwrite)
    return job


def _make_tracks(job: Job) -> None:
    """Put tracks.json in place; raises JobError where another one is there."""
    directory = job.directory
    path = directory.tracks
    with written(path, path.with_name(f"{path.name}.new")) as new:
        # Named as when the job began, whatever the source is called now.
        write_tracks(new, _tracks_of(job), job.scope.clip, job.record.source.name)
        if path.exists() and new.read_bytes() != path.read_bytes():
            raise directory.edited()
    with written(directory.tracks_note) as note:
        note.write_bytes(directory.note_of_tracks(tracks_fingerprint(job.record)))


def _tracks_of(job: Job) -> Tracks:
    timeline = job.scope.clip.timeline
    found = Detections.joined(map(Detections.load, job.detections))
    times = np.array([timeline.seconds(k) for k in range(len(timeline))])
    tracks = Tracks(tracks_of(times, found.faces, found.cuts, job.settings.track))
    return with_persons(job, tracks)
