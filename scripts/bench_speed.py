"""What enhancing costs beside a plain decode and encode of the same clip, in alternating runs.

    python scripts/bench_speed.py CLIP [--runs 3] [--restorer fusion]

The baseline decodes every frame and encodes it with the same encoder and options, with one
decoding and one encoding loop, as `ffmpeg -i CLIP -c:v libx264 -crf 17` does. Processor time, of
all cores together, tells more than wall time where other work runs, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import av

from videnhance.cli.session import keep_freed_memory
from videnhance.job.plan import Plan, make_plan
from videnhance.job.run import enhance
from videnhance.media.writing.segment import SegmentWriter
from videnhance.render.queues import background, prefetch
from videnhance.settings.groups import DetectSettings, RestoreSettings, Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Took:
    """Seconds of a run."""

    wall: float
    processor: float

    @staticmethod
    def of(work: Callable[[], T]) -> tuple[Took, T]:
        wall, processor = time.perf_counter(), time.process_time()
        done = work()
        return Took(time.perf_counter() - wall, time.process_time() - processor), done


def transcode(plan: Plan, output: Path) -> None:
    """Decode and encode all frames, with nothing between."""
    clip = plan.scope.clip
    frames = clip.frames(0, len(clip.timeline), plan.encoding.pix_fmt)
    with (
        SegmentWriter(output, plan.encoding, clip.timeline.pts[0]) as writer,
        background(writer.write, 8) as put,
    ):
        for frame in prefetch(frames, 8):
            put(frame)


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
    keep_freed_memory()  # as the command does
    plain: list[Took] = []
    whole: list[Took] = []
    steps: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "plain.mp4"
        plan = make_plan(wish.clip, output, settings, overwrite=True)
        for _ in range(wish.runs):
            plain.append(Took.of(partial(transcode, plan, output))[0])
            took, summary = Took.of(
                partial(enhance, wish.clip, Path(folder) / "out.mp4", settings, overwrite=True)
            )
            whole.append(took)
            for step, seconds in summary.steps.items():
                steps.setdefault(step, []).append(seconds)
    print(f"{wish.clip.name}: {frames} frames, {summary.faces} faces in {summary.tracks} tracks")
    print(f"{'':22}{'ms/frame':>9} {'x plain':>8} {'processor':>10} {'x plain':>8}")
    base, own = (median(getattr(run, kind) for run in plain) for kind in ("wall", "processor"))
    _row("plain decode+encode", frames, (base, base), (own, own))
    for step, each in steps.items():
        _row(step, frames, (median(each), base))
    walls, processors = (
        median(getattr(run, kind) for run in whole) for kind in Took.__annotations__
    )
    _row("enhance, whole run", frames, (walls, base), (processors, own))
    ratios = sorted(b.wall / a.wall for a, b in zip(plain, whole, strict=True))
    print(f"ratio of paired runs: {', '.join(f'{r:.2f}' for r in ratios)}")


def _row(name: str, frames: int, *pairs: tuple[float, float]) -> None:
    """`pairs`: seconds, and those of the baseline; wall time first."""
    cells = (f"{1000 * took / frames:9.1f} {took / base:8.2f}" for took, base in pairs)
    print(f"{name:22}{'  '.join(cells)}")


if __name__ == "__main__":
    main()
