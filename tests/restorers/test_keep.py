"""KEEP: its parts as published, CodeFormer in a clip of one, and what frames tell each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.making.crops import textured
from tests.making.networks import codeformer
from videnhance.errors import ModelError, UsageError
from videnhance.inference import Way
from videnhance.models.loader import Loader
from videnhance.restorers import RESTORERS
from videnhance.restorers.keep import Keep, KeepRestorer, build, moved
from videnhance.settings.groups import ModelSettings, RestoreSettings, Settings


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """Its keys, by their shapes, without memory."""
    pytest.importorskip("spandrel_extra_arches", reason="the extra codeformer is not installed")
    with torch.device("meta"):
        return Keep().state_dict()


def test_it_has_the_published_parts(published: dict[str, Tensor]) -> None:
    """As the authors' program names them (their converter has cfa and cft)."""
    assert len(published) == 896
    parts = {key.partition(".")[0] for key in published}
    assert parts == {
        *("flownet", "kalman_filter", "hq_encoder", "encoder", "quantize", "generator"),
        *("position_emb", "feat_emb", "ft_layers", "idx_pred_layer", "cfa", "cft"),
    }
    for key, shape in {
        "flownet.model.backbone.conv1.weight": (64, 3, 7, 7),
        "kalman_filter.uncertainty_estimator.2.attn1.to_q.weight": (384, 256),
        "kalman_filter.uncertainty_estimator.0.attn_temp.to_out.0.bias": (256,),
        "kalman_filter.uncertainty_estimator.0.ff.net.0.proj.weight": (2048, 256),
        "kalman_filter.kalman_gain_calculator.3.weight": (1, 256, 1, 1),
        "hq_encoder.blocks.0.weight": (64, 3, 3, 3),
        "cfa.16.attn.to_k.weight": (1024, 512),
        "cfa.32.ff.net.2.weight": (256, 1024),
        "cft.64.scale.2.weight": (256, 256, 3, 3),
        "quantize.embedding.weight": (1024, 256),
        "position_emb": (256, 512),
    }.items():
        assert published[key].shape == shape
    assert {key.split(".")[1] for key in published if key.startswith("cfa")} == {"16", "32"}
    assert {key.split(".")[1] for key in published if key.startswith("cft")} == {"16", "32", "64"}


def test_another_state_is_refused_by_name(published: dict[str, Tensor]) -> None:
    state = {key: value for key, value in published.items() if key != "position_emb"}
    with pytest.raises(ModelError, match=r"\Akeep\.pth: .*1 missing \(position_emb\)[^\n]*\Z"):
        build(state, Path("keep.pth"))


class Small(Keep):
    """Its own parts at full width around an encoder and a generator that do next to nothing, for
    pictures of 16 pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.encoder = self.hq_encoder = nn.Module()
        self.encoder.blocks = nn.ModuleList([nn.Conv2d(3, 256, 1)])
        self.hq_encoder = nn.Conv2d(3, 256, 1)
        self.generator = nn.Module()
        self.generator.blocks = nn.ModuleList([nn.Conv2d(256, 3, 1)])
        self.flownet.model = Still()
        self.quantize.embedding.weight.data.normal_()
        self.position_emb.data.normal_()
        self.requires_grad_(False).eval()


class Still(nn.Module):
    """Flow that is the same everywhere; says what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Tensor]] = []

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        self.asked.append((one, other))
        return torch.zeros(1, 2, *one.shape[2:])


@pytest.fixture(scope="module")
def small() -> Any:
    pytest.importorskip("spandrel_extra_arches", reason="the extra codeformer is not installed")
    torch.manual_seed(0)
    return Small()


def frames(count: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand((1, count, 3, 16, 16), generator=draw) * 2.0 - 1.0


def gained(network: Any, gain: float) -> None:
    """Make the filter's answer the same everywhere: 0 or 1."""
    last = network.kalman_filter.kalman_gain_calculator[3]
    last.weight.data.zero_()
    last.bias.data.fill_(100.0 if gain else -100.0)


def test_without_gain_each_frame_is_as_alone(small: Any) -> None:
    gained(small, 0.0)
    clip = frames(4)
    alone = [small(clip[:, k : k + 1]) for k in range(4)]
    torch.testing.assert_close(small(clip), torch.cat(alone, 1))
    assert float(alone[0].std()) > 0.0


def test_with_full_gain_a_frame_is_what_the_result_before_it_says(small: Any) -> None:
    gained(small, 1.0)
    clip = frames(3)
    found = small(clip)
    other = small(torch.cat([clip[:, :1], frames(2, seed=5)], 1))
    torch.testing.assert_close(found, other)  # what frames 1 and 2 show is of no matter
    torch.testing.assert_close(found[:, :1], small(clip[:, :1]))
    code = small.hq_encoder(found[0, :1])
    torch.testing.assert_close(found[0, 1:2], small._painted(small._chosen(code), {}, {}))


def test_flow_is_asked_from_each_frame_to_the_one_before(small: Any) -> None:
    flow = small.flownet.model
    assert isinstance(flow, Still)
    flow.asked.clear()
    clip = frames(3)
    small(clip)
    for k, (one, other) in enumerate(flow.asked):
        assert torch.equal(one[0], clip[0, k + 1]) and torch.equal(other[0], clip[0, k])


def test_the_gain_depends_on_the_frames_before_and_on_all(small: Any) -> None:
    """Attention in space to the first and the one before; in time to all."""
    torch.manual_seed(3)
    small.kalman_filter.kalman_gain_calculator[3].weight.data.normal_()
    small.kalman_filter.kalman_gain_calculator[3].bias.data.zero_()
    codes = torch.randn(5, 256, 4, 4)
    gains = small.kalman_filter(codes)
    assert gains.shape == (5, 1, 4, 4) and 0.0 <= float(gains.min()) < float(gains.max()) <= 1.0
    late = codes.clone()
    late[4] += 1.0
    assert float((small.kalman_filter(late)[0] - gains[0]).abs().max()) > 0.0
    # the same frame over and over: no frame differs from another
    same = small.kalman_filter(codes[:1].expand(4, -1, -1, -1))
    torch.testing.assert_close(same, same[:1].expand_as(same))


def test_a_frame_attends_to_the_one_before(small: Any) -> None:
    part = small.cfa["32"]
    now, before = torch.randn(2, 1, 256, 4, 4)
    assert part(now, before).shape == now.shape
    # where the frame before is the same everywhere, attention gives that
    flat = before[..., :1, :1].expand_as(before)
    value = part.attn.to_out[0](part.attn.to_v(flat.flatten(2).transpose(1, 2)))
    x = now.flatten(2).transpose(1, 2)
    told = part.norm1(value) + x
    expected = part.norm2(part.ff(told)) + told
    torch.testing.assert_close(part(now, flat).flatten(2).transpose(1, 2), expected)


def test_a_picture_is_moved_by_its_flow() -> None:
    """The flow leads from a pixel of this frame to its place in the other."""
    picture = torch.rand(1, 3, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2.0
    found = moved(picture, flow)
    torch.testing.assert_close(found[..., :6], picture[..., 2:])
    assert float(found[..., 6:].abs().max()) == 0.0


class Answering:
    """A network that gives what a function makes of its input."""

    way = Way("torch", "cpu", "f32")

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.seen: list[Any] = []

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        self.seen.append(inputs[0])
        return (self.answer(inputs[0]),)

    def free(self) -> None:
        pass


def test_a_clip_goes_in_as_rgb_from_minus_one_to_one() -> None:
    network = Answering(lambda x: -x)
    crops = [textured(k, fine=6.0) for k in range(3)]
    found = KeepRestorer(network).restore_clip(crops)
    assert network.seen[0].shape == (1, 3, 3, 512, 512)
    assert -1.0 <= float(network.seen[0].min()) < -0.5 < 0.5 < float(network.seen[0].max()) <= 1.0
    for before, after in zip(crops, found, strict=True):
        assert after.shape == before.shape and after.dtype == np.float32
        assert np.abs(after - (1.0 - before)).mean() < 0.02


def test_what_fails_is_one_line() -> None:
    def short(x: Tensor) -> Tensor:
        raise MemoryError

    def wrong(x: Tensor) -> Tensor:
        raise RuntimeError("no kernel\nfor that")

    faults = [
        (short, "not enough memory for a clip of 2 frames; close"),
        (wrong, "the network failed"),
        (lambda x: x * float("nan"), r"returned no numbers \(NaN or infinity\); "),
    ]
    for answer, said in faults:
        with pytest.raises(ModelError, match=rf"\Akeep: [^\n]*{said}[^\n]*\Z"):
            KeepRestorer(Answering(answer)).restore_clip([textured(0), textured(1)])


def test_its_licence_and_its_file_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    wish = Settings(restore=RestoreSettings(restorer="keep"))
    with pytest.raises(UsageError, match=r"\Akeep: is under the S-Lab[^\n]*--accept-license keep"):
        RESTORERS["keep"].make(Loader(wish))
    accepted = Settings(restore=wish.restore, models=ModelSettings(accepted=("keep",)))
    with pytest.raises(
        ModelError,
        match=r"\Akeep: the SHA-256 of its file is not known, so it is not fetched; get "
        r"https://[^\n]*KEEP-b76feb75\.pth yourself and give it with --weights keep=FILE",
    ):
        RESTORERS["keep"].make(Loader(accepted))
    file = tmp_path / "KEEP-b76feb75.pth"
    torch.save({"params_ema": {"position_emb": torch.zeros(256, 512)}}, file)
    given = ModelSettings(accepted=("keep",), files=(("keep", str(file)),))
    with pytest.raises(ModelError, match="the published one unknown"):
        RESTORERS["keep"].make(Loader(Settings(restore=wish.restore, models=given)))


@pytest.mark.slow
def test_a_clip_of_one_is_codeformers_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the package's own network with the same weights, at fidelity 1 and without AdaIN, which
    KEEP leaves out."""
    known: Any = codeformer()
    from spandrel_extra_arches.architectures.CodeFormer.__arch import codeformer as theirs

    state = known.state_dict()
    with torch.device("meta"):
        wanted = Keep().state_dict()
    filled = {}
    for key, value in wanted.items():
        old = key.replace("cft.", "fuse_convs_dict.", 1) if key.startswith("cft.") else key
        old = old.removeprefix("hq_") if old.startswith("hq_encoder") else old
        filled[key] = state[old] if old in state else torch.zeros(value.shape)
    monkeypatch.setattr(theirs, "adaptive_instance_normalization", lambda content, style: content)
    known.connect_list = ["16", "32", "64"]
    known.fuse_convs_dict["16"] = theirs.Fuse_sft_block(512, 512)
    for name, value in known.fuse_convs_dict["16"].state_dict().items():
        filled[f"cft.16.{name}"] = value
    x = torch.from_numpy(textured(1, fine=6.0)).permute(2, 0, 1)[None] * 2.0 - 1.0
    x = torch.nn.functional.interpolate(x, (512, 512), mode="bicubic")
    with torch.no_grad():
        expected = known(x, weight=1)[0]
        found = build(filled)(x[:, None])[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
