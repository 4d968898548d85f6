"""ONNX files computed by OpenCV, in float32: the reference, and where OpenVINO is not used."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from videnhance.errors import ModelError
from videnhance.inference.contract import Definition, Way


class OpenCvNetwork:
    """A network with one input, computed for one item at a time."""

    def __init__(self, definition: Definition, way: Way) -> None:
        """Raises ModelError for a file that OpenCV cannot load."""
        self.way = way
        try:
            # The classic engine keeps parts of the first size it was given and then gives wrong
            # results for other sizes (scores off by up to 1.0).
            self._net = cv2.dnn.readNetFromONNX(str(definition.onnx), engine=cv2.dnn.ENGINE_NEW)
        except cv2.error as error:
            raise ModelError(
                f"{definition.onnx}: OpenCV {cv2.__version__} cannot load it ({error.err}); "
                f"{definition.cure}"
            ) from error
        # asked for some of them only, the engine refuses
        self._names = list(self._net.getUnconnectedOutLayersNames())
        self._wanted = [self._names.index(name) for name in definition.outputs]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        given = inputs[0] if isinstance(inputs[0], np.ndarray) else inputs[0].cpu().numpy()
        each = [self._one(given[k : k + 1]) for k in range(len(given))]
        found = tuple(np.concatenate(p) if len(p) > 1 else p[0] for p in zip(*each, strict=True))
        if isinstance(inputs[0], np.ndarray):
            return found
        import torch

        return tuple(torch.from_numpy(part).to(inputs[0].device) for part in found)

    def free(self) -> None:
        """It keeps nothing that it could do without."""

    def _one(self, given: Any) -> Any:
        self._net.setInput(np.ascontiguousarray(given))
        try:
            found = self._net.forward(self._names)
        except cv2.error as error:
            raise RuntimeError(error.err) from error
        return [found[k] for k in self._wanted]
