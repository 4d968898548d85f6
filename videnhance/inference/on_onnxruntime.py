"""ONNX files computed by onnxruntime, in float32: on NVIDIA's GPUs, and the reference for the heavy
ones. It is not installed with videnhance."""

from __future__ import annotations

from typing import Any

import numpy as np

from videnhance.errors import ModelError, line_of
from videnhance.inference.contract import Definition, Way

CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_OPTIONS = {
    "use_tf32": "0",  # true float32, as torch is told (devices.py)
    "cudnn_conv_algo_search": "HEURISTIC",  # the default tries what is fastest, so runs may differ
}
_ERRORS_ONLY = 3
"""onnxruntime's level of what it prints by itself."""


def loaded() -> Any:
    """The package onnxruntime, which is kept from telling its makers anything (on Windows)."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


class OnnxRuntimeNetwork:
    """A network computed for one item at a time, as the sizes of published files are fixed."""

    def __init__(self, definition: Definition, way: Way) -> None:
        """Raises ModelError for a file that onnxruntime cannot load, or not on the GPU."""
        self.way = way
        self._outputs = list(definition.outputs)
        runtime = loaded()
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.use_deterministic_compute = True
        wanted: Any = _CPU
        if not way.on_cpu:
            import torch  # brings CUDA's libraries

            number = torch.device(way.device).index or 0
            wanted = (CUDA, {**_OPTIONS, "device_id": str(number)})
        try:
            self._session = runtime.InferenceSession(
                str(definition.onnx), options, providers=[wanted]
            )
        except Exception as error:  # its errors have no common class
            raise ModelError(
                f"{definition.onnx}: onnxruntime {runtime.__version__} cannot load it "
                f"({line_of(error)}); {definition.cure}"
            ) from error
        if not way.on_cpu and self._session.get_providers()[0] != CUDA:
            raise ModelError(
                f"{definition.onnx}: onnxruntime {runtime.__version__} cannot use {way.device}; "
                "install the onnxruntime-gpu that fits your CUDA, or use --devices cpu"
            )
        self._names = [given.name for given in self._session.get_inputs()]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        arrays = [x if isinstance(x, np.ndarray) else x.cpu().numpy() for x in inputs]
        each = [self._one([x[k : k + 1] for x in arrays]) for k in range(len(arrays[0]))]
        found = tuple(np.concatenate(p) if len(p) > 1 else p[0] for p in zip(*each, strict=True))
        if isinstance(inputs[0], np.ndarray):
            return found
        import torch

        return tuple(torch.from_numpy(part).to(inputs[0].device) for part in found)

    def free(self) -> None:
        """It keeps nothing that it could do without."""

    def _one(self, given: list[Any]) -> Any:
        arrays = [np.ascontiguousarray(x, np.float32) for x in given]
        try:
            return self._session.run(self._outputs, dict(zip(self._names, arrays, strict=True)))
        except Exception as error:  # its errors have no common class
            raise RuntimeError(line_of(error)) from error
