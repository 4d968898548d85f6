"""What more workers bring: measured with one and two on this machine, simulated for a cluster.

    python scripts/bench_cluster.py CLIP [--segment-frames 22] [--settings "--restorer fusion"]
    python scripts/bench_cluster.py --measured FIGURES.json        # only the simulation, from those

Measured: `videnhance plan`, then `videnhance work` by one worker, and by two, each bound to a core
of its own and with one thread. The part that scales is detection and rendering: from the beginning
of a step's first segment to the end of its last, by the records that workers leave. Start, plan,
tracks, joining and the check are told apart. The results must be equal bit for bit.

Simulated: an archive of 1,000 hours, files of one hour, on 1 to 3,000 workers of the measured
speed. Events are drawn from the measured times (mean and spread of a segment, what lies between two
of a worker, plan, tracks and joining by the frame) and from assumptions, which are printed: the
rate of the storage that all share, the processors of the machine on which the commands run.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import mean, pstdev

from videnhance.media.digests import streams_of, video_of

RATE = 25.0
"""Frames a second of the archive."""
SEGMENT = 256
"""Frames of a segment there: job.plan.SEGMENT_FRAMES."""
HEAD = 5_000_000
"""Bytes of a source that each machine reads besides its segments' (job/workers/fetched.py)."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one worker with one thread."""

    detect: float
    """A frame."""
    render: float
    """A frame."""
    spread: float
    """Standard deviation of a segment's time, as a share of it."""
    between: float
    """From one segment of a worker to its next: claim, seal, record."""
    start: float
    """From the command to the first segment: imports, plan, networks."""
    begin: float
    """A file, where the command runs: imports, the survey of face sizes."""
    plan: float
    """A frame, in the same place: packets."""
    finish: float
    """A frame, in the same place: segments compared with their seals, tracks, joining, check,
    record."""
    source: float
    """Bytes a frame of the source."""
    result: float
    """Bytes a frame of the segments."""


@dataclass(frozen=True)
class Cluster:
    """What the simulation assumes."""

    workers: int
    commands: int = 16
    """Files in work at once."""
    cores: int = 16
    """Processors for plan, tracks and joining."""
    storage: float = 1.25e9
    """Bytes a second, of all machines together: 10 Gbit/s."""
    hand_out: float = 0.002
    """Seconds of one command to hand out a segment and to take its record back."""


@dataclass(frozen=True)
class Simulated:
    """What came out."""

    hours: float
    workers: float
    """Share of their time in which workers computed."""
    cores: float
    storage: float


def simulated(measured: Measured, cluster: Cluster, files: int, frames: int) -> Simulated:
    """Do `files` of `frames` frames each; every event is a thing that ends.

    A worker reads its segment's bytes from the storage, computes, and writes; the storage serves
    one at a time at its whole rate, as does each core of the command's machine.
    """
    chance = random.Random(1)
    segments = -(-frames // SEGMENT)
    events: list[tuple[float, int, str, int]] = []
    order = iter(range(1 << 60))
    free, now = cluster.workers, 0.0
    fresh = cluster.workers  # those that have not begun yet
    waiting: deque[tuple[str, int]] = deque()
    left: dict[int, int] = {}
    core_free = [0.0] * cluster.cores
    command_free: dict[int, float] = {}
    storage_free = busy = core_busy = storage_busy = 0.0
    to_begin = deque(range(files))

    def at(when: float, what: str, file: int) -> None:
        heapq.heappush(events, (when, next(order), what, file))

    def on_core(what: str, file: int, seconds: float) -> None:
        nonlocal core_busy
        begin = max(now, heapq.heappop(core_free))
        heapq.heappush(core_free, begin + seconds)
        core_busy += seconds
        at(begin + seconds, what, file)

    def begin_file() -> None:
        if to_begin:
            seconds = measured.begin + measured.plan * frames
            on_core("planned", to_begin.popleft(), seconds)

    def through_storage(begin: float, size: float) -> float:
        nonlocal storage_free, storage_busy
        seconds = size / cluster.storage
        storage_free = max(begin, storage_free) + seconds
        storage_busy += seconds
        return storage_free

    for _ in range(min(cluster.commands, files)):
        begin_file()
    while events:
        now, _, what, file = heapq.heappop(events)
        if what in ("planned", "tracked"):
            step = "detect" if what == "planned" else "render"
            left[file] = segments
            waiting.extend((step, file) for _ in range(segments))
        elif what == "finished":
            begin_file()
        else:  # a segment is done
            free += 1
            left[file] -= 1
            if not left[file]:
                share = 0.3 if what == "detect" else 0.7  # tracks, and joining with the check
                after = "tracked" if what == "detect" else "finished"
                on_core(after, file, share * measured.finish * frames)
        while free and waiting:
            step, file = waiting.popleft()
            free -= 1
            # One command hands out one segment after the other.
            given = max(now, command_free.get(file % cluster.commands, 0.0)) + cluster.hand_out
            command_free[file % cluster.commands] = given
            if fresh:
                fresh -= 1
                given = through_storage(given + measured.start, HEAD)
            read = through_storage(given, SEGMENT * measured.source)
            each = measured.detect if step == "detect" else measured.render
            took = SEGMENT * each * max(chance.gauss(1.0, measured.spread), 0.2)
            busy += took
            done = read + took + measured.between
            if step == "render":  # counted, not waited for: the next one may read meanwhile
                storage_busy += SEGMENT * measured.result / cluster.storage
                storage_free = max(storage_free, now) + SEGMENT * measured.result / cluster.storage
            at(done, step, file)
    return Simulated(
        now / 3600,
        busy / (now * cluster.workers),
        core_busy / (now * cluster.cores),
        min(storage_busy / now, 1.0),
    )


def measure(clip: Path, segment_frames: int, settings: str) -> Measured:
    """The figures of one worker; prints how many times as fast two are."""
    digests: set[str] = set()
    spans: list[float] = []
    works: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (2, 1):
            job, out = Path(folder) / f"job{count}", Path(folder) / f"out{count}.mkv"
            began = time.time()
            asked = ["--job-dir", job, "--keep-job", "--worker-cpus", "1", "--quiet"]
            run(segment_frames, 0, "plan", clip, "-o", out, *asked, *shlex.split(settings)).wait()
            planned = time.time()
            workers = [run(segment_frames, core, "work", job, "--quiet") for core in range(count)]
            if sum(worker.wait() for worker in workers):
                raise SystemExit("a worker failed")
            steps = finished(job, segment_frames)
            digests.add(digest(out))
            looked, rendered = records(job, "detections"), records(job, "segments")
            spans.append(sum(max(e for _, e, _ in t) - t[0][0] for t in (looked, rendered)))
            works.append(sum(end - begin for begin, end, _ in (*looked, *rendered)))
            print(f"workers {count}: {spans[-1]:.1f} s in the part that scales")
        if len(digests) != 1:
            raise SystemExit("the results are not equal")
        print(
            f"two workers are {spans[1] / spans[0]:.2f} times as fast as one in the part that "
            f"scales; {2 * works[1] / works[0]:.2f} times while both have work"
        )
        frames = sum(count for _, _, count in rendered)
        whole = [(e - b) / n for b, e, n in rendered if n == segment_frames]
        gaps = [max(after[0] - before[1], 0.0) for before, after in pairwise(rendered)]
        size = sum(path.stat().st_size for path in job.glob("segments/*.m*"))
        return Measured(
            detect=sum(e - b for b, e, _ in looked) / sum(n for _, _, n in looked),
            render=sum(e - b for b, e, _ in rendered) / frames,
            spread=pstdev(whole) / mean(whole),
            between=mean(gaps),
            start=looked[0][0] - planned,
            begin=planned - began - steps["plan"],
            plan=steps["plan"] / frames,
            finish=(sum(steps.values()) - steps["plan"]) / frames,
            source=clip.stat().st_size / frames,
            result=size / frames,
        )


def run(segment_frames: int, core: int, *words: object) -> subprocess.Popen[bytes]:
    """A command of videnhance on one core, with segments of so many frames."""
    script = (
        "import os, sys; os.sched_setaffinity(0, {int(sys.argv.pop(1))})\n"
        "from videnhance.job import plan; plan.SEGMENT_FRAMES = int(sys.argv.pop(1))\n"
        "from videnhance.__main__ import main; main()"
    )
    head = [sys.executable, "-c", script, str(core), str(segment_frames)]
    return subprocess.Popen([*head, *map(str, words)], env={**os.environ, "OMP_NUM_THREADS": "1"})


def finished(job: Path, segment_frames: int) -> dict[str, float]:
    """Make the output; the seconds of each step."""
    script = (
        "import json, sys, videnhance; from videnhance.job import plan\n"
        "plan.SEGMENT_FRAMES = int(sys.argv[2])\n"
        "print(json.dumps(videnhance.finish_job(sys.argv[1]).steps))"
    )
    command = [sys.executable, "-c", script, str(job), str(segment_frames)]
    done = subprocess.run(command, capture_output=True, check=True)
    steps: dict[str, float] = json.loads(done.stdout)
    return steps


def records(job: Path, step: str) -> list[tuple[float, float, int]]:
    """Of each file of a step, in the order of time: when it was begun and done, its frames."""
    found = []
    for path in job.glob(f"{step}/*.worker"):
        made = json.loads(path.read_text())
        done = (job / made["file"]).stat().st_mtime
        found.append((done - made["seconds"], done, int(made["frames"])))
    return sorted(found)


def digest(video: Path) -> str:
    """SHA-256 of a result's decoded frames."""
    (found,) = (one.frames for one in streams_of(video, (video_of(video, 0),)) if one.frames)
    return found.sha256


def limits(measured: Measured, cluster: Cluster, frames: int) -> dict[str, float]:
    """The number of workers from which on each thing that they share is busy all the time."""
    work = measured.detect + measured.render
    segment = SEGMENT * work / 2 + measured.between
    head = measured.plan + measured.finish + measured.begin / frames
    moved = 2 * measured.source + measured.result
    return {
        "processors of the command's machine": cluster.cores * work / head if head else inf,
        "segments of the files in work": float(cluster.commands * -(-frames // SEGMENT)),
        "handing out": cluster.commands * segment / cluster.hand_out if cluster.hand_out else inf,
        "storage": cluster.storage * work / moved if moved else inf,
    }


def table(measured: Measured, cluster: Cluster, files: int = 1000) -> None:
    """Print what the simulation gives for up to 3,000 workers."""
    frames = int(3600 * RATE)
    print(
        f"\nsimulated: {files} files of one hour ({frames} frames); {cluster.commands} commands at "
        f"once on {cluster.cores} cores, storage {cluster.storage / 1e9:.2f} GB/s, "
        f"{cluster.hand_out * 1000:.0f} ms to hand out a segment"
    )
    alone = files * frames * (measured.detect + measured.render) / 3600
    print("workers   hours   times one   workers busy   cores busy   storage busy")
    for workers in (1, 10, 100, 300, 1000, 3000):
        few = files if workers >= 100 else max(files * workers // 1000, 2)  # else it takes long
        got = simulated(measured, replace(cluster, workers=workers), few, frames)
        hours = got.hours * files / few
        print(
            f"{workers:7} {hours:7.1f} {alone / hours:11.1f} {got.workers:14.0%} "
            f"{got.cores:12.0%} {got.storage:14.0%}"
        )
    for what, least in limits(measured, cluster, frames).items():
        print(f"busy all the time from {least:.0f} workers on: {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--segment-frames", type=int, default=22)
    parser.add_argument("--settings", default="", help="options of `videnhance plan`")
    parser.add_argument("--measured", type=Path, help="figures of an earlier run")
    given = parser.parse_args()
    if given.measured is not None:
        measured = Measured(**json.loads(given.measured.read_text()))
    else:
        measured = measure(given.clip, given.segment_frames, given.settings)
    print(json.dumps(asdict(measured)))
    for cores in (16, 64):
        table(measured, Cluster(1, commands=cores, cores=cores))


if __name__ == "__main__":
    main()
