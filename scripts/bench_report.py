"""The size of a report, and how soon a browser shows it: ten minutes with 20 tracks.

    python scripts/bench_report.py                      makes a recording, its report, opens it
    python scripts/bench_report.py --minutes 1 --tracks 5 --keep FOLDER

The face of samples/cctv.mp4 walks through a picture of 640 x 360 again and again, 45 seconds
each time, so that two are seen at once now and then. The result is the same, sharpened; its record
is that of a short job, with the frames, tracks and fates of the long one. The page is opened in
Chromium three times; the time is from the beginning of loading to the end of the load event, and
to the first picture.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from videnhance.evidence.columns import Times, Track, runs_of
from videnhance.evidence.document import Record
from videnhance.evidence.packed import packed
from videnhance.evidence.reading import read_record
from videnhance.evidence.writing import record_path, write_record
from videnhance.faces.alignment import TEMPLATE, template_to_frame
from videnhance.faces.track_file import read_tracks, write_tracks
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.files import sha256_of
from videnhance.imaging.affine import place
from videnhance.imaging.color import upright_rgb
from videnhance.imaging.frames import Array
from videnhance.job.run import enhance
from videnhance.media.opening import open_clip
from videnhance.report.gather import write_report
from videnhance.settings.groups import Settings, settings_with

SAMPLE = Path(__file__).parents[1] / "samples" / "cctv.mp4"
SIZE, RATE = (640, 360), 25
AT, FACE = 111, (slice(10, 160), slice(281, 421))
"""A frame of the sample, and its rows and columns that show the face."""
MIDDLE, SIDE = (351.4, 96.5), 117.3
"""Its landmarks' middle there, and the side of its crop."""
SEEN = 45.0
"""Seconds that a track lasts."""
SETTINGS: Settings = settings_with({"restore.restorer": "identity"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--tracks", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="where the files are made, and stay")
    wish = parser.parse_args()
    folder = wish.keep or Path(tempfile.mkdtemp(prefix="report-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        page = folder / "report.html"
        if not page.exists():
            made(folder, page, round(wish.minutes * 60 * RATE), wish.tracks)
        print(f"{page.stat().st_size / 1e6:.2f} MB")
        for loaded, shown in opened(page):
            print(f"loaded in {loaded:.2f} s, first picture after {shown:.2f} s")
    finally:
        if not wish.keep:
            shutil.rmtree(folder)


def made(folder: Path, page: Path, frames: int, count: int) -> None:
    """The recording, the result, their record, and the page."""
    tracks = tracks_of(frames, count)
    source, result = folder / "gate.mp4", folder / "out.mp4"
    began = time.monotonic()
    write(source, frames, tracks, sharp=False)
    write(result, frames, tracks, sharp=True)
    print(f"recording and result: {time.monotonic() - began:.0f} s")
    file = folder / "tracks.json"
    write_tracks(file, tracks, open_clip(source))
    record = recorded(folder, source, result, file, frames)
    write_record(record_path(result), record)
    began = time.monotonic()
    write_report(record_path(result), page)
    print(f"report: {time.monotonic() - began:.0f} s")


def tracks_of(frames: int, count: int) -> Tracks:
    """Faces that walk to the right, evenly over the video."""
    length = min(round(SEEN * RATE), frames)
    starts = np.linspace(0, frames - length, count).astype(int)
    return Tracks(tuple(_walk(k + 1, int(start), length) for k, start in enumerate(starts)))


def _walk(number: int, start: int, length: int) -> Tracklet:
    rows = np.arange(length)
    x = 80.0 + 480.0 * rows / max(length - 1, 1)
    y = np.full(length, 110.0 if number % 2 else 250.0) + 3 * np.sin(rows / 9.0)
    poses = np.column_stack([x, y, np.full(length, np.log(SIDE)), 0.02 * np.sin(rows / 25.0)])
    marks = np.array([place(TEMPLATE, template_to_frame(pose)) for pose in poses])
    scores = np.where(rows % 3 == 0, 0.8 + 0.1 * np.sin(rows / 40.0), np.nan)
    return Tracklet(number, start, poses, marks, scores, False, False)


def write(path: Path, frames: int, tracks: Tracks, *, sharp: bool) -> None:
    """The video; `sharp`: with every face sharpened."""
    clip = open_clip(SAMPLE)
    backs = [upright_rgb(f, clip.info.upright, SIZE[::-1]) for f in clip.recorded_frames(0, 20)]
    (seen,) = clip.recorded_frames(AT, AT + 1)
    face = upright_rgb(seen, clip.info.upright, SIZE[::-1])[FACE]
    if sharp:
        face = cv2.addWeighted(face, 1.8, cv2.GaussianBlur(face, (0, 0), 1.2), -0.8, 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "20", "preset": "ultrafast"}
        stream.codec_context.time_base = Fraction(1, RATE)
        for index in range(frames):
            picture = backs[index % len(backs)].copy()
            for track in tracks.tracklets:
                if track.start <= index < track.stop:
                    _paste(picture, face, track.poses[index - track.start])
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _paste(picture: Array, face: Array, pose: Array) -> None:
    """The face with the middle of its landmarks where the pose has it."""
    height, width = face.shape[:2]
    top = round(float(pose[1]) - (MIDDLE[1] - FACE[0].start))
    left = round(float(pose[0]) - (MIDDLE[0] - FACE[1].start))
    top = min(max(top, 0), picture.shape[0] - height)
    left = min(max(left, 0), picture.shape[1] - width)
    picture[top : top + height, left : left + width] = face


def recorded(folder: Path, source: Path, result: Path, file: Path, frames: int) -> Record:
    """The record of a job of a second, made to be that of the whole."""
    short, out = folder / "short.mp4", folder / "short-out.mp4"
    tracks = tracks_of(RATE, 1)
    write(short, RATE, tracks, sharp=False)
    write_tracks(folder / "short.json", tracks, open_clip(short))
    enhance(short, out, SETTINGS, tracks=folder / "short.json", overwrite=True)
    record = read_record(record_path(out))
    clip = open_clip(source)
    own = read_tracks(file, clip)
    video = replace(
        record.videos[0],
        frames=frames,
        start=0,
        stop=frames,
        source_times=Times.of(clip.timeline.pts, clip.timeline.time_base),
        tracks_sha256=sha256_of(file),
        tracks_file=packed(own.tracklets, clip.timeline),
        tracks=tuple(_columns(track) for track in own.tracklets),
    )
    return replace(
        record,
        input=replace(
            record.input,
            name=source.name,
            size=source.stat().st_size,
            sha256=sha256_of(source),
        ),
        outputs=(
            replace(
                record.output,
                name=result.name,
                size=result.stat().st_size,
                sha256=sha256_of(result),
            ),
        ),
        method=replace(record.method, restorer="fusion"),
        videos=(video,),
    )


def _columns(track: Tracklet) -> Track:
    """With strength that eases in and out, and a while in which the face is hidden."""
    rows = np.arange(len(track))
    ends = np.minimum(rows + 1, len(track) - rows)
    strength = np.round(np.clip(ends / 6, 0, 1), 4)
    hidden = (rows > 0.6 * len(track)) & (rows < 0.7 * len(track))
    strength[hidden] = 0.0
    middle = np.array([[0.5, 0.5]])
    middles = np.array([place(middle, template_to_frame(pose))[0] for pose in track.poses])
    return Track(
        id=track.id,
        start=track.start,
        chosen=True,
        x=tuple(np.round(middles[:, 0], 2).tolist()),
        y=tuple(np.round(middles[:, 1], 2).tolist()),
        side=tuple(np.round(np.exp(track.poses[:, 2]), 2).tolist()),
        angle=tuple(np.round(track.poses[:, 3], 4).tolist()),
        score=tuple(None if np.isnan(s) else round(float(s), 4) for s in track.scores),
        strength=runs_of(strength.tolist()),
        reason=runs_of("hidden" if here else None for here in hidden),
        held_back=runs_of(None for _ in rows),
        change=runs_of(None for _ in rows),
    )


def opened(page: Path) -> Iterator[tuple[float, float]]:
    """Seconds until the page is loaded, and until the first picture, three times."""
    from tests.making.pages import browser

    for _ in range(3):
        with browser(page.parent) as driver:
            driver.get(page.absolute().as_uri())
            times: Any = driver.execute_script(
                "const [n] = performance.getEntriesByType('navigation');"
                "const p = performance.getEntriesByName('first-contentful-paint')[0];"
                "return [n.loadEventEnd, p ? p.startTime : n.loadEventEnd];"
            )
            yield times[0] / 1000, times[1] / 1000


if __name__ == "__main__":
    main()
