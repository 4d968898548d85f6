"""Damaged files, thousands of them: none may end in a traceback, a hang, or half an output.

    python scripts/fuzz.py [--cases 5000] [--first 0] [--workers 2] [--seconds S] [--only NAME]

Makes a small file of each kind that cameras and players write, and for every case changes one at
random (by the case's number, so that a case can be repeated with --first N --cases 1): bytes are
flipped, cleared, cut out or doubled, or the end is cut off. Then it calls `videnhance.enhance` on
it, and sometimes on a range of it or with strict=True.

A case passes where the output is there, which means that it passed its own check, or where an error
of videnhance.errors is raised, of one line, and nothing lies under the output's name. Cases run in
processes of their own with a limit of memory, which are replaced when FFmpeg crashes or hangs in
them. Prints what failed, with its number, and counts; exits with 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from queue import Empty, Queue
from typing import IO

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videnhance import detectors, enhance
from videnhance.errors import UsageError, VidenhanceError
from videnhance.faces.tracklets import Faces
from videnhance.models.registry import Row
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    Settings,
    SourceSettings,
)

FRAMES, SIZE, RATE = 14, (64, 48), 16000
PATIENCE = 60
"""Seconds without an answer after which a process hangs; a case takes a fraction of one."""
MEMORY = 3 << 30
"""Bytes of address space that a process may have beyond what it has before its first case."""
GROWTH = 1 << 30
"""Bytes that a process may come to hold beyond what its first cases took. These files hold a few
hundred kilobytes of pictures, but damage may have the decoder make some that are larger than any
camera's."""

KINDS: dict[str, tuple[str, str, str | None]] = {
    "h264.mp4": ("libx264", "yuv420p", "aac"),
    "h264.mkv": ("libx264", "yuv420p", "aac"),
    "h264.ts": ("libx264", "yuv420p", "aac"),
    "h264.flv": ("libx264", "yuv420p", "aac"),
    "h264.h264": ("libx264", "yuv420p", None),
    "h265.mp4": ("libx265", "yuv420p", None),
    "mpeg4.mov": ("mpeg4", "yuv420p", "pcm_mulaw"),
    "mpeg4.avi": ("mpeg4", "yuv420p", "pcm_s16le"),
    "mjpeg.avi": ("mjpeg", "yuvj420p", "pcm_u8"),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", "mp2"),
    "wmv2.asf": ("wmv2", "yuv420p", "wmav2"),
    "ffv1.mkv": ("ffv1", "yuv422p10le", "flac"),
    "vp8.webm": ("libvpx", "yuv420p", "libopus"),
    "gif.gif": ("gif", "rgb8", None),
    **{f"still.{kind}": ("", "", None) for kind in ("jpg", "png", "tif", "webp")},
}
"""File to its video codec, pixel format and sound; those without are one picture."""


class Blind:
    """A detector that finds nothing: what is tried here is what lies around the faces."""

    batch = 4

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        return [Faces.none() for _ in images]


@dataclass
class Tally:
    """What came of the cases so far."""

    results: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    largest: int = 0
    """Bytes that one process held at most."""

    @property
    def cases(self) -> int:
        return sum(self.results.values())


def write_kind(path: Path, codec: str, pix_fmt: str, audio: str | None) -> None:
    """A clip of FRAMES frames, and sound of the same length; without a codec one picture."""
    if not codec:
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8))
        return
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, pix_fmt
        video.codec_context.gop_size = 5
        if codec == "libx265":
            video.options = {"x265-params": "log-level=none", "preset": "ultrafast"}
        sound = None if audio is None else container.add_stream(audio, rate=RATE)
        assert sound is None or isinstance(sound, AudioStream)
        if sound is not None:
            sound.codec_context.layout = "mono"
            sound.codec_context.bit_rate = 32000
        rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
        for index in range(FRAMES):
            wave = 128 + 90 * np.sin((columns + 3 * index) / 5) * np.cos(rows / 7)
            image = np.repeat(wave.astype(np.uint8)[..., None], 3, axis=2)
            frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
            if sound is not None:
                step = RATE // 25
                tone = np.sin(np.arange(index * step, (index + 1) * step) / 9) * 9000
                heard = AudioFrame.from_ndarray(tone.astype(np.int16)[None], "s16", "mono")
                heard.sample_rate, heard.pts = RATE, index * step
                container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """The bytes of a file, changed in one to three ways."""
    content = bytearray(data)
    for _ in range(random.integers(1, 4)):
        # Half of all changes are near the beginning, where headers are.
        span = min(len(content), 2048) if random.random() < 0.5 else len(content)
        at, length = int(random.integers(0, max(span, 1))), int(random.integers(1, 200))
        match int(random.integers(0, 6)):
            case 0 | 1:
                for place in random.integers(0, max(span, 1), random.integers(1, 40)):
                    content[place] ^= 1 << int(random.integers(0, 8))
            case 2:
                content[at : at + length] = random.bytes(len(content[at : at + length]))
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = content[at : at + length]
            case 5:
                del content[max(int(random.integers(0, len(content) + 1)), 1) :]
        if len(content) < 2:
            break
    return bytes(content)


def settings_for(name: str, random: np.random.Generator) -> Settings:
    wish = Settings(
        detect=DetectSettings(detector="blind"),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1", audio=("copy", "aac", "none")[random.integers(0, 3)]),
    )
    if random.random() < 0.25:
        wish = replace(wish, part=PartSettings("3f", "10f"))
    if random.random() < 0.15:
        wish = replace(wish, source=SourceSettings(strict=True))
    return wish


def run_case(number: int, material: Path, folder: Path, only: str | None) -> tuple[str, str]:
    """(what came of it, what is wrong with that or nothing)."""
    random = np.random.default_rng(number)
    names = [only] if only else list(KINDS)
    name = names[number % len(names)]
    source = folder / f"in.{name.split('.')[1]}"
    source.write_bytes(damaged((material / name).read_bytes(), random))
    output = folder / ("out.mp4" if random.random() < 0.25 else "out.mkv")
    if name.startswith("still") and random.random() < 0.5:
        output = folder / "out.png"
    try:
        summary = enhance(source, output, settings_for(name, random))
    except VidenhanceError as error:
        kind, text = type(error).__name__, str(error)
        if output.exists():
            return kind, f"{output.name} is there after: {text}"
        if "\n" in text or not text:
            return kind, f"not one line: {text!r}"
        if isinstance(error, UsageError) and "--start" not in text and "--end" not in text:
            return kind, f"blames an option: {text}"
        if kind in ("CheckError", "OutputError") and "damaged source" not in text:
            return kind, text
        return kind, ""
    except Exception:
        return "traceback", traceback.format_exc()
    finally:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return "enhanced", "" if summary.check is not None else "was not checked"


def work(material: Path, only: str | None) -> None:
    """A process that reads numbers of cases and writes what came of them."""
    detectors.DETECTORS["blind"] = Row(lambda loader: Blind())
    answers = sys.stdout
    sys.stdout = sys.stderr
    with tempfile.TemporaryDirectory() as scratch:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for line in sys.stdin:
            result, wrong = run_case(int(line), material, Path(scratch), only)
            largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps([int(line), result, wrong, largest]), file=answers, flush=True)


class Worker:
    """A process that works on cases, and another in its place when it is gone."""

    def __init__(self, material: Path, only: str | None) -> None:
        self._command = [sys.executable, str(Path(__file__)), "--material", str(material)]
        self._command += ["--only", only] if only else []
        self._process: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()
        self._first = 0

    def run(self, number: int) -> tuple[str, str, int]:
        """(what came of a case, what is wrong with that or nothing, bytes held at most)."""
        if self._process is None:
            self._begin()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            print(number, file=self._process.stdin, flush=True)
            line = self._lines.get(timeout=PATIENCE)
        except (Empty, BrokenPipeError):
            line = "hang" if self._process.poll() is None else ""
        if not line.startswith("["):
            self.end()
            if line == "hang":
                return "hang", f"no answer in {PATIENCE} s", 0
            return "crash", f"the process ended with {self._code}", 0
        _, result, wrong, largest = json.loads(line)
        self._first = self._first or largest
        if not wrong and largest > self._first + GROWTH:
            wrong = f"the process came to hold {largest >> 20} MiB, {self._first >> 20} at first"
            self._first = largest
        return result, wrong, largest

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._code = self._process.wait()
            self._process = None
            self._first = 0

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self._lines = Queue()
        threading.Thread(
            target=_forward, args=(self._process.stdout, self._lines), daemon=True
        ).start()


def _forward(lines: IO[str], queue: Queue[str]) -> None:
    for line in lines:
        queue.put(line)
    queue.put("")


def run_all(numbers: Sequence[int], workers: int, seconds: float | None, only: str | None) -> Tally:
    """All cases, or as many as are begun in that time."""
    tally, waiting, lock = Tally(), Queue[int](), threading.Lock()
    for number in numbers:
        waiting.put(number)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        for name, (codec, pix_fmt, audio) in KINDS.items():
            write_kind(Path(scratch) / name, codec, pix_fmt, audio)

        def serve() -> None:
            worker = Worker(Path(scratch), only)
            while seconds is None or time.monotonic() - began < seconds:
                try:
                    number = waiting.get_nowait()
                except Empty:
                    break
                result, wrong, largest = worker.run(number)
                with lock:
                    tally.results[result] += 1
                    tally.largest = max(tally.largest, largest)
                    if wrong:
                        tally.failures.append(f"case {number}: {result}: {wrong.strip()}")
                        print(tally.failures[-1], flush=True)
            worker.end()

        threads = [threading.Thread(target=serve) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, help="begin no case after so long")
    parser.add_argument("--only", choices=list(KINDS), help="change this kind of file only")
    parser.add_argument("--material", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.material is not None:
        work(given.material, given.only)
        return
    began = time.monotonic()
    numbers = range(given.first, given.first + given.cases)
    tally = run_all(numbers, given.workers, given.seconds, given.only)
    counts = ", ".join(f"{count} {result}" for result, count in sorted(tally.results.items()))
    print(
        f"{tally.cases} cases in {time.monotonic() - began:.0f} s: {counts}; "
        f"at most {tally.largest >> 20} MiB; {len(tally.failures)} failed"
    )
    sys.exit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()
