"""Compiled networks are kept by all that they are a function of; failing only costs time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videnhance.imaging.frames import FloatArray
from videnhance.inference import PLAIN, Definition, Execution, Way, cache, compiled

WAY = Way("openvino", "cpu", "f32")
WISH = Execution(backend="openvino", precision="f32")
GIVEN = np.linspace(-1.0, 1.0, 3 * 9 * 7, dtype=np.float32).reshape(1, 3, 9, 7)


class Small(nn.Module):
    def __init__(self, bias: float) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3, padding=1)
        nn.init.constant_(self.layer.weight, 0.1)
        nn.init.constant_(self.layer.bias, bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIDENHANCE_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


Made = list[float]


@pytest.fixture
def made() -> Made:
    """The biases of the networks that were made."""
    return []


def definition(made: Made, bias: float = 0.0, weights: str | None = "abc") -> Definition:
    def make() -> nn.Module:
        made.append(bias)
        return Small(bias)

    return Definition("small", ((1, 3, -1, -1),), PLAIN, make, weights=weights)


def run(definition: Definition) -> FloatArray:
    (found,) = compiled(definition, WISH)(GIVEN)
    return np.asarray(found)


def test_the_second_start_makes_no_network_and_gives_the_same_bits(
    folder: Path, made: Made
) -> None:
    first = run(definition(made))
    with torch.inference_mode():
        expected = Small(0.0)(torch.from_numpy(GIVEN)).numpy()
    np.testing.assert_allclose(first, expected, atol=1e-6)
    np.testing.assert_array_equal(run(definition(made, bias=9.0)), first)
    assert made == [0.0]
    (file,) = folder.iterdir()
    assert file.name.startswith("small-f32-")


def test_a_network_outlives_the_file_that_it_was_read_back_from(folder: Path, made: Made) -> None:
    """The file is mapped, and the network reads weights from it when it is called."""
    first = run(definition(made))
    network = compiled(definition(made), WISH)
    (file,) = folder.iterdir()
    file.unlink()
    np.testing.assert_array_equal(np.asarray(network(GIVEN)[0]), first)
    assert made == [0.0]


def test_what_has_no_hash_is_not_kept(folder: Path, made: Made) -> None:
    run(definition(made, weights=None))
    assert not folder.exists()


def test_its_name_is_of_all_that_it_is_a_function_of(
    folder: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = definition(made)
    places = {
        cache.place(plain, WAY, ["processor"]),
        cache.place(plain, WAY, ["another"]),
        cache.place(plain, replace(WAY, precision="bf16"), ["processor"]),
        cache.place(replace(plain, weights="def"), WAY, ["processor"]),
        cache.place(replace(plain, also=(0.5,)), WAY, ["processor"]),
        cache.place(replace(plain, inputs=((1, 3, 8, 8),)), WAY, ["processor"]),
        cache.place(replace(plain, packages=("torch",)), WAY, ["processor"]),
        cache.place(replace(plain, code=("videnhance.errors",)), WAY, ["processor"]),
    }
    assert len(places) == 8
    assert cache.place(plain, WAY, ["processor"]) in places
    monkeypatch.setattr(cache, "version", lambda package: "0.0.1")
    assert cache.place(plain, WAY, ["processor"]) not in places


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def of_nothing(file: Path) -> None:
    file.write_bytes(b"")


def other_bits(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def of_another_program(file: Path) -> None:
    """Whole, but nothing that OpenVINO has written."""
    cache.keep(file, b"no network")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [cut_off, of_nothing, other_bits, of_another_program, a_folder])
def test_damage_costs_only_time(folder: Path, made: Made, damage: Callable[[Path], None]) -> None:
    first = run(definition(made))
    (file,) = folder.iterdir()
    damage(file)
    np.testing.assert_array_equal(run(definition(made)), first)
    assert made == [0.0, 0.0]
    if damage is not a_folder:
        run(definition(made))
        assert made == [0.0, 0.0]  # it was written anew


def test_a_folder_that_cannot_be_written_costs_only_time(folder: Path, made: Made) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file")
    run(definition(made))
    run(definition(made))
    assert made == [0.0, 0.0]


def test_nothing_is_left_of_a_write_that_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "replace", full)
    cache.keep(folder / "one.compiled", b"content")
    assert list(folder.iterdir()) == []


def test_what_was_not_used_for_longest_makes_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST", 3 * (cache.HEAD + 100))
    for k, name in enumerate("abc"):
        cache.keep(folder / f"{name}.compiled", bytes(100))
        os.utime(folder / f"{name}.compiled", (k, k))
    used = cache.kept(folder / "a.compiled")  # b is the oldest now
    assert used is not None and used[cache.HEAD :] == bytes(100)
    cache.keep(folder / "d.compiled", bytes(100))
    assert sorted(path.name[0] for path in folder.iterdir()) == ["a", "c", "d"]
