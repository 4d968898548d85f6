"""What networks share when they run: precision, quick convolutions, lack of memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from videnhance.errors import UsageError, chosen
from videnhance.models.loading import check_state

_PRECISIONS = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The 3x3 convolution of x (B, C, H, W) with stride 1 and padding 1.

    For float32 on a CPU it uses NNPACK, which comes with PyTorch: its Winograd algorithm takes a
    third to a half of the time of a direct convolution, and differs by about 1e-4 of the output's
    deviation.
    """
    if (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and min(x.shape[2:]) >= 16  # below that, its tiles are mostly padding
        and not torch.compiler.is_compiling()
        and has_winograd()
    ):
        # one by one: its batched code path is slower
        each = [
            torch._nnpack_spatial_convolution(x[k : k + 1], weight, bias, 1, 1)
            for k in range(len(x))
        ]
        return each[0] if len(each) == 1 else torch.cat(each)
    return F.conv2d(x, weight, bias, padding=1)


def has_winograd() -> bool:
    """Whether NNPACK can be used; the call also initialises it, or its convolution would fail."""
    return bool(torch.backends.nnpack.is_available())  # type: ignore[no-untyped-call]


class Convolution(nn.Conv2d):
    """`convolve` as a module with its weights, under the keys of nn.Conv2d."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        return convolve(input, self.weight, self.bias)


def dtype_named(precision: str, device: torch.device) -> torch.dtype:
    """The precision of that name; "auto" is the fastest one on the device.

    Raises UsageError if there is none of that name, or not on this device.
    """
    if precision == "auto":
        return _gaining(device)
    dtype = chosen("--precision", precision, _PRECISIONS)
    if dtype == torch.float16 and device.type == "cpu":
        raise UsageError("--precision fp16: not on a CPU; use auto or f32")
    return dtype


def _gaining(device: torch.device) -> torch.dtype:
    """bf16 if the device multiplies it several times faster, otherwise f32.

    On a CPU that takes AMX. AVX-512's bf16 dot product is not enough: it doubles the speed of a
    direct convolution, but so does Winograd's algorithm in f32, without loss.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # older PyTorch does not report capabilities: f32 is used, which only costs speed
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    fast = device.type == "cpu" and bool(capabilities.get("amx_bf16"))
    return torch.bfloat16 if fast else torch.float32


def is_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("not enough memory", "can't allocate memory"))


def fill(
    network: nn.Module,
    state: Mapping[str, Tensor],
    path: Path,
    published: Callable[[str], str] = str,
) -> None:
    """Fill a network made on the device "meta" with copies of weights, float32 on the CPU.

    `published`: maps a key of the network to the key in `state`. The network is also made quicker
    (`quicken`). Raises ModelError like `check_state`.
    """
    check_state(network, state, path, published)
    copies = {
        key: state[published(key)].to(torch.float32, copy=True) for key in network.state_dict()
    }
    network.load_state_dict(copies, assign=True)
    quicken(network)


def quicken(network: nn.Module) -> None:
    """Replace its 3x3 convolutions by `Convolution`, which is quicker on a CPU; weights stay."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and _is_plain(child):
                with torch.device("meta"):
                    quick = Convolution(child.in_channels, child.out_channels)
                quick.load_state_dict(child.state_dict(), assign=True)
                setattr(parent, name, quick)


def _is_plain(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and conv.padding == (1, 1)
        and conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.bias is not None
    )
