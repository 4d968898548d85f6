"""Trains the restorer `clarity`, from folders of clips and photographs of faces to its weights.

    python scripts/train_clarity.py prepare DATA FOLDER...  examples on disk: clarity_data.py
    python scripts/train_clarity.py train DATA RUN          goes on where it was stopped
    python scripts/train_clarity.py judge FOLDER FILE...    figures of weights, on these examples
    python scripts/train_clarity.py export RUN FILE         the weights, as the package holds them

The people in the files named by held_out.txt are for validation alone: what is learned must hold
for people never seen. docs/measuring.md has the commands of a whole training.

The loss is the root of the squared error of each picture, of its slopes, and of its change from
one frame to the next, as shares of the fused crop's. (Its logarithm was tried: pictures that have
hardly an error then have the steepest gradients, and nothing is learned from the others. The root
alone, too: then those with large errors have, and soft scenes are sharpened.) `prepare` may still
be running while `train` is: new examples are taken up as they come.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from clarity_data import fill, sources
from examples import Batch, Examples, Whole
from growing import grown
from safetensors.torch import save_file
from torch import Tensor

from videnhance.models.loading import load_state
from videnhance.restorers.correction import PLANES, corrections
from videnhance.restorers.correction_network import Correction

FLOOR = (1.0 / 255.0) ** 2
"""Squared error below which nothing more is to be gained: that of 8-bit levels and a little."""
EASY = 1.25 / 255.0
"""Root of the squared error below which a fused crop is as good as right: it then counts less."""
FLICKER, SLOPES = 0.7, 0.3
"""Weights, in the loss, of the change from frame to frame and of the slopes from pixel to pixel;
the picture itself has 1."""
DECAY = 0.998
"""Decay of the moving average of the weights, which is what is judged and shipped."""
EYES = 63.0
"""Pixels between the eyes in a face's own crop of 256, about."""
SIZES = (("to 15 px", 0, 15), ("15 to 25 px", 15, 25), ("25 to 40 px", 25, 40), ("more", 40, 999))
"""Groups of examples by pixels between the eyes: name, from, to."""
SAVE = 240.0
"""Seconds after which a checkpoint is written, however few the steps since the last."""
WARM = 200
"""Steps over which the learning rate rises."""


def errors(network: torch.nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared errors (2, B, 2), restored and fused, (2, B) of their change in time, and
    (2, B, 2) of their slopes."""
    planes, truth, *known = batch
    twice = (x.repeat_interleave(2) for x in known)
    restored = network(planes.flatten(0, 1), *twice).float().unflatten(0, (-1, 2))
    wrong = torch.stack([restored - truth, planes[:, :, :3] - truth])
    drift = wrong[:, :, 1] - wrong[:, :, 0]
    slopes = sum((wrong.diff(dim=axis) ** 2).mean((3, 4, 5)) for axis in (-2, -1))
    assert isinstance(slopes, Tensor)
    return (wrong**2).mean((3, 4, 5)), (drift**2).mean((2, 3, 4)), slopes


def loss_of(network: torch.nn.Module, batch: Batch) -> Tensor:
    """Mean root of the squared error, of its change and of its slopes, as shares of the fused
    crop's."""
    wrong, drift, slopes = errors(network, batch)
    picture = torch.sqrt(wrong[0] + FLOOR) / (torch.sqrt(wrong[1]) + EASY)
    change = torch.sqrt(drift[0] + FLOOR / 4) / (torch.sqrt(drift[1]) + EASY)
    slope = torch.sqrt(slopes[0] + FLOOR / 4) / (torch.sqrt(slopes[1]) + EASY)
    # gradients to be clipped at 1
    return 20.0 * (picture.mean() + FLICKER * change.mean() + SLOPES * slope.mean())


def validate(network: Correction, wholes: Sequence[Whole]) -> dict[str, float]:
    """Gain over fusion in dB (mean, the worst tenth, share of examples made worse) and flicker."""
    gains, flickers = [], []
    network.eval()
    for levels, zoom, quantizer in wholes:
        before = (levels[:, :3] - levels[:, PLANES:]).transpose(0, 2, 3, 1)
        after = before + np.stack(
            corrections(network.changes, list(levels[:, :PLANES]), [zoom] * 2, quantizer)
        )
        better = (before**2).mean((1, 2, 3)) / (after**2).mean((1, 2, 3))
        gains.append(float(10 * np.log10(better).mean()))
        drift = [float(((x[1] - x[0]) ** 2).mean()) for x in (after, before)]
        flickers.append(math.sqrt(drift[0] / max(drift[1], 1e-12)))
    network.train()
    low = sorted(gains)[: max(len(gains) // 10, 1)]
    return {
        "gain": float(np.mean(gains)),
        "worst_tenth": float(np.mean(low)),
        "worse": float(np.mean([gain < 0 for gain in gains])),
        "flicker": float(np.mean(flickers)),
    }


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate: a warm start, then half a cosine down to a hundredth."""
    if step < WARM:
        return peak * (step + 1) / WARM
    done = min((step - WARM) / max(steps - WARM, 1), 1.0)
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))


def grid(network: Correction, wholes: Sequence[Whole], path: Path) -> None:
    """A picture: the centre frame, fused, restored, the truth; a row for each of some examples."""
    rows = []
    for levels, zoom, quantizer in wholes[:: max(len(wholes) // 8, 1)][:8]:
        planes = levels[0, :PLANES]
        centre = np.repeat(planes[3][..., None], 3, axis=2)
        truth = levels[0, PLANES:].transpose(1, 2, 0)
        fused = planes[:3].transpose(1, 2, 0)
        restored = fused + corrections(network.changes, [planes], [zoom], quantizer)[0]
        rows.append(np.hstack([centre, fused, restored, truth]))
    picture = np.clip(np.rint(np.vstack(rows) * 255), 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def train(data: Path, run: Path, wish: argparse.Namespace) -> None:
    """Train in the folder `run`, going on from the checkpoint there."""
    torch.manual_seed(wish.seed)
    device = torch.device(wish.device)
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    network = Correction(wish.width, 2 * wish.width, wish.blocks)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = torch.optim.swa_utils.AveragedModel(
        network, avg_fn=lambda old, new, count: DECAY * old + (1.0 - DECAY) * new
    )
    averaged = cast(Correction, average.module)
    optimizer = torch.optim.AdamW(network.parameters(), lr=wish.rate, weight_decay=1e-4)
    step = 0
    if wish.start and not checkpoint.is_file():
        grown(network, load_state(wish.start))
        average.module.load_state_dict(network.state_dict())
    if checkpoint.is_file():
        held = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(held["network"])
        average.load_state_dict(held["average"])
        optimizer.load_state_dict(held["optimizer"])
        step = held["step"]
    examples, valid = Examples(data / "train"), Examples(data / "valid")
    began = saved = time.monotonic()
    losses: list[float] = []

    def made(number: int) -> Batch:
        return examples.batch(wish.batch, wish.patch, np.random.default_rng((wish.seed, number)))

    parameters = list(network.parameters())

    def learned(part: Batch) -> tuple[float, tuple[Tensor, ...]]:
        """The loss of a part of a batch, and its gradients."""
        # no cache: no weight is cast twice in a pass, and the threads would share the cache
        with torch.autocast(device.type, torch.bfloat16, enabled=wish.bf16, cache_enabled=False):
            loss = loss_of(network, part)
        return float(loss.detach()), torch.autograd.grad(loss, parameters)

    examples.refresh()
    loader = ThreadPoolExecutor(1)
    # each worker computes on one thread, so they wait for each other once a step; threads within an
    # operation wait thousands of times, which takes three times as long on a CPU with other work
    workers = ThreadPoolExecutor(wish.threads)
    ahead: Future[Batch] | None = None
    while step < wish.steps:
        batch = (ahead or loader.submit(made, step)).result()
        ahead = loader.submit(made, step + 1)  # made while the network learns
        for group in optimizer.param_groups:
            group["lr"] = rate(step, wish.steps, wish.rate)
        chunks = zip(*(part.to(device).chunk(wish.threads) for part in batch), strict=True)
        found = list(workers.map(learned, chunks))
        for parameter, *gradients in zip(parameters, *(g for _, g in found), strict=True):
            parameter.grad = torch.stack(gradients).mean(0)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        losses.append(float(np.mean([loss for loss, _ in found])))
        step += 1
        if step % wish.every == 0 or step == wish.steps:
            wholes = valid.whole()
            figures = {
                "step": step,
                "seconds": round(time.monotonic() - began),
                "examples": examples.refresh(),
                "loss": round(float(np.mean(losses[-wish.every :])), 4),
                **{name: round(x, 4) for name, x in validate(averaged, wholes).items()},
            }
            print(json.dumps(figures), flush=True)
            with (run / "log.jsonl").open("a") as log:
                log.write(json.dumps(figures) + "\n")
            grid(averaged, wholes, run / "grid.png")
        if step % wish.every == 0 or step == wish.steps or time.monotonic() > saved + SAVE:
            state = {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
            }
            part = checkpoint.with_suffix(".part")
            torch.save(state, part)
            part.replace(checkpoint)
            saved = time.monotonic()


def judge(data: Path, files: Sequence[Path]) -> None:
    """Print the figures of `validate` for each file: over all examples and for each of SIZES."""
    wholes = Examples(data).whole()
    groups = {
        name: [whole for whole in wholes if low <= EYES / whole[1] < high]
        for name, low, high in SIZES
    }
    for file in files:
        state = load_state(file)
        network = Correction.shaped(state)
        network.load_state_dict({name: value.float() for name, value in state.items()})
        print(json.dumps({"file": file.name, "pairs": len(wholes), **validate(network, wholes)}))
        for name, group in groups.items():
            if group:
                print(f"  {name:14} {len(group):4d} {json.dumps(validate(network, group))}")


def held_out() -> tuple[set[str], set[str]]:
    """Stems of the files for validation alone, and of the files that are not used at all."""
    lines = (Path(__file__).parent / "held_out.txt").read_text().split("\n")
    words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {w for w in words if w[0] != "-"}, {w[1:] for w in words if w[0] == "-"}


def export(run: Path, file: Path, beside: Path | None = None, share: float = 0.5) -> None:
    """The averaged weights in half precision, which costs less than a thousandth of a dB.

    `beside`: weights from which the training began; the mean of both is written (Wortsman et al.,
    "Robust fine-tuning of zero-shot models", CVPR 2022), in which these have the `share`. It loses
    less of what the old data taught and the new does not."""
    held = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    state = {
        name.removeprefix("module."): value.half().contiguous()
        for name, value in held["average"].items()
        if name.startswith("module.")
    }
    network = Correction.shaped(state)
    network.load_state_dict(state)
    if beside is not None:
        grown(network, load_state(beside))
        for name, old in network.state_dict().items():
            state[name] = torch.lerp(state[name].float(), old.float(), share).half().contiguous()
    save_file(state, file)
    print(f"{file}: {file.stat().st_size} bytes, after {held['step']} steps")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("data", type=Path)
    preparing.add_argument("folders", type=Path, nargs="+", help="of clips and photographs")
    preparing.add_argument("--examples", type=int, default=3000)
    preparing.add_argument(
        "--valid", type=int, default=0, help="make this many for validation instead"
    )
    preparing.add_argument("--seed", type=int, default=1)
    training = commands.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("run", type=Path)
    training.add_argument("--start", type=Path, help="weights to begin with")
    training.add_argument(
        "--width", type=int, default=64, help="channels; twice as many on half the grid"
    )
    training.add_argument("--blocks", type=int, default=4, help="in each of the three groups")
    training.add_argument("--bf16", action="store_true", help="1.75 times as fast with AVX512-BF16")
    training.add_argument("--steps", type=int, default=12000)
    training.add_argument("--every", type=int, default=1000, help="steps between validations")
    training.add_argument("--batch", type=int, default=6, help="pairs; threads share them")
    training.add_argument("--patch", type=int, default=112, help="pixels, a multiple of 8")
    training.add_argument("--rate", type=float, default=6e-4)
    training.add_argument("--device", default="cpu")
    training.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    training.add_argument("--seed", type=int, default=1)
    judging = commands.add_parser("judge")
    judging.add_argument("data", type=Path, help="the folder of the examples themselves")
    judging.add_argument("files", type=Path, nargs="+", help="weights")
    exporting = commands.add_parser("export")
    exporting.add_argument("run", type=Path)
    exporting.add_argument("file", type=Path)
    exporting.add_argument(
        "--mean-with", type=Path, metavar="FILE", help="weights with which the training began"
    )
    exporting.add_argument("--share", type=float, default=0.5, help="of those in the mean")
    wish = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    if wish.command == "prepare":
        held, unused = held_out()
        files = [file for file in sources(wish.folders) if file.stem not in unused]
        if wish.valid:
            fill([f for f in files if f.stem in held], wish.data / "valid", wish.valid, wish.seed)
        else:
            files = [file for file in files if file.stem not in held]
            fill(files, wish.data / "train", wish.examples, wish.seed)
    elif wish.command == "train":
        torch.set_num_threads(1)
        train(wish.data, wish.run, wish)
    elif wish.command == "judge":
        torch.set_num_threads(1)
        judge(wish.data, wish.files)
    else:
        export(wish.run, wish.file, wish.mean_with, wish.share)


if __name__ == "__main__":
    main()
