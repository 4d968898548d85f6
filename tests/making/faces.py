"""Clips of several shots that show faces of people, and a detector that knows where they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from skimage import data

from tests.making.clips import write_rgb
from videnhance.faces.alignment import TEMPLATE, crop_to_frame, fit_poses
from videnhance.faces.tracklets import Faces
from videnhance.imaging.affine import warp
from videnhance.imaging.frames import FloatArray

SIDE = 96
"""Of a face's square in the clips: 24 pixels between the eyes."""
WIDTH, HEIGHT = 2 * SIDE + 48, SIDE + 32
PLACES = ((16, 24), (SIDE + 32, 24))
"""x, y of the squares: the first face of a shot, and the second."""

ASTRONAUT = [[203.2, 101.7], [247, 104.5], [223.3, 125.1], [203.4, 142.3], [241.3, 144.4]]
SMALL = [[8.0, 9.5], [17.0, 9.5], [12.5, 13.5], [9.0, 17.5], [16.0, 17.5]]
"""Five points of the faces of 25 x 25 pixels in scikit-image."""


def person(number: int, side: int = SIDE) -> FloatArray:
    """An aligned face (side, side, 3) float32 RGB 0..1: 0 is the astronaut, others strangers."""
    if number == 0:
        picture, points = data.astronaut().astype(np.float32), ASTRONAUT
    else:
        grey = data.lfw_subset()[number - 1].astype(np.float32) * 255.0
        picture, points = np.repeat(grey[..., None], 3, axis=2), SMALL
    (pose,) = fit_poses(np.array([points]))
    face = warp(picture, crop_to_frame(pose, side), (side, side)) / 255.0
    return np.asarray(np.clip(face, 0.0, 1.0), np.float32)


def shots(kinds: Sequence[Sequence[int]], frames: int, side: int = SIDE) -> list[np.ndarray]:
    """Frames of shots, each of which shows these persons; the ground of each has another grey.

    The grey of the top left corner says how many faces there are, and their size."""
    random, found = np.random.default_rng(0), []
    for number, persons in enumerate(kinds):
        ground = np.full((HEIGHT, WIDTH, 3), 60.0 + 90.0 * (number % 2), np.float32)
        for (x, y), who in zip(PLACES, persons, strict=False):
            ground[y : y + side, x : x + side] = person(who, side) * 255.0
        for _ in range(frames):
            picture = ground + random.normal(0, 2.0, ground.shape).astype(np.float32)
            picture[:8, :8], picture[:8, 8:16] = 50.0 * len(persons), side
            found.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return found


def write_shots(
    path: Path, kinds: Sequence[Sequence[int]], frames: int = 6, side: int = SIDE
) -> Path:
    return write_rgb(path, shots(kinds, frames, side))


class ShotDetector:
    """Finds the faces of `shots`."""

    batch = 4

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        return [self._one(image) for image in images]

    @staticmethod
    def _one(image: npt.NDArray[np.uint8]) -> Faces:
        count, side = round(float(image[2:6, 2:6].mean()) / 50.0), float(image[2:6, 10:14].mean())
        side = float(round(side))
        places = np.array(PLACES[:count], np.float32).reshape(-1, 1, 2)
        points = (TEMPLATE * side + places).astype(np.float32)
        boxes = np.concatenate([places, places + np.float32(side)], axis=1).reshape(-1, 4)
        return Faces(boxes, points, np.full(count, 0.9, np.float32))
