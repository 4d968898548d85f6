"""Whether memory, and room on the disk, stay the same however long a video is.

    python scripts/bench_memory.py [--minutes 1 30] [--folder FOLDER] [options of enhance]

Makes a clip of each length (the sample's first ten seconds with a tone, over and over: H.264,
320x240, 25 frames a second, AAC), enhances each in a process of its own, and prints the most
memory that process held at once, and the most that lay in its working directory beside what the
output came to. Other options, such as --restorer identity, are handed to `videnhance enhance`.
With --folder the clips are kept there, and used again by a later run.

A longer video has more packets to note, so a few MiB more are no surprise, and the restorer's own
cache (256 MiB) fills in the first minute or so: compare lengths from 1 minute on. Frames kept in
memory would be 112 KiB each, 165 MiB a minute.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "cctv.mp4"
WIDTH, HEIGHT, RATE = 320, 240, 25
LOOP = 256
"""Frames repeated: 10.24 s, which are also 480 AAC packets exactly."""
SOUND_RATE, SOUND_PACKET = 48000, 1024
MIB = 1 << 20


@dataclass(frozen=True)
class Coded:
    """A packet without its time."""

    data: bytes
    keyframe: bool


@dataclass(frozen=True)
class Run:
    """What one child process took."""

    minutes: float
    frames: int
    seconds: float
    """Wall time."""
    peak: float
    """Most resident memory at once, MiB."""
    working: float
    """Largest size of the working directory seen, MiB."""
    output: float
    """Size of the output, MiB."""


def make_clip(path: Path, minutes: float) -> None:
    """Encode the loop once, and write its packets again and again with later times."""
    part = path.with_name(path.name + ".part")
    with av.open(str(part), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = "mono"
        pictures, tones = encode_pictures(video), encode_tone(sound)
        tone = 0
        for frame in range(round(minutes * 60 * RATE)):
            put(container, video, pictures[frame % len(pictures)], frame, Fraction(1, RATE))
            while tone * SOUND_PACKET * RATE < (frame + 1) * SOUND_RATE:
                time_base = Fraction(SOUND_PACKET, SOUND_RATE)
                put(container, sound, tones[tone % len(tones)], tone, time_base)
                tone += 1
    part.replace(path)


def encode_pictures(stream: VideoStream) -> list[Coded]:
    """The sample's first frames, made small."""
    packets = []
    with av.open(str(SAMPLE)) as container:
        for index, frame in enumerate(itertools.islice(container.decode(video=0), LOOP)):
            picture = frame.reformat(WIDTH, HEIGHT, "yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, RATE)
            packets += stream.encode(picture)
    return [Coded(bytes(packet), packet.is_keyframe) for packet in packets + stream.encode(None)]


def encode_tone(stream: AudioStream) -> list[Coded]:
    """A tone as long as the loop; the encoder's run-up is left out."""
    count = LOOP * SOUND_RATE // (RATE * SOUND_PACKET)
    packets = []
    for index in range(count + 1):
        times = np.arange(index * SOUND_PACKET, (index + 1) * SOUND_PACKET) / SOUND_RATE
        samples = (0.2 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
        frame = AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SOUND_RATE, index * SOUND_PACKET
        packets += stream.encode(frame)
    packets += stream.encode(None)
    return [Coded(bytes(packet), True) for packet in packets[1 : count + 1]]


def put(
    container: OutputContainer, stream: Stream, coded: Coded, number: int, time_base: Fraction
) -> None:
    """Write a packet as the stream's `number`-th; `time_base` is its length in seconds."""
    packet = Packet(coded.data)
    packet.stream = stream
    packet.time_base = Fraction(1, time_base.denominator)
    packet.pts = packet.dts = number * time_base.numerator
    packet.duration = time_base.numerator
    packet.is_keyframe = coded.keyframe
    container.mux(packet)


def measure(clip: Path, output: Path, minutes: float, options: list[str]) -> Run:
    """Enhance the clip in a child process; exits with the child's code where it fails."""
    command = [sys.executable, "-m", "videnhance", "enhance", str(clip), "-o", str(output)]
    largest, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            largest[0] = max(largest[0], working_size(output))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        child = subprocess.Popen([*command, "--quiet", "--overwrite", *options])
        # Of this child alone: RUSAGE_CHILDREN would be the maximum over all there were so far.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        done.set()
        watcher.join()
    if child.returncode:
        sys.exit(child.returncode)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, KiB on Linux
    return Run(
        minutes=minutes,
        frames=round(minutes * 60 * RATE),
        seconds=time.perf_counter() - began,
        peak=usage.ru_maxrss * unit / MIB,
        working=largest[0] / MIB,
        output=output.stat().st_size / MIB,
    )


def working_size(output: Path) -> int:
    """Bytes in the working directory beside the output, at this moment."""
    size = 0
    for folder in output.parent.glob(f"*{output.name}*.videnhance"):
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):  # files come and go while we look
                size += path.stat().st_size
    return size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 30])
    parser.add_argument("--folder", type=Path, help="for the clips; default: a temporary one")
    wish, options = parser.parse_known_args()
    print(f"{'minutes':>8}{'frames':>8}{'seconds':>9}{'frames/s':>9}{'peak MiB':>9}", end="")
    print(f"{'working MiB':>13}{'output MiB':>11}{'working/output':>15}", flush=True)
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = wish.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for minutes in wish.minutes:
            clip = folder / f"clip_{minutes:g}.mp4"
            if not clip.exists():
                make_clip(clip, minutes)
            run = measure(clip, Path(temporary) / f"out_{minutes:g}.mp4", minutes, options)
            print(
                f"{run.minutes:8g}{run.frames:8}{run.seconds:9.1f}{run.frames / run.seconds:9.1f}"
                f"{run.peak:9.1f}{run.working:13.2f}{run.output:11.2f}"
                f"{run.working / run.output:15.2f}",
                flush=True,
            )
            runs.append(run)
    least, most = min(runs, key=lambda r: r.minutes), max(runs, key=lambda r: r.minutes)
    if most is not least:
        print(
            f"{most.minutes / least.minutes:.1f} times the length: {most.peak / least.peak:.2f} "
            f"times the memory ({most.peak - least.peak:+.1f} MiB)"
        )


if __name__ == "__main__":
    main()
