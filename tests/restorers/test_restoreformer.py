"""RestoreFormer's network against the authors' own, with one set of random weights for both.

At an eighth of the side: all but the number of places that attend is the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.making.networks import restoreformer
from videnhance.models.loading import load_state
from videnhance.restorers.restoreformer import build


def faces() -> Tensor:
    draw = torch.Generator().manual_seed(1)
    smooth = torch.rand(2, 3, 8, 8, generator=draw) * 2.0 - 1.0
    return nn.functional.interpolate(smooth, (64, 64), mode="bicubic").clamp(-1.0, 1.0)


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return restoreformer()


@pytest.fixture(scope="module")
def published(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "RestoreFormer.pth"
    torch.save({"params": theirs.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def ours(published: Path) -> nn.Module:
    return build(load_state(published), published)


@torch.inference_mode()
def test_it_equals_the_authors_network(theirs: nn.Module, ours: nn.Module) -> None:
    expected = theirs(faces())[0]
    result = ours(faces())
    assert result.shape == expected.shape and result.dtype == torch.float32
    assert (result - expected).abs().max() < 0.002 * expected.std()
    # the first face must tell in the first picture only, and the codes must differ
    assert (expected[0] - expected[1]).abs().mean() > 0.1 * expected.std()


@torch.inference_mode()
def test_spandrels_network_gives_the_authors_bits(theirs: nn.Module) -> None:
    from spandrel.architectures.RestoreFormer import RestoreFormer

    network = RestoreFormer().eval()
    network.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(network(faces())[0], theirs(faces())[0])


@torch.inference_mode()
def test_a_lower_precision_chooses_the_same_codes(theirs: nn.Module, published: Path) -> None:
    # the place of each code in the book, written into what it decodes to
    state = load_state(published)
    network = build(state, published).bfloat16().to(memory_format=torch.channels_last)
    chosen: list[Tensor] = []
    for each in (theirs, network.get_submodule("network")):
        lookup = each.get_submodule("quantize")
        features = faces_to_features(state)
        exact = next(lookup.parameters()).dtype
        codes = lookup(features.to(exact))[0].float()
        book = state["quantize.embedding.weight"]
        chosen.append(torch.cdist(codes.permute(0, 2, 3, 1).reshape(-1, 256), book).argmin(1))
    assert torch.equal(chosen[0], chosen[1])
    assert len(set(chosen[0].tolist())) > 100
    assert bool(network(faces().bfloat16()).isfinite().all())


def faces_to_features(state: dict[str, Tensor]) -> Tensor:
    """(1, 256, 16, 16): codes of the book, each a little aside and exact in bfloat16."""
    draw = torch.Generator().manual_seed(5)
    book = state["quantize.embedding.weight"]
    picked = book[torch.randperm(len(book), generator=draw)[:256]]
    aside = picked + 0.7 * torch.randn(picked.shape, generator=draw)
    return aside.bfloat16().float().T.reshape(1, 256, 16, 16)
