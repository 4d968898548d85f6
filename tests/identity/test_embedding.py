"""Embeddings: which part of a face the network is shown, and that it tells people apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.making.faces import person
from videnhance.errors import ModelError
from videnhance.faces.alignment import TEMPLATE
from videnhance.identity.embedding import (
    CHIP_TO_SQUARE,
    IDENTITY,
    SIDE,
    Embedder,
    chip,
    definition,
    distance,
)
from videnhance.imaging.affine import invert, place
from videnhance.models.loader import Loader


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return IDENTITY.make(Loader())


def test_the_eyes_are_where_the_network_learned_them() -> None:
    eyes = place(TEMPLATE[:2], invert(CHIP_TO_SQUARE))
    np.testing.assert_allclose(eyes.mean(axis=0), [75.0, 46.6], atol=1e-6)
    assert np.hypot(*(eyes[1] - eyes[0])) == pytest.approx(52.9)


def test_crops_of_all_sizes_show_the_same_part() -> None:
    small, large = chip(person(0, 256)), chip(person(0, 512))
    assert small.shape == (3, SIDE, SIDE)
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
    assert embedder.embed([]).shape == (0, 128)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a.weight": torch.zeros(2)}, path)
    make = definition(path).make
    assert make is not None
    with pytest.raises(ModelError, match=r"other\.safetensors: .*give the published file"):
        make()
