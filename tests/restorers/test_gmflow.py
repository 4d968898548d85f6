"""GMFlow: its parts as published, and that it looks where it should."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from videnhance.restorers import gmflow
from videnhance.restorers.gmflow import GMFlow


def drawn() -> GMFlow:
    torch.manual_seed(0)
    return GMFlow().eval().requires_grad_(False)


def test_it_has_the_published_parts() -> None:
    """Those of the authors' gmflow_sintel (4.7 million numbers), as ptlflow has them, too."""
    state = drawn().state_dict()
    assert len(state) == 123
    assert sum(value.numel() for value in state.values()) == 4_680_288
    for key, shape in {
        "backbone.conv1.weight": (64, 3, 7, 7),
        "backbone.layer2.0.downsample.0.bias": (96,),
        "transformer.layers.5.cross_attn_ffn.mlp.0.weight": (1024, 256),
        "transformer.layers.0.self_attn.merge.weight": (128, 128),
        "feature_flow_attn.k_proj.bias": (128,),
        "upsampler.2.weight": (576, 256, 1, 1),
    }.items():
        assert state[key].shape == shape


def test_known_values() -> None:
    """As ptlflow 0.4.2 computes them with these weights (with random ones, too: 1.5e-5 px)."""
    network = drawn()
    for value in network.parameters():
        value.copy_(torch.sin(torch.arange(value.numel()).float() * 0.7).view_as(value) * 0.05)
    ramp = (torch.linspace(-1.0, 1.0, 64 * 48) * 40.0).sin().view(1, 1, 64, 48)
    one = torch.cat([ramp, ramp.flip(2), ramp.flip(3)], 1)
    flow = network(one, one.roll(3, 3))
    assert flow.shape == (1, 2, 64, 48)
    found = [flow[0, 0, 20, 10], flow[0, 1, 20, 10], flow[0, 0, 63, 47], flow[0, 1, 5, 40]]
    known = torch.tensor([0.0200, -0.1685, 0.0095, -0.0865, 0.0802])
    torch.testing.assert_close(torch.stack([*found, flow.std()]), known, rtol=0.0, atol=1e-3)


def test_pictures_of_a_batch_are_as_alone() -> None:
    network = drawn()
    one, other = torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)
    alone = [network(one[k : k + 1], other[k : k + 1]) for k in range(2)]
    torch.testing.assert_close(network(one, other), torch.cat(alone), rtol=1e-4, atol=1e-3)


def test_only_neighbours_attend_to_each_other_in_shifted_windows() -> None:
    """A window that holds the picture's two ends is told apart; the first never is."""
    apart = gmflow._apart(8, 8, torch.zeros(1))
    assert apart.shape == (4, 16, 16)
    assert float(apart[0].abs().max()) == 0.0
    assert set(apart.flatten().tolist()) == {-100.0, 0.0}
    assert bool((apart == apart.transpose(1, 2)).all())
    left = torch.arange(16) % 4 < 2
    expected = torch.where(left[:, None] != left[None, :], -100.0, 0.0)
    assert torch.equal(apart[1], expected)


class Numbered(torch.nn.Module):
    """Features that are alike only where the picture shows the same number, 0 to 63 in 64ths."""

    def forward(self, x: Tensor) -> Tensor:
        number = (x[:, 0, ::8, ::8] * 0.229 + 0.485) * 64.0
        one_hot = torch.nn.functional.one_hot(number.round().long(), gmflow.WIDTH)
        return 50.0 * one_hot.permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("step", [8, 16])
def test_it_finds_what_moved(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its transformer, in a picture whose places all differ."""
    network = drawn()
    cells = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8) / 32.0 - 1.0
    one = cells.repeat_interleave(8, 2).repeat_interleave(8, 3)
    seen: list[Tensor] = []
    monkeypatch.setattr(gmflow, "_places", lambda high, wide, like: torch.zeros(1, 1, high, wide))

    def enlarged(flow: Tensor, features: Tensor) -> Tensor:
        seen.append(flow)
        return flow

    monkeypatch.setattr(network, "_enlarged", enlarged)
    network.backbone = Numbered()  # type: ignore[assignment]
    network.transformer.layers = torch.nn.ModuleList()
    (
        monkeypatch.setattr(network.feature_flow_attn, "q_proj", torch.nn.Identity()),
        monkeypatch.setattr(network.feature_flow_attn, "k_proj", torch.nn.Identity()),
    )
    network(one, one.roll(step, 3))
    flow = seen[0][0]
    inner = flow[:, :, : 8 - step // 8]
    torch.testing.assert_close(inner[0], torch.full_like(inner[0], step / 8), atol=0.05, rtol=0.0)
    assert float(inner[1].abs().max()) < 0.05
