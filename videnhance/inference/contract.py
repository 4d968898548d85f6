"""What a network is before and after it is compiled, and how it is wanted to be computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch.nn import Module

TORCH, OPENVINO, OPENCV, ONNXRUNTIME = "torch", "openvino", "opencv", "onnxruntime"
MOST = 16
"""Largest batch chosen automatically: with more items, more frames wait for each other."""


class Network(Protocol):
    """A compiled network; one thread at a time calls it."""

    way: Way

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """The outputs, float32, for inputs that are float32 in the shapes of the Definition, but of
        any length B in front: NumPy arrays, or for torch on its device tensors; the outputs are of
        the same kind.

        Raises RuntimeError or MemoryError if it fails; `is_memory` tells for want of memory.
        """
        ...

    def free(self) -> None:
        """Return memory that is only kept ready, after a call that lacked some."""
        ...


@dataclass(frozen=True)
class Traits:
    """What decides how a network may be computed; known before it is loaded."""

    onnx: bool = False
    """Whether it is an ONNX file."""
    heavy: bool = False
    """For an ONNX file: whether a GPU is worth its while. onnxruntime computes it there, if its
    build for GPUs is installed. All others are computed on the processor."""
    varied: bool = False
    """Whether what it does depends on how many frames it is given; only torch computes it."""
    halves: tuple[str, ...] = ()
    """Backends that compute it in half precision, if that is asked for, or by "auto" where the
    processor gains from it: measured differences stay below the limits in docs/measuring.md."""
    asked: tuple[str, ...] = ()
    """Backends that do so only if asked by name. All others compute it in f32, whatever is asked.
    """


ONNX = Traits(onnx=True, halves=(OPENVINO,))
ONNX_FILE = Traits(onnx=True)
"""A small ONNX file of others: in f32, as nothing else was measured with its weights."""
ONNX_FACE = Traits(onnx=True, heavy=True)
"""The same, of a network that paints."""
PLAIN = Traits(halves=(OPENVINO,))
LARGE = Traits(halves=(TORCH,), asked=(OPENVINO,))
STYLED = Traits(halves=(TORCH, OPENVINO))
CODED = Traits(halves=(TORCH,))
"""Networks that choose among codes. In bf16 several are equally near; the choice is in f32, which
torch can do amid bf16, but OpenVINO only for the whole network."""
EXACT = Traits()
VIDEO = Traits(varied=True)
"""Networks for clips of frames, in f32, as nothing else was measured."""


@dataclass(frozen=True)
class Definition:
    """A network before it is compiled: a maker of a torch module, or an ONNX file."""

    name: str
    inputs: tuple[tuple[int, ...], ...]
    """The shape of each input for one item: 1 in front, -1 for sides that vary."""
    traits: Traits = Traits()
    make: Callable[[], Module] | None = None
    """Returns the network in float32 on the CPU, for inference. Called only where it has to be
    compiled anew."""
    onnx: Path | None = None
    outputs: tuple[str, ...] = ()
    """Names of an ONNX file's outputs, in the order in which they are returned."""
    weights: str | None = None
    """SHA-256 of the weights; None where what is compiled is not to be kept for the next start."""
    also: tuple[Any, ...] = ()
    """What else the network is a function of, such as a setting."""
    code: tuple[str, ...] = ()
    """Modules of the package in which `make` defines it."""
    packages: tuple[str, ...] = ()
    """Distributions in which it is defined."""
    exact: tuple[str, ...] = ()
    """OpenVINO's names of the kinds of operations that it computes in f32 in any precision."""
    cure: str = "use --backend torch"
    """What a user can do where it cannot be read or compiled."""
    channels_last: bool = False
    """Whether torch always gets its weights with channels innermost; else where that is quicker."""


@dataclass(frozen=True)
class Execution:
    """How networks are wanted to be computed (settings.groups.ComputeSettings)."""

    device: str = "cpu"
    """torch's name, such as "cuda:1"; "auto" is the first GPU, or the CPU."""
    precision: str = "auto"
    """f32, bf16, fp16 (not on a CPU), or auto: half precision where the processor gains from it and
    the network bears it."""
    backend: str = "auto"
    """torch, openvino, or auto: OpenVINO on a CPU, torch elsewhere."""
    compile: bool = False
    """Use torch.compile, which takes minutes at the first batch."""


@dataclass(frozen=True)
class Way:
    """How a network is computed, decided."""

    backend: str
    device: str
    precision: str
    compile: bool = False

    def __str__(self) -> str:
        how = f"{self.backend}{' compiled' if self.compile else ''}"
        return f"{how} {self.precision} on {self.device}"

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"


def is_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("not enough memory", "can't allocate memory", "bad_alloc", "bad allocation")
    return any(word in str(error) for word in words)
