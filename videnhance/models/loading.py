"""Reading files of weights, as data only: a file that would run code when loaded is refused."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videnhance.errors import ModelError, cure_of, line_of
from videnhance.inference.onnx_file import is_onnx

if TYPE_CHECKING:
    import torch


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file of weights (PyTorch or safetensors) by key, on the CPU.

    Of a PyTorch file, its part "params_ema" if there is one, or "params", or the whole. The prefix
    "module." (of a network saved while training on several devices) is removed from keys. The
    tensors may be mapped from the file: copy them (`load_into` does) before it changes. Raises
    ModelError, also if loading would run code.
    """
    import torch

    if is_onnx(path):
        raise ModelError(
            f"{path}: is an ONNX file, which is not read here; give the published file"
        )
    try:
        found = _safetensors(path) if _is_safetensors(path) else _pytorch(path)
    except ModelError:
        raise
    except OSError as error:
        cure = cure_of(error, "check the name and the folder")
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}); {cure}") from error
    except Exception as error:  # readers raise all kinds of errors on damaged files
        raise ModelError(
            f"{path}: cannot be read as weights ({line_of(error)}); fetch or copy the file again"
        ) from error
    state = {}
    for key, value in found.items():
        if not (isinstance(key, str) and isinstance(value, torch.Tensor)):
            raise ModelError(
                f"{path}: holds other things than weights ({str(key)[:60]!r} is "
                f"{type(value).__name__}); give the published file"
            )
        state[key.removeprefix("module.")] = value
    return state


def load_into(module: torch.nn.Module, path: Path) -> None:
    """Copy the weights of a file into a network with exactly the same keys and shapes.

    Raises ModelError; the network is then unchanged.
    """
    state = load_state(path)
    check_state(module, state, path)
    module.load_state_dict(state, strict=True)


def fill(
    network: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    path: Path,
    published: Callable[[str], str] = str,
) -> None:
    """Fill a network made on the device "meta" with copies of weights, float32 on the CPU.

    `published`: maps a key of the network to the key in `state`. The network is also made quicker
    (`quicken`). Raises ModelError like `check_state`.
    """
    import torch

    from videnhance.inference.convolution import quicken

    check_state(network, state, path, published)
    copies = {
        key: state[published(key)].to(torch.float32, copy=True) for key in network.state_dict()
    }
    network.load_state_dict(copies, assign=True)
    quicken(network)


def check_state(
    module: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    path: Path,
    published: Callable[[str], str] = str,
) -> None:
    """Raises ModelError, naming the keys by which a network and a state differ.

    `published`: maps a key of the network to the key that the file has for the same weight.
    """
    wanted = {published(key): value for key, value in module.state_dict().items()}
    faults = [
        _some("missing", [key for key in wanted if key not in state]),
        _some("unknown", [key for key in state if key not in wanted]),
        _some(
            "of another shape",
            [
                f"{key} {tuple(value.shape)} instead of {tuple(wanted[key].shape)}"
                for key, value in state.items()
                if key in wanted and value.shape != wanted[key].shape
            ],
        ),
    ]
    if any(faults):
        raise ModelError(
            f"{path}: does not fit the network {type(module).__name__}: "
            f"{'; '.join(fault for fault in faults if fault)}; give the published file"
        )


def _is_safetensors(path: Path) -> bool:
    """Judged by the content, not the name: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _safetensors(path: Path) -> Mapping[Any, object]:
    from safetensors.torch import load_file

    return load_file(path)


def _pytorch(path: Path) -> Mapping[Any, object]:
    import torch

    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"  # files from before PyTorch 1.6 cannot be mapped
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked is None:
            raise
        raise ModelError(
            f"{path}: refused, as loading it would run code ({asked[1]}); give the published file"
        ) from error
    if not isinstance(found, Mapping):
        raise ModelError(
            f"{path}: holds no weights but a {type(found).__name__}; give the published file"
        )
    parts = (found.get(name) for name in ("params_ema", "params"))
    return next((part for part in parts if isinstance(part, Mapping)), found)


def _some(what: str, keys: Sequence[str]) -> str:
    """How many keys have this fault, and the first of them; "" for none."""
    if not keys:
        return ""
    return f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
