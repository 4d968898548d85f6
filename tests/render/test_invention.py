"""The invention map: what differs among variations of a face is a guess, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from tests.making.clips import write_rgb
from tests.making.records import tracklet
from videnhance import restorers
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.media.opening import open_clip
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.render.invention import Energy, Moment, Spread, share_of, shift_of, spreads
from videnhance.restorers import varied_fidelity
from videnhance.restorers.gfpgan import GFPGAN
from videnhance.settings.groups import RestoreSettings, Settings

COUNT = 6
Added = Callable[[FloatArray, int], FloatArray]
SIDE = 256


class Inventor:
    """Adds to a crop what `added` says of it, of the variation and of the crop's size."""

    name, radius, batch, invents = "inventor", 1, 1, True

    def __init__(self, loader: Loader, added: Added) -> None:
        self._variation, self._added = loader.variation, added

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        return [
            (w.crops[w.centre] + self._added(w.crops[w.centre], self._variation)).astype(np.float32)
            for w in windows
        ]


@pytest.fixture
def moments(tmp_path: Path) -> tuple[Path, list[Moment]]:
    """A picture with stripes in which a face stands, and two moments of it."""
    rows, columns = np.mgrid[:96, :128]
    stripes = 20 * np.sin(columns)
    picture = np.stack([90 + stripes + rows / 2, 120 + stripes, 110 - stripes], axis=-1)
    clip = write_rgb(tmp_path / "in.mkv", [picture.astype(np.uint8)] * 5, pix_fmt="yuv444p")
    track = tracklet(1, 0, 5)
    poses = np.tile([64.0, 48.0, np.log(64.0), 0.0], (5, 1))
    object.__setattr__(track, "poses", poses)
    return clip, [Moment(track, 1), Moment(track, 4)]


def spread(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch, added: Added
) -> list[Spread]:
    monkeypatch.setitem(
        restorers.RESTORERS, "inventor", Row(lambda loader: Inventor(loader, added), invents=True)
    )
    loader = Loader(Settings(restore=RestoreSettings(restorer="inventor")))
    return list(spreads(open_clip(moments[0]), moments[1], COUNT, loader, 1, "yuv444p"))


def noise(seed: int) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0, 0.1, (SIDE, SIDE, 3)).astype(np.float32)


def test_what_follows_from_the_face_alone_is_no_guess(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the crop is moved each time: contrast that goes by the content goes along."""
    found = spread(moments, monkeypatch, lambda crop, k: 0.8 * (crop - 0.4))
    assert share_of([one.energy for one in found]) < 1e-6
    assert max(float(one.spread.max()) for one in found) < 1e-5
    assert found[0].energy.added > 1e-4
    assert [one.moment.frame for one in found] == [1, 4]


def test_what_is_drawn_anew_each_time_is_all_guess(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = spread(moments, monkeypatch, lambda crop, k: noise(k))
    assert share_of([one.energy for one in found]) == pytest.approx(1.0, abs=0.03)
    assert float(np.mean([one.spread.mean() for one in found])) == pytest.approx(0.1, rel=0.1)


def test_what_is_painted_by_the_place_in_the_crop_is_a_guess_too(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fixed noise, as GFPGAN's: the moved crop gives it away."""
    fixed = noise(7)
    found = spread(moments, monkeypatch, lambda crop, k: fixed)
    assert share_of([one.energy for one in found]) > 0.9


def test_of_both_the_share_is_that_of_their_energies(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As strong as each other, by their squares: what goes by the content, and the noise."""

    def added(crop: FloatArray, k: int) -> FloatArray:
        true = crop - crop.mean(axis=(0, 1))
        return np.asarray(noise(k) + true * 0.1 / true.std(), np.float32)

    found = spread(moments, monkeypatch, added)
    assert share_of([one.energy for one in found]) == pytest.approx(0.5, abs=0.2)


def test_another_tint_is_no_detail(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = spread(moments, monkeypatch, lambda crop, k: np.float32(0.1 * k) * crop[:1, :1])
    assert share_of([one.energy for one in found]) == 0.0
    assert max(float(one.spread.max()) for one in found) < 1e-4


def test_where_nothing_was_added_nothing_is_guessed() -> None:
    assert share_of([Energy(1e-7, 1e-6)]) == 0.0
    assert share_of([]) == 0.0
    assert share_of([Energy(0.5, 1.0), Energy(0.0, 1.0)]) == 0.25
    assert share_of([Energy(1.2, 1.0)]) == 1.0


def test_the_map_is_where_it_differs(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def added(crop: FloatArray, k: int) -> FloatArray:
        patch = np.zeros_like(crop)
        patch[100:140, 60:100] = noise(k)[100:140, 60:100]
        return patch

    (one, _) = spread(moments, monkeypatch, added)
    inner = slice(SIDE // 64, SIDE - SIDE // 64)
    hot = np.zeros((SIDE, SIDE), bool)
    hot[94:146, 54:106] = True
    assert one.spread.shape == hot[inner, inner].shape == one.before.shape[:2]
    assert float(one.spread[~hot[inner, inner]].max()) < 0.01 < float(one.spread.max())


def test_two_runs_agree(
    moments: tuple[Path, list[Moment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (spread(moments, monkeypatch, lambda crop, k: noise(k)) for _ in range(2))
    np.testing.assert_array_equal(one[0].spread, other[0].spread)
    assert one[0].energy == other[0].energy


def test_crops_move_each_time_another_way() -> None:
    moved = [shift_of(k, 512) for k in range(COUNT)]
    assert moved[0] == (0, 0) and len(set(moved)) == COUNT
    assert all(7 <= np.hypot(*one) <= 9 for one in moved[1:])


def test_fidelity_varies_around_the_one_chosen() -> None:
    assert [round(varied_fidelity(0.5, k), 6) for k in range(5)] == [0.5, 0.6, 0.4, 0.7, 0.3]
    assert varied_fidelity(0.95, 1) == 1.0 and varied_fidelity(0.0, 2) == 0.0


@pytest.mark.slow
def test_gfpgan_draws_other_noise_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is the weights', and the seed 0 is the noise stored with them."""
    from tests.making.networks import gfpgan_state
    from videnhance.restorers.gfpgan import build

    state = gfpgan_state()

    def tensors(seed: int) -> dict[str, Tensor]:
        network = build(state, seed=seed)
        assert isinstance(network, GFPGAN)
        return dict(network.named_buffers()) | dict(network.named_parameters())

    plain, one, again, two = tensors(0), tensors(1), tensors(1), tensors(2)
    differ = {key for key in plain if not bool((plain[key] == one[key]).all())}
    assert differ and all(key.endswith(".noise") for key in differ)
    assert all(bool((one[key] == again[key]).all()) for key in one)
    assert any(not bool((one[key] == two[key]).all()) for key in differ)
