"""RetinaFace as published in facexlib and uniface: boxes and five landmarks.

Jiankang Deng and others, "RetinaFace: Single-shot Multi-level Face Localisation in the Wild", CVPR
2020. The network, its anchors and the decoding of its output follow facexlib; here, pictures of the
same size are run as one batch. uniface's networks differ only in what comes before the heads.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from videnhance.detectors.suppression import NEARLY, faces_of
from videnhance.errors import ModelError, line_of
from videnhance.faces.tracklets import Faces
from videnhance.inference import PLAIN, Definition, Network, onnx_file
from videnhance.inference.devices import device_named
from videnhance.models.loading import load_into

Name = Literal["resnet50", "mobile0.25"]

OVERLAP = 0.4
"""Boxes with a larger intersection over union than this are one face, as in facexlib."""
_PIXELS = 8 * 960 * 544
"""Most pixels in one batch, all pictures together: 2 GB of memory are enough for that."""
_SIZES_KEPT = 4
"""How many picture sizes' anchors are cached."""


def definition(name: Name, path: Path, sha256: str | None = None) -> Definition:
    """The network of that name with the published weights: (B, 3, H, W) BGR minus their means to
    places (B, P, 4), confidences (B, P, 2) and landmarks (B, P, 10) at P anchors.

    To make it raises ModelError, naming the file, if the weights are not for this network.
    """

    def make() -> torch.nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision's, on how facexlib calls it
            from facexlib.detection.retinaface import RetinaFace as Published

            network: torch.nn.Module = Published(network_name=name, device=torch.device("cpu"))
        load_into(network, path)
        return network

    return Definition(
        f"retinaface-{name}",
        ((1, 3, -1, -1),),
        PLAIN,
        make,
        weights=sha256,
        code=(__name__,),
        packages=("facexlib", "torchvision", "torch"),
    )


def of_file(name: str, path: Path, sha256: str | None = None) -> Definition:
    """The network of an ONNX file of uniface's (yakhyo/retinaface-pytorch), which takes and gives
    what `definition` says, one picture at a time, with the anchors of "mobile0.25".

    Raises ModelError for a file of something else.
    """
    cure = "give the published file, or use --detector centerface"
    shapes = [(1, 3, -1, -1)]
    return onnx_file.definition(name, path, shapes, 3, weights=sha256, code=(__name__,), cure=cure)


def _config(name: Name) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.detection.retinaface import generate_config

    return generate_config(name)


class RetinaFace:
    """RetinaFace as a detector (see faces.detection.Detector), in batches of equal size."""

    batch = 8

    def __init__(
        self,
        network: Network,
        name: Name,
        threshold: float,
        *,
        nearly: float = NEARLY,
    ) -> None:
        """`network`: the compiled `definition` of that name. `nearly` is that of `faces_of`;
        facexlib has no such thing."""
        from facexlib.detection.retinaface_utils import PriorBox

        self._network = network
        self._device = device_named(network.way.device)
        self._config = _config(name)
        self._priors_of: Any = PriorBox
        self._kept: OrderedDict[tuple[int, int], Tensor] = OrderedDict()
        self._threshold, self._nearly = threshold, nearly

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each picture (H, W, 3) uint8 RGB that score above the threshold, best first.

        The network's coordinates already are continuous pixels, as its anchors are centred on
        them. Raises ModelError if the network fails.
        """
        found: list[Faces] = [Faces.none()] * len(images)
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            by_size.setdefault(image.shape, []).append(index)
        for shape, indices in by_size.items():
            count = max(1, _PIXELS // (shape[0] * shape[1]))
            for first in range(0, len(indices), count):
                part = indices[first : first + count]
                for index, faces in zip(part, self._batch([images[k] for k in part]), strict=True):
                    found[index] = faces
        return found

    def _batch(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        try:
            with torch.inference_mode():
                boxes, scores, landmarks = self._answers(images)
        except (RuntimeError, MemoryError) as error:
            raise ModelError(
                f"--detector retinaface: failed on {self._device} ({line_of(error)}); "
                "use --devices cpu or a smaller --detect-size"
            ) from error
        return [self._faces(*answer) for answer in zip(boxes, scores, landmarks, strict=True)]

    def _answers(self, images: Sequence[npt.NDArray[np.uint8]]) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (B, P, 4), scores (B, P) and landmarks (B, P, 5, 2) of all anchors, on the CPU."""
        height, width = images[0].shape[:2]
        bgr = np.ascontiguousarray(np.stack(images)[..., ::-1].transpose(0, 3, 1, 2))
        x = torch.from_numpy(bgr).to(self._device, torch.float32)
        # The means of ImageNet in BGR, which the network was trained with.
        x = x - torch.tensor([104.0, 117.0, 123.0], device=self._device)[:, None, None]
        places, confidences, points = self._network(x)
        priors = self._priors(height, width)
        near, far = self._config["variance"]
        size = torch.tensor([width, height], dtype=torch.float32, device=self._device)
        centres = priors[:, :2] + places[..., :2] * near * priors[:, 2:]
        sides = priors[:, 2:] * torch.exp(places[..., 2:] * far)
        corners = centres - sides / 2
        boxes = torch.cat([corners, corners + sides], dim=-1) * size.repeat(2)
        offsets = points.reshape(*points.shape[:2], 5, 2) * near * priors[:, None, 2:]
        landmarks = (priors[:, None, :2] + offsets) * size
        return boxes.cpu(), confidences[..., 1].cpu(), landmarks.cpu()

    def _faces(self, boxes: Tensor, scores: Tensor, landmarks: Tensor) -> Faces:
        values = scores.numpy()
        sure = np.flatnonzero(values > np.float32(self._threshold))
        if not self._nearly:  # facexlib's order, which decides among equal scores
            sure = sure[values[sure].argsort()[::-1]]
        found = boxes.numpy()[sure], landmarks.numpy()[sure], values[sure]
        doubt = float(np.delete(values, sure).max(initial=0.0)) / self._threshold
        return replace(faces_of(*found, OVERLAP, self._nearly), doubt=doubt)

    def _priors(self, height: int, width: int) -> Tensor:
        """The anchors for a picture size, (P, 4): centre and sides, as shares of the picture."""
        size = height, width
        if size not in self._kept:
            while len(self._kept) >= _SIZES_KEPT:
                self._kept.popitem(last=False)
            made = self._priors_of(self._config, image_size=size).forward()
            self._kept[size] = made.to(self._device)
        self._kept.move_to_end(size)
        return self._kept[size]
