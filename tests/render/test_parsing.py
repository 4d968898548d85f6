"""Face parsing against facexlib's own pipeline, with one set of random weights for both."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from videnhance.errors import ModelError
from videnhance.imaging.frames import FloatArray
from videnhance.inference import Execution, compiled
from videnhance.models.loading import load_state
from videnhance.render.parsing import CLASSES, Parser, definition

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from facexlib.parsing.parsenet import ParseNet
    from facexlib.utils import face_restoration_helper

FACE = {
    *("skin", "nose", "glasses", "left eye", "right eye", "left brow", "right brow"),
    *("left ear", "right ear", "mouth", "upper lip", "lower lip", "earring"),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = ParseNet(in_size=512, out_size=512, parsing_ch=19)
    path = tmp_path_factory.mktemp("weights") / "parsing_parsenet.pth"
    torch.save(network.state_dict(), path)
    return path


def image() -> Any:
    """(512, 512, 3) uint8 RGB."""
    square = data.astronaut()[10:200, 130:320]
    return cv2.resize(square, (512, 512), interpolation=cv2.INTER_CUBIC)


def crop() -> FloatArray:
    levels: FloatArray = np.asarray(image(), np.float32)
    levels /= np.float32(255.0)
    return levels


def facexlibs(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Its labels (512, 512) of the image, and the mask it pastes the image with, 0..1."""
    network = ParseNet(in_size=512, out_size=512, parsing_ch=19)
    network.load_state_dict(torch.load(path, weights_only=True), strict=True)
    network.eval()
    answers: list[Any] = []

    def once(x: Tensor) -> Any:
        if not answers:
            answers.append(network(x))
        return answers[0]

    monkeypatch.setattr(face_restoration_helper, "init_detection_model", lambda *_, **__: None)
    monkeypatch.setattr(face_restoration_helper, "init_parsing_model", lambda *_, **__: once)
    helper = face_restoration_helper.FaceRestoreHelper(1, use_parse=True, device="cpu")
    bgr = np.ascontiguousarray(image()[..., ::-1])
    pasted = []
    for ground in (0, 255):
        helper.clean_all()
        helper.read_image(np.full_like(bgr, ground))
        helper.inverse_affine_matrices = [np.eye(2, 3)]
        helper.add_restored_face(bgr)
        pasted.append(helper.paste_faces_to_input_image().astype(np.float64))
    mask = 1.0 - (pasted[1] - pasted[0]).mean(2) / 255.0
    return answers[0][0].argmax(1)[0].numpy(), mask


@pytest.mark.slow
def test_labels_and_mask_equal_facexlibs(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, mask = facexlibs(published, monkeypatch)
    assert len(np.unique(labels)) >= 3
    assert 0.1 < mask.mean() < 0.9
    parser = parser_of(published, hair=True)
    found = parser.labels([crop()])
    np.testing.assert_array_equal(found[0], labels)
    # the same network gives the same labels; it need not be asked a third time
    monkeypatch.setattr(parser, "_run", lambda batch: np.stack(found))
    ours = parser.masks([crop()])[0]
    assert ours.shape == (512, 512) and ours.dtype == np.float32
    # theirs is known to half a level of two pictures
    np.testing.assert_allclose(ours, mask, atol=1.01 / 255.0)


def parser_of(path: Path, **more: Any) -> Parser:
    """By torch, which does not keep what it compiles."""
    return Parser(compiled(definition(path), Execution(backend="torch")), **more)


def telling(self: Any, x: Tensor) -> tuple[Tensor, None]:
    """A network that sees the class in the red of a pixel: black the first, white the last."""
    last = len(CLASSES) - 1
    label = ((x[:, 0] + 1.0) / 2.0 * last).round().long()
    return torch.nn.functional.one_hot(label, last + 1).movedim(-1, 1).float(), None


@pytest.fixture
def parser(published: Path, monkeypatch: pytest.MonkeyPatch) -> Parser:
    monkeypatch.setattr(ParseNet, "forward", telling)
    return parser_of(published)


def of_class(name: str, size: int) -> FloatArray:
    return np.full((size, size, 3), CLASSES.index(name) / (len(CLASSES) - 1), np.float32)


def test_skin_and_features_are_face_and_what_hides_them_is_not(parser: Parser) -> None:
    masks = parser.masks([of_class(name, 128) for name in CLASSES])
    inside = {name for name, mask in zip(CLASSES, masks, strict=True) if mask[64, 64] > 0.999}
    outside = {name for name, mask in zip(CLASSES, masks, strict=True) if mask.max() == 0.0}
    assert inside == FACE
    assert outside == set(CLASSES) - FACE


def test_a_mask_is_soft_and_ends_inside_its_crop(parser: Parser) -> None:
    half = of_class("skin", 256)
    half[:, :128] = of_class("cloth", 256)[:, :128]
    mask = parser.masks([half])[0]
    assert mask.shape == (256, 256)
    assert mask[[0, -1]].max() == 0.0 and mask[:, [0, -1]].max() == 0.0
    row = mask[128, 20:230]
    assert row[0] < 0.001 and row[-30] > 0.999
    assert row[108] == pytest.approx(0.5, abs=0.05)
    assert np.abs(np.diff(row)).max() < 0.06


def test_crops_may_differ_in_size_and_may_be_none(parser: Parser) -> None:
    both = parser.masks([of_class("skin", 256), of_class("hat", 512)])
    assert [mask.shape for mask in both] == [(256, 256), (512, 512)]
    assert both[0].max() > 0.999 and both[1].max() == 0.0
    assert parser.masks([]) == []


def test_values_beyond_the_range_count_as_its_ends(parser: Parser) -> None:
    crop = of_class("cloth", 512) + np.float32(0.4)
    assert set(np.unique(parser.labels([crop])[0])) == {CLASSES.index("cloth")}


def test_a_fault_is_told_in_a_line(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Any, x: Tensor) -> None:
        raise RuntimeError("not enough\nmemory")

    monkeypatch.setattr(ParseNet, "forward", fails)
    with pytest.raises(ModelError, match=r"^parsenet: [^\n]*not enough memory[^\n]*$"):
        parser.masks([of_class("skin", 256)])


def test_other_weights_are_refused_by_key(published: Path, tmp_path: Path) -> None:
    state = load_state(published)
    state["encoder.0.conv2d.weight"] = torch.zeros(64, 3, 1, 1)
    torch.save(state, tmp_path / "parsenet.pth")
    with pytest.raises(ModelError, match=r"parsenet\.pth: .*shape \(encoder\.0\.conv2d\.weight"):
        parser_of(tmp_path / "parsenet.pth")


def test_counters_of_the_training_may_be_missing(published: Path, tmp_path: Path) -> None:
    state = {k: v for k, v in load_state(published).items() if "num_batches" not in k}
    given = tmp_path / "parsenet.pth"
    torch.save(state, given)
    parser_of(given)
    del state["body.0.conv1.norm.norm.running_mean"]
    torch.save(state, given)
    with pytest.raises(ModelError, match=r"1 missing \(body\.0\.conv1\.norm\.norm\.running_mean"):
        parser_of(given)
