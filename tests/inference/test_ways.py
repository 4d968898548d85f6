"""Which backend, device and precision a network gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from videnhance import inference
from videnhance.errors import UsageError
from videnhance.inference import (
    CODED,
    EXACT,
    LARGE,
    ONNX,
    PLAIN,
    STYLED,
    VIDEO,
    Execution,
    Traits,
    devices,
    processor,
    way_of,
)


@pytest.fixture
def bf16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with instructions for bf16, and without AMX."""
    of_processor("avx2 avx512f avx512_bf16", tmp_path, monkeypatch)


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_processor("avx2 avx512f", tmp_path, monkeypatch)


def of_processor(flags: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    told = folder / "cpuinfo"
    told.write_text(f"flags : {flags}\n")
    patch.setattr(processor, "_CPUINFO", told)
    patch.setattr(torch.cpu, "get_capabilities", dict, raising=False)


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize(
    ("traits", "wish", "way"),
    [
        (ONNX, Execution(), "openvino bf16 on cpu"),
        (ONNX, Execution(precision="f32"), "openvino f32 on cpu"),
        (ONNX, Execution(precision="fp16"), "openvino bf16 on cpu"),  # of networks on a GPU
        (ONNX, Execution(backend="torch"), "opencv f32 on cpu"),
        (ONNX, Execution(backend="torch", precision="bf16"), "opencv f32 on cpu"),
        (PLAIN, Execution(), "openvino bf16 on cpu"),
        (PLAIN, Execution(backend="torch", precision="bf16"), "torch f32 on cpu"),
        (LARGE, Execution(), "openvino f32 on cpu"),
        (LARGE, Execution(precision="bf16"), "openvino bf16 on cpu"),
        (LARGE, Execution(backend="openvino", device="auto"), "openvino f32 on cpu"),
        (LARGE, Execution(backend="torch"), "torch f32 on cpu"),
        (LARGE, Execution(backend="torch", precision="bf16"), "torch bf16 on cpu"),
        (LARGE, Execution(compile=True), "torch compiled f32 on cpu"),
        (STYLED, Execution(), "openvino bf16 on cpu"),
        (STYLED, Execution(backend="torch", precision="bf16"), "torch bf16 on cpu"),
        (CODED, Execution(), "openvino f32 on cpu"),
        (CODED, Execution(precision="bf16"), "openvino f32 on cpu"),
        (CODED, Execution(backend="torch", precision="bf16"), "torch bf16 on cpu"),
        (EXACT, Execution(precision="bf16"), "openvino f32 on cpu"),
        (VIDEO, Execution(), "torch f32 on cpu"),
        (VIDEO, Execution(precision="bf16"), "torch f32 on cpu"),
        (EXACT, Execution(backend="torch", precision="bf16"), "torch f32 on cpu"),
    ],
)
def test_auto_takes_openvino_on_a_processor(traits: Traits, wish: Execution, way: str) -> None:
    assert str(way_of(traits, wish)) == way


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("traits", [ONNX, PLAIN, LARGE])
def test_without_instructions_for_it_auto_is_not_bf16(traits: Traits) -> None:
    assert way_of(traits, Execution()).precision == "f32"
    assert way_of(traits, Execution(precision="bf16")).precision == "bf16"


@pytest.mark.usefixtures("bf16")
def test_where_openvino_is_not_installed_auto_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "is_here", lambda backend: False)
    assert str(way_of(ONNX, Execution())) == "opencv f32 on cpu"
    assert str(way_of(LARGE, Execution())) == "torch f32 on cpu"
    with pytest.raises(UsageError, match=r"--backend openvino: .*pip install openvino"):
        way_of(ONNX, Execution(backend="openvino"))


def test_on_a_gpu_auto_is_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "found", lambda name: "cuda")
    assert way_of(PLAIN, Execution("auto")).backend == "torch"
    assert way_of(ONNX, Execution("auto")).backend == "openvino"
    assert way_of(VIDEO, Execution("auto", precision="fp16")).precision == "f32"
    with pytest.raises(UsageError, match="--backend openvino: does not compute networks for clips"):
        way_of(VIDEO, Execution(backend="openvino"))
    with pytest.raises(UsageError, match="--backend openvino: computes on processors, not on cuda"):
        way_of(PLAIN, Execution("cuda:1", backend="openvino"))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Execution(backend="abacus"), "--backend abacus"),
        (Execution(precision="f99"), "--precision f99"),
        (Execution(precision="fp16"), "--precision fp16: not on a CPU"),
    ],
)
def test_what_there_is_not_is_refused_by_name(wish: Execution, said: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}[^\n]*$"):
        way_of(PLAIN, wish)


@pytest.mark.parametrize("name", ["nvidia0", "kfd", "dxg", "nvme0"])
def test_torch_is_asked_for_a_gpu_only_where_there_may_be_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_DEV", tmp_path)
    monkeypatch.setattr(devices, "device_named", lambda name: torch.device("cuda"))
    assert devices.found("auto") == "cpu"
    (tmp_path / name).touch()
    assert devices.found("auto") == ("cpu" if name == "nvme0" else "cuda")
    assert devices.found("cuda:1") == "cuda:1"
