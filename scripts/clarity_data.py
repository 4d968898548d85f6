"""Training examples for clarity: scenes degraded as cameras and recorders do it, and their truth.

A scene is a run of frames of a clip, or a photograph that is made to move (moving.py).

Every example is a pair of neighbouring frames in a still window on the picture, at the size an
aligned crop would have: what the network sees of each (fusion is run here, once), and the truth.
The frames went through a real codec. Examples lie on disk as uint8, so that training only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from filming import Camera, Image, filmed, lit, softened
from moving import moved

from videnhance import detectors
from videnhance.faces.alignment import crop_to_frame, eye_distance, fit_poses
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.affine import compose, invert, scaling, warp
from videnhance.imaging.frames import FloatArray
from videnhance.media.info import Coding
from videnhance.models.loader import Loader
from videnhance.restorers.correction import PLANES, observed
from videnhance.restorers.fusion import Fusion
from videnhance.settings.groups import DEFAULTS

SIDE = 256
"""Of the crops."""
CRISP = 60.0
"""Pixels between the eyes from which on a face may be made smaller: an aligned crop of 256 shows
63. Of others, parts are shown as they are."""
EYES = (9.0, 70.0)
"""Pixels between the eyes after degradation: faces of about 20 to 160 px."""
RUN, PAIRS = 18, 4
"""Frames encoded in one go, and examples taken from them."""
RADIUS = 3
NATIVE, SOFT = 0.1, 0.15
"""Share of scenes kept at about their camera's size, and so as soft as cameras are; share of the
others that is softened. Both teach the network to leave soft pictures soft. With more of them
(0.3 and 0.4 at first) it corrected small faces too little."""
LARGE = 24.0
"""Pixels between the eyes, after degradation, from which on a scene may be softened: smaller faces
are hardly ever soft, because making a picture smaller sharpens it."""
RECORDED = 0.2
RECORDED_EYES = (18.0, 50.0)
"""Share of scenes whose truth is itself a small recording, and pixels between the eyes in it: what
a webcam gives of a face that was never larger, soft, with noise and blocks of its own. Without such
scenes the network sharpens what is soft by nature."""
AS_RECORDED = (0.35, 1.2)
"""By which factor these are made smaller; above 1 they keep their size."""
SOFTEST = 1.2
"""Sigma, in its own pixels, of the worst lens with which it was recorded."""
AGAIN = 0.3
"""Share of scenes that are recorded twice: coded, resized, coded again, as a re-export is."""
CRISPER = 0.8
"""Largest factor by which a scene is resized that is not kept at about its camera's size."""
BEFORE = (0.75, 2.5)
"""Size of the first of two recordings, relative to the second."""
ABOUT = 0.8
"""Share of the crops that lie on or near the face; the others lie anywhere in the picture."""
CLIP = 3.0
"""How much more often a clip is drawn than a photograph."""
VIDEOS, PHOTOS = (".mp4", ".mkv"), (".jpg", ".jpeg", ".png")


def read_run(path: Path, start: int, count: int) -> list[Image]:
    """`count` frames from frame `start` on, (H, W, 3) uint8 RGB; fewer where the clip ends."""
    pictures = []
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= start:
                pictures.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
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
        self._detector = detectors.create(Loader(DEFAULTS))

    def pairs(self, path: Path, frames: int) -> list[tuple[Image, float, float]]:
        """Up to PAIRS examples of a random run of the clip, or of the photograph: (2, PLANES + 3,
        SIDE, SIDE), what the network sees and the truth of two neighbouring frames, the zoom, and
        the quantizer, NaN if it is not known. None if there is no face."""
        rng = self._rng
        scene = self._scene(path, frames)
        if len(scene) < 2 * RADIUS + 2:
            return []
        found = self._detector.detect([scene[len(scene) // 2]])[0]
        if not len(found):
            return []
        pose = fit_poses(found.landmarks[:1])[0]
        eyes = float(eye_distance(pose))
        recorded = eyes > CRISP and rng.uniform() < RECORDED
        if recorded:
            scene, to_small = as_recorded(scene, eyes, rng)
            pose = _rescaled(pose, to_small)
            eyes *= to_small[0, 0]
        camera = Camera.random(rng)
        truth = [picture.astype(np.float32) for picture in lit(scene, camera)]
        seen_eyes = float(np.exp(rng.uniform(*np.log(EYES))))
        small = seen_eyes / eyes
        native = not recorded and (rng.uniform() < NATIVE or eyes < CRISP)
        if recorded:
            small = min(rng.uniform(*AS_RECORDED), 1.0)
        elif native:
            small = min(rng.uniform(0.5, 1.3), 1.0)
        elif small > CRISPER:
            small = rng.uniform(0.5, CRISPER)
            seen_eyes = small * eyes
        if not (native or recorded) and seen_eyes > LARGE and rng.uniform() < SOFT:
            truth = softened(truth, small, rng)
        height, width = size_of(truth[0], small)
        source: Sequence[FloatArray] = truth
        if not native and rng.uniform() < AGAIN:
            before = min(small * float(np.exp(rng.uniform(*np.log(BEFORE)))), 1.0)
            once, _ = filmed(truth, size_of(truth[0], before), Camera.first(rng), rng)
            source = [picture.astype(np.float32) for picture in once]
            if before < small:  # enlarged: the mean of pixels would be the nearest one
                camera = replace(camera, way=cv2.INTER_CUBIC)
        seen, quantizer = filmed(source, (height, width), camera, rng)
        to_clean = scaling(truth[0].shape[1] / width, truth[0].shape[0] / height)
        pose = _rescaled(pose, invert(to_clean))
        face = float(np.exp(pose[2]))
        if native:  # a part of the face as large as a small face
            pose[2] = np.log(seen_eyes * face / eyes / small)
        pairs = []
        for _ in range(PAIRS):
            view = _view(pose, face, (height, width), rng)
            crops = [_crop(picture, crop_to_frame(view, SIDE)) for picture in seen]
            first = int(rng.integers(RADIUS, len(seen) - RADIUS - 1))
            zoom = SIDE / float(np.exp(view[2]))
            fusion = Fusion(RADIUS, Coding(quantizer=quantizer))
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

    def _scene(self, path: Path, frames: int) -> list[Image]:
        """RUN frames of a clip or around a face of a photograph; none if no face is large."""
        rng = self._rng
        if path.suffix in VIDEOS:
            return read_run(path, int(rng.integers(0, max(frames - RUN, 0) + 1)), RUN)
        read = cv2.imread(str(path))
        assert read is not None, path
        photo = np.ascontiguousarray(read[..., ::-1], np.uint8)
        found = self._detector.detect([photo])[0]
        poses = [pose for pose in fit_poses(found.landmarks) if float(eye_distance(pose)) > CRISP]
        return moved(photo, poses[int(rng.integers(len(poses)))], RUN, rng) if poses else []


def as_recorded(
    scene: Sequence[Image], eyes: float, rng: np.random.Generator
) -> tuple[list[Image], npt.NDArray[np.float64]]:
    """The scene as a cheap camera records a face that is small in its picture, and the matrix from
    the scene's pixels to the recording's. `eyes`: pixels between the eyes in the scene."""
    whole = [picture.astype(np.float32) for picture in scene]
    wish = float(np.exp(rng.uniform(*np.log(RECORDED_EYES))))
    height, width = size_of(whole[0], wish / eyes)
    camera = replace(Camera.first(rng), lens=float(rng.uniform(0.0, SOFTEST)))
    recording, _ = filmed(whole, (height, width), camera, rng)
    return recording, scaling(width / whole[0].shape[1], height / whole[0].shape[0])


def size_of(picture: FloatArray, small: float) -> tuple[int, int]:
    """Height and width, both even, of the picture resized by the factor `small`."""
    height, width = (max(2 * round(n * small / 2), 32) for n in picture.shape[:2])
    return height, width


def sources(folders: Sequence[Path]) -> list[Path]:
    """The clips and photographs of the folders, in order."""
    return sorted(
        path for folder in folders for path in folder.iterdir() if path.suffix in VIDEOS + PHOTOS
    )


def fill(files: Sequence[Path], folder: Path, examples: int, seed: int) -> None:
    """Add examples of random files to the folder until it holds this many of this seed.

    They are named SEED-NUMBER_ZOOM_QUANTIZER.npy, so several processes may fill one folder, each
    with its own seed. Ends early if twenty times as many files as there are, one after the other,
    give no example."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = {file: frames_of(file) if file.suffix in VIDEOS else RUN for file in files}
    # drawn more often, because a clip shows more than a photograph
    shares = np.array([CLIP if file.suffix in VIDEOS else 1.0 for file in files])
    count = len(list(folder.glob(f"{seed:03d}-*.npy")))
    rng = np.random.default_rng((seed, count))
    studio = Studio(rng)
    barren = 0
    while count < examples and barren < 20 * len(files):
        file = files[int(rng.choice(len(files), p=shares / shares.sum()))]
        pairs = studio.pairs(file, lengths[file])
        barren = 0 if pairs else barren + 1
        for levels, zoom, quantizer in pairs:
            part = folder / f"{seed:03d}-{count:06d}_{zoom:.4f}_{quantizer:.2f}.part"
            with part.open("wb") as file_:
                np.save(file_, levels)
            part.rename(part.with_suffix(".npy"))  # whole, or not there
            count += 1


def _rescaled(
    pose: npt.NDArray[np.float64], by: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The pose in a picture resized by this matrix."""
    return np.array([pose[0] * by[0, 0], pose[1] * by[1, 1], pose[2] + np.log(by[0, 0]), pose[3]])


def _view(
    pose: npt.NDArray[np.float64],
    face: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """A pose near this one, or, less often, anywhere in the picture. `face`: pixels on a side of
    the face's own crop."""
    view = np.array(pose, np.float64)
    view[2] += rng.uniform(np.log(0.75), np.log(1.3))
    view[3] = rng.normal(0.0, 0.15)
    side = float(np.exp(view[2]))
    if rng.uniform() < ABOUT:
        view[:2] += rng.normal(0.0, 0.1 if side > 0.7 * face else 0.25, 2) * max(side, face)
    else:
        view[:2] = rng.uniform(0.2, 0.8, 2) * np.array([size[1], size[0]])
    return view


def _crop(picture: npt.NDArray[np.generic], to_picture: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(warp(picture, to_picture, (SIDE, SIDE)) / np.float32(255.0), np.float32)
