"""The restorers that are published as ONNX files, and GPEN's and GFPGAN's as such files."""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_doubles import gpen, write
from torch import Tensor, nn
from torchvision_bridge import bridge

from tests.making.crops import textured, window
from tests.making.onnx_files import blurring
from videnhance.cli.parse import settings_of
from videnhance.errors import ModelError, UsageError
from videnhance.imaging.frames import FloatArray
from videnhance.inference import ONNX_FACE, STYLED, devices, on_onnxruntime
from videnhance.models.catalog import WEIGHTS, Copy
from videnhance.models.loader import Loader
from videnhance.render.networks import packages_of, traits_of, ways_of
from videnhance.restorers import RESTORERS, Restorer
from videnhance.restorers.square import ARCFACE, Part, Whole
from videnhance.settings.groups import ComputeSettings, ModelSettings, RestoreSettings, Settings

ROWS = {"restoreformer++": 512, "gpen-256": 256, "gpen-512": 512}
GATED = ("gpen-256", "gpen-512")


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("VIDENHANCE_CACHE", str(tmp_path / "compiled"))


def given(name: str, path: Path, restorer: str = "", **models: object) -> Settings:
    """Settings in which a file is trusted for these weights."""
    wish = ModelSettings(files=((name, str(path)),), trust=True, accepted=GATED)
    return Settings(
        restore=RestoreSettings(restorer=restorer or name),
        models=replace(wish, **models),  # type: ignore[arg-type]
    )


def made(settings: Settings, **facts: object) -> Restorer:
    loader = replace(Loader(settings), **facts)  # type: ignore[arg-type]
    return RESTORERS[settings.restore.restorer].make(loader)


def crop(size: int = 256) -> FloatArray:
    found = textured(3, fine=6.0)
    return (
        found
        if size == 256
        else np.ascontiguousarray(np.kron(found, np.ones((2, 2, 1), np.float32)))
    )


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("size", [256, 512])
def test_a_face_goes_in_and_comes_out_as_by_onnxruntime(
    name: str, size: int, tmp_path: Path
) -> None:
    """In the network's square, RGB from -1 to 1, and by the same file."""
    side = ROWS[name]
    path = blurring(tmp_path / "a.onnx", side)
    face = crop(size)
    (found,) = made(given(name, path)).restore([window([face], 0)])
    square = Part(ARCFACE, 256) if name == "gpen-256" else Whole(side)
    tensor = torch.from_numpy(face).permute(2, 0, 1)[None]
    asked = square.taken(tensor).numpy() * 2.0 - 1.0
    (answer,) = on_onnxruntime.loaded().InferenceSession(path).run(None, {"input": asked})
    expected = square.returned(torch.from_numpy(answer[0] + 1.0) / 2.0, tensor)
    assert found.shape == face.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected.permute(1, 2, 0).numpy(), atol=1e-5)
    assert np.abs(found - face).mean() > 0.01


def test_gfpgan_is_known_as_an_onnx_file_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under any name, and without --trust-weights where its SHA-256 is known."""
    path = blurring(tmp_path / "from another tool.bin", 512)
    settings = settings_of({"restorer": "gfpgan", "weights": [f"gfpgan={path}"]})
    assert settings.models.files == (("gfpgan-1.4", str(path)),)
    with pytest.raises(ModelError, match=r"is not the published gfpgan-1\.4"):
        made(settings)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = replace(WEIGHTS["gfpgan-1.4"], also=(Copy("https://x/y", None, digest),))
    monkeypatch.setitem(WEIGHTS, "gfpgan-1.4", published)
    loader = Loader(settings)
    (found,) = RESTORERS["gfpgan"].make(loader).restore([window([crop()], 0)])
    assert np.abs(found - crop()).mean() > 0.01
    assert not loader.obtained["gfpgan-1.4"].trusted
    row = RESTORERS["gfpgan"]
    assert traits_of(row, settings) == ONNX_FACE and traits_of(row, Settings()) == STYLED
    assert [str(way) for way in ways_of(row, settings)] == ["openvino f32 on cpu"]
    other = replace(settings, models=replace(settings.models, files=(("gpen-512", str(path)),)))
    with pytest.raises(UsageError, match="gpen-512: is under"):
        made(replace(other, restore=RestoreSettings(restorer="gpen-512")))
    with pytest.raises(ModelError, match=r"not the published gpen-512 \(is gfpgan-1.4\)"):
        accepted = replace(other.models, accepted=GATED)
        made(replace(other, models=accepted, restore=RestoreSettings(restorer="gpen-512")))


def test_a_variation_of_an_onnx_file_is_the_file(tmp_path: Path) -> None:
    """Its noise is its own: only the crop is moved (render.invention)."""
    settings = given("gfpgan-1.4", blurring(tmp_path / "a.onnx", 512), "gfpgan")
    first, other = (made(settings, variation=k).restore([window([crop()], 0)]) for k in (0, 2))
    np.testing.assert_array_equal(first[0], other[0])


@pytest.mark.parametrize("name", ["gfpgan-1.3", "restoreformer"])
def test_an_onnx_file_in_place_of_other_weights_is_refused(name: str, tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx", 256)
    said = r"takes 1 x 3 x 256 x 256 instead" if name == "gfpgan-1.3" else "is an ONNX file, which"
    with pytest.raises(ModelError, match=rf"\A[^\n]*{said}[^\n]*; give[^\n]*\Z"):
        made(given(name, path))


@pytest.mark.parametrize("name", GATED)
def test_the_licence_must_be_accepted_once(name: str, tmp_path: Path) -> None:
    path = blurring(tmp_path / "a.onnx", ROWS[name])
    with pytest.raises(
        UsageError,
        match=rf"\A{name}: is under the GPEN's terms[^\n]*non-commercial[^\n]*"
        rf"--accept-license {name}, once\Z",
    ):
        made(given(name, path, accepted=()))
    made(given(name, path, accepted=(name,)))
    made(given(name, path, accepted=()))


def test_those_that_are_free_have_no_gate() -> None:
    assert not WEIGHTS["restoreformer++"].consent
    assert [name for name, weights in WEIGHTS.items() if weights.consent and name in RESTORERS] == [
        *GATED,
        "codeformer",
        "keep",
    ]


@pytest.mark.parametrize("name", ROWS)
def test_wrong_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    side = ROWS[name]
    whole = blurring(tmp_path / "whole.onnx", side).read_bytes()
    path = tmp_path / "a.onnx"
    faults: list[tuple[Callable[[], object], str]] = [
        (lambda: path.write_bytes(whole[:-30]), "probably damaged or cut off; fetch or copy"),
        (lambda: path.write_bytes(b"PK\x03\x04" * 99), "is not an ONNX file; give"),
        (lambda: blurring(path, 2 * side), f"instead of 1 x 3 x {side} x {side}; give"),
        (lambda: blurring(path, side, domain="com.x"), r"\(com\.x\.LeakyRelu\)"),
    ]
    for spoil, said in faults:
        spoil()
        with pytest.raises(ModelError, match=rf"\A[^\n]*a\.onnx: [^\n]*{said}[^\n]*\Z"):
            made(given(name, path))


def test_on_a_gpu_that_it_cannot_use_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from videnhance import inference

    told: list[str] = []
    monkeypatch.setattr(inference, "found", lambda name: name)
    monkeypatch.setattr(devices, "found", lambda name: name)
    monkeypatch.setattr(inference, "_computes_on_gpu", lambda: False)
    settings = given("restoreformer++", blurring(tmp_path / "a.onnx", 512))
    made(settings, device="cuda:0", tell=told.append)
    assert told == [
        "restoreformer++: an ONNX file, which is computed on the processor; for cuda:0 install "
        "onnxruntime-gpu"
    ]
    made(replace(settings, compute=ComputeSettings(backend="openvino")), device="cuda:0")
    assert len(told) == 1


def test_the_record_names_what_computed_it() -> None:
    rows = [RESTORERS["restoreformer++"]]
    assert packages_of(rows, Settings()) == ["openvino", "torch"]
    by_torch = Settings(compute=ComputeSettings(backend="torch"))
    assert packages_of(rows, by_torch) == ["onnxruntime", "torch"]


class Picture(nn.Module):
    """A network that takes more than a picture, or gives more."""

    def __init__(self, network: nn.Module, **wish: bool) -> None:
        super().__init__()
        self.network, self.wish = network, wish

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.network(x, **self.wish)[0]
        return picture


def narrow_gfpgan() -> nn.Module:
    """The authors' own, with an eighth of the channels."""
    bridge()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gfpgan.archs.gfpganv1_clean_arch import GFPGANv1Clean

        torch.manual_seed(0)
        network = GFPGANv1Clean(
            out_size=512,
            channel_multiplier=2,
            narrow=0.125,
            fix_decoder=False,
            input_is_latent=True,
            different_w=True,
            sft_half=True,
        )
    return Picture(network, return_rgb=False, randomize_noise=False)


def narrow_restoreformer() -> nn.Module:
    """The same of theirs, with codes so far apart that rounding cannot change the choice."""
    bridge()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from gfpgan.archs.restoreformer_arch import RestoreFormer

        torch.manual_seed(0)
        network = RestoreFormer(ch=32, ch_mult=(1, 1, 1, 1, 1, 2), num_res_blocks=1, n_embed=64)
    network.get_parameter("quantize.embedding.weight").data.normal_()
    return Picture(network)


PUBLISHED: dict[str, Callable[[], nn.Module]] = {
    "gfpgan": narrow_gfpgan,
    "restoreformer++": narrow_restoreformer,
    "gpen-256": lambda: gpen(256, 1, 0.125),
    "gpen-512": lambda: gpen(512, 2, 0.0625),
}
"""Networks with random weights in the layout in which they are published, but narrow: those of full
size differ as little, and take minutes (scripts/bench_networks.py)."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_layout_is_computed_as_by_onnxruntime(name: str, tmp_path: Path) -> None:
    weights = RESTORERS[name].weights or ""
    path = write(PUBLISHED[name](), tmp_path / "published.onnx", ROWS.get(name, 512))
    results = []
    for backend, way in (("auto", "openvino"), ("torch", "onnxruntime")):
        wish = replace(given(weights, path, name), compute=ComputeSettings(backend=backend))
        assert [str(found) for found in ways_of(RESTORERS[name], wish)] == [f"{way} f32 on cpu"]
        results += made(wish).restore([window([crop()], 0)])
    assert 255.0 * np.abs(results[0] - results[1]).max() < 0.05
    assert np.abs(results[0] - crop()).mean() > 0.01


@pytest.mark.parametrize(
    ("name", "layout"), [("gpen-256", (256, 1, 0.5)), ("gpen-512", (512, 2, 1.0))]
)
def test_gpens_layout_has_as_many_numbers_as_the_published_file(
    name: str, layout: tuple[int, int, float]
) -> None:
    with torch.device("meta"):
        network = gpen(*layout)
    numbers = sum(value.numel() for value in network.parameters())
    assert abs(4 * numbers / (WEIGHTS[name].size or 0) - 1.0) < 0.005
