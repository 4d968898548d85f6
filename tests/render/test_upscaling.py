"""The upscaler against basicsr's network, whole pictures against tiles; two small networks."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torchvision_bridge import bridge

from tests.making.networks import by_torch
from videnhance.errors import ModelError, UsageError
from videnhance.imaging.frames import FloatArray
from videnhance.inference import Execution, compiled
from videnhance.inference.convolution import quicken
from videnhance.render.upscaling import Upscaler, definition

bridge()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from basicsr.archs.rrdbnet_arch import RRDBNet

WHOLE = 4096
"""A tile larger than any picture here."""


def picture(height: int, width: int) -> FloatArray:
    square = data.astronaut()[10:200, 130:320]
    resized = cv2.resize(square, (width, height), interpolation=cv2.INTER_AREA)
    levels: FloatArray = np.asarray(resized, np.float32)
    levels /= np.float32(255.0)
    return levels


def network(scale: int) -> Any:
    """One block, random weights, pictures that span the range."""
    torch.manual_seed(scale)
    net = RRDBNet(3, 3, scale=scale, num_feat=16, num_block=1)
    with torch.no_grad():
        for key, value in net.named_parameters():
            if "body" in key:
                value.mul_(6.0)  # else the residuals, and with them the context, hardly tell
        net.conv_last.weight.mul_(6.0)
        net.conv_last.bias.fill_(0.5)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=[4, 2])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Scale, network, file."""
    net = network(request.param)
    path = tmp_path_factory.mktemp("weights") / f"RealESRGAN_x{request.param}plus.pth"
    torch.save({"params_ema": net.state_dict()}, path)
    return request.param, net, path


def upscaler(published: Any, **more: Any) -> Upscaler:
    scale, _, path = published
    size = {name: more.pop(name, default) for name, default in (("blocks", 1), ("features", 16))}
    wish = Execution(backend="torch", precision=more.pop("precision", "f32"))
    return Upscaler(compiled(definition(path, None, scale, **size), wish), scale, **more)


@torch.inference_mode()
def test_it_equals_the_authors_network(published: Any) -> None:
    scale, net, _ = published
    image = picture(40, 56)
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = net(x)[0].permute(1, 2, 0).clamp(0.0, 1.0).numpy()
    result = upscaler(published).enlarge([image])[0]
    assert result.shape == (40 * scale, 56 * scale, 3) and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=0.2 / 255.0)
    # a picture that were flat or saturated everywhere would prove nothing
    assert expected.std() > 0.05
    assert ((expected == 0.0) | (expected == 1.0)).mean() < 0.5


@torch.inference_mode()
def test_spandrels_network_gives_the_authors_bits(published: Any) -> None:
    _, net, _ = published
    x = torch.from_numpy(picture(40, 56)).permute(2, 0, 1)[None]
    found = upscaler(published)._network
    expected = copy.deepcopy(net)
    quicken(expected)  # else the convolutions differ, which the test above has in its tolerance
    assert torch.equal(found(x)[0], expected(x))


@torch.inference_mode()
def test_odd_sides_are_reflected_and_cut_off_again(published: Any) -> None:
    scale, net, _ = published
    image = picture(33, 47)
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    if scale == 2:
        x = torch.nn.functional.pad(x, (0, 1, 0, 1), mode="reflect")
    expected = net(x)[0].permute(1, 2, 0).clamp(0.0, 1.0).numpy()[: 33 * scale, : 47 * scale]
    np.testing.assert_allclose(upscaler(published).enlarge([image])[0], expected, atol=0.2 / 255.0)


@pytest.mark.parametrize(("height", "width"), [(101, 143), (64, 65), (130, 1)])
def test_tiles_leave_no_trace(published: Any, height: int, width: int) -> None:
    image = picture(height, width)
    whole = upscaler(published, tile=WHOLE).enlarge([image])[0]
    tiled = upscaler(published, tile=64, overlap=24, batch=3).enlarge([image])[0]
    assert tiled.shape == whole.shape
    assert np.abs(tiled - whole).max() <= 1.0 / 255.0


def test_context_is_what_hides_the_tiles(published: Any) -> None:
    image = picture(101, 143)
    whole = upscaler(published, tile=WHOLE).enlarge([image])[0]
    bare = upscaler(published, tile=64, overlap=0).enlarge([image])[0]
    assert np.abs(bare - whole).max() > 4.0 / 255.0


def watched(subject: Upscaler, monkeypatch: pytest.MonkeyPatch, most: int = 99) -> list[Any]:
    """The shapes its network is given, which has memory for `most` tiles at once."""
    shapes: list[Any] = []
    inner = subject._network

    def forward(x: FloatArray) -> Any:
        shapes.append(tuple(x.shape))
        if len(x) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return inner(x)

    monkeypatch.setattr(forward, "free", inner.free, raising=False)
    monkeypatch.setattr(subject, "_network", forward)
    return shapes


def test_the_network_never_sees_more_than_a_batch_of_tiles(
    published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = upscaler(published, tile=32, overlap=4, batch=4)
    shapes = watched(subject, monkeypatch)
    images = [picture(70, 90), picture(70, 90), picture(20, 34)]
    together = subject.enlarge(images)
    assert {shape[2:] for shape in shapes} == {(32, 32), (20, 32)}
    assert max(shape[0] for shape in shapes) == 4
    # tiles of two pictures share a batch: 2 x 12 in six, then 2
    assert len(shapes) == 7
    alone = upscaler(published, tile=32, overlap=4)
    for image, result in zip(images, together, strict=True):
        np.testing.assert_allclose(alone.enlarge([image])[0], result, atol=0.2 / 255.0)


def test_want_of_memory_halves_the_batch(published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = upscaler(published, tile=32, overlap=4, batch=8)
    expected = subject.enlarge([picture(70, 90)])[0]
    shapes = watched(subject, monkeypatch, most=3)
    np.testing.assert_allclose(subject.enlarge([picture(70, 90)])[0], expected, atol=0.2 / 255.0)
    assert [shape[0] for shape in shapes] == [8, 4, 2, 2, 2, 2, 2, 2]


def test_not_even_one_tile_is_an_error(published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = upscaler(published)
    watched(subject, monkeypatch, most=0)
    with pytest.raises(ModelError, match=r"^upscaling: not enough memory for one tile[^\n]*$"):
        subject.enlarge([picture(16, 16)])


def test_what_is_no_number_is_an_error(published: Any) -> None:
    broken = picture(16, 16)
    broken[3, 3] = np.nan
    with pytest.raises(ModelError, match=r"^upscaling: [^\n]*no numbers[^\n]*--precision f32$"):
        upscaler(published).enlarge([broken])


def test_bfloat16_is_close(published: Any) -> None:
    image = picture(40, 56)
    exact = upscaler(published).enlarge([image])[0]
    rounded = upscaler(published, precision="bf16").enlarge([image])[0]
    assert rounded.dtype == np.float32
    assert np.abs(rounded - exact).mean() < 3.0 / 255.0


@pytest.mark.parametrize(
    ("scale", "more"),
    [(3, {}), (4, {"tile": 64, "overlap": 32}), (4, {"tile": 63}), (4, {"batch": -1})],
)
def test_impossible_numbers_are_refused(scale: int, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Upscaler(by_torch(torch.nn.Identity()), scale, **more)


def test_other_weights_are_refused_by_key(published: Any) -> None:
    scale, _, path = published
    with pytest.raises(ModelError, match=rf"x{scale}plus\.pth: .*missing \(body\.1\.rdb1\.conv1"):
        upscaler(published, blocks=2)
    with pytest.raises(ModelError, match=r"of another shape \(conv_first\.weight"):
        upscaler((6 - scale, None, path))
