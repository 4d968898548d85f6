"""Small ONNX files, made with the package onnx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def blurring(
    path: Path,
    side: int | str = 32,
    *,
    domain: str = "",
    kind: int = TensorProto.FLOAT,
    inputs: Sequence[str] = ("input",),
    seed: int = 0,
    extra: int = 0,
) -> Path:
    """A file whose network is two convolutions, from (1, 3, side, side) to the same.

    `domain`: that of its activation; `kind`: of its inputs; `inputs`: the first is used; `seed`: of
    its weights; `extra`: bytes of a weight that is not used.
    """
    draw = np.random.default_rng(seed)
    weights = {
        "first": draw.normal(0.0, 0.2, (8, 3, 3, 3)).astype(np.float32),
        "second": draw.normal(0.0, 0.2, (3, 8, 3, 3)).astype(np.float32),
        **({"unused": np.zeros(extra // 4, np.float32)} if extra else {}),
    }
    nodes = [
        helper.make_node("Conv", [inputs[0], "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["a"], ["b"], domain=domain, alpha=0.2),
        helper.make_node("Conv", ["b", "second"], ["output"], pads=[1, 1, 1, 1]),
    ]
    sides = [1, 3, side, side]
    return saved(
        path,
        nodes,
        [helper.make_tensor_value_info(name, kind, sides) for name in inputs],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, sides)],
        weights,
        [domain] if domain else [],
    )


def channel_means(path: Path, side: int) -> Path:
    """A file whose network gives the mean of each channel of (1, 3, side, side), (1, 3), and their
    squares."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("Mul", ["means", "means"], ["squares"]),
    ]
    shapes = {"input": (1, 3, side, side), "means": (1, 3), "squares": (1, 3)}
    given, *found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    return saved(path, nodes, [given], found, {})


def bright(path: Path, side: int = 256, level: float = 0.1) -> Path:
    """A file that gives 1 where the mean of channels of (1, side, side, 3) is above `level`, else
    0, with little between: (1, side, side, 1)."""
    weights = {
        "level": np.array(level, np.float32),
        "steep": np.array(200.0, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[3], keepdims=1),
        helper.make_node("Sub", ["mean", "level"], ["above"]),
        helper.make_node("Mul", ["above", "steep"], ["steeply"]),
        helper.make_node("Sigmoid", ["steeply"], ["output"]),
    ]
    return saved(path, nodes, *_pixels(side), weights)


def segmenting(path: Path, side: int = 256) -> Path:
    """A file of two convolutions with random weights that has the same input and output."""
    draw = np.random.default_rng(5)
    weights = {
        "first": draw.normal(0.0, 0.4, (8, 3, 5, 5)).astype(np.float32),
        "second": (0.2 * np.abs(draw.normal(0.0, 0.4, (1, 8, 5, 5)))).astype(np.float32),
        "more": np.array([2.0], np.float32),
    }
    nodes = [
        helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["a"], pads=[2, 2, 2, 2]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second", "more"], ["c"], pads=[2, 2, 2, 2]),
        helper.make_node("Sigmoid", ["c"], ["d"]),
        helper.make_node("Transpose", ["d"], ["output"], perm=[0, 2, 3, 1]),
    ]
    return saved(path, nodes, *_pixels(side), weights)


def _pixels(side: int) -> tuple[list[Any], list[Any]]:
    """The input (1, side, side, 3) and the output (1, side, side, 1)."""
    shapes = {"input": (1, side, side, 3), "output": (1, side, side, 1)}
    given, found = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in shapes.items()
    )
    return given, found


def saved(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: dict[str, Any],
    domains: Sequence[str] = (),
) -> Path:
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, stored)
    imports = [helper.make_opsetid("", 17), *(helper.make_opsetid(name, 1) for name in domains)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path
