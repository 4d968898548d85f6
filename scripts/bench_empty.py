"""What an hour of mostly empty corridor costs, with and without copying frames that hold no face.

    python scripts/bench_empty.py [--minutes 60] [--runs 1] [--clip KEPT.mp4] [--restorer auto]

The clip is made of the second room of samples/cctv.mp4, by the same noisy sensor, before a camera
that stands still: somebody walks by for 4 of 80 seconds, the clock in the corner runs all the time.
Runs alternate; medians, in ms a frame: wall time of each step, and processor time of the whole,
which tells more on a busy machine. `--clip` keeps the clip, or uses it where it is there already.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from make_samples import CRF, FPS, HEIGHT, WIDTH, corridor_frames

from videnhance.job.run import enhance
from videnhance.settings.groups import OutputSettings, RestoreSettings, Settings

PERIOD, WALK = 80 * FPS, 4 * FPS
"""Frames from one walk to the next, and of a walk: a face in 5 % of the time."""


def write_corridor(path: Path, frames: int) -> None:
    """As a recorder does: H.264 with a keyframe every two seconds, no sound."""
    with av.open(str(path), "w") as container:
        options = {"crf": CRF, "preset": "veryfast", "g": "50"}
        video = container.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = video.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for index, picture in enumerate(corridor_frames(frames, WALK, PERIOD)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--restorer", default=RestoreSettings().restorer)
    wish = parser.parse_args()
    frames = round(wish.minutes * 60 * FPS)
    with tempfile.TemporaryDirectory() as folder:
        clip = wish.clip or Path(folder) / "corridor.mp4"
        if not clip.exists():
            write_corridor(clip, frames)
        whole: dict[str, list[float]] = {"off": [], "auto": []}
        processor: dict[str, list[float]] = {"off": [], "auto": []}
        steps: dict[str, dict[str, list[float]]] = {"off": {}, "auto": {}}
        for _ in range(wish.runs):
            for copy in ("off", "auto"):
                settings = Settings(
                    output=OutputSettings(copy=copy),
                    restore=RestoreSettings(restorer=wish.restorer),
                )
                began, cpu = time.perf_counter(), time.process_time()
                found = enhance(clip, Path(folder) / "out.mp4", settings, overwrite=True)
                whole[copy].append(time.perf_counter() - began)
                processor[copy].append(time.process_time() - cpu)
                for step, seconds in found.steps.items():
                    steps[copy].setdefault(step, []).append(seconds)
    assert found.check is not None
    print(
        f"{found.frames} frames, {found.frames_with_faces} with faces; "
        f"{found.check.untouched} copied untouched"
    )
    print(f"{'ms a frame':12}{'off':>9}{'auto':>9}{'ratio':>8}")
    rows = {step: {copy: steps[copy][step] for copy in steps} for step in steps["auto"]}
    for name, each in {**rows, "whole run": whole, "processor": processor}.items():
        _row(name, statistics.median(each["off"]), statistics.median(each["auto"]), found.frames)


def _row(name: str, off: float, auto: float, frames: int) -> None:
    ratio = off / max(auto, 1e-9)
    print(f"{name:12}{1000 * off / frames:9.2f}{1000 * auto / frames:9.2f}{ratio:8.2f}")


if __name__ == "__main__":
    main()
