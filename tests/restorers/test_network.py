"""A network as a restorer: batches, sizes, want of memory, values that are no numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.making.networks import by_torch
from videnhance.errors import ModelError, UsageError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.inference.convolution import Convolution, convolve
from videnhance.restorers.network import NetworkRestorer


class Recorded(nn.Module):
    """Returns what a function makes of its input, and keeps every input's shape and type."""

    def __init__(self, function: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.function = function
        self.seen: list[tuple[int, ...]] = []
        self.dtypes: set[torch.dtype] = set()
        self.spans: list[tuple[float, float]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        self.dtypes.add(x.dtype)
        self.spans.append((float(x.min()), float(x.max())))
        return self.function(x)

    @property
    def batches(self) -> list[int]:
        return [shape[0] for shape in self.seen]


def restorer_of(
    network: nn.Module,
    batch: int = 0,
    say: Callable[[str], None] | None = None,
    **execution: Any,
) -> NetworkRestorer:
    """Around a network that torch computes."""
    return NetworkRestorer("n", by_torch(network, **execution), batch, say)


def window(level: float, size: int = 512, tracklet: int = 1, frame: int = 0) -> CropWindow:
    """A slope in red, green at `level`, blue 0."""
    crop = np.zeros((size, size, 3), np.float32)
    crop[..., 0] = np.linspace(0.2, 0.8, size, dtype=np.float32)
    crop[..., 1] = level
    before = np.full_like(crop, 0.5)
    return CropWindow(tracklet, (frame - 1, frame), (before, crop), 1, 1.0)


def greens(results: list[FloatArray]) -> list[float]:
    return [round(float(result[..., 1].mean()), 3) for result in results]


def test_the_network_sees_the_centre_crop_as_rgb_from_minus_one_to_one() -> None:
    network = Recorded(lambda x: -x)
    (result,) = restorer_of(network).restore([window(1.0)])
    assert network.seen == [(1, 3, 512, 512)]
    assert network.spans == [(-1.0, 1.0)]
    np.testing.assert_allclose(result, 1.0 - window(1.0).crops[1], atol=1e-6)
    assert result.dtype == np.float32


def test_crops_of_256_are_worked_on_at_512_and_come_back_at_256() -> None:
    steps = []

    def function(x: Tensor) -> Tensor:
        steps.append(float(x[0, 0, 256].diff().abs().max()))
        return x

    network = Recorded(function)
    small, large = restorer_of(network).restore([window(0.3, 256), window(0.6)])
    assert network.seen == [(1, 3, 512, 512)] * 2
    assert small.shape == (256, 256, 3)
    assert large.shape == (512, 512, 3)
    np.testing.assert_allclose(small, window(0.3, 256).crops[1], atol=2e-3)
    assert steps[0] < 1.5 * steps[1]  # enlarged smoothly: repeated pixels would step twice as far


def test_what_leaves_the_range_is_clamped() -> None:
    (result,) = restorer_of(Recorded(lambda x: 3.0 * x)).restore([window(0.9)])
    assert result.min() == 0.0
    assert result.max() == 1.0


def test_windows_are_gathered_into_full_batches_and_keep_their_order() -> None:
    network = Recorded()
    levels = [0.1, 0.2, 0.3, 0.4, 0.5]
    windows = [window(level, 256 if k % 2 else 512) for k, level in enumerate(levels)]
    restorer = restorer_of(network, batch=2)
    assert restorer.batch == 2
    assert greens(restorer.restore(windows)) == levels
    assert network.batches == [2, 2, 1]
    assert restorer.restore([]) == []


def test_on_a_cpu_faces_go_one_by_one_unless_told_otherwise() -> None:
    assert restorer_of(Recorded()).batch == 1


def test_a_compiled_network_sees_one_length_of_batch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_(network: nn.Module) -> nn.Module:
        compiled.append(network)
        return network

    monkeypatch.setattr(torch, "compile", compile_)
    network = Recorded()
    restorer = restorer_of(network, batch=2, compile=True)
    assert greens(restorer.restore([window(0.1), window(0.2), window(0.3)])) == [0.1, 0.2, 0.3]
    assert compiled == [network]
    assert network.batches == [2, 2]


def hungry(most: int, error: Exception) -> Recorded:
    """Lacks memory for more than `most` faces at once."""

    def function(x: Tensor) -> Tensor:
        if len(x) > most:
            raise error
        return x

    return Recorded(function)


SHORT = [
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    torch.cuda.OutOfMemoryError("CUDA out of memory."),
    MemoryError(),
]


@pytest.mark.parametrize("error", SHORT, ids=["cpu", "linux", "cuda", "python"])
def test_a_batch_that_does_not_fit_is_halved_for_good(error: Exception) -> None:
    said: list[str] = []
    network = hungry(1, error)
    restorer = restorer_of(network, batch=4, say=said.append)
    levels = [0.1, 0.2, 0.3]
    assert greens(restorer.restore([window(level) for level in levels])) == levels
    assert restorer.batch == 1
    assert network.batches == [3, 1, 1, 1]
    assert len(said) == 1
    assert "n: not enough memory for 3 faces at once; going on with 1" in said[0]
    restorer.restore([window(0.1), window(0.2)])
    assert network.batches[4:] == [1, 1]


def test_halving_stops_where_it_fits() -> None:
    network = hungry(2, SHORT[0])
    restorer = restorer_of(network, batch=8, say=lambda text: None)
    levels = [k / 10 for k in range(8)]
    assert greens(restorer.restore([window(level) for level in levels])) == levels
    assert network.batches == [8, 4, 2, 2, 2, 2]


def test_less_memory_is_warned_of_where_nobody_listens() -> None:
    restorer = restorer_of(hungry(1, SHORT[0]), batch=2)
    with pytest.warns(RuntimeWarning, match="not enough memory for 2 faces"):
        restorer.restore([window(0.1), window(0.2)])


def test_a_face_that_does_not_fit_alone_is_named() -> None:
    restorer = restorer_of(hungry(0, SHORT[0]))
    with pytest.raises(ModelError, match=r"^n: tracklet 7, frame 12: not enough memory for one"):
        restorer.restore([window(0.1, tracklet=7, frame=12)])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_never_given_back(bad: float) -> None:
    def function(x: Tensor) -> Tensor:
        y = x.clone()
        y[x[:, 1].amax((1, 2)) > 0.0, 2, 5, 6] = bad  # where green is above a half
        return y

    restorer = restorer_of(Recorded(function), batch=2)
    assert greens(restorer.restore([window(0.2)])) == [0.2]
    with pytest.raises(ModelError, match=r"^n: tracklet 4, frame 9: .*no numbers"):
        restorer.restore([window(0.2), window(0.9, tracklet=4, frame=9)])


def test_a_fault_in_the_network_is_a_model_error_with_its_cause() -> None:
    restorer = restorer_of(hungry(0, RuntimeError("shapes\ndo not fit")))
    with pytest.raises(ModelError, match=r"^n: tracklet 1, frame 0: .*\(shapes do not fit\); "):
        restorer.restore([window(0.1)])


def test_the_largest_batch_that_fits_is_found_by_doubling() -> None:
    network = hungry(5, SHORT[2])
    assert restorer_of(network)._fitting(16) == 4
    assert network.batches == [2, 4, 8]
    assert restorer_of(Recorded())._fitting(2) == 2


@pytest.mark.parametrize(
    ("wish", "option"),
    [
        ({"device": "abacus"}, "--devices abacus"),
        ({"device": "cuda:99"}, "--devices cuda:99"),
        ({"precision": "f99"}, "--precision f99"),
        ({"precision": "fp16"}, "--precision fp16"),
        ({"batch": -1}, "--batch-size -1"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(wish: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError, match=f"^{option}: [^\n]*$"):
        restorer_of(Recorded(), **wish)


@pytest.mark.parametrize(
    ("precision", "tiles", "dtype"),
    [
        ("auto", False, torch.float32),
        ("auto", True, torch.bfloat16),
        ("f32", True, torch.float32),
        ("bf16", False, torch.bfloat16),
    ],
)
def test_automatic_precision_is_bf16_only_where_the_cpu_gains(
    precision: str, tiles: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": tiles}, raising=False)
    network = Recorded()
    (result,) = restorer_of(network, precision=precision).restore([window(0.5)])
    assert network.dtypes == {dtype}
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, window(0.5).crops[1], atol=2 / 255)


@pytest.mark.parametrize("shape", [(1, 8, 64, 64), (3, 5, 33, 21), (2, 16, 16, 16), (1, 4, 8, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_convolution_is_torchs_own(shape: tuple[int, ...], bias: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, generator=draw)
    weight = torch.randn(6, shape[1], 3, 3, generator=draw)
    shift = torch.randn(6, generator=draw) if bias else None
    ours = convolve(x, weight, shift)
    theirs = F.conv2d(x.double(), weight.double(), shift.double() if bias else None, padding=1)  # type: ignore[union-attr]
    assert float((ours - theirs).abs().max()) < 1e-3 * float(theirs.std())
    for k in range(len(x)):  # a batch does not change a face
        assert torch.allclose(convolve(x[k : k + 1], weight, shift)[0], ours[k], atol=1e-4)


def test_a_convolution_has_the_keys_of_torchs() -> None:
    layer, plain = Convolution(4, 6), nn.Conv2d(4, 6, 3, padding=1)
    layer.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(layer(x), plain(x), atol=1e-3)
