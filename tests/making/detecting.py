"""ONNX files of face detectors: the published outputs, from convolutions with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.making.onnx_files import saved

STRIDES = (8, 16, 32)


class _Heads:
    """Nodes that look at a picture in cells, and give rows of numbers for each cell."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}

    def rows(self, name: str, stride: int, anchors: int, numbers: int, spread: float) -> str:
        """Of each cell of `stride` pixels, (1, cells * anchors, numbers) of about `spread`."""
        size = anchors * numbers, 3, stride, stride
        scale = 4.0 * spread / (128.0 * stride * np.sqrt(3.0))
        kernel = self.draw.normal(0.0, scale, size)
        kernel -= kernel.mean(axis=(2, 3), keepdims=True)  # what is flat gives nothing
        self.weights[f"{name}_kernel"] = kernel.astype(np.float32)
        self.weights[f"{name}_bias"] = self.draw.normal(0.0, spread, size[0]).astype(np.float32)
        self.weights[f"{name}_shape"] = np.array([1, -1, numbers], np.int64)
        inner = [f"{name}_{k}" for k in ("map", "last", "rows")]
        self.add(
            "Conv",
            ["input", f"{name}_kernel", f"{name}_bias"],
            inner[0],
            strides=[stride, stride],
            pads=[0, 0, stride - 1, stride - 1],
        )
        self.add("Transpose", [inner[0]], inner[1], perm=[0, 2, 3, 1])
        return self.add("Reshape", [inner[1], f"{name}_shape"], inner[2])

    def add(self, kind: str, given: list[str], name: str, **more: Any) -> str:
        self.nodes.append(helper.make_node(kind, given, [name], **more))
        return name

    def save(self, path: Path, outputs: dict[str, int], sides: tuple[Any, Any]) -> Path:
        given = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *sides])
        found = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "cells", numbers])
            for name, numbers in outputs.items()
        ]
        return saved(path, self.nodes, [given], found, self.weights)


def yunet(path: Path, *, seed: int = 0, leave_out: str = "", sides: Any = ("h", "w")) -> Path:
    """YuNet's twelve outputs, in the order of OpenCV's file, not in ours."""
    heads, outputs = _Heads(seed), {}
    for kind, numbers, spread in (
        ("cls", 1, 2.0),
        ("obj", 1, 2.0),
        ("bbox", 4, 0.5),
        ("kps", 10, 1),
    ):
        for stride in STRIDES:
            name = f"{kind}_{stride}"
            rows = heads.rows(f"{name}_raw", stride, 1, numbers, spread)
            heads.add("Identity" if numbers > 1 else "Sigmoid", [rows], name)
            outputs[name] = numbers
    outputs.pop(leave_out, None)
    return heads.save(path, outputs, sides)


def retinaface(path: Path, *, seed: int = 0) -> Path:
    """RetinaFace's three outputs: places, probabilities and landmarks at two anchors a cell."""
    heads = _Heads(seed)
    for name, numbers, spread in (("loc", 4, 0.5), ("conf", 2, 2.0), ("landmarks", 10, 0.5)):
        parts = [heads.rows(f"{name}_{stride}", stride, 2, numbers, spread) for stride in STRIDES]
        if name == "conf":
            heads.add("Concat", parts, "scores", axis=1)
            heads.add("Softmax", ["scores"], name, axis=-1)
        else:
            heads.add("Concat", parts, name, axis=1)
    return heads.save(path, {"loc": 4, "conf": 2, "landmarks": 10}, ("h", "w"))
