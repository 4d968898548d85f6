"""What every restorer keeps to (restorers.Restorer), whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.making.crops import noisy, textured, window
from tests.making.networks import by_torch, codeformer, gfpgan_state, restoreformer, shortened
from tests.making.onnx_files import blurring
from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.media.info import Coding
from videnhance.models.loader import Loader
from videnhance.restorers import RESTORERS, Restorer, network
from videnhance.restorers.clips import Clips
from videnhance.restorers.codeformer import build as build_codeformer
from videnhance.restorers.gfpgan import build as build_gfpgan
from videnhance.restorers.keep import KeepRestorer
from videnhance.restorers.network import NetworkRestorer
from videnhance.restorers.restoreformer import build as build_restoreformer
from videnhance.settings.groups import ComputeSettings, ModelSettings, Settings


@dataclass
class Subject:
    """One restorer: how it is made, for batches of a size, and what a batch may change."""

    name: str
    make: Callable[[int], Restorer]
    tolerance: float
    """Levels of 255 by which a face of a batch may differ from the same face alone."""


def of_table(name: str, tolerance: float = 0.0) -> Subject:
    def make(batch: int) -> Restorer:
        wish = Settings(compute=ComputeSettings(batch_size=batch))
        return RESTORERS[name].make(Loader(wish, coding=Coding(0.5, 34.0)))

    return Subject(name, make, tolerance)


@dataclass
class Published:
    """A network as it is published: random weights by the names of the real ones."""

    state: dict[str, Tensor]
    build: Callable[[Mapping[str, Tensor], Path], nn.Module]
    faults: Sequence[tuple[str, tuple[int, ...] | None, str]]
    """A key, what it is made to be (None: left out), and what is said of that."""


def published_as(name: str) -> Published:
    if name == "gfpgan":
        return Published(
            gfpgan_state(),
            build_gfpgan,
            [
                ("stylegan_decoder.noises.noise3", None, "1 missing"),
                ("toRGB.0.weight", None, "1 missing"),
                ("final_conv.weight", (256, 256, 1, 1), "1 of another shape"),
                ("mean_latent", (512,), "1 unknown"),
            ],
        )
    if name == "restoreformer":
        return Published(
            restoreformer().state_dict(),
            build_restoreformer,
            [
                ("quantize.embedding.weight", None, "1 missing"),
                ("encoder.conv_in.weight", (64, 3, 1, 1), "1 of another shape"),
                ("loss.logvar", (1,), "1 unknown"),
            ],
        )
    return Published(
        codeformer().state_dict(),
        lambda state, path: build_codeformer(state, 0.5, path),
        [
            ("position_emb", None, "1 missing"),
            ("encoder.blocks.0.weight", (64, 3, 1, 1), "1 of another shape"),
            ("optimizer", (1,), "1 unknown"),
        ],
    )


def of_network(name: str, patch: pytest.MonkeyPatch) -> Subject:
    """A network with random weights, at most as large as the test can afford."""
    published = published_as(name)
    built = published.build(published.state, Path("random"))
    if name == "restoreformer":
        patch.setattr(network, "SIDE", 64)
    if name == "codeformer":
        shortened(built.get_submodule("network"))
    return Subject(
        name,
        lambda batch: NetworkRestorer(name, by_torch(built), batch),
        tolerance=1.0,
    )


def of_file(name: str, side: int, folder: Path) -> Subject:
    """A restorer that is an ONNX file, of a small one."""
    path = blurring(folder / "a.onnx", side)

    def make(batch: int) -> Restorer:
        given = ModelSettings(files=((name, str(path)),), trust=True, accepted=(name,))
        wish = Settings(models=given, compute=ComputeSettings(batch_size=batch))
        return RESTORERS[name].make(Loader(wish))

    return Subject(name, make, tolerance=0.0)


class Fading(nn.Module):
    """Each frame of a clip with some of those before it."""

    def forward(self, clips: Tensor) -> Tensor:
        return 0.8 * clips + 0.2 * clips.cumsum(1) / (clips.shape[1] + 1.0)


def of_clips() -> Subject:
    """KEEP's, around a network that does next to nothing."""
    return Subject("keep", lambda batch: Clips(KeepRestorer(by_torch(Fading()))), tolerance=0.0)


TABLE = {
    "identity": 0.0,
    "fusion": 0.0,
    "clarity": 0.1,
    "auto": 0.1,
}
"""Restorers that are made as their row makes them, and their tolerance."""
NETWORKS = ("gfpgan", "restoreformer", "codeformer")
FILES = {"restoreformer++": 512, "gpen-256": 256, "gpen-512": 512}
"""Restorers that are ONNX files, and their sides."""
VERSIONS = {f"gfpgan-1.{k}" for k in (2, 3, 4)}
"""Other weights of one network."""


@pytest.fixture(
    scope="module",
    params=[
        *(*TABLE, *FILES, "keep"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS),
    ],
)
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    name: str = request.param
    if name == "keep":
        yield of_clips()
        return
    with pytest.MonkeyPatch.context() as patch:
        if name in FILES:
            folder = tmp_path_factory.mktemp("models")
            patch.setenv("VIDENHANCE_MODELS", str(folder))
            yield of_file(name, FILES[name], folder)
            return
        yield of_table(name, TABLE[name]) if name in TABLE else of_network(name, patch)


@pytest.fixture(
    scope="module",
    params=["restoreformer", "codeformer", pytest.param("gfpgan", marks=pytest.mark.slow)],
)
def published(request: pytest.FixtureRequest) -> Published:
    return published_as(request.param)


def windows() -> tuple[CropWindow, CropWindow]:
    """Five noisy frames each of two faces that move, the later ones of the second away."""
    crops = [[noisy(textured(seed, 0.4 * t), 9 * seed + t) for t in range(5)] for seed in (1, 2)]
    return window(crops[0], 2, zoom=4.0), window(crops[1][:3], 2, zoom=4.0, first=50)


@pytest.fixture(scope="module")
def alone(subject: Subject) -> list[FloatArray]:
    """Both windows restored, one by one."""
    restorer = subject.make(1)
    return [restorer.restore([each])[0] for each in windows()]


def test_every_restorer_is_held_to_it() -> None:
    assert {*TABLE, *FILES, "keep", *NETWORKS} == set(RESTORERS) - VERSIONS


def test_a_crop_comes_back_of_the_same_size_and_type(alone: list[FloatArray]) -> None:
    for result, given in zip(alone, windows(), strict=True):
        assert result.shape == given.crops[given.centre].shape
        assert result.dtype == np.float32
        assert np.isfinite(result).all()


def test_no_window_is_no_crop(subject: Subject) -> None:
    assert subject.make(2).restore([]) == []


def test_a_window_gives_the_same_bits_whatever_came_before(
    subject: Subject, alone: list[FloatArray]
) -> None:
    given = windows()
    backwards = subject.make(1)
    for k in (1, 0):
        np.testing.assert_array_equal(backwards.restore([given[k]])[0], alone[k])
    for each, untouched in zip(given, windows(), strict=True):
        np.testing.assert_array_equal(each.crops, untouched.crops)


def test_a_batch_does_not_change_a_face(subject: Subject, alone: list[FloatArray]) -> None:
    first, second = windows()
    together = subject.make(2).restore([second, first])
    for result, expected in zip(together, alone[::-1], strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=subject.tolerance / 255)


def test_what_it_says_of_itself_is_what_its_row_says(subject: Subject) -> None:
    restorer, row = subject.make(1), RESTORERS[subject.name]
    assert (restorer.name, restorer.invents) == (subject.name, row.invents)
    assert restorer.radius >= 0
    assert restorer.batch >= 1


def test_other_weights_are_refused_by_key(published: Published) -> None:
    for key, shape, fault in published.faults:
        state = dict(published.state)
        if shape is None:
            del state[key]
        else:
            state[key] = torch.zeros(shape)
        with pytest.raises(ModelError, match=rf"^[^\n]*file\.pth: .*{fault} \({key}[^\n]*$"):
            published.build(state, Path("file.pth"))


def test_the_file_may_change_once_the_network_is_built(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    """And building it says nothing."""
    state = {key: value.clone() for key, value in published.state.items()}
    built = published.build(state, Path("file.pth"))
    before = {key: value.clone() for key, value in built.state_dict().items()}
    for value in state.values():
        value.zero_()
    for key, value in built.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert capsys.readouterr() == ("", "")
