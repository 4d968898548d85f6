"""What each network costs by each backend that computes it on this processor, and how they differ.

    python scripts/bench_networks.py [--rounds 5] [--networks centerface,clarity] [--json FILE]

The backends take turns on the same input, a face or its picture. Prints the medians in
milliseconds, and by how much OpenVINO differs from the reference (torch, OpenCV for CenterFace,
onnxruntime for restorers that are ONNX files, which are computed in f32 alone): root of the mean
square, and the largest; in levels of 255 for networks that return pictures, else in units of their
outputs. CenterFace and clarity have their own weights, the others random ones: the work is the
same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from bench_restore import write_weights
from onnx_doubles import gpen, write
from skimage import data
from torch import nn

from videnhance.detectors import centerface, retinaface
from videnhance.inference import (
    CODED,
    ONNX_FACE,
    STYLED,
    Definition,
    Execution,
    Traits,
    compiled,
    onnx_file,
)
from videnhance.models.catalog import BUNDLED
from videnhance.models.loading import load_state
from videnhance.render import parsing, upscaling
from videnhance.restorers import clarity, codeformer, gfpgan, restoreformer

Floats = npt.NDArray[np.float32]
WISHES = {
    "reference": Execution(backend="torch", precision="f32"),
    "f32": Execution(backend="openvino", precision="f32"),
    "bf16": Execution(backend="openvino", precision="bf16"),
}


@dataclass(frozen=True)
class Subject:
    definition: Definition
    inputs: tuple[Floats, ...]
    unit: float = 1.0
    """What a difference is multiplied with."""


def picture(height: int, width: int) -> Floats:
    """(1, 3, height, width) RGB 0..1 of a portrait."""
    portrait = data.astronaut()[:256, 80:336] if height == width else data.astronaut()
    found = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(found.transpose(2, 0, 1)[None] / 255.0, np.float32)


def of_centerface(height: int, width: int) -> Subject:
    return Subject(centerface.definition(), (picture(height, width) * 255.0,))


def of_retinaface(name: retinaface.Name, height: int, width: int) -> Subject:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.detection.retinaface import RetinaFace

        torch.manual_seed(0)
        made: nn.Module = RetinaFace(network_name=name, device=torch.device("cpu"))
    given = picture(height, width) * 255.0 - np.float32(110.0)
    return Subject(_with(retinaface.definition(name, Path("random")), made), (given,))


def of_clarity(side: int) -> Subject:
    prepare, network = clarity.definitions(BUNDLED["clarity"])
    crop = picture(side, side)
    noise = np.random.default_rng(0).normal(0.0, 0.02, (1, 7, side, side)).astype(np.float32)
    planes = np.concatenate([crop, crop.mean(1, keepdims=True) + noise], 1)
    facts = np.array([2.5], np.float32), np.array([28.0], np.float32)
    (x,) = compiled(prepare, WISHES["reference"])(planes, *facts)
    return Subject(network, (x,), 255.0)


def of_gfpgan() -> Subject:
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder) / "w.pth")
        made = gfpgan.build(load_state(Path(folder) / "w.pth"))
    return _of_face("gfpgan", made, STYLED, gfpgan.EXACT)


def of_restoreformer() -> Subject:
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(0)
    return _of_face("restoreformer", restoreformer.build(_apart(RestoreFormer())))


def of_codeformer() -> Subject:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

        torch.manual_seed(0)
        state = _apart(CodeFormer())
    state["position_emb"].normal_()
    return _of_face("codeformer", codeformer.build(state, 0.5))


def of_onnx(name: str, side: int, make: Callable[[], nn.Module]) -> Subject:
    """A restorer that is an ONNX file; the file stays in the system's folder for such."""
    path = write(make(), Path(tempfile.mkdtemp()) / f"{name}.onnx", side)
    shape = [(1, 3, side, side)]
    definition = onnx_file.definition(name, path, shape, shapes=shape, traits=ONNX_FACE)
    return Subject(definition, (picture(side, side) * 2.0 - 1.0,), 127.5)


def _made(subject: Callable[[], Subject]) -> nn.Module:
    make = subject().definition.make
    assert make is not None
    return make()


def of_parsenet() -> Subject:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.parsing.parsenet import ParseNet
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        torch.save(ParseNet(in_size=512, out_size=512, parsing_ch=19).state_dict(), f"{folder}/w")
        definition = parsing.definition(Path(folder) / "w")
        assert definition.make is not None
        return Subject(_with(definition, definition.make()), (picture(512, 512) * 2.0 - 1.0,))


def of_realesrgan(scale: int, side: int) -> Subject:
    from spandrel.architectures.ESRGAN import ESRGAN

    from videnhance.inference.convolution import quicken

    torch.manual_seed(0)
    halved = {"in_nc": 12, "shuffle_factor": 2} if scale == 2 else {}
    made = ESRGAN(num_filters=64, num_blocks=23, **halved)
    quicken(made)
    return Subject(
        _with(upscaling.definition(Path("random"), None, scale), made),
        (picture(side, side),),
        255.0,
    )


def of_compact(side: int) -> Subject:
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    made = Compact(num_feat=64, num_conv=32)
    definition = upscaling.compact_definition(Path("random"), None)
    return Subject(_with(definition, made), (picture(side, side),), 255.0)


def _of_face(
    name: str, made: nn.Module, traits: Traits = CODED, exact: tuple[str, ...] = ()
) -> Subject:
    definition = Definition(name, ((1, 3, 512, 512),), traits, lambda: made, exact=exact)
    return Subject(definition, (picture(512, 512) * 2.0 - 1.0,), 127.5)


def _apart(network: Any) -> Any:
    """Its state, with codes so far apart that which is nearest is no matter of rounding alone."""
    state = network.eval().state_dict()
    state["quantize.embedding.weight"].normal_()
    return state


def _with(definition: Definition, made: nn.Module) -> Definition:
    return replace(definition, make=lambda: made)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "centerface 640x384": lambda: of_centerface(384, 640),
    "centerface 1280x736": lambda: of_centerface(736, 1280),
    "retinaface-mobile 640x384": lambda: of_retinaface("mobile0.25", 384, 640),
    "retinaface 640x384": lambda: of_retinaface("resnet50", 384, 640),
    "clarity 128": lambda: of_clarity(128),
    "clarity 256": lambda: of_clarity(256),
    "gfpgan 512": of_gfpgan,
    "restoreformer 512": of_restoreformer,
    "codeformer 512": of_codeformer,
    "gfpgan-onnx 512": lambda: of_onnx("gfpgan", 512, lambda: _made(of_gfpgan)),
    "restoreformer++ 512": lambda: of_onnx("rf", 512, lambda: _made(of_restoreformer)),
    "gpen-256 256": lambda: of_onnx("gpen-256", 256, lambda: gpen(256, 1, 0.5)),
    "gpen-512 512": lambda: of_onnx("gpen-512", 512, lambda: gpen(512, 2, 1.0)),
    "parsenet 512": of_parsenet,
    "realesrgan-x2 256": lambda: of_realesrgan(2, 256),
    "realesrgan-x4 128": lambda: of_realesrgan(4, 128),
    "realesr-general-x4v3 128": lambda: of_compact(128),
}


def measure(subject: Subject, rounds: int) -> dict[str, float]:
    """Milliseconds of each backend, and what they differ by."""
    found: dict[str, float] = {}
    networks: dict[str, Any] = {}
    for name, wish in WISHES.items():
        began = time.perf_counter()
        networks[name] = compiled(subject.definition, wish)
        found[f"{name} start s"] = time.perf_counter() - began
    outputs = {name: network(*subject.inputs) for name, network in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            began = time.perf_counter()
            network(*subject.inputs)
            seconds[name].append(time.perf_counter() - began)
    for name, each in seconds.items():
        found[f"{name} ms"] = 1000.0 * median(each)
        pairs = zip(outputs[name], outputs["reference"], strict=True)
        off = [np.asarray(a) - np.asarray(b) for a, b in pairs]
        found[f"{name} rms"] = subject.unit * max(float(np.sqrt((x**2).mean())) for x in off)
        found[f"{name} most"] = subject.unit * max(float(np.abs(x).max()) for x in off)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", default="", help="beginnings of their names; default all")
    parser.add_argument("--json", type=Path)
    wish = parser.parse_args()
    wanted = tuple(wish.networks.split(","))
    names = [name for name in SUBJECTS if name.startswith(wanted)]
    print(
        "| network | reference, ms | OpenVINO f32 | OpenVINO bf16 | f32: rms / largest difference "
        "| bf16 |\n|---|---|---|---|---|---|"
    )
    figures = {}
    for name in names:
        found = figures[name] = measure(SUBJECTS[name](), wish.rounds)
        print(
            f"| {name} | {found['reference ms']:.1f} | {found['f32 ms']:.1f} "
            f"| {found['bf16 ms']:.1f} | {found['f32 rms']:.2g} / {found['f32 most']:.2g} "
            f"| {found['bf16 rms']:.2g} / {found['bf16 most']:.2g} |",
            flush=True,
        )
    if wish.json:
        wish.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
