"""YuNet: boxes and five landmarks from a network of 76,000 numbers (230 kB).

Wei Wu, Hanyang Peng, Shiqi Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine
Intelligence Research 2023; MIT. The weights are OpenCV's (opencv_zoo); the decoding is that of
OpenCV's FaceDetectorYN, which tests compare it with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videnhance.detectors.suppression import NEARLY, faces_of
from videnhance.errors import ModelError, line_of
from videnhance.faces.tracklets import Faces
from videnhance.inference import Definition, Network
from videnhance.inference.onnx_file import definition as of_file

STRIDES = (8, 16, 32)
"""Input pixels per cell, each way, of the three sets of outputs."""
_KINDS = ("cls", "obj", "bbox", "kps")
OUTPUTS = tuple(f"{kind}_{stride}" for stride in STRIDES for kind in _KINDS)
"""The network's outputs by their published names: for each stride the score of being a face, that
of being a thing, the box and the landmarks."""
_OVERLAP = 0.3
"""Intersection over union from which the lower-scoring of two boxes is dropped (OpenCV's value)."""


def definition(path: Path, sha256: str | None = None) -> Definition:
    """The network: (1, 3, H, W) BGR 0..255, sides multiples of 32, to the maps of `decode`.

    Raises ModelError for a file of something else.
    """
    cure = "give the published file, or use --detector centerface"
    shapes = [(1, 3, -1, -1)]
    made = of_file("yunet", path, shapes, len(OUTPUTS), weights=sha256, code=(__name__,), cure=cure)
    missing = sorted(set(OUTPUTS) - set(made.outputs))
    if missing:
        raise ModelError(f"{path}: has no output {missing[0]}, as YuNet has; {cure}")
    return replace(made, outputs=OUTPUTS)


class YuNet:
    """YuNet as a detector (see faces.detection.Detector).

    Pictures are padded with black to multiples of 32 at the right and the bottom, never stretched.
    """

    batch = 1

    def __init__(self, network: Network, threshold: float, *, nearly: float = NEARLY) -> None:
        """`network`: the compiled `definition`. `nearly` is that of `faces_of`; OpenCV has no such
        thing."""
        self._network = network
        self._threshold, self._nearly = threshold, nearly

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each picture (H, W, 3) uint8 RGB that score above the threshold, best first.

        Raises ModelError if the network fails.
        """
        return [self._detect(image) for image in images]

    def _detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        height, width = image.shape[:2]
        most = STRIDES[-1]
        padded = np.zeros((-(-height // most) * most, -(-width // most) * most, 3), np.float32)
        padded[:height, :width] = image[..., ::-1]
        try:
            outputs = self._network(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))
        except (RuntimeError, MemoryError) as error:
            raise ModelError(
                f"--detector yunet-2026may: failed on a picture of {width}x{height} "
                f"({line_of(error)}); try a smaller --detect-size"
            ) from error
        return decode(outputs, padded.shape[:2], (height, width), self._threshold, self._nearly)


def decode(
    outputs: Sequence[npt.NDArray[np.float32]],
    padded: Sequence[int],
    size: tuple[int, int],
    threshold: float,
    nearly: float = NEARLY,
) -> Faces:
    """Faces from the outputs of one picture, best first (`suppression.faces_of`).

    `outputs`: for each stride, with P cells row by row: scores (1, P, 1) twice, of which the root
    of the product counts, boxes (1, P, 4) as centre and log size in cells from the cell's corner,
    and landmarks (1, P, 10) likewise. `padded`, `size`: (height, width) of the picture that the
    network saw, and before padding: boxes are clipped to the latter, landmarks are not.
    """
    boxes, landmarks, scores = [], [], []
    for k, stride in enumerate(STRIDES):
        face, thing, box, marks = (np.asarray(o[0]) for o in outputs[4 * k : 4 * k + 4])
        rows, columns = np.divmod(np.arange(len(box)), padded[1] // stride)
        cells = np.stack([columns, rows], axis=1).astype(np.float32)
        scores.append(np.sqrt(np.clip(face, 0.0, 1.0) * np.clip(thing, 0.0, 1.0))[:, 0])
        centres, sides = (cells + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride
        boxes.append(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1))
        landmarks.append((cells[:, None] + marks.reshape(-1, 5, 2)) * stride)
    values = np.concatenate(scores)
    sure = values >= threshold
    doubt = float(values.max(where=~sure, initial=0.0)) / threshold
    clipped = np.clip(np.concatenate(boxes), 0, np.array([size[1], size[0]] * 2))
    sure &= (clipped[:, :2] < clipped[:, 2:]).all(axis=1)  # else it lies in the padding
    points = np.concatenate(landmarks)
    faces = faces_of(clipped[sure], points[sure], values[sure], _OVERLAP, nearly)
    return replace(faces, doubt=doubt)
