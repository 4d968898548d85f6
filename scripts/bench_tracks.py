"""How still and how true the tracked crop is, beside the raw detections of every frame.

    python scripts/bench_tracks.py CLIP [--detect-every 3] [--detect-size 0]

Jitter is the standard deviation of the second difference over time of the crop's place (tx, ty, in
pixels), scale (pixels) and angle (degrees). Distance is the mean, over all frames and landmarks, of
the smoothed from the raw landmarks, in percent of the face's width. Raw detections are made at the
same size as the track's, for the track that lasts longest.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videnhance import detectors
from videnhance.faces.alignment import fit_poses, template_to_frame
from videnhance.faces.detection import Detections
from videnhance.faces.track_file import read_tracks
from videnhance.job.plan import make_scope
from videnhance.job.run import detect_tracks
from videnhance.job.steps.detect import survey
from videnhance.media.reading.source import probe
from videnhance.models.loader import Loader
from videnhance.settings.groups import DetectSettings, Settings


def parts(poses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, 4): tx, ty of the template's corner, side in pixels, angle in degrees."""
    corners = np.array([template_to_frame(pose)[:, 2] for pose in poses])
    return np.column_stack([corners, np.exp(poses[:, 2]), np.degrees(poses[:, 3])])


def jitter(poses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.diff(parts(poses), n=2, axis=0).std(axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--detect-every", type=int, default=DetectSettings().every)
    parser.add_argument("--detect-size", type=int, default=DetectSettings().long_side)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        detect = DetectSettings(every=wish.detect_every, long_side=wish.detect_size)
        settings = Settings(detect=detect)
        scope = make_scope(probe(wish.clip), settings)
        detector = detectors.create(Loader(settings))
        size = detect.long_side or survey(scope, detector)
        detect_tracks(wish.clip, folder / "tracks.json", Settings(detect=detect))
        tracklets = read_tracks(folder / "tracks.json", scope.clip).tracklets
        every = Settings(detect=replace(detect, every=1, long_side=size))
        job = folder / "job"
        detect_tracks(wish.clip, folder / "all.json", every, job_dir=job, keep_job=True)
        files = sorted((job / "detections").iterdir())
        raw = Detections.joined(map(Detections.load, files)).faces
    track = max(tracklets, key=len)
    landmarks, widths, rows = [], [], []
    for row, frame in enumerate(range(track.start, track.stop)):
        faces = raw[frame]
        if len(faces):
            distance = np.linalg.norm(faces.landmarks - track.landmarks[row], axis=2).mean(axis=1)
            nearest = int(distance.argmin())
            landmarks.append(faces.landmarks[nearest])
            widths.append(faces.boxes[nearest, 2] - faces.boxes[nearest, 0])
            rows.append(row)
    found = np.array(landmarks, np.float64)
    still, loose = jitter(track.poses[rows]), jitter(fit_poses(found))
    away = np.linalg.norm(track.landmarks[rows] - found, axis=2).mean() / np.mean(widths)
    print(
        f"{wish.clip.name}: track {track.id} of {len(tracklets)}, {len(rows)} frames, detected at "
        f"{size} px in every {detect.every}. frame"
    )
    print(f"{'':12}{'tx':>9}{'ty':>9}{'scale':>9}{'angle':>9}")
    for label, values in (("raw", loose), ("smoothed", still), ("ratio", still / loose)):
        print(f"{label:12}" + "".join(f"{value:9.3f}" for value in values))
    print(f"mean distance to the raw landmarks: {100 * away:.2f} % of the face's width")


if __name__ == "__main__":
    main()
