"""Embeddings of aligned faces: numbers that are near for faces of one person.

identity.md is the model card of the network that ships, and says on whom it is weak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videnhance.errors import ModelError, line_of
from videnhance.faces.alignment import RECOGNITION, TEMPLATE, crop_to_frame, fit_poses
from videnhance.imaging.affine import compose, invert, scaling, translation, warp
from videnhance.imaging.frames import FloatArray, Matrix
from videnhance.inference import MOST, Network

SAME = 0.6
"""Distance up to which dlib's author takes two faces for one person's (dlib, face_recognition_ex).
It is the unit of all limits: other networks' distances are scaled so that theirs is the same."""
LEAST_EYES = 8.0
"""Pixels between the eyes below which an embedding tells nothing (identity.md)."""

Embeddings = npt.NDArray[np.float32]

_EYES = 52.9
_MIDDLE = 75.0, 46.6
"""Pixels between the eyes, and where their middle is, in the pictures dlib's network learned from:
face chips of 150 pixels with a padding of 0.25, laid on the mean of its five-point shapes."""


@dataclass(frozen=True)
class Chips:
    """How a network is shown faces, and what its answer means."""

    name: str
    side: int
    """Pixels of a face's picture at each side."""
    to_square: Matrix
    """From pixels of that picture to the unit square that crops show."""
    white: float = 1.0
    black: float = 0.0
    """The numbers that stand for white and black."""
    blue_first: bool = False
    same: float | None = None
    """Published distance of unit embeddings up to which two faces are one person's; None where
    embeddings are used as they are, with SAME."""


def _by_eyes() -> Matrix:
    """From pixels of dlib's picture to the unit square."""
    eyes = TEMPLATE[:2]
    unit = float(np.hypot(*(eyes[1] - eyes[0]))) / _EYES
    middle = eyes.mean(axis=0)
    to_middle = compose(scaling(unit), translation(-_MIDDLE[0], -_MIDDLE[1]))
    return compose(translation(float(middle[0]), float(middle[1])), to_middle)


def _by_landmarks(points: npt.NDArray[np.float64]) -> Matrix:
    """From pixels of a picture with landmarks there to the unit square, by least squares."""
    return invert(crop_to_frame(fit_poses(points[None])[0], 1))


DLIB = Chips("identity", 150, _by_eyes())
SFACE = Chips("sface", 112, _by_landmarks(RECOGNITION), white=255.0, same=1.128)
"""OpenCV's (opencv_zoo, face_recognition_sface, sface.py: 1.128). Its file scales levels itself."""
ADAFACE = Chips(
    "adaface", 112, _by_landmarks(RECOGNITION), white=1.0, black=-1.0, blue_first=True, same=1.13
)
"""Kim, Jain, Liu: "AdaFace: Quality Adaptive Margin for Face Recognition" (CVPR 2022). Its authors
name no limit: this is DeepFace's for ArcFace, a network of the same kind and training."""
FILES = {chips.name: chips for chips in (SFACE, ADAFACE)}
"""Of networks that are published as ONNX files, by the name of their weights."""


class Embedder:
    """Embeds aligned crops of any size; one thread at a time calls it."""

    def __init__(self, network: Network, chips: Chips = DLIB) -> None:
        self._network, self._chips = network, chips
        # a CPU gains nothing from more, and with 1 the result depends on nothing but the face
        self._batch = 1 if network.way.on_cpu else MOST

    def embed(self, crops: Sequence[FloatArray]) -> Embeddings:
        """(B, N) of crops (S, S, 3) float32 RGB, nominally 0..1, of the alignment template's unit
        square. Distances of one person's faces are up to SAME, by the word of the network's makers.

        Raises ModelError if the network fails."""
        side = self._chips.side
        shown = np.array([chip(crop, self._chips) for crop in crops], np.float32)
        shown = shown.reshape(-1, 3, side, side)
        found: list[Embeddings] = []
        for first in range(0, len(shown), self._batch):
            try:
                part = self._network(shown[first : first + self._batch])[0]
            except (RuntimeError, MemoryError) as error:
                raise ModelError(
                    f"{self._chips.name}: the network failed ({line_of(error)}); use --devices "
                    "cpu, or --drift off and --no-persons"
                ) from error
            found.append(np.asarray(part, np.float32))
        # without a crop, as many numbers as need not be known
        return self._scaled(np.concatenate(found) if found else np.empty((0, 0), np.float32))

    def _scaled(self, embeddings: Embeddings) -> Embeddings:
        if self._chips.same is None:
            return embeddings
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        unit = embeddings / np.maximum(lengths, np.float32(1e-12))
        return np.asarray(unit * np.float32(SAME / self._chips.same), np.float32)


def chip(crop: FloatArray, chips: Chips = DLIB) -> FloatArray:
    """A network's picture of a crop (S, S, 3): (3, side, side), clipped as it is shown.

    Crops of all sizes hold the same part of a face, so those of 256 and of 512 pixels compare."""
    to_crop = compose(scaling(float(len(crop))), chips.to_square)
    levels = np.asarray(np.clip(crop, 0.0, 1.0), np.float32)
    shown = np.clip(warp(levels, to_crop, (chips.side, chips.side)), 0.0, 1.0).transpose(2, 0, 1)
    if chips.blue_first:
        shown = shown[::-1]
    scaled = shown * np.float32(chips.white - chips.black) + np.float32(chips.black)
    return np.ascontiguousarray(scaled, np.float32)


def distance(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Between two embeddings (N,), Euclidean."""
    return float(np.linalg.norm(np.asarray(one, np.float64) - np.asarray(other, np.float64)))
