"""The networks that embed faces, before they are compiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videnhance.errors import ModelError, line_of
from videnhance.identity.embedding import DLIB, Chips
from videnhance.inference import EXACT, Definition
from videnhance.inference.onnx_file import definition
from videnhance.models.loading import check_state, load_state

if TYPE_CHECKING:
    from torch import nn


def dlib(path: Path, sha256: str | None = None) -> Definition:
    """dlib's network with the weights of a file: RGB 0..1 (B, 3, 150, 150) to (B, 128).

    To make it raises ModelError for weights of another network.
    """

    def make() -> nn.Module:
        from videnhance.identity.network import Embedding, restored

        network = Embedding()
        try:
            state = restored(load_state(path))
        except (LookupError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"{path}: is not of the network {DLIB.name} ({line_of(error)}); give the published "
                "file"
            ) from error
        check_state(network, state, path)
        network.load_state_dict(state)
        return network.requires_grad_(False).eval()

    return Definition(
        DLIB.name,
        ((1, 3, DLIB.side, DLIB.side),),
        EXACT,
        make,
        weights=sha256,
        code=("videnhance.identity.network",),
        packages=("torch",),
    )


def of_file(chips: Chips, path: Path, sha256: str | None = None) -> Definition:
    """The network of an ONNX file: (B, 3, side, side), levels as `chips` says, to (B, N), its first
    output. Raises ModelError for a file of something else."""
    shape = (1, 3, chips.side, chips.side)
    cure = "give the published file, or use --identity-model dlib"
    return definition(chips.name, path, [shape], weights=sha256, cure=cure)
