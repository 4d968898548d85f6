"""What enhancing costs beside a plain decode and encode of the same clip, in alternating runs.

    python scripts/bench_speed.py CLIP [--runs 3] [--restorer fusion]

The baseline decodes every frame and encodes it with the same encoder and options, with one
decoding and one encoding loop, as `ffmpeg -i CLIP -c:v libx264 -crf 17` does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av

from videnhance.job.plan import make_plan
from videnhance.job.run import enhance
from videnhance.media.writing.segment import SegmentWriter
from videnhance.render.queues import background, prefetch
from videnhance.settings.groups import DetectSettings, RestoreSettings, Settings


def transcode(source: Path, output: Path, settings: Settings) -> float:
    """Seconds to decode and encode all frames, with nothing between."""
    plan = make_plan(source, output, settings, overwrite=True)
    began = time.perf_counter()
    clip = plan.scope.clip
    frames = clip.frames(0, len(clip.timeline), plan.encoding.pix_fmt)
    with (
        SegmentWriter(output, plan.encoding, clip.timeline.pts[0]) as writer,
        background(writer.write, 8) as put,
    ):
        for frame in prefetch(frames, 8):
            put(frame)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--restorer", default=RestoreSettings().restorer)
    parser.add_argument("--detect-every", type=int, default=DetectSettings().every)
    parser.add_argument("--detect-size", type=int, default=DetectSettings().long_side)
    wish = parser.parse_args()
    settings = Settings(
        detect=DetectSettings(every=wish.detect_every, long_side=wish.detect_size),
        restore=RestoreSettings(restorer=wish.restorer),
    )
    with av.open(str(wish.clip)) as container:
        frames = sum(1 for packet in container.demux(video=0) if packet.size)
    plain: list[float] = []
    whole: list[float] = []
    steps: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(wish.runs):
            plain.append(transcode(wish.clip, Path(folder) / "plain.mp4", settings))
            began = time.perf_counter()
            summary = enhance(wish.clip, Path(folder) / "out.mp4", settings, overwrite=True)
            whole.append(time.perf_counter() - began)
            for step, seconds in summary.steps.items():
                steps.setdefault(step, []).append(seconds)
    base = statistics.median(plain)
    print(f"{wish.clip.name}: {frames} frames, {summary.faces} faces in {summary.tracks} tracks")
    print(f"{'':22}{'ms/frame':>9} {'x plain':>8}")
    _row("plain decode+encode", base, frames, base)
    for step, each in steps.items():
        _row(step, statistics.median(each), frames, base)
    _row("enhance, whole run", statistics.median(whole), frames, base)
    ratios = sorted(b / a for a, b in zip(plain, whole, strict=True))
    print(f"ratio of paired runs: {', '.join(f'{r:.2f}' for r in ratios)}")


def _row(name: str, seconds: float, frames: int, base: float) -> None:
    print(f"{name:22}{1000 * seconds / frames:9.1f} {seconds / base:8.2f}")


if __name__ == "__main__":
    main()
