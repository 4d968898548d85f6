"""Devices that networks run on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from videnhance.errors import UsageError, line_of

if TYPE_CHECKING:
    import torch

_DEV = Path("/dev")
_GPUS = ("nvidia*", "nvhost*", "nvgpu*", "kfd", "dxg")
"""What Linux has in /dev where there is a GPU that torch can use: NVIDIA's (the next two on its
boards), AMD's, and what WSL has instead."""


def found(name: str) -> str:
    """torch's name of the device that is meant: "auto" is the first GPU, or the CPU if there is
    none. torch is loaded only where there may be a GPU, as that takes seconds."""
    if name != "auto" or (sys.platform == "linux" and not _has_gpu()):
        return "cpu" if name == "auto" else name
    return str(device_named(name))


def _has_gpu() -> bool:
    return any(next(_DEV.glob(pattern), None) is not None for pattern in _GPUS)


def device_named(name: str) -> torch.device:
    """The device of that name; "auto" is the first GPU, or the CPU if there is none.

    For NVIDIA GPUs it also makes cuDNN, in the whole process, compute a convolution the same way
    each time, and in true float32 (TF32 has 10 bits of mantissa): two runs must give the same
    frames. Raises UsageError if the device cannot be used.
    """
    import torch

    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = line_of(error)
        raise UsageError(f"--devices {name}: not usable ({said}); use cpu") from error
    return device
