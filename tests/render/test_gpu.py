"""Work on pixels by torch, on a CPU here and on a GPU where there is one, beside that in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import torch

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.networks import by_torch
from videnhance import enhance, restorers
from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.affine import warp
from videnhance.imaging.compositing import Patch, box_mask
from videnhance.imaging.frames import FloatArray, Frame, PixelLayout
from videnhance.inference import LARGE
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.models.store import Obtained
from videnhance.render.gpu import OnDevice, _warp, pixels_on
from videnhance.render.pixels import IN_MEMORY
from videnhance.restorers.network import NetworkRestorer
from videnhance.settings.groups import (
    ComputeSettings,
    DetectSettings,
    GateLimits,
    OutputSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
TURNED = np.array([[0.9, -0.3, 21.0], [0.3, 0.9, 12.0]])
YUV = PixelLayout("yuv420p", "yuv", 8, (1, 1), False, (0.2126, 0.0722))
LAYOUTS = [
    YUV,
    PixelLayout("yuv444p10le", "yuv", 10, (0, 0), True, (0.299, 0.114)),
    PixelLayout("yuv422p16le", "yuv", 16, (1, 0), False, (0.2627, 0.0593)),
    PixelLayout("gray", "gray", 8, (0, 0), True, (0.299, 0.114)),
    PixelLayout("gbrp12le", "gbr", 12, (0, 0), True, (0.299, 0.114)),
]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> OnDevice:
    return OnDevice(request.param)


def smooth(seed: int, shape: tuple[int, ...], sigma: float = 2.0) -> FloatArray:
    """Texture around 0.5, within 0..1."""
    grain = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), sigma)
    return np.asarray(np.clip(0.5 + 0.15 * soft / soft.std(), 0.0, 1.0), np.float32)


def frame_of(layout: PixelLayout, alpha: bool = False) -> Frame:
    top = (1 << layout.depth) - 1
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = []
    for k in range(1 if layout.kind == "gray" else 3):
        x, y = layout.chroma_shift if k else (0, 0)
        planes.append((smooth(k, (120 >> y, 160 >> x)) * top).astype(kind))
    if alpha:
        planes.append(np.full((120, 160), 7, kind))
    return Frame(3, 30, tuple(planes), layout)


def on(device: OnDevice, values: FloatArray) -> torch.Tensor:
    return torch.from_numpy(values).to(device._device)


def array(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.cpu().numpy(), np.float32)


@pytest.mark.parametrize("zoom", [0.4, 1.0, 3.3])
@pytest.mark.parametrize("border", ["border", "zeros"])
def test_warp_resamples_as_in_memory(zoom: float, border: str) -> None:
    """A smooth picture: OpenCV's 32nds of a pixel then matter little."""
    image = smooth(0, (120, 160), 4.0)
    affine = TURNED * zoom
    mode = cv2.BORDER_REPLICATE if border == "border" else cv2.BORDER_CONSTANT
    expected = warp(image, affine, (90, 110), border=mode)
    found = _warp(torch.from_numpy(image)[None], affine, (90, 110), border)[0].numpy()
    inside = np.abs(found - expected)
    assert np.mean(inside) < 1e-3
    assert np.quantile(inside, 0.99) < 0.01


def test_warp_by_whole_pixels_is_exact() -> None:
    image = smooth(1, (40, 50))
    moved = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 5.0]])
    found = _warp(torch.from_numpy(image)[None], moved, (20, 30))[0].numpy()
    np.testing.assert_allclose(found, image[5:25, 3:33], atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
def test_crops_show_what_those_in_memory_show(device: OnDevice, layout: PixelLayout) -> None:
    frame = frame_of(layout)
    found = array(device.sample(device.bring(frame), TURNED * 0.3, 256))
    expected = IN_MEMORY.sample(frame, TURNED * 0.3, 256)
    assert found.shape == (256, 256, 3)
    assert np.abs(found - expected).mean() < 2e-3
    np.testing.assert_array_equal(array(device.sample(frame, TURNED * 0.3, 256)), found)


def patch(
    device: OnDevice | None, track: int = 0, shift: float = 0.0, mask: FloatArray | None = None
) -> Patch:
    before, after = smooth(8, (256, 256, 3), 20.0), smooth(9, (256, 256, 3), 20.0)
    affine = np.array([[0.25, -0.05, 40.0 + shift], [0.05, 0.25, 25.0]])
    if device is None:
        return Patch(track, before, after, affine, 0.8, mask)
    return Patch(track, on(device, before), on(device, after), affine, 0.8, mask)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
@pytest.mark.parametrize("held", [True, False])
def test_painted_frames_are_those_in_memory(
    device: OnDevice, layout: PixelLayout, held: bool
) -> None:
    frame = frame_of(layout, alpha=layout.kind == "gbr")
    source = device.bring(frame) if held else frame
    zones = [(60.0, 30.0, 70.0, 60.0)]
    expected = IN_MEMORY.paint(frame, [patch(None), patch(None, 1, 20.0)], zones)
    found = device.paint(source, [patch(device), patch(device, 1, 20.0)], zones)
    assert type(found) is Frame
    changed = 0
    for mine, theirs, plain in zip(found.planes, expected.planes, frame.planes, strict=True):
        assert mine.dtype == theirs.dtype
        off = np.abs(mine.astype(np.int64) - theirs.astype(np.int64))
        assert off.max() <= max(1, (1 << layout.depth) // 128)  # by OpenCV's 32nds of a pixel
        assert off.mean() < (1 << layout.depth) / 2000
        above = len(plain) // 8  # the rows over both faces
        np.testing.assert_array_equal(mine[:above], plain[:above])
        changed += int((mine != plain).sum())
    assert changed > 1000


def test_nothing_to_paint_gives_the_samples_that_were_read(device: OnDevice) -> None:
    frame = frame_of(YUV)
    found = device.paint(device.bring(frame), [], [])
    assert type(found) is Frame
    assert all(a is b for a, b in zip(found.planes, frame.planes, strict=True))


@pytest.mark.parametrize("kind", ["lasting", "own"])
def test_masks_are_those_given(device: OnDevice, kind: str) -> None:
    mask = box_mask(256) if kind == "lasting" else np.array(box_mask(256))
    frame = frame_of(YUV)
    for _ in range(2):
        found = device.paint(frame, [patch(device, mask=mask)], [])
        expected = IN_MEMORY.paint(frame, [patch(None, mask=mask)], [])
        assert np.abs(found.planes[0].astype(int) - expected.planes[0].astype(int)).max() <= 2


def test_a_face_s_change_is_that_in_memory(device: OnDevice) -> None:
    there = device.change(replace(patch(device), strength=0.5))
    assert there == pytest.approx(IN_MEMORY.change(patch(None)), rel=1e-3)


def test_a_crop_comes_back_as_it_is(device: OnDevice) -> None:
    crop = smooth(1, (64, 64, 3))
    found = device.fetch(on(device, crop))
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, IN_MEMORY.fetch(crop))


@pytest.mark.parametrize("grey", [True, False])
def test_colours_are_matched_as_in_memory(device: OnDevice, grey: bool) -> None:
    restored = smooth(2, (256, 256, 3), 9.0) * np.array([0.7, 1.0, 0.9], np.float32)
    source = smooth(3, (256, 256, 3), 9.0)
    found = array(device.match_color(on(device, restored), on(device, source), grey))
    np.testing.assert_allclose(found, IN_MEMORY.match_color(restored, source, grey), atol=2e-4)


@pytest.mark.parametrize("side", [256, 512])
def test_sharpness_is_that_in_memory(device: OnDevice, side: int) -> None:
    for sigma in (1.0, 4.0, 12.0):
        crop = smooth(4, (side, side, 3), sigma)
        found = device.sharpness(on(device, crop), side / 53.0)
        assert found == pytest.approx(IN_MEMORY.sharpness(crop, side / 53.0), abs=0.02)


@pytest.mark.parametrize("side", [256, 512])
def test_texture_is_steadied_as_in_memory(device: OnDevice, side: int) -> None:
    wide = smooth(5, (side, side + 16, 3), 6.0)
    crops = [np.ascontiguousarray(wide[:, 3 * t : 3 * t + side]) for t in range(5)]
    after = [
        crop + 0.1 * (smooth(20 + t, (side, side, 3), 1.5) - 0.5) for t, crop in enumerate(crops)
    ]
    both = list(zip(crops, after, strict=True))
    expected = IN_MEMORY.steady([IN_MEMORY.prepare(*pair) for pair in both], 2, 0.7)
    looks = [device.prepare(on(device, crop), on(device, restored)) for crop, restored in both]
    found = array(device.steady(looks, 2, 0.7))
    changed = float(np.abs(expected - after[2]).mean())
    assert np.abs(found - expected).mean() < 0.03 * changed
    np.testing.assert_array_equal(array(device.steady(looks, 2, 0.0)), after[2])
    np.testing.assert_array_equal(array(device.steady(looks[:1], 0, 1.0)), after[0])


def test_want_of_memory_is_told_in_one_line(
    device: OnDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr("videnhance.render.gpu._warp", full)
    with pytest.raises(ModelError, match=r"out of memory\. Tried.*--batch-size") as told:
        device.sample(frame_of(YUV), TURNED, 256)
    assert "\n" not in str(told.value)


def test_a_processor_works_in_memory() -> None:
    assert pixels_on("cpu") is IN_MEMORY


def test_a_network_gives_back_the_kind_of_crop_it_took(device: OnDevice) -> None:
    restorer = NetworkRestorer("plain", by_torch(torch.nn.Identity(), device=str(device._device)))
    crop = smooth(6, (256, 256, 3), 5.0)
    there = on(device, crop)
    plain, tensor = (
        restorer.restore([CropWindow(1, (0,), (each,), 0, 1.0)])[0] for each in (crop, there)
    )
    assert isinstance(plain, np.ndarray)
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(array(tensor), plain, atol=1e-5)


class Checks(torch.nn.Module):
    """Adds the same checks to every face."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # no remainder: as torch 2.4 exports it OpenVINO does not know it
        line = (torch.arange(512, device=x.device) // 64) & 1
        return x + 0.2 * (line[:, None] ^ line[None]).float() - 0.1


def none_needed(loader: Loader, name: str) -> Path:
    loader.obtained[name] = Obtained(name, Path("none.pth"), "0" * 64, False, None)
    return Path("none.pth")


@pytest.mark.slow
def test_a_whole_job_there_gives_the_frames_of_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, square_detector: str, device: OnDevice
) -> None:
    """Through gate, batches, steadiness, colours and paint, also across the borders of segments."""

    def make(loader: Loader) -> NetworkRestorer:
        return NetworkRestorer("checks", by_torch(Checks(), device=str(device._device)), 3)

    monkeypatch.setitem(
        restorers.RESTORERS, "checks", Row(make, weights="gfpgan-1.4", on_gpu=True, traits=LARGE)
    )
    monkeypatch.setattr(Loader, "weights", none_needed)
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        track=TrackSettings(persons=False),
        restore=RestoreSettings(restorer="checks", drift="off"),
        gate=GateLimits(eyes=(4.0, 20.0), sharpness=None, turned=None, misfit=None, score=None),
        compute=ComputeSettings(devices=("cpu",)),
        output=OutputSettings(codec="ffv1"),
    )
    clip = write_rgb(tmp_path / "in.mkv", square_frames(20))
    enhance(clip, tmp_path / "memory.mkv", wish)
    monkeypatch.setattr("videnhance.render.gpu.pixels_on", lambda name: device)
    enhance(clip, tmp_path / "there.mkv", wish)
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 7)
    enhance(clip, tmp_path / "cut.mkv", wish)
    memory, there, cut = (decoded(tmp_path / f"{name}.mkv") for name in ("memory", "there", "cut"))
    source, changed = decoded(clip), 0
    for k, plain in enumerate(source):
        for mine, theirs, again, was in zip(there[k], memory[k], cut[k], plain, strict=True):
            np.testing.assert_array_equal(mine, again)
            off = np.abs(mine.astype(int) - theirs.astype(int))
            assert off.max() <= 3
            assert off.mean() < 0.1
            changed += int((mine != was).sum())
    assert changed > 20 * 500


def test_the_batch_that_was_found_to_fit_is_remembered_in_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, square_detector: str
) -> None:
    made: list[NetworkRestorer] = []

    def make(loader: Loader) -> restorers.Restorer:
        build = lambda state, path: Checks()  # noqa: E731
        made.append(
            cast(NetworkRestorer, restorers._networked("gfpgan-1.4", build, loader, code="gfpgan"))
        )
        if len(made) == 1:
            made[0].batch = loader.batches["gfpgan-1.4 cpu f32"] = 3  # as a GPU would find it
        return made[-1]

    monkeypatch.setitem(
        restorers.RESTORERS, "checks", Row(make, weights="gfpgan-1.4", on_gpu=True, traits=LARGE)
    )
    monkeypatch.setattr(Loader, "weights", none_needed)
    monkeypatch.setattr("videnhance.models.loading.load_state", lambda path: {})
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        track=TrackSettings(persons=False),
        restore=RestoreSettings(restorer="checks", drift="off"),
        compute=ComputeSettings(devices=("cpu",), precision="f32"),
        output=OutputSettings(codec="ffv1"),
    )
    clip = write_rgb(tmp_path / "in.mkv", square_frames(8))
    for _ in range(2):
        enhance(clip, tmp_path / "out.mkv", wish, keep_job=True, overwrite=True)
    assert [restorer.batch for restorer in made] == [3, 3]
    chosen = replace(wish, compute=replace(wish.compute, batch_size=2))
    enhance(clip, tmp_path / "out.mkv", chosen, keep_job=True, overwrite=True, restart=True)
    assert made[-1].batch == 2
