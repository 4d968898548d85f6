"""Networks computed by OpenVINO, on processors.

A network is converted once, and what was compiled is kept for the next start (cache.py), which then
needs neither torch nor the weights. Measured: the number of threads does not change a bit of a
result, nor does it whether sides were fixed or may vary when a network was compiled, nor whether it
was compiled or read back. Items are computed one by one: a processor gains nothing from batches.
"""

from __future__ import annotations

import mmap
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import numpy as np

from videnhance.errors import ModelError, line_of
from videnhance.inference import cache
from videnhance.inference.contract import Definition, Way

_VARYING = 64
"""Side of the example by which torch shows a network whose sides may vary."""

_ENDS = ("Convolution", "Result")
"""Kinds of operations that are in half precision, though what they read is not."""

_CONFIG: dict[str, Any] = {
    "PERFORMANCE_HINT": "LATENCY",  # one item at a time, on all cores
    "ENABLE_CPU_PINNING": False,  # decoder and encoder run beside it, and other processes
}


def _loaded() -> Any:
    """The package openvino.

    It is kept from importing openvino_telemetry, by which it would tell its makers of each import
    and conversion. It copes with that package's absence.
    """
    if "openvino" not in sys.modules:
        there = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            del sys.modules["openvino_telemetry"]
            if there is not None:
                sys.modules["openvino_telemetry"] = there
    import openvino

    return openvino


class OpenVinoNetwork:
    """A network compiled for this processor; arrays or tensors in memory go in and come out."""

    def __init__(self, definition: Definition, way: Way) -> None:
        """Raises ModelError for a network that OpenVINO cannot read or compile, and the errors of
        `definition.make`."""
        self.way = way
        openvino = _loaded()
        core = openvino.Core()
        self._config = {**_CONFIG, "INFERENCE_PRECISION_HINT": way.precision}
        self._mapped: Any = None
        """The file that the network was read back from, in which it keeps reading weights."""
        try:
            network = self._compiled(openvino, core, definition)
        except RuntimeError as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"{definition.onnx or definition.name}: OpenVINO {_version(openvino)} cannot "
                f"compile it ({line_of(error)}); {definition.cure}"
            ) from error
        self._request = network.create_infer_request()
        self._outputs = definition.outputs or network.outputs

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        arrays = [x if isinstance(x, np.ndarray) else x.numpy() for x in inputs]
        each = [self._one([x[k : k + 1] for x in arrays]) for k in range(len(arrays[0]))]
        found = tuple(np.concatenate(p) if len(p) > 1 else p[0] for p in zip(*each, strict=True))
        if isinstance(inputs[0], np.ndarray):
            return found
        import torch

        return tuple(map(torch.from_numpy, found))

    def free(self) -> None:
        """It keeps nothing that it could do without."""

    def _one(self, inputs: list[Any]) -> list[Any]:
        self._request.infer([np.ascontiguousarray(x, np.float32) for x in inputs])
        # copies: the next call overwrites them
        return [np.array(self._request.get_tensor(name).data) for name in self._outputs]

    def _compiled(self, openvino: Any, core: Any, definition: Definition) -> Any:
        processor = core.get_property("CPU", "FULL_DEVICE_NAME")
        able = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        path = cache.place(definition, self.way, [_version(openvino), processor, able])
        mapped = cache.kept(path) if path is not None else None
        if mapped is not None:
            # Not copied: GFPGAN would need 1.1 GB more, and three times as long.
            content = np.frombuffer(mapped, np.uint8, offset=cache.HEAD)
            try:
                tensor = openvino.Tensor(content, shared_memory=True)
                network = core.import_model(tensor, "CPU", self._config)
            except RuntimeError:
                pass  # of another build: compile it again
            else:
                self._mapped = tensor, content, mapped
                if sys.platform == "linux":
                    mapped.madvise(mmap.MADV_DONTNEED)  # most of it was needed only once
                return network
        read = _read(openvino, core, definition)
        if definition.exact and self.way.precision != "f32":
            read = _partly_exact(openvino, core, read, definition.exact)
        network = core.compile_model(read, "CPU", self._config)
        if path is not None:
            cache.keep(path, network.export_model().getvalue())
        return network


def _read(openvino: Any, core: Any, definition: Definition) -> Any:
    """The network as OpenVINO's own, with the shapes of the definition."""
    shapes = [openvino.PartialShape(list(shape)) for shape in definition.inputs]
    if definition.onnx is not None:
        model = core.read_model(definition.onnx)
        model.reshape(dict(enumerate(shapes)))
        return model
    assert definition.make is not None
    import torch

    network = definition.make().eval().requires_grad_(False)
    sides = [[_VARYING if n < 0 else n for n in shape] for shape in definition.inputs]
    example = tuple(torch.zeros(shape) for shape in sides)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of how OpenVINO looks at the network
        if any(n < 0 for shape in definition.inputs for n in shape):
            # traced: each operation is computed once, for the small example
            return openvino.convert_model(network, example_input=example, input=shapes)
        # nothing is computed, which for large networks would take a minute
        return openvino.convert_model(torch.export.export(network, example), input=shapes)


def _partly_exact(openvino: Any, core: Any, model: Any, kinds: Sequence[str]) -> Any:
    """The model with all operations of these kinds, and what follows from each up to the next
    convolution, kept in f32 where it is compiled for half precision.

    OpenVINO marks an operation so by an attribute that Python cannot set, but its files can hold.
    """
    exact: set[str] = set()
    for operation in model.get_ordered_ops():
        kind = operation.get_type_name()
        sources = (port.get_node().get_friendly_name() for port in operation.input_values())
        if kind in kinds or (kind not in _ENDS and not exact.isdisjoint(sources)):
            exact.add(operation.get_friendly_name())
    with TemporaryDirectory() as folder:
        written = Path(folder) / "network.xml"
        openvino.serialize(model, written)
        document = ElementTree.parse(written)
        for layer in document.iter("layer"):
            if layer.get("name") in exact:
                notes = layer.find("rt_info")
                if notes is None:
                    notes = ElementTree.Element("rt_info")
                    layer.insert(1 if layer.find("data") is not None else 0, notes)
                ElementTree.SubElement(notes, "attribute", name="precise", version="0")
        document.write(written)
        weights = np.fromfile(written.with_suffix(".bin"), np.uint8)
        return core.read_model(written.read_bytes(), openvino.Tensor(weights))


def _version(openvino: Any) -> str:
    return str(openvino.get_version())
