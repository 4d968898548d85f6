"""Embeddings: which part of a face the network is shown, and that it tells people apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.making.faces import person
from tests.making.onnx_files import channel_means
from videnhance.errors import ModelError, UsageError
from videnhance.faces.alignment import RECOGNITION, TEMPLATE
from videnhance.identity import EMBEDDERS, embedder_row
from videnhance.identity.definitions import dlib, of_file
from videnhance.identity.embedding import (
    ADAFACE,
    DLIB,
    SAME,
    SFACE,
    Chips,
    Embedder,
    chip,
    distance,
)
from videnhance.imaging.affine import invert, place
from videnhance.inference import compiled
from videnhance.inference.contract import Execution
from videnhance.models.loader import Loader
from videnhance.settings.groups import ModelSettings, Settings


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return EMBEDDERS["dlib"].make(Loader())


def test_the_eyes_are_where_the_network_learned_them() -> None:
    eyes = place(TEMPLATE[:2], invert(DLIB.to_square))
    np.testing.assert_allclose(eyes.mean(axis=0), [75.0, 46.6], atol=1e-6)
    assert np.hypot(*(eyes[1] - eyes[0])) == pytest.approx(52.9)


def test_crops_of_all_sizes_show_the_same_part() -> None:
    small, large = chip(person(0, 256)), chip(person(0, 512))
    assert small.shape == (3, DLIB.side, DLIB.side)
    assert np.abs(small - large).mean() < 0.01


def test_what_lies_beyond_black_and_white_does_not_count() -> None:
    face = person(0, 256)
    np.testing.assert_array_equal(chip(face * 2.0), chip(np.minimum(face * 2.0, 1.0)))


def test_faces_of_one_person_are_nearer_than_those_of_others(embedder: Embedder) -> None:
    faces = [person(0, 256), person(0, 512)[:, ::-1], *(person(k, 256) for k in (1, 2, 7))]
    one, same, *others = embedder.embed(faces)
    assert distance(one, same) < 0.3
    assert min(distance(one, other) for other in others) > 0.6


def test_it_is_the_same_alone_and_among_others(embedder: Embedder) -> None:
    faces = [person(0, 256), person(1, 256)]
    together = embedder.embed(faces)
    for face, found in zip(faces, together, strict=True):
        np.testing.assert_array_equal(embedder.embed([face])[0], found)
    assert len(embedder.embed([])) == 0


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a.weight": torch.zeros(2)}, path)
    make = dlib(path).make
    assert make is not None
    with pytest.raises(ModelError, match=r"other\.safetensors: .*give the published file"):
        make()


def test_networks_that_learned_from_landmarks_are_shown_them_where_they_were() -> None:
    """The template is not quite the same shape; a similarity brings it within 2.2 of 112 pixels."""
    for chips in (SFACE, ADAFACE):
        shown = place(TEMPLATE, invert(chips.to_square))
        np.testing.assert_allclose(shown, RECOGNITION, atol=2.2)
        np.testing.assert_allclose(shown.mean(axis=0), np.mean(RECOGNITION, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("chips", "levels"),
    [(DLIB, [1.0, 0.5, 0.0]), (SFACE, [255.0, 127.5, 0.0]), (ADAFACE, [-1.0, 0.0, 1.0])],
)
def test_levels_and_channels_are_as_each_network_wants_them(
    chips: Chips, levels: list[float]
) -> None:
    shown = chip(np.full((64, 64, 3), [2.0, 0.5, -1.0], np.float32), chips)
    middle = shown[:, chips.side // 2, chips.side // 2]
    np.testing.assert_allclose(middle, levels, atol=1e-4)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_distances_of_a_file_are_in_the_unit_of_all_limits(tmp_path: Path, backend: str) -> None:
    given = channel_means(tmp_path / "means.onnx", SFACE.side)
    network = compiled(of_file(SFACE, given), Execution(backend=backend))
    colours = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    one, other = Embedder(network, SFACE).embed(
        [np.full((32, 32, 3), colour, np.float32) for colour in colours]
    )
    # two unit vectors at a right angle are the root of 2 apart
    assert SFACE.same == 1.128
    assert distance(one, other) == pytest.approx(2**0.5 * SAME / 1.128, rel=1e-5)


def test_a_file_that_is_not_a_network_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "sface.onnx").write_bytes(b"no network at all")
    with pytest.raises(ModelError, match=r"sface\.onnx: .*--identity-model dlib"):
        compiled(of_file(SFACE, tmp_path / "sface.onnx"), Execution())


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="--identity-model arc: unknown; choose from dlib, sface"):
        embedder_row(Settings(models=ModelSettings(identity="arc")))
