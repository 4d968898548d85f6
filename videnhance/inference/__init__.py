"""Networks compiled for a device and a precision, then called on arrays.

One contract (contract.py) and a table of backends. Nothing outside of this room knows which of them
computes. A backend loads its library when it compiles, so that importing this is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from videnhance.errors import UsageError, chosen
from videnhance.inference.cache import version_of
from videnhance.inference.contract import (
    CODED,
    EXACT,
    LARGE,
    MOST,
    ONNX,
    ONNX_FACE,
    ONNX_FILE,
    ONNXRUNTIME,
    OPENCV,
    OPENVINO,
    PLAIN,
    STYLED,
    TORCH,
    VIDEO,
    Definition,
    Execution,
    Network,
    Traits,
    Way,
    is_memory,
)
from videnhance.inference.devices import found
from videnhance.inference.processor import multiplies_bf16

__all__ = [
    "BACKENDS",
    "CODED",
    "EXACT",
    "LARGE",
    "MOST",
    "ONNX",
    "ONNXRUNTIME",
    "ONNX_FACE",
    "ONNX_FILE",
    "OPENCV",
    "OPENVINO",
    "PLAIN",
    "STYLED",
    "TORCH",
    "VIDEO",
    "Backend",
    "Definition",
    "Execution",
    "Network",
    "Traits",
    "Way",
    "compiled",
    "distribution_of",
    "is_memory",
    "way_of",
]

AUTOMATIC = Execution()


@dataclass(frozen=True)
class Backend:
    compiled: Callable[[Definition, Way], Network]
    precision: Callable[[str, Traits], str]
    """From the device and the traits to what "auto" is."""


def _torch(definition: Definition, way: Way) -> Network:
    from videnhance.inference.on_torch import TorchNetwork

    return TorchNetwork(definition, way)


def _openvino(definition: Definition, way: Way) -> Network:
    from videnhance.inference.on_openvino import OpenVinoNetwork

    return OpenVinoNetwork(definition, way)


def _opencv(definition: Definition, way: Way) -> Network:
    from videnhance.inference.on_opencv import OpenCvNetwork

    return OpenCvNetwork(definition, way)


def _onnxruntime(definition: Definition, way: Way) -> Network:
    from videnhance.inference.on_onnxruntime import OnnxRuntimeNetwork

    return OnnxRuntimeNetwork(definition, way)


def _torch_precision(device: str, traits: Traits) -> str:
    if TORCH not in traits.halves:
        return "f32"
    from videnhance.inference.on_torch import gaining

    return gaining(device)


def _openvino_precision(device: str, traits: Traits) -> str:
    return "bf16" if OPENVINO in traits.halves and multiplies_bf16() else "f32"


BACKENDS: dict[str, Backend] = {
    TORCH: Backend(_torch, _torch_precision),
    OPENVINO: Backend(_openvino, _openvino_precision),
    OPENCV: Backend(_opencv, lambda device, traits: "f32"),
    ONNXRUNTIME: Backend(_onnxruntime, lambda device, traits: "f32"),
}
"""torch is the reference for networks that it defines, OpenCV for ONNX files, onnxruntime for heavy
ones."""


def is_here(backend: str) -> bool:
    """Whether the package of that name is installed."""
    return find_spec(backend) is not None


def distribution_of(backend: str) -> str:
    """The distribution that a backend is installed by."""
    for_gpu = f"{ONNXRUNTIME}-gpu"
    return for_gpu if backend == ONNXRUNTIME and version_of(for_gpu) else backend


def way_of(traits: Traits, wish: Execution) -> Way:
    """How a network of these traits is computed here. Raises UsageError for what is not possible.

    ONNX files are computed on the CPU whatever the device: by OpenVINO, or, where torch is asked
    for or OpenVINO is not installed, by OpenCV. Heavy ones are computed by onnxruntime, where it is
    installed, in place of OpenCV, and on a GPU if its build can.
    """
    chosen("--backend", wish.backend, dict.fromkeys(("auto", TORCH, OPENVINO)))
    if wish.backend == OPENVINO and not is_here(OPENVINO):
        raise UsageError(
            "--backend openvino: the package openvino is not installed; install it: "
            "pip install openvino, or use auto"
        )
    quick = wish.backend != TORCH and is_here(OPENVINO)
    if traits.heavy and wish.backend != OPENVINO and is_here(ONNXRUNTIME):
        device = found(wish.device)
        if device.startswith("cuda") and _computes_on_gpu():
            return _decided(ONNXRUNTIME, device, traits, wish)
        return _decided(OPENVINO if quick else ONNXRUNTIME, "cpu", traits, wish)
    if traits.onnx:
        return _decided(OPENVINO if quick else OPENCV, "cpu", traits, wish)
    if traits.varied:
        if wish.backend == OPENVINO:
            raise UsageError(
                "--backend openvino: does not compute networks for clips of frames; use auto"
            )
        return _decided(TORCH, found(wish.device), traits, wish)
    if wish.backend == OPENVINO:
        return _decided(OPENVINO, _processor(wish.device), traits, wish)
    device = found(wish.device)
    if quick and device == "cpu" and not wish.compile:
        return _decided(OPENVINO, device, traits, wish)
    return _decided(TORCH, device, traits, wish)


def _computes_on_gpu() -> bool:
    """Whether the onnxruntime that is installed is built for NVIDIA's GPUs."""
    from videnhance.inference.on_onnxruntime import CUDA, loaded

    return CUDA in loaded().get_available_providers()


def _processor(device: str) -> str:
    if device not in ("auto", "cpu"):
        raise UsageError(
            f"--backend openvino: computes on processors, not on {device}; use --devices cpu, or "
            "--backend torch"
        )
    return "cpu"


def _decided(backend: str, device: str, traits: Traits, wish: Execution) -> Way:
    auto = BACKENDS[backend].precision(device, traits)
    given = wish.precision
    chosen("--precision", given, dict.fromkeys(("auto", "f32", "bf16", "fp16")))
    if given == "fp16" and device == "cpu":
        if not traits.onnx:
            raise UsageError("--precision fp16: not on a CPU; use auto or f32")
        given = "auto"
    free = backend in (*traits.halves, *traits.asked)
    precision = given if free and given != "auto" else auto
    return Way(backend, device, precision, wish.compile and backend == TORCH)


def compiled(definition: Definition, wish: Execution = AUTOMATIC) -> Network:
    """The network, ready to be called. Raises UsageError for what is not possible here, ModelError
    where the network cannot be loaded."""
    way = way_of(definition.traits, wish)
    return BACKENDS[way.backend].compiled(definition, way)
