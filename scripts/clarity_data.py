"""What clarity is trained on: clips degraded as cameras and recorders do it, and their truth.

Every example is a pair of neighbouring frames in a still window on the picture, at the size an
aligned crop would have: what the network sees of each (fusion is run here, once), and the truth.
The frames went through a real codec. Examples lie on disk as uint8, so that training only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from filming import Camera, Image, filmed, lit, softened

from videnhance import detectors
from videnhance.faces.alignment import crop_to_frame, eye_distance, fit_poses
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.affine import compose, scaling, warp
from videnhance.imaging.frames import FloatArray
from videnhance.models.loader import Equipment
from videnhance.restorers.correction import PLANES, observed
from videnhance.restorers.fusion import Fusion
from videnhance.settings.groups import DEFAULTS

SIDE = 256
"""Of the crops."""
CRISP = 60.0
"""Pixels between the eyes from which on a face may be made smaller: an aligned crop of 256 shows
63. Of others, parts are shown as they are."""
EYES = (7.0, 48.0)
"""Pixels between the eyes after degradation: faces of about 16 to 110 px."""
RUN, PAIRS = 18, 6
"""Frames encoded in one go, and examples taken of them."""
RADIUS = 3
NATIVE, SOFT = 0.3, 0.4
"""Share of scenes that are shown as large as their camera gave them, or nearly, and so are as soft
as cameras are; and of the others, which are softened: these are to stay so, else all is sharpened.
"""


def read_run(path: Path, start: int, count: int) -> list[Image]:
    """`count` frames from frame `start` on, (H, W, 3) uint8 RGB; fewer where the clip ends."""
    pictures = []
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= start:
                pictures.append(frame.to_ndarray(format="rgb24"))
            if len(pictures) == count:
                break
    return pictures


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


class Studio:
    """Makes examples of clips of one person each."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._detector = detectors.create(Equipment(DEFAULTS))

    def pairs(self, path: Path, frames: int) -> list[tuple[Image, float, float]]:
        """Up to PAIRS examples of a random run of the clip: (2, PLANES + 3, SIDE, SIDE), what the
        network sees and the truth of two neighbouring frames, the zoom, and the quantizer, NaN
        if it is not known. None if there is no face."""
        rng = self._rng
        scene = read_run(path, int(rng.integers(0, max(frames - RUN, 0) + 1)), RUN)
        if len(scene) < 2 * RADIUS + 2:
            return []
        found = self._detector.detect([scene[len(scene) // 2]])[0]
        if not len(found):
            return []
        pose = fit_poses(found.landmarks[:1])[0]
        eyes = float(eye_distance(pose))
        camera = Camera.random(rng)
        truth = [picture.astype(np.float32) for picture in lit(scene, camera)]
        seen_eyes = float(np.exp(rng.uniform(*np.log(EYES))))
        small = seen_eyes / eyes
        native = rng.uniform() < NATIVE or eyes < CRISP
        if native:
            small = min(rng.uniform(0.5, 1.3), 1.0)
        elif rng.uniform() < SOFT:
            truth = softened(truth, small, rng)
        height, width = (max(2 * round(n * small / 2), 32) for n in truth[0].shape[:2])
        seen, quantizer = filmed(truth, (height, width), camera, rng)
        to_clean = scaling(truth[0].shape[1] / width, truth[0].shape[0] / height)
        pose[:2] /= to_clean[0, 0], to_clean[1, 1]
        pose[2] -= np.log(to_clean[0, 0])
        face = float(np.exp(pose[2]))
        if native:  # a part of the face as large as a small face
            pose[2] = np.log(seen_eyes * face / eyes / small)
        pairs = []
        for _ in range(PAIRS):
            view = _view(pose, face, (height, width), rng)
            crops = [_crop(picture, crop_to_frame(view, SIDE)) for picture in seen]
            first = int(rng.integers(RADIUS, len(seen) - RADIUS - 1))
            zoom = SIDE / float(np.exp(view[2]))
            fusion = Fusion(RADIUS)
            example = []
            for frame in (first, first + 1):
                around = range(frame - RADIUS, frame + RADIUS + 1)
                window = CropWindow(0, tuple(around), tuple(crops[k] for k in around), RADIUS, zoom)
                clean = _crop(truth[frame], compose(to_clean, crop_to_frame(view, SIDE)))
                planes = observed(fusion.fuse(window))
                example.append(np.concatenate([planes, clean.transpose(2, 0, 1)]))
            levels = np.clip(np.rint(np.stack(example) * 255.0), 0, 255).astype(np.uint8)
            assert levels.shape == (2, PLANES + 3, SIDE, SIDE)
            pairs.append((levels, zoom, np.nan if quantizer is None else quantizer))
        return pairs


def fill(clips: Sequence[Path], folder: Path, examples: int, seed: int) -> None:
    """Add examples of random clips until the folder holds so many: NUMBER_ZOOM_QUANTIZER.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = {clip: frames_of(clip) for clip in clips}
    count = len(list(folder.glob("*.npy")))
    rng = np.random.default_rng((seed, count))
    studio = Studio(rng)
    barren = 0
    while count < examples and barren < 20 * len(clips):
        clip = clips[int(rng.integers(len(clips)))]
        pairs = studio.pairs(clip, lengths[clip])
        barren = 0 if pairs else barren + 1
        for levels, zoom, quantizer in pairs:
            part = folder / f"{count:06d}_{zoom:.4f}_{quantizer:.2f}.part"
            with part.open("wb") as file:
                np.save(file, levels)
            part.rename(part.with_suffix(".npy"))  # whole, or not there
            count += 1


def _view(
    pose: npt.NDArray[np.float64],
    face: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """A pose near this one, or, as often, anywhere in the picture: all of it teaches. `face`:
    pixels on a side of the face's own crop."""
    view = np.array(pose, np.float64)
    view[2] += rng.uniform(np.log(0.75), np.log(1.3))
    view[3] = rng.normal(0.0, 0.15)
    side = float(np.exp(view[2]))
    if rng.uniform() < 0.5:
        view[:2] += rng.normal(0.0, 0.1 if side > 0.7 * face else 0.25, 2) * max(side, face)
    else:
        view[:2] = rng.uniform(0.2, 0.8, 2) * np.array([size[1], size[0]])
    return view


def _crop(picture: npt.NDArray[np.generic], to_picture: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(warp(picture, to_picture, (SIDE, SIDE)) / np.float32(255.0), np.float32)
