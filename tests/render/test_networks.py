"""Masks, upscalers and detectors: what is asked for by name, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.making.clips import decoded, square_frames, write_clip, write_rgb
from tests.making.restorers import Darken
from videnhance import detectors, restorers
from videnhance.cli.parse import settings_of
from videnhance.errors import UsageError
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.color import enlarged, resize
from videnhance.imaging.compositing import box_mask
from videnhance.imaging.frames import FloatArray, Frame, PixelLayout
from videnhance.inference import LARGE
from videnhance.job.plan import make_scope
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe
from videnhance.media.timeline import Segment
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.render.batches import Restored, Sampled
from videnhance.render.networks import Networks, detecting_weights, make_networks, rendering_weights
from videnhance.render.outcome import Outcome
from videnhance.render.pipeline import SegmentInput, restore
from videnhance.render.stages import finish
from videnhance.settings.groups import (
    DEFAULTS,
    DetectSettings,
    GateLimits,
    OutputSettings,
    RestoreSettings,
    Settings,
)

YUV420 = PixelLayout("yuv420p", "yuv", 8, (1, 1), False, (0.2126, 0.0722))


class Repeat:
    """Enlarges by repeating pixels."""

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def enlarge(self, images: Sequence[FloatArray]) -> list[FloatArray]:
        return [np.repeat(np.repeat(i, self.scale, 0), self.scale, 1) for i in images]


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
@pytest.mark.parametrize("scale", [2, 4])
def test_an_upscaler_s_picture_comes_back_to_planes(size: tuple[int, int], scale: int) -> None:
    """A plain colour stays what it was, to the sample; planes keep the sizes of `resize`."""
    height, width = size
    chroma = (height + 1) // 2, (width + 1) // 2
    planes = tuple(
        np.full(shape, value, np.uint8)
        for shape, value in (((height, width), 120), (chroma, 90), (chroma, 160))
    )
    frame = Frame(3, 99, planes, YUV420)
    large = enlarged(frame, scale, Repeat(scale))
    assert (large.index, large.pts) == (3, 99)
    for one, other, value in zip(
        large.planes, resize(frame, scale).planes, (120, 90, 160), strict=True
    ):
        assert one.shape == other.shape and one.dtype == other.dtype
        assert (one == value).all()


def test_chroma_stays_where_it_is_sited() -> None:
    """A ramp of colour comes out as the same ramp: half a pixel off would show."""
    ramp = np.tile(np.arange(60, 60 + 4 * 24, 4, dtype=np.uint8), (8, 1))
    frame = Frame(0, 0, (np.full((16, 48), 120, np.uint8), ramp, ramp), YUV420)

    class Smooth(Repeat):
        def enlarge(self, images: Sequence[FloatArray]) -> list[FloatArray]:
            x = (np.arange(96) + 0.5) / 2 - 0.5
            low = np.clip(np.floor(x).astype(int), 0, 46)
            part = (x - low)[None, :, None]
            rows = [np.repeat(i, 2, 0) for i in images]
            return [
                np.asarray(r[:, low] * (1 - part) + r[:, low + 1] * part, np.float32) for r in rows
            ]

    large = enlarged(frame, 2, Smooth(2))
    inner = large.planes[1][:, 8:-8].astype(float)
    expected = 60 + 4 * (np.arange(48) / 2)[8:-8]
    np.testing.assert_allclose(inner, np.tile(expected, (16, 1)), atol=1.0)


def test_frames_without_a_face_are_enlarged_too() -> None:
    frame = Frame(
        0, 0, (np.full((8, 8), 50, np.uint8),) + (np.full((4, 4), 128, np.uint8),) * 2, YUV420
    )
    found = finish(Restored(frame, ()), 2, (), Repeat(2))
    assert found.planes[0].shape == (16, 16)


def test_the_box_holds_all_but_its_border() -> None:
    mask = box_mask(100)
    assert mask[50, 50] == 1.0 and mask[12, 50] == 1.0 and mask[50, 12] == 1.0
    assert mask[0, 50] < 0.02 and mask[50, -1] < 0.02
    assert (np.diff(mask[50, :50]) >= 0).all()
    np.testing.assert_array_equal(mask, mask[::-1])
    np.testing.assert_array_equal(mask, mask.T)


def test_only_what_is_face_is_painted(tmp_path: Path, square_detector: str) -> None:
    """With --mask parsing the parser's mask decides, and it sees the source's crop."""
    from videnhance.job.run import detect_tracks

    clip = write_rgb(tmp_path / "in.mkv", square_frames(6))
    detect_tracks(
        clip, tmp_path / "t.json", Settings(detect=DetectSettings(detector=square_detector))
    )
    opened = open_clip(clip)
    tracks = read_tracks(tmp_path / "t.json", opened)
    seen: list[FloatArray] = []

    def left_half(crops: Sequence[FloatArray]) -> list[FloatArray]:
        seen.extend(crops)
        half = np.zeros((256, 256), np.float32)
        half[:, : half.shape[1] // 2] = 1.0
        return [half for _ in crops]

    (track,) = tracks.tracklets
    own = np.full((256, 256, 3), 0.25, np.float32)
    frames = [Frame(k, k, (np.zeros((128, 192), np.uint8),), GRAY) for k in range(6)]
    sampled = [Sampled(f, {track.id: own}) for f in frames]
    given = SegmentInput(opened, Segment(0, 0, 6), tracks, DEFAULTS, "gray")
    networks = Networks(Darken(-0.3, radius=0, batch=4), SimpleNamespace(masks=left_half))
    painted = restore(sampled, given, networks, Outcome())
    for item in painted:
        (patch,) = item.patches
        assert patch.mask is not None
        assert patch.mask[:, :128].all() and not patch.mask[:, 128:].any()
    np.testing.assert_array_equal(seen[0], own)


GRAY = PixelLayout("gray", "gray", 8, (0, 0), False, (0.299, 0.114))


def asked(**options: object) -> Settings:
    return settings_of({"restorer": "fusion", **options})


@pytest.mark.usefixtures("fusion_by_default")
def test_weights_are_those_that_are_needed() -> None:
    assert rendering_weights(DEFAULTS) == [] and detecting_weights(DEFAULTS) == []
    wish = asked(restorer="gfpgan", mask="parsing", upscaler="realesrgan-x2", scale=2)
    assert rendering_weights(wish) == ["gfpgan-1.4", "parsenet", "realesrgan-x2"]
    assert rendering_weights(asked(restorer="gfpgan-1.2")) == ["gfpgan-1.2"]
    assert detecting_weights(asked(detector="retinaface")) == ["retinaface"]
    with pytest.raises(UsageError, match="realesrgan-x4: enlarges 4 times; add --scale 4"):
        rendering_weights(asked(upscaler="realesrgan-x4", scale=2))


def test_auto_is_the_best_detector_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "in.mp4")
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    wish = Settings(detect=DetectSettings(detector="auto"))
    assert make_scope(probe(clip), wish).settings.detect.detector == "centerface"
    (tmp_path / "models").mkdir()
    with (tmp_path / "models" / "detection_Resnet50_Final.pth").open("wb") as file:
        file.truncate(109497761)
    assert make_scope(probe(clip), wish).settings.detect.detector == "retinaface"
    with pytest.raises(UsageError, match="--detector nonesuch: unknown; choose from centerface"):
        detectors.resolved("nonesuch")


def test_a_network_is_made_for_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Fake:
        name, radius, batch, invents = "fake", 0, 1, True

        def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
            return []

    def make(loader: Loader) -> Fake:
        made.append(loader.device)
        return Fake()

    monkeypatch.setitem(
        restorers.RESTORERS, "fake", Row(make, "gfpgan-1.4", on_gpu=True, traits=LARGE)
    )
    monkeypatch.setattr("videnhance.render.gpu.pixels_on", lambda device: device)
    made_for = make_networks(Loader(asked(restorer="fake", devices="cuda:0, cuda:1")))
    assert made == ["cuda:0", "cuda:1"]
    assert [str(networks.pixels) for networks in made_for] == made
    made.clear()
    assert len(make_networks(Loader(asked(devices="cuda:0,cuda:1")))) == 1  # fusion has no network


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"devices": "cpu,"}, "--devices cpu,: takes different names"),
        ({"devices": "cuda:0,cuda:0"}, "takes different names"),
        ({"batch_size": "0"}, "--batch-size 0: takes auto or a number from 1"),
        ({"batch_size": "many"}, "--batch-size many"),
        ({"precision": "f8"}, "--precision f8: takes auto, f32, bf16, fp16"),
        ({"on_error": "hope"}, "--on-error hope: takes fail, keep"),
        ({"mask": "round"}, "--mask round: takes ellipse, box, parsing"),
        ({"upscaler": "magic"}, "--upscaler magic: takes lanczos, realesrgan-x2"),
        ({"steady": 1.5}, "--steady 1.5: takes 0 to 1"),
        ({"fidelity": -1.0}, "--fidelity -1: takes 0 to 1"),
        ({"gate_eyes": "8"}, "--gate-eyes 8: takes NONE,FULL such as 8,16, or off"),
        ({"gate_eyes": "16,8"}, "--gate-eyes 16,8: the first, where strength is 0, must be below"),
        ({"gate_turned": "10,20"}, "--gate-turned 10,20: .* must be above"),
        ({"weights": ["x.pth"]}, "--weights x.pth: fusion has no weights; write NAME=FILE"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        asked(**options)


def test_options_become_settings() -> None:
    wish = asked(
        restorer="gfpgan",
        devices="cuda:0,cuda:1",
        batch_size="8",
        gate_eyes="10,20",
        gate_score="off",
        weights=["own.pth", "parsenet=p=1.pth"],
        accept_license=["codeformer", "codeformer"],
    )
    assert wish.compute.devices == ("cuda:0", "cuda:1") and wish.compute.batch_size == 8
    assert wish.gate == replace(GateLimits(), eyes=(10.0, 20.0), score=None)
    assert wish.models.files == (
        ("gfpgan-1.4", str(Path("own.pth").absolute())),
        ("parsenet", str(Path("p=1.pth").absolute())),
    )
    assert wish.models.accepted == ("codeformer",)
    assert Settings.from_json(wish.as_json()) == wish


@pytest.mark.parametrize("mask", ["ellipse", "box"])
def test_the_mask_s_shape_is_what_is_painted(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch, mask: str
) -> None:
    from videnhance.job.run import enhance

    monkeypatch.setitem(restorers.RESTORERS, "darken", Row(lambda loader: Darken(0.3, radius=0)))
    clip = write_rgb(tmp_path / "in.mkv", square_frames(3))
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="darken", mask=mask),
        output=OutputSettings(codec="ffv1"),
    )
    enhance(clip, tmp_path / "out.mkv", wish)
    change = decoded(clip)[1][0].astype(int) - decoded(tmp_path / "out.mkv")[1][0]
    rows, columns = np.nonzero(change > 5)
    corner = change[rows.min() + 5, columns.min() + 5]
    assert (corner > 40) == (mask == "box")


def test_a_network_that_enlarges_is_named_as_one_that_invents(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from videnhance.job.run import enhance
    from videnhance.restorers.fusion import Fusion

    monkeypatch.setattr("videnhance.job.steps.plan.rendering_weights", lambda settings: [])
    monkeypatch.setattr("videnhance.job.directory.fingerprints.rendering_rows", lambda settings: [])
    networks = Networks(Fusion(), None, Repeat(2))  # type: ignore[arg-type]
    monkeypatch.setattr("videnhance.job.steps.render.make_networks", lambda loader: [networks])
    clip = write_rgb(tmp_path / "in.mkv", square_frames(3))
    wish = Settings(
        detect=DetectSettings(detector=square_detector),
        output=OutputSettings(codec="ffv1", scale=2, upscaler="realesrgan-x2"),
    )
    summary = enhance(clip, tmp_path / "out.mkv", wish)
    assert summary.restorer == "fusion + realesrgan-x2" and summary.invents
    assert decoded(tmp_path / "out.mkv")[0][0].shape == (256, 384)
