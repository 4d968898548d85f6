"""Devices that networks run on."""

from __future__ import annotations

import torch

from videnhance.errors import UsageError, line_of


def device_named(name: str) -> torch.device:
    """The device of that name; "auto" is the first GPU, or the CPU if there is none.

    For NVIDIA GPUs it also makes cuDNN, in the whole process, compute a convolution the same way
    each time, and in true float32 (TF32 has 10 bits of mantissa): two runs must give the same
    frames. Raises UsageError if the device cannot be used.
    """
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
