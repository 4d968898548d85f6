"""Every network by every backend that computes it: they agree, whatever the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from tests.making.networks import codeformer, gfpgan_state, restoreformer, retinaface
from videnhance.detectors import centerface
from videnhance.detectors import retinaface as retina
from videnhance.identity import definitions
from videnhance.imaging.frames import FloatArray
from videnhance.inference import (
    CODED,
    PLAIN,
    STYLED,
    Definition,
    Execution,
    compiled,
    on_openvino,
)
from videnhance.models.catalog import BUNDLED
from videnhance.render import parsing, upscaling
from videnhance.restorers import clarity
from videnhance.restorers.codeformer import build as build_codeformer
from videnhance.restorers.gfpgan import EXACT as EXACT_IN_GFPGAN
from videnhance.restorers.gfpgan import build as build_gfpgan
from videnhance.restorers.restoreformer import build as build_restoreformer

REFERENCE = Execution(backend="torch", precision="f32")
EXACT = Execution(backend="openvino", precision="f32")
HALVED = Execution(backend="openvino", precision="bf16")


@dataclass
class Subject:
    """A network with weights that need not mean anything, and an input."""

    definition: Definition
    inputs: tuple[FloatArray, ...]
    unit: float
    """What is multiplied to the outputs to get levels of 255 (pictures), or pixels."""
    halved: float
    """Root of the mean square by which bf16 may differ, in that unit."""
    exact: float = 0.05
    """Largest difference by which f32 may differ."""


def face(side: int) -> FloatArray:
    """(1, 3, side, side) RGB 0..1."""
    picture = cv2.resize(data.astronaut()[:256, 80:336], (side, side))
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None] / 255.0, np.float32)


def of_centerface(folder: Path) -> Subject:
    return Subject(centerface.definition(), (face(128) * 255.0,), 4.0, 1.0)


def of_retinaface(folder: Path) -> Subject:
    torch.save(retinaface("mobile0.25").state_dict(), folder / "r.pth")
    given = face(128) * 255.0 - np.float32(110.0)
    return Subject(retina.definition("mobile0.25", folder / "r.pth"), (given,), 100.0, 1.0)


def of_clarity(folder: Path) -> Subject:
    """Of what the first part makes of a face whose frames differ by noise."""
    prepare, network = clarity.definitions(BUNDLED["clarity"])
    crop = face(64)
    noise = np.random.default_rng(0).normal(0.0, 0.02, (1, 7, 64, 64)).astype(np.float32)
    planes = np.concatenate([crop, crop.mean(1, keepdims=True) + noise], 1)
    zoom, quantizer = np.array([2.5], np.float32), np.array([28.0], np.float32)
    (x,) = compiled(prepare, REFERENCE)(planes, zoom, quantizer)
    return Subject(network, (x,), 255.0, 0.1)


def of_clarity_in(folder: Path) -> Subject:
    prepare, _ = clarity.definitions(BUNDLED["clarity"])
    planes = np.random.default_rng(0).uniform(0.0, 1.0, (2, 10, 64, 40)).astype(np.float32)
    facts = np.array([2.5, 3.0], np.float32), np.array([np.nan, 30.0], np.float32)
    return Subject(prepare, (planes, *facts), 255.0, 0.01)


def of_gfpgan(folder: Path) -> Subject:
    made = build_gfpgan(gfpgan_state())
    definition = Definition(
        "gfpgan", ((1, 3, 512, 512),), STYLED, lambda: made, exact=EXACT_IN_GFPGAN
    )
    return Subject(definition, (face(512) * 2.0 - 1.0,), 127.5, 2.0)


def of_restoreformer(folder: Path) -> Subject:
    made = build_restoreformer(restoreformer().state_dict())
    definition = Definition("restoreformer", ((1, 3, 512, 512),), CODED, lambda: made)
    return Subject(definition, (face(512) * 2.0 - 1.0,), 127.5, 0.01)


def of_codeformer(folder: Path) -> Subject:
    made = build_codeformer(codeformer().state_dict(), 0.5)
    definition = Definition("codeformer", ((1, 3, 512, 512),), CODED, lambda: made)
    return Subject(definition, (face(512) * 2.0 - 1.0,), 127.5, 0.01)


def of_parsenet(folder: Path) -> Subject:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.parsing.parsenet import ParseNet
    torch.manual_seed(0)
    save_file(ParseNet(in_size=512, out_size=512, parsing_ch=19).state_dict(), folder / "p")
    return Subject(parsing.definition(folder / "p"), (face(512) * 2.0 - 1.0,), 127.5, 1.0)


def of_realesrgan(folder: Path) -> Subject:
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    made = ESRGAN(num_filters=16, num_blocks=2, in_nc=12, shuffle_factor=2)
    definition = upscaling.definition(folder / "none", None, 2, blocks=2, features=16)
    return Subject(replace(definition, make=lambda: made), (face(48),), 255.0, 1.0)


def of_compact(folder: Path) -> Subject:
    from spandrel.architectures.Compact import Compact as SRVGGNetCompact

    torch.manual_seed(0)
    made = SRVGGNetCompact(num_feat=16, num_conv=6)
    definition = upscaling.compact_definition(folder / "none", None, convolutions=6, features=16)
    return Subject(replace(definition, make=lambda: made), (face(48),), 255.0, 1.0)


def of_identity(folder: Path) -> Subject:
    definition = definitions.dlib(BUNDLED["identity"])
    return Subject(definition, (face(150),), 1.0, 1e-4, 1e-4)


SMALL = (
    of_centerface,
    of_retinaface,
    of_clarity,
    of_clarity_in,
    of_identity,
    of_realesrgan,
    of_compact,
)
SLOW = (of_gfpgan, of_restoreformer, of_codeformer, of_parsenet)


@pytest.fixture(scope="module", params=SMALL)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    make: Callable[[Path], Subject] = request.param
    return make(tmp_path_factory.mktemp("weights"))


@pytest.fixture(
    scope="module", params=[*SMALL, *(pytest.param(of, marks=pytest.mark.slow) for of in SLOW)]
)
def any_subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Subject:
    """The large ones too, each of which takes many seconds to compile."""
    make: Callable[[Path], Subject] = request.param
    return make(tmp_path_factory.mktemp("weights"))


def outputs(subject: Subject, wish: Execution) -> list[FloatArray]:
    return [np.asarray(x) for x in compiled(subject.definition, wish)(*subject.inputs)]


def test_openvino_agrees_with_the_reference(any_subject: Subject) -> None:
    subject = any_subject
    expected, exact = outputs(subject, REFERENCE), outputs(subject, EXACT)
    # Networks that choose codes are computed in f32 whatever is asked.
    halves = subject.definition.traits is not CODED
    halved = outputs(subject, HALVED) if halves else exact
    for k, theirs in enumerate(expected):
        assert exact[k].shape == halved[k].shape == theirs.shape
        assert exact[k].dtype == halved[k].dtype == np.float32
        assert theirs.std() > 0.0
        assert subject.unit * np.abs(exact[k] - theirs).max() < subject.exact
        off = subject.unit * float(np.sqrt(np.mean((halved[k] - theirs) ** 2)))
        assert off <= subject.halved


@pytest.mark.parametrize("wish", [EXACT, HALVED], ids=["f32", "bf16"])
def test_the_number_of_threads_changes_no_bit(
    subject: Subject, wish: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for threads in (1, 2, 3, 0, 0):  # 0: as many as there are cores
        monkeypatch.setitem(on_openvino._CONFIG, "INFERENCE_NUM_THREADS", threads)
        found.append(outputs(subject, wish))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_items_of_a_batch_are_computed_as_alone(subject: Subject) -> None:
    if len(subject.inputs) > 1:
        return
    (one,) = subject.inputs
    network = compiled(subject.definition, EXACT)
    other = np.ascontiguousarray(one[..., ::-1])
    together = network(np.concatenate([one, other]))
    for k, alone in enumerate((network(one), network(other))):
        for parts, part in zip(together, alone, strict=True):
            np.testing.assert_array_equal(parts[k : k + 1], part)


def test_tensors_come_back_for_tensors(subject: Subject) -> None:
    network = compiled(subject.definition, EXACT)
    arrays, tensors = network(*subject.inputs), network(*map(torch.from_numpy, subject.inputs))
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())


class Scaled(torch.nn.Module):
    """A convolution, and a scale of each of its channels that is a product of matrices."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.scales = torch.nn.Parameter(torch.randn(192, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scales = x[:, :, :8, :8].flatten(1) @ self.scales
        y: torch.Tensor = self.layer(x) * scales[..., None, None]
        return y


def test_some_operations_are_computed_in_f32_amid_bf16() -> None:
    """The scales, which are then as in f32; the convolution is not."""
    given = np.random.default_rng(0).uniform(-1.0, 1.0, (1, 3, 32, 32)).astype(np.float32)
    plain = Definition("scaled", ((1, 3, 32, 32),), PLAIN, Scaled)
    (expected,) = compiled(plain, EXACT)(given)
    off = []
    for definition in (plain, replace(plain, exact=("MatMul",))):
        (found,) = compiled(definition, HALVED)(given)
        off.append(np.abs(found / expected - 1.0)[np.abs(expected) > 0.1])
    assert np.median(off[1], axis=0) < 0.8 * np.median(off[0], axis=0)
    assert off[1].max() > 1e-4


STARTS = """
import sys
from pathlib import Path
from videnhance import Settings, enhance
enhance(Path(sys.argv[1]), Path(sys.argv[2]), Settings())
print(*(name in sys.modules for name in ("openvino", "torch", "openvino_telemetry")))
"""


@pytest.mark.slow
def test_the_second_start_loads_no_torch_and_telemetry_is_never_loaded(
    tmp_path: Path, square_clip: Path
) -> None:
    place = {**os.environ, "VIDENHANCE_CACHE": str(tmp_path / "kept")}
    said = [
        subprocess.run(
            [sys.executable, "-c", STARTS, str(square_clip), str(tmp_path / f"{k}.mkv")],
            env=place,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for k in range(2)
    ]
    assert said == [["True", "True", "False"], ["True", "False", "False"]]
