"""What every restorer keeps to (restorers.Restorer), whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.making.crops import noisy, textured, window
from tests.making.networks import codeformer, gfpgan_state, restoreformer, shortened
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.media.info import Coding
from videnhance.models.loader import Loader
from videnhance.restorers import RESTORERS, Restorer, network
from videnhance.restorers.codeformer import build as build_codeformer
from videnhance.restorers.gfpgan import build as build_gfpgan
from videnhance.restorers.network import Execution, NetworkRestorer
from videnhance.restorers.restoreformer import build as build_restoreformer
from videnhance.settings.groups import ComputeSettings, Settings


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


def of_network(name: str, patch: pytest.MonkeyPatch) -> Subject:
    """A network with random weights, at most as large as the test can afford."""
    if name == "gfpgan":
        built = build_gfpgan(gfpgan_state(), Path("random"))
    elif name == "restoreformer":
        patch.setattr(network, "SIDE", 64)
        built = build_restoreformer(restoreformer().state_dict(), Path("random"))
    else:
        built = build_codeformer(codeformer().state_dict(), 0.5, Path("random"))
        shortened(built.get_submodule("network"))
    return Subject(
        name,
        lambda batch: NetworkRestorer(name, built, Execution(precision="f32", batch=batch)),
        tolerance=1.0,
    )


TABLE = {
    "identity": 0.0,
    "fusion": 0.0,
    "clarity": 0.1,
    "auto": 0.1,
}
"""Restorers that are made as their row makes them, and their tolerance."""
NETWORKS = ("gfpgan", "restoreformer", "codeformer")
VERSIONS = {f"gfpgan-1.{k}" for k in (2, 3, 4)}
"""Other weights of one network."""


@pytest.fixture(
    scope="module",
    params=[*TABLE, *(pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS)],
)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    name: str = request.param
    with pytest.MonkeyPatch.context() as patch:
        yield of_table(name, TABLE[name]) if name in TABLE else of_network(name, patch)


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
    assert {*TABLE, *NETWORKS} == set(RESTORERS) - VERSIONS


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
