"""A photograph of a face becomes a scene: it moves, turns and nods, and the light on it changes.

The motion goes by parts of pixels, so that neighbouring frames sample the face at different places,
as a camera's do. All motion is a sum of slow waves; their speed is random, because cameras have all
frame rates.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import Poses, eye_distance
from videnhance.imaging.frames import FloatArray

Image = npt.NDArray[np.uint8]
Signal = npt.NDArray[np.float64]

EYES = 130.0
"""Largest number of pixels between the eyes of a scene: more would be lost to the degradation."""
WIDE = (4.5, 7.0)
"""Smallest and largest side of a scene, in distances between the eyes; a face is 2.3 wide."""
_FIELD = 5
"""Side of the grid on which the motion of a face's parts is drawn; in between it is smooth."""


def moved(photo: Image, pose: Poses, count: int, rng: np.random.Generator) -> list[Image]:
    """`count` frames (H, H, 3) uint8 RGB, H even, around the face with this pose in `photo`; the
    face stays near their middle."""
    eyes = float(eye_distance(pose))
    small = min(rng.uniform(0.8, 1.0) * EYES / eyes, 1.0)
    if small < 1.0:
        height, width = (round(n * small) for n in photo.shape[:2])
        photo = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA))
        eyes *= small
    side = 2 * round(rng.uniform(*WIDE) * eyes / 2)
    side = min(side, 2 * (min(photo.shape[:2]) // 2))
    place = pose[:2] * small
    low = np.minimum(side / 2, np.array(photo.shape[1::-1]) / 2)
    place = np.clip(place + rng.normal(0, 0.3 * eyes, 2), low, photo.shape[1::-1] - low)
    ways = _ways(place, pose[:2] * small, eyes, side, count, rng)
    frames = [
        cv2.remap(photo, way, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT) for way in ways
    ]
    return [np.clip(np.rint(x), 0, 255).astype(np.uint8) for x in relit(frames, rng)]


def _ways(
    place: npt.NDArray[np.float64],
    face: npt.NDArray[np.float64],
    eyes: float,
    side: int,
    count: int,
    rng: np.random.Generator,
) -> list[FloatArray]:
    """For each frame a map (side, side, 2) from its pixels to x, y in the photograph, for
    cv2.remap. `place`: the scene's middle in the photograph; `face`: the face's."""
    speed = float(np.exp(rng.uniform(np.log(0.3), np.log(2.5))))
    amount = float(np.exp(rng.uniform(np.log(0.15), np.log(1.0))))

    def signal(most: float) -> Signal:
        return waves(count, speed, rng) * most * amount * rng.uniform()

    y, x = (np.indices((side, side), np.float64) + 0.5 - side / 2) / eyes
    shift = np.stack([signal(0.5), signal(0.4)], 1)
    turn, zoom = signal(0.15), signal(0.08)
    lean, keystone = np.stack([signal(0.06), signal(0.06)]), np.stack([signal(0.02), signal(0.02)])
    nod = np.stack([signal(0.14), signal(0.12)])
    # parts of the face move on their own, too: each place of a coarse grid has two waves
    own = np.stack([[signal(0.05), signal(0.05)] for _ in range(_FIELD * _FIELD)])
    own = own.reshape(_FIELD, _FIELD, 2, count)
    # the middle of a face is nearer to the camera, and so moves further when the face nods
    centre = (face - place) / eyes
    near = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 0.9**2))
    ways = []
    for k in range(count):
        deep = 1.0 + keystone[0, k] * x + keystone[1, k] * y
        u, v = x * (1.0 + lean[0, k]) / deep, y * (1.0 + lean[1, k]) / deep
        cos, sin = np.cos(turn[k]) * np.exp(zoom[k]), np.sin(turn[k]) * np.exp(zoom[k])
        field = cv2.resize(own[..., k], (side, side), interpolation=cv2.INTER_CUBIC)
        far = np.stack(
            [
                cos * u - sin * v + shift[k, 0] + near * (nod[0, k] + field[..., 0]),
                sin * u + cos * v + shift[k, 1] + near * (nod[1, k] + field[..., 1]),
            ],
            axis=-1,
        )
        ways.append(np.asarray(far * eyes + place - 0.5, np.float32))
    return ways


def relit(scene: Sequence[Image], rng: np.random.Generator) -> list[FloatArray]:
    """The scene, (H, W, 3) 0..255, in changing light: overall, from one side, and sometimes in
    bands, as a rolling shutter records flickering lamps."""
    height, width = scene[0].shape[:2]
    count = len(scene)
    level = waves(count, 1.0, rng) * rng.choice([0.0, rng.uniform(0.0, 0.12)])
    aside = waves(count, 1.0, rng) * rng.choice([0.0, rng.uniform(0.0, 0.15)])
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.indices((height, width), np.float64)
    slope = np.cos(angle) * (x / width - 0.5) + np.sin(angle) * (y / height - 0.5)
    bands = rng.choice([0.0, rng.uniform(0.01, 0.06)], p=[0.85, 0.15])
    period, drift = rng.uniform(0.5, 3.0), rng.uniform(-0.5, 0.5)
    lit = []
    for k, picture in enumerate(scene):
        gain = (1.0 + level[k]) * (1.0 + aside[k] * slope)
        gain += bands * np.sin(2 * np.pi * (period * y / height + drift * k))
        lit.append(np.asarray(picture * gain[..., None], np.float32))
    return lit


def waves(count: int, speed: float, rng: np.random.Generator) -> Signal:
    """(count,) within -1..1: the sum of two waves, of 12 to 80 frames each at `speed` 1."""
    k = np.arange(count)
    slow, fast = rng.uniform(30.0, 80.0), rng.uniform(12.0, 30.0)
    phases = rng.uniform(0, 2 * np.pi, 2)
    return np.asarray(
        0.7 * np.sin(2 * np.pi * speed * k / slow + phases[0])
        + 0.3 * np.sin(2 * np.pi * speed * k / fast + phases[1])
    )
