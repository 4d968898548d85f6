"""Networks computed by torch, on any of its devices: the reference for those that it defines."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from videnhance.inference.contract import Definition, Way
from videnhance.inference.convolution import has_winograd
from videnhance.inference.devices import device_named

_PRECISIONS = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchNetwork:
    """A network as it was defined, in a precision and in the layout that is quickest for it."""

    def __init__(self, definition: Definition, way: Way) -> None:
        """Raises UsageError if the device cannot be used, and the errors of `definition.make`."""
        assert definition.make is not None
        self.way = way
        self._device, self._dtype = device_named(way.device), _PRECISIONS[way.precision]
        direct = self._device.type != "cpu" or self._dtype != torch.float32
        # NNPACK works plane by plane; all other kernels are fastest with channels innermost
        innermost = direct or not has_winograd() or definition.channels_last
        self._format = torch.channels_last if innermost else torch.contiguous_format
        network = definition.make().eval().requires_grad_(False)
        network = network.to(self._device, self._dtype).to(memory_format=self._format)
        self._network: Any = torch.compile(network) if way.compile else network

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        with torch.inference_mode():
            outputs = self._network(*map(self._given, inputs))
            parts = outputs if isinstance(outputs, tuple | list) else (outputs,)
            found = tuple(part.float() for part in parts)
            if isinstance(inputs[0], np.ndarray):
                return tuple(part.cpu().numpy() for part in found)
            return found

    def free(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _given(self, value: Any) -> Tensor:
        x = torch.as_tensor(value, device=self._device).to(self._dtype)
        return x.contiguous(memory_format=self._format) if x.ndim == 4 else x


def gaining(device: str) -> str:
    """The precision that a device multiplies several times faster than f32, else f32.

    On a CPU that takes AMX. AVX-512's bf16 dot product is not enough: it doubles the speed of a
    direct convolution, but so does Winograd's algorithm in f32, without loss.
    """
    kind = device.partition(":")[0]
    if kind == "cuda":
        return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp16"
    # older PyTorch does not report capabilities: f32 is used, which only costs speed
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if kind == "cpu" and capabilities.get("amx_bf16") else "f32"
