"""CodeFormer's network against that of spandrel_extra_arches, which is the authors'."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.making.networks import codeformer, shortened
from videnhance.errors import ModelError, UsageError
from videnhance.models.loading import load_state
from videnhance.restorers.codeformer import build

FIDELITY = 0.7


def face() -> Tensor:
    draw = torch.Generator().manual_seed(1)
    smooth = torch.rand(1, 3, 24, 24, generator=draw) * 2.0 - 1.0
    return nn.functional.interpolate(smooth, (512, 512), mode="bicubic").clamp(-1.0, 1.0)


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return codeformer()


@pytest.fixture(scope="module")
def published(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "codeformer.pth"
    torch.save({"params_ema": theirs.state_dict()}, path)
    return path


@pytest.mark.slow
@torch.inference_mode()
def test_it_equals_the_authors_network_at_the_fidelity_given(
    theirs: nn.Module, published: Path
) -> None:
    expected = theirs(face(), weight=FIDELITY)[0]
    result = build(load_state(published), FIDELITY, published)(face())
    assert result.shape == expected.shape and result.dtype == torch.float32
    # a code chosen otherwise changes a square of 32 pixels by as much as the picture varies
    assert (result - expected).abs().max() < 0.005 * expected.std()


@torch.inference_mode()
def test_it_runs_in_a_lower_precision(published: Path) -> None:
    network = build(load_state(published), 0.5, published)
    shortened(network.get_submodule("network"))
    exact = network(face())
    network = network.bfloat16().to(memory_format=torch.channels_last)
    rounded = network(face().bfloat16()).float()
    same = (rounded - exact).abs().amax(1) < 0.1 * exact.std()
    assert exact.std() > 0.1
    assert same.float().mean() > 0.95


@torch.inference_mode()
@pytest.mark.parametrize("best", [0, 1])
def test_a_lower_precision_tells_close_codes_apart(
    published: Path, best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {key: value.clone() for key, value in load_state(published).items()}
    state["idx_pred_layer.0.bias"].fill_(10.0)
    answers = state["idx_pred_layer.1.weight"].zero_()
    answers[:2] = 1.0
    answers[best, 0] += 2.0**-7  # exact in bfloat16; what follows from it, 0.08 of 5120, is not
    network = build(state, 0.5, published)
    inner = network.get_submodule("network")
    lookup: Any = inner.get_submodule("quantize")
    look_up = lookup.get_codebook_feat
    chosen: list[Tensor] = []

    def recorded(indices: Tensor, shape: Any) -> Tensor:
        chosen.append(indices.flatten())
        found: Tensor = look_up(indices, shape)
        return found

    monkeypatch.setattr(lookup, "get_codebook_feat", recorded)
    shortened(inner)
    network.bfloat16()(face().bfloat16())
    assert (chosen[0] == best).float().mean() > 0.99


@pytest.mark.slow
@torch.inference_mode()
def test_at_fidelity_0_the_face_does_not_bypass_the_codes(
    theirs: nn.Module, published: Path
) -> None:
    state = load_state(published)
    for key, value in state.items():
        if key.startswith("fuse_convs_dict"):
            state[key] = torch.full_like(value, torch.nan)
    network = build(state, 0.0, published)
    inner = network.get_submodule("network")
    blocks = next(iter(inner.get_submodule("generator").children()))
    assert isinstance(blocks, nn.ModuleList)
    # up to the first place where encoder and generator could meet
    inner.get_submodule("generator").blocks = blocks[:10]
    assert bool(network(face()).isfinite().all())


@pytest.mark.parametrize("fidelity", [-0.1, 1.1, float("nan")])
def test_a_fidelity_there_is_not_is_refused(fidelity: float) -> None:
    with pytest.raises(UsageError, match=r"^--fidelity "):
        build({}, fidelity)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches.architectures.CodeFormer", None)
    with pytest.raises(
        ModelError, match=r"^codeformer: [^\n]*pip install .videnhance\[codeformer\]"
    ):
        build({}, 0.5)
