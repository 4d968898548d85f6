"""How fast faces are restored, beside the loop around GFPGANer that people run today.

    python scripts/bench_restore.py [--frames 6] [--rounds 2] [--devices cpu,cuda] [--json FILE]

One face in 1280x720 (a portrait that drifts), one set of random weights for all (the work is the
same). In turns, each in a process of its own, so that its peak memory is its own:

    today          GFPGANer.enhance, frame after frame, as it comes: RetinaFace, GFPGAN, ParseNet,
                   paste. With random weights its detector finds nothing, so it gets the landmarks
                   told after it has looked.
    no parsing     the same without ParseNet
    videnhance     a whole job, from file to file: its wall time, and that of each step
    network        the network alone, as videnhance runs it, one crop after another

Prints a table for each device (by default the CPU, and the GPU where there is one), and with --json
writes all figures. Compare ratios: absolute times are noisy. For a GPU it also tells what share of
the rate at which it multiplies bf16 matrices, measured beside it, the restore step reaches.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch
from skimage import data
from torch.utils.flop_counter import FlopCounterMode
from torchvision_bridge import bridge

from videnhance import Settings, enhance, restorers
from videnhance.detectors.centerface import CenterFace
from videnhance.faces.tracklets import CropWindow
from videnhance.models.loader import Loader
from videnhance.models.loading import load_state
from videnhance.restorers.gfpgan import GFPGAN, build
from videnhance.settings.groups import (
    ComputeSettings,
    ModelSettings,
    OutputSettings,
    RestoreSettings,
    TrackSettings,
)

PARTS = ("today", "no parsing", "videnhance", "network")
Image = npt.NDArray[np.uint8]


def pictures(count: int) -> list[Image]:
    """(720, 1280, 3) uint8 RGB: a portrait, a face of about 90 pixels between the eyes."""
    portrait = cv2.resize(data.astronaut()[:256, 80:336], (640, 640))
    found = []
    for k in range(count):
        picture = np.full((720, 1280, 3), 96, np.uint8)
        picture[40:680, 200 + 2 * k : 840 + 2 * k] = portrait
        found.append(picture)
    return found


def write_weights(path: Path) -> None:
    """Random weights in the published layout."""
    draw = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = GFPGAN().state_dict()
    state = {}
    for key, value in shapes.items():
        inputs = value.shape[1:].numel() if value.ndim > 1 else 1
        state[key] = torch.randn(value.shape, generator=draw) * 0.7 / max(inputs, 1) ** 0.5
    torch.save({"params_ema": state}, path)


def write_clip(path: Path, count: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for picture in pictures(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def today(folder: Path, count: int, device: str, *, parsing: bool) -> dict[str, float]:
    """Seconds a frame of the loop around GFPGANer."""
    bridge()
    from facexlib.detection.retinaface import RetinaFace
    from facexlib.parsing.parsenet import ParseNet
    from facexlib.utils import face_restoration_helper as helper
    from gfpgan import GFPGANer

    where = torch.device("cpu" if device == "auto" else device)
    torch.manual_seed(0)

    def detector(*args: Any, **kwargs: Any) -> Any:
        return RetinaFace("resnet50", device=where)

    def parser(*args: Any, **kwargs: Any) -> Any:
        return ParseNet(in_size=512, out_size=512, parsing_ch=19).eval().to(where)

    helper.init_detection_model, helper.init_parsing_model = detector, parser
    program = GFPGANer(str(folder / "GFPGANv1.4.pth"), upscale=1, device=where)
    faces = program.face_helper
    faces.use_parse = parsing
    looked = faces.get_face_landmarks_5
    seconds = []
    for picture in pictures(count):
        (found,) = CenterFace(0.4).detect([picture])

        def told(*args: Any, found: Any = found, **kwargs: Any) -> int:
            looked(*args, **kwargs)
            faces.all_landmarks_5, faces.det_faces = [found.landmarks[0]], [found.boxes[0]]
            return 1

        faces.get_face_landmarks_5 = told
        began = time.perf_counter()
        program.enhance(picture[..., ::-1], paste_back=True)
        seconds.append(time.perf_counter() - began)
    return {"seconds": median(seconds)}


def ours(folder: Path, count: int, device: str) -> dict[str, float]:
    """Seconds a frame of a whole job, and of its steps."""
    weights = ("gfpgan-1.4", str(folder / "GFPGANv1.4.pth"))
    wish = Settings(
        track=TrackSettings(),
        restore=RestoreSettings(restorer="gfpgan"),
        compute=ComputeSettings(devices=(device,)),
        models=ModelSettings(files=(weights,), trust=True, offline=True),
        output=OutputSettings(),
    )
    clip = folder / f"clip{count}.mp4"
    write_clip(clip, count)
    began = time.perf_counter()
    summary = enhance(clip, folder / "out.mp4", wish, overwrite=True)
    whole = time.perf_counter() - began
    assert summary.faces == count, f"{summary.faces} faces in {count} frames"
    steps = {f"step {name}": value / count for name, value in summary.steps.items()}
    return {"seconds": sum(steps.values()), "with set-up": whole / count, **steps}


def network(folder: Path, count: int, device: str) -> dict[str, float]:
    """Seconds a face of the network alone."""
    path = folder / "GFPGANv1.4.pth"
    wish = Settings(
        restore=RestoreSettings(restorer="gfpgan"),
        models=ModelSettings(files=(("gfpgan-1.4", str(path)),), trust=True, offline=True),
    )
    restorer = restorers.create(Loader(wish, device))
    crop = np.asarray(data.astronaut()[:512, :512] / 255.0, np.float32)
    there = crop if device == "cpu" else torch.from_numpy(crop).to(device)
    windows = [CropWindow(0, (k,), (there,), 0, 1.0) for k in range(restorer.batch)]
    restorer.restore(windows)
    seconds = []
    for _ in range(max(count // restorer.batch, 1)):
        began = time.perf_counter()
        restorer.restore(windows)
        if device != "cpu":
            torch.cuda.synchronize(device)
        seconds.append((time.perf_counter() - began) / len(windows))
    figures = {"seconds": median(seconds), "TFLOP": _work(path) / 1e12}
    return figures if device == "cpu" else {**figures, "bf16 TFLOP/s": _matrix_rate(device)}


def _work(path: Path) -> float:
    """Floating-point operations of the network for one face; a multiply-add counts two."""
    network = build(load_state(path), path).to("meta", torch.bfloat16)  # counted, not computed
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 512, 512, device="meta", dtype=torch.bfloat16))
    return float(counter.get_total_flops())


def _matrix_rate(device: str, side: int = 8192) -> float:
    """TFLOP/s at which a device multiplies large bf16 matrices."""
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(10):
        one @ other
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    for _ in range(50):
        one @ other
    torch.cuda.synchronize(device)
    return 50 * 2 * side**3 / (time.perf_counter() - began) / 1e12


def measure(part: str, folder: Path, count: int, device: str) -> dict[str, float]:
    if part == "videnhance":
        figures = ours(folder, count, device)
    elif part == "network":
        figures = network(folder, count, device)
    else:
        figures = today(folder, count, device, parsing=part == "today")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    return {**figures, "peak MiB": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    here = "cpu,cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--devices", default=here)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    wish = parser.parse_args()
    if wish.part:
        warnings.simplefilter("ignore")
        print(json.dumps(measure(wish.part, wish.folder, wish.frames, wish.devices)))
        return
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        write_weights(Path(name) / "GFPGANv1.4.pth")
        for device in wish.devices.split(","):
            # a GPU's frames are short: more of them, for full batches and little set-up
            frames = wish.frames if device == "cpu" else 40 * wish.frames
            options = ["--folder", name, "--frames", str(frames), "--devices", device]
            figures[device] = side_by_side(wish.rounds, options)
            print(f"{device}, {frames} frames, {wish.rounds} rounds")
            report(figures[device])
    if wish.json:
        wish.json.write_text(json.dumps(figures, indent=2) + "\n")


def side_by_side(rounds: int, options: list[str]) -> dict[str, dict[str, float]]:
    """The medians of all figures of all parts, each measured in turn in every round."""
    found: dict[str, list[dict[str, float]]] = {part: [] for part in PARTS}
    for _ in range(rounds):
        for part in PARTS:
            command = [sys.executable, __file__, "--part", part, *options]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[part].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        part: {key: median(run[key] for run in runs) for key in runs[0]}
        for part, runs in found.items()
    }


def report(figures: dict[str, dict[str, float]]) -> None:
    print(f"{'':12}{'s/frame':>9}{'faces/s':>9}{'x today':>9}{'x no parsing':>14}{'peak MiB':>10}")
    for part, values in figures.items():
        own = values["seconds"]
        print(
            f"{part:12}{own:9.4f}{1 / own:9.3f}{figures['today']['seconds'] / own:9.2f}"
            f"{figures['no parsing']['seconds'] / own:14.2f}{values['peak MiB']:10.0f}"
        )
    whole, alone = figures["videnhance"], figures["network"]["seconds"]
    for key, value in whole.items():
        if key.startswith("step "):
            print(f"  {key:10}{value:9.3f} s/frame, {value / whole['seconds']:6.1%}")
    print(f"videnhance / network alone: {whole['seconds'] / alone:.2f}")
    work = figures["network"]
    if "bf16 TFLOP/s" in work:
        rate, restoring = work["bf16 TFLOP/s"], work["TFLOP"] / whole["step render"]
        print(
            f"bf16 matrices {rate:.0f} TFLOP/s; the network {work['TFLOP'] / alone:.0f}, "
            f"{work['TFLOP'] / alone / rate:.0%}; the render step {restoring:.0f}, "
            f"{restoring / rate:.0%}"
        )


if __name__ == "__main__":
    main()
