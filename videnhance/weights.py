"""Published weights of networks: which there are, where they lie, and how they are loaded.

How they get there is told in models.py. A file of weights is data: one that would run code as it
is loaded is refused, whoever made it.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from videnhance.errors import ModelError, chosen

if TYPE_CHECKING:
    import torch

_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download"
_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_FFHQ = "FFHQ (70,000 portraits from Flickr)"
_GFPGAN_LICENCE = (
    "Apache-2.0, except its parts from StyleGAN2 (NVIDIA, non-commercial) and DFDNet "
    "(CC BY-NC-SA 4.0)"
)


@dataclass(frozen=True)
class Weights:
    """A published file of weights."""

    name: str
    url: str
    size: int | None
    """Bytes; None where not established."""
    sha256: str
    licence: str
    trained_on: str
    consent: bool = False
    """Whether the licence must be accepted before the first use."""

    @property
    def file(self) -> str:
        """Its file name, here as where it was published."""
        return self.url.rpartition("/")[2]


# SHA-256: pinned for these very URLs by the recipes of the Arch Linux user packages python-gfpgan,
# python-facexlib and python-realesrgan; sizes, and CodeFormer's hash, by other public projects.
# Licences: the LICENSE files; what they were trained on: the README files and papers.
WEIGHTS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "gfpgan-1.2",
            f"{_GFPGAN}/v0.2.0/GFPGANCleanv1-NoCE-C2.pth",
            None,
            "29e25ee90c170f4231163f4c83df6b59c968b73f3ce00cb884015ae005db083c",
            _GFPGAN_LICENCE,
            f"{_FFHQ} and more data its authors do not name",
        ),
        Weights(
            "gfpgan-1.3",
            f"{_GFPGAN}/v1.3.0/GFPGANv1.3.pth",
            348632874,
            "c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70",
            _GFPGAN_LICENCE,
            "as 1.2, on which it is based",
        ),
        Weights(
            "gfpgan-1.4",
            f"{_GFPGAN}/v1.3.0/GFPGANv1.4.pth",
            348632874,
            "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
            _GFPGAN_LICENCE,
            "not published",
        ),
        Weights(
            "restoreformer",
            f"{_GFPGAN}/v1.3.4/RestoreFormer.pth",
            290785322,
            "07404d446d62ca3d5ed38b1de09a947a1e77d46dbccec961a74d713a8f24ace0",
            "Apache-2.0",
            _FFHQ,
        ),
        Weights(
            "codeformer",
            "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",
            376637898,
            "1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
            "S-Lab License 1.0, non-commercial use only "
            "(https://github.com/sczhou/CodeFormer/blob/master/LICENSE)",
            _FFHQ,
            consent=True,
        ),
        Weights(
            "retinaface",
            f"{_FACEXLIB}/v0.1.0/detection_Resnet50_Final.pth",
            109497761,
            "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
            "MIT",
            "WIDER FACE",
        ),
        Weights(
            "retinaface-mobile",
            f"{_FACEXLIB}/v0.1.0/detection_mobilenet0.25_Final.pth",
            1789735,
            "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
            "MIT",
            "WIDER FACE",
        ),
        Weights(
            "parsenet",
            f"{_FACEXLIB}/v0.2.2/parsing_parsenet.pth",
            85331193,
            "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
            "MIT (facexlib); the network is from PSFR-GAN, which is CC BY-NC-SA 4.0",
            "CelebAMask-HQ",
        ),
        Weights(
            "realesrgan-x2",
            f"{_REALESRGAN}/v0.2.1/RealESRGAN_x2plus.pth",
            67061725,
            "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
            "BSD-3-Clause",
            "DIV2K, Flickr2K, OST (photographs of all kinds)",
        ),
        Weights(
            "realesrgan-x4",
            f"{_REALESRGAN}/v0.1.0/RealESRGAN_x4plus.pth",
            67040989,
            "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
            "BSD-3-Clause",
            "DIV2K, Flickr2K, OST (photographs of all kinds)",
        ),
    )
}


BUNDLED = {"clarity": Path(__file__).parent / "restorers" / "clarity.safetensors"}
"""Weights that come with the package, by name; restorers/clarity.md says what they are."""


def folder() -> Path:
    """Where weights are kept: VIDENHANCE_MODELS, else a folder of the user's cache."""
    wish = os.environ.get("VIDENHANCE_MODELS")
    if wish:
        return Path(wish).expanduser().absolute()
    return user_cache_path("videnhance", appauthor=False) / "models"


def located(name: str) -> Path | None:
    """The file of these weights where it is here and as long as published; it is not read."""
    weights = chosen("weights", name, WEIGHTS)
    path = folder() / weights.file
    if not path.is_file() or weights.size not in (None, path.stat().st_size):
        return None
    return path


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file of weights (PyTorch or safetensors) by key, on the CPU.

    Of a PyTorch file its part "params_ema", else "params", else the whole; "module." (a network
    saved while it was trained on several devices) is taken off the keys. The tensors may be mapped
    from the file: copy them (`load_into` does) before it changes. Raises ModelError, also where
    loading would run code.
    """
    import torch

    try:
        found = _safetensors(path) if _is_safetensors(path) else _pytorch(path)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # what a damaged file makes of a reader cannot be listed
        raise ModelError(
            f"{path}: cannot be read as weights ({_line(error)}); fetch or copy the file again"
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
    """Copy the weights of a file into a network that has exactly its keys and shapes.

    Raises ModelError, then the network is as it was.
    """
    state = load_state(path)
    check_state(module, state, path)
    module.load_state_dict(state, strict=True)


def check_state(module: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Raises ModelError that says which keys a network and a state do not have in common."""
    wanted = module.state_dict()
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
    """By the content, whatever the name: eight bytes of length, then JSON."""
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
    """How many keys have a fault, and the first of them; "" for none."""
    if not keys:
        return ""
    return f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"


def _line(error: BaseException) -> str:
    """What a library's error says, as part of a line."""
    text = " ".join(str(error).split())
    return text[:120] + "..." if len(text) > 120 else text or type(error).__name__
