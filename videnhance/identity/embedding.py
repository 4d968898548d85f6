"""Embeddings of aligned faces: 128 numbers each, which are near for faces of one person.

identity.md is the model card of the network, and says on whom it is weak.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from videnhance.errors import ModelError, line_of
from videnhance.faces.alignment import TEMPLATE
from videnhance.imaging.affine import compose, scaling, translation, warp
from videnhance.imaging.frames import FloatArray, Matrix
from videnhance.inference import EXACT, MOST, Definition, Network
from videnhance.models.loader import Loader
from videnhance.models.loading import check_state, load_state
from videnhance.models.registry import Row

if TYPE_CHECKING:
    from torch import nn

NAME = "identity"
"""Of the weights (models/catalog.py)."""
SIDE = 150
"""Pixels of a face's picture at each side."""
LEAST_EYES = 8.0
"""Pixels between the eyes below which an embedding tells nothing (identity.md)."""

Embeddings = npt.NDArray[np.float32]

_EYES = 52.9
_MIDDLE = 75.0, 46.6
"""Pixels between the eyes, and where their middle is, in the pictures it learned from: dlib's face
chips of 150 pixels with a padding of 0.25, laid on the mean of its five-point shapes."""


def _chip_to_square() -> Matrix:
    """From pixels of the network's picture to the unit square that crops show."""
    eyes = TEMPLATE[:2]
    unit = float(np.hypot(*(eyes[1] - eyes[0]))) / _EYES
    middle = eyes.mean(axis=0)
    to_middle = compose(scaling(unit), translation(-_MIDDLE[0], -_MIDDLE[1]))
    return compose(translation(float(middle[0]), float(middle[1])), to_middle)


CHIP_TO_SQUARE = _chip_to_square()


def definition(path: Path, sha256: str | None = None) -> Definition:
    """The network with the weights of a file: RGB 0..1 (B, 3, SIDE, SIDE) to (B, 128).

    To make it raises ModelError for weights of another network.
    """

    def make() -> nn.Module:
        from videnhance.identity.network import Embedding, restored

        network = Embedding()
        try:
            state = restored(load_state(path))
        except (LookupError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"{path}: is not of the network {NAME} ({line_of(error)}); give the published file"
            ) from error
        check_state(network, state, path)
        network.load_state_dict(state)
        return network.requires_grad_(False).eval()

    return Definition(
        NAME,
        ((1, 3, SIDE, SIDE),),
        EXACT,
        make,
        weights=sha256,
        code=("videnhance.identity.network",),
        packages=("torch",),
    )


class Embedder:
    """Embeds aligned crops of any size; one thread at a time calls it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        # a CPU gains nothing from more, and with 1 the result depends on nothing but the face
        self._batch = 1 if network.way.on_cpu else MOST

    def embed(self, crops: Sequence[FloatArray]) -> Embeddings:
        """(B, 128) of crops (S, S, 3) float32 RGB, nominally 0..1, of the alignment template's unit
        square. Raises ModelError if the network fails."""
        chips = np.array([chip(crop) for crop in crops], np.float32).reshape(-1, 3, SIDE, SIDE)
        found = [np.empty((0, 128), np.float32)]
        for first in range(0, len(chips), self._batch):
            try:
                found += self._network(chips[first : first + self._batch])
            except (RuntimeError, MemoryError) as error:
                raise ModelError(
                    f"{NAME}: the network failed ({line_of(error)}); use --devices cpu, or "
                    "--drift off and --no-persons"
                ) from error
        return np.concatenate([np.asarray(part, np.float32) for part in found])


def chip(crop: FloatArray) -> FloatArray:
    """The network's picture of a crop (S, S, 3): (3, SIDE, SIDE), clipped to 0..1 as it is shown.

    Crops of all sizes hold the same part of a face, so those of 256 and of 512 pixels compare."""
    to_crop = compose(scaling(float(len(crop))), CHIP_TO_SQUARE)
    shown = warp(np.asarray(np.clip(crop, 0.0, 1.0), np.float32), to_crop, (SIDE, SIDE))
    return np.ascontiguousarray(np.clip(shown, 0.0, 1.0).transpose(2, 0, 1))


def distance(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Between two embeddings (128,), Euclidean."""
    return float(np.linalg.norm(np.asarray(one, np.float64) - np.asarray(other, np.float64)))


def _embedder(loader: Loader) -> Embedder:
    return Embedder(loader.compiled(definition(*loader.identified(NAME))))


IDENTITY: Row[Embedder] = Row(_embedder, NAME, packages=("torch",), traits=EXACT)
"""What persons and drift are measured with."""
