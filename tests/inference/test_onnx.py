"""ONNX files of others: described without a package, refused in one line, computed by all alike."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.making.onnx_files import blurring, saved
from videnhance import inference
from videnhance.errors import ModelError
from videnhance.inference import (
    ONNX,
    ONNX_FACE,
    ONNX_FILE,
    ONNXRUNTIME,
    OPENCV,
    OPENVINO,
    Execution,
    Way,
    compiled,
    on_onnxruntime,
    way_of,
)
from videnhance.inference.onnx_file import Value, definition, examined, is_onnx

SHAPE = (1, 3, 32, 32)
GIVEN = np.random.default_rng(1).uniform(-1.0, 1.0, SHAPE).astype(np.float32)


def by(backend: str, path: Path, given: Any = GIVEN) -> Any:
    made = definition("blur", path, [SHAPE])
    (found,) = inference.BACKENDS[backend].compiled(made, Way(backend, "cpu", "f32"))(given)
    return found


def test_a_file_says_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx", extra=1 << 20)
    file = examined(path)
    assert is_onnx(path)
    assert file.inputs == (Value("input", SHAPE),)
    assert file.outputs == (Value("output", SHAPE),)
    assert (file.foreign, file.random, file.outside) == ((), (), False)


def test_it_says_what_the_package_onnx_says(tmp_path: Path) -> None:
    """Of names for sides, of weights that are listed as inputs, and of another type."""
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", 8]),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, [8, 8]),
        helper.make_tensor_value_info("k", TensorProto.DOUBLE, []),
    ]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = saved(tmp_path / "a.onnx", [node], values, out, {"w": np.eye(8, dtype=np.float32)})
    file = examined(path)
    assert file.inputs == (Value("x", (-1, 3, -1, 8)), Value("k", (), TensorProto.DOUBLE))
    assert file.outputs == (Value("y", None),)
    graph = onnx.load(path).graph
    assert [v.name for v in file.inputs] == [v.name for v in graph.input if v.name != "w"]


@pytest.mark.parametrize("backend", [OPENVINO, ONNXRUNTIME, OPENCV])
def test_every_backend_computes_it_alike(backend: str, tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx")
    (expected,) = on_onnxruntime.loaded().InferenceSession(path).run(None, {"input": GIVEN})
    found = by(backend, path)
    assert found.dtype == np.float32 and found.shape == SHAPE
    assert np.abs(found - expected).max() < 1e-5 < expected.std()


def test_onnxruntime_computes_items_as_alone_and_tensors_as_arrays(tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx")
    pair = np.concatenate([GIVEN, GIVEN[..., ::-1]])
    together = by(ONNXRUNTIME, path, pair)
    np.testing.assert_array_equal(together[1:], by(ONNXRUNTIME, path, pair[1:]))
    tensors = by(ONNXRUNTIME, path, torch.from_numpy(pair))
    np.testing.assert_array_equal(together, tensors.numpy())


def test_the_output_of_a_failing_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"\A[^\n]+\Z"):
        by(ONNXRUNTIME, blurring(tmp_path / "a.onnx"), GIVEN[:, :, :8])


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        definition("blur", path, [SHAPE], cure="give another")
    said = str(caught.value)
    assert said.startswith(str(path)) and "\n" not in said
    return said.removeprefix(f"{path}: ")


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.onnx"
    for content in (b"", b"PK\x03\x04" + bytes(99), b"\x80\x02}" + bytes(99), b"<html>" * 9):
        path.write_bytes(content)
        assert not is_onnx(path)
        assert refused(path) == "is not an ONNX file; give another"
    assert not is_onnx(tmp_path / "none")
    assert refused(tmp_path / "none").startswith("cannot be read (No such file or directory); ")


def test_what_was_cut_off_is_refused_wherever_it_was(tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx")
    whole = path.read_bytes()
    for length in range(20, len(whole), 131):
        path.write_bytes(whole[:length])
        assert refused(path) == "is probably damaged or cut off; fetch or copy the file again"


def test_a_damaged_file_raises_no_other_error(tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx")
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for place in draw.integers(0, len(whole), 300):
        broken = bytearray(whole)
        broken[place] ^= int(draw.integers(1, 256))
        path.write_bytes(broken)
        with suppress(ModelError):
            definition("blur", path, [SHAPE])


def test_another_shape_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    wanted = "instead of 1 x 3 x 32 x 32; give another"
    assert refused(blurring(path, 64)) == f"takes 1 x 3 x 64 x 64 {wanted}"
    half = blurring(path, kind=TensorProto.FLOAT16)
    assert refused(half) == f"takes 1 x 3 x 32 x 32 (float16) {wanted}"
    two = blurring(path, inputs=("a", "b"))
    assert refused(two) == f"takes 1 x 3 x 32 x 32, 1 x 3 x 32 x 32 {wanted}"
    assert definition("blur", blurring(path, "side"), [SHAPE], shapes=[SHAPE]).inputs == (SHAPE,)
    with pytest.raises(ModelError, match="gives 1 x 3 x 32 x 32 instead of 1 x 1; give"):
        definition("blur", blurring(path), [SHAPE], shapes=[(1, 1)])
    with pytest.raises(ModelError, match="has 1 outputs instead of 2; give"):
        definition("blur", blurring(path), [SHAPE], 2)


def test_operators_of_others_are_refused(tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx", domain="com.abacus")
    said = refused(path)
    assert "operators that ONNX does not define (com.abacus.LeakyRelu)" in said
    assert said.endswith("; give another")


def test_what_draws_random_numbers_is_refused(tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("RandomNormalLike", ["a"], ["unused"]))
    onnx.save(model, path)
    said = refused(path)
    assert said.startswith("draws random numbers (RandomNormalLike), ")
    assert said.endswith("; give another")


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx.load(blurring(tmp_path / "b.onnx"))
    path = tmp_path / "a.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0)
    assert refused(path) == "its weights are in other files, which are not read; give another"


@pytest.mark.parametrize("backend", [OPENVINO, ONNXRUNTIME])
def test_what_the_standard_does_not_know_is_refused_by_the_backend(
    backend: str, tmp_path: Path
) -> None:
    """Of its domain, but with a name that there is not."""
    path = blurring(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.node[1].op_type = "Abacus"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"\A[^\n]*cannot[^\n]*; give another\Z"):
        made = definition("blur", path, [SHAPE], cure="give another")
        inference.BACKENDS[backend].compiled(made, Way(backend, "cpu", "f32"))


def test_the_way_of_a_heavy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(way_of(ONNX_FACE, Execution())) == "openvino f32 on cpu"
    assert str(way_of(ONNX_FACE, Execution(precision="bf16"))) == "openvino f32 on cpu"
    assert str(way_of(ONNX_FACE, Execution(backend="torch"))) == "onnxruntime f32 on cpu"
    assert str(way_of(ONNX_FILE, Execution(backend="torch"))) == "opencv f32 on cpu"
    monkeypatch.setattr(inference, "found", lambda name: "cuda:1")
    wish = Execution("cuda:1", precision="fp16")
    monkeypatch.setattr(inference, "_computes_on_gpu", lambda: False)
    assert str(way_of(ONNX_FACE, wish)) == "openvino f32 on cpu"
    monkeypatch.setattr(inference, "_computes_on_gpu", lambda: True)
    assert str(way_of(ONNX_FACE, wish)) == "onnxruntime f32 on cuda:1"
    for traits in (ONNX, ONNX_FILE):
        assert way_of(traits, wish).device == "cpu"
    assert str(way_of(ONNX_FACE, replace(wish, backend="openvino"))) == "openvino f32 on cpu"
    monkeypatch.setattr(inference, "is_here", lambda backend: backend != ONNXRUNTIME)
    assert str(way_of(ONNX_FACE, Execution(backend="torch"))) == "opencv f32 on cpu"


class Elsewhere:
    """A session that was to be on a GPU and is not, as onnxruntime makes without a word."""

    def __init__(self, *given: Any, providers: Any) -> None:
        assert providers[0][0] == on_onnxruntime.CUDA
        assert providers[0][1]["device_id"] == "1" and providers[0][1]["use_tf32"] == "0"

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_gpu_that_onnxruntime_cannot_use_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = definition("blur", blurring(tmp_path / "a.onnx"), [SHAPE])
    monkeypatch.setattr(on_onnxruntime.loaded(), "InferenceSession", Elsewhere)
    with pytest.raises(ModelError, match=r"cannot use cuda:1; .*--devices cpu$"):
        on_onnxruntime.OnnxRuntimeNetwork(made, Way(ONNXRUNTIME, "cuda:1", "f32"))


def test_it_is_kept_for_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDENHANCE_CACHE", str(tmp_path / "kept"))
    made = definition("blur", blurring(tmp_path / "a.onnx"), [SHAPE], weights="5" * 64)
    (first,) = compiled(made)(GIVEN)
    (tmp_path / "a.onnx").unlink()
    (again,) = compiled(made)(GIVEN)
    np.testing.assert_array_equal(first, again)
