"""Occlusion: which part of an aligned crop is a face that nothing hides, by XSeg.

A network of DeepFaceLab (iperov and others, GPL-3.0) that was trained on faces behind hands,
microphones, hair and glasses' frames, as FaceFusion publishes it. It labels each pixel with how far
it is such a face. Only its file is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from videnhance.errors import ModelError, line_of
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import Crop, FloatArray
from videnhance.inference import Definition, Network
from videnhance.inference.onnx_file import definition as of_file

SIDE = 256
_RIM, _FEATHER = 5.0, 8.0
"""Pixels of 256 around what hides the face that are not painted either, and those over which the
mask then rises to 1. A blur instead, as FaceFusion's, would paint over what is thin, like a finger.
"""


def definition(path: Path, sha256: str | None = None) -> Definition:
    """The network: BGR (1, 256, 256, 3) 0..1 to how far each pixel is face, (1, 256, 256, 1).

    Raises ModelError for a file of something else.
    """
    cure = "give the published file, or use --mask ellipse"
    given, found = [(1, SIDE, SIDE, 3)], [(1, SIDE, SIDE, 1)]
    return of_file("xseg", path, given, shapes=found, weights=sha256, code=(__name__,), cure=cure)


class Occlusion:
    """Masks of faces in aligned crops, without what hides them, by XSeg."""

    def __init__(self, network: Network) -> None:
        """`network`: the compiled `definition`."""
        self._network = network

    def masks(self, crops: Sequence[Crop]) -> list[FloatArray]:
        """A mask (S, S) float32 for each crop, (S, S, 3) float32 RGB 0..1: the ellipse, softly
        falling to 0 before whatever the network takes for something else, and 0 all over that.

        Raises ModelError if the network fails, for example for lack of memory.
        """
        return [self._mask(_in_memory(crop)) for crop in crops]

    def _mask(self, crop: FloatArray) -> FloatArray:
        size = len(crop)
        x = np.clip(crop[..., ::-1], 0.0, 1.0)
        if size != SIDE:
            how = cv2.INTER_AREA if size > SIDE else cv2.INTER_LINEAR
            x = cv2.resize(x, (SIDE, SIDE), interpolation=how)
        try:
            (found,) = self._network(np.ascontiguousarray(x[None], np.float32))
        except (RuntimeError, MemoryError) as error:
            raise ModelError(
                f"xseg: the network failed ({line_of(error)}); use --mask ellipse"
            ) from error
        if not np.isfinite(found).all():
            raise ModelError("xseg: the network returned no numbers; use --mask ellipse")
        seen = np.asarray(found[0, ..., 0] >= 0.5, np.uint8)
        away = cv2.distanceTransform(seen, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        depth = np.clip((away - _RIM) / _FEATHER, 0.0, 1.0)
        soft = cv2.resize(depth * depth * (3.0 - 2.0 * depth), (size, size))
        mask: FloatArray = ellipse_mask(size) * soft
        return mask


def _in_memory(crop: Any) -> FloatArray:
    """The crop, which may be on a GPU, as an array."""
    array: FloatArray = crop if isinstance(crop, np.ndarray) else crop.cpu().numpy()
    return array
