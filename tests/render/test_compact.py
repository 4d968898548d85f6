"""The small upscaler: the published layout, the authors' network, tiles, other weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision_bridge import bridge

from tests.render.test_upscaling import WHOLE, picture
from videnhance.errors import ModelError
from videnhance.inference import Execution, compiled
from videnhance.models.catalog import WEIGHTS
from videnhance.render.rows import UPSCALERS
from videnhance.render.upscaling import Upscaler, compact_definition

bridge()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from basicsr.archs.srvgg_arch import SRVGGNetCompact


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The authors' network, small, with random weights that give pictures, and its file."""
    torch.manual_seed(4)
    network = SRVGGNetCompact(num_feat=16, num_conv=6)
    path = tmp_path_factory.mktemp("weights") / "realesr-general-x4v3.pth"
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    torch.save({"params": network.state_dict()}, path)
    return network.eval().requires_grad_(False), path


def upscaler(path: Path, backend: str = "torch", **more: Any) -> Upscaler:
    size = {name: more.pop(name, of) for name, of in (("convolutions", 6), ("features", 16))}
    network = compiled(
        compact_definition(path, None, **size), Execution(backend=backend, precision="f32")
    )
    return Upscaler(network, 4, **more)


@torch.inference_mode()
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_it_equals_the_authors_network(published: Any, backend: str) -> None:
    network, path = published
    image = picture(41, 56)
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = network(x)[0].permute(1, 2, 0).clamp(0.0, 1.0).numpy()
    (found,) = upscaler(path, backend).enlarge([image])
    assert found.shape == (164, 224, 3)
    np.testing.assert_allclose(found, expected, atol=0.2 / 255.0)
    nearest = image.repeat(4, axis=0).repeat(4, axis=1)
    assert np.abs(expected - nearest).mean() > 2.0 / 255.0  # the network has its part in it


def test_the_published_layout() -> None:
    """1,213,296 numbers in 32 + 2 convolutions with an activation after each but the last: a file
    of 4,885,111 bytes holds them in float32."""
    published = SRVGGNetCompact(num_feat=64, num_conv=32, upscale=4, act_type="prelu")
    sizes = {key: value.numel() for key, value in published.state_dict().items()}
    assert sum(sizes.values()) == 1213296
    assert 0 < (WEIGHTS["realesr-general-x4v3"].size or 0) - 4 * 1213296 < 60_000
    definition = compact_definition(Path("none"), None)
    from spandrel.architectures.Compact import Compact as Ours

    ours = Ours(num_feat=64, num_conv=32)
    assert {key: value.numel() for key, value in ours.state_dict().items()} == sizes
    assert definition.inputs == ((1, 3, -1, -1),)


def test_tiles_leave_no_trace(published: Any) -> None:
    _, path = published
    image = picture(101, 143)
    whole = upscaler(path, tile=WHOLE).enlarge([image])[0]
    tiled = upscaler(path, tile=64, overlap=8, batch=3).enlarge([image])[0]
    assert np.abs(tiled - whole).max() <= 0.2 / 255.0
    bare = upscaler(path, tile=64, overlap=0).enlarge([image])[0]
    assert np.abs(bare - whole).max() > 4.0 / 255.0


def test_other_weights_are_refused_by_key(published: Any) -> None:
    _, path = published
    with pytest.raises(ModelError, match=r"x4v3\.pth: .*missing \(body\.15\.weight"):
        upscaler(path, convolutions=8)
    with pytest.raises(ModelError, match=r"of another shape \(body\.0\.weight"):
        upscaler(path, features=24)


def test_its_row() -> None:
    weights = WEIGHTS[UPSCALERS["realesr-general-x4v3"].weights or ""]
    assert weights.licence == "BSD-3-Clause" and not weights.consent
