"""The network that ships with the package: what it starts from, what holds it back, its gain."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.data import astronaut

from tests.making.clips import square_frames, write_rgb
from tests.making.crops import textured, window
from tests.making.detector import SquareDetector
from videnhance import Settings, detectors, enhance, restorers
from videnhance.cli.report import summary_text
from videnhance.errors import ModelError, UsageError
from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.imaging.optical_flow import enlarge
from videnhance.inference import Execution, compiled
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.models.catalog import BUNDLED
from videnhance.models.loader import Loader
from videnhance.models.loading import load_state
from videnhance.models.registry import Row
from videnhance.render.networks import make_networks
from videnhance.render.outcome import Outcome
from videnhance.restorers import clarity
from videnhance.restorers.clarity import Clarity, definitions, support
from videnhance.restorers.correction import (
    PLANES,
    STEPS,
    corrections,
    observed,
    work_side,
)
from videnhance.restorers.correction_network import Correction
from videnhance.restorers.fusion import Fusion
from videnhance.restorers.strength import (
    LARGE,
    MOST,
    QUANTIZER,
    QUIET,
    RATE,
    SIZES,
    strength_of,
)
from videnhance.settings.groups import (
    DetectSettings,
    ModelSettings,
    OutputSettings,
    RestoreSettings,
)
from videnhance.stopwatch import Stopwatch

SHIPPED = BUNDLED["clarity"]


@pytest.fixture
def seen() -> CropWindow:
    rng = np.random.default_rng(0)
    crops = [
        np.asarray(textured(1, 0.4 * t) + rng.normal(0, 0.02, (256, 256, 1)), np.float32)
        for t in range(5)
    ]
    return window(crops, 2, zoom=4.0)


def untrained(**tail: float) -> dict[str, torch.Tensor]:
    """The state of a network that adds nothing, or the same everywhere."""
    torch.manual_seed(0)
    network = Correction()
    for name, value in tail.items():
        torch.nn.init.constant_(getattr(network.tail, name), value)
    return network.state_dict()


def of(state: dict[str, torch.Tensor], name: str = "clarity", **more: Any) -> Clarity:
    """Clarity with these weights, which torch computes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clarity.safetensors"
        save_file(state, path)
        parts = [compiled(part, Execution(backend="torch")) for part in definitions(path)]
    return Clarity(name, parts, **more)


def fused(seen: CropWindow, coding: Coding = UNKNOWN_CODING) -> FloatArray:
    return Fusion(coding=coding).restore([seen])[0]


def test_untrained_it_is_fusion(seen: CropWindow) -> None:
    restorer = of(untrained())
    np.testing.assert_allclose(restorer.restore([seen])[0], fused(seen), atol=1e-6)
    (share,) = restorer.held_back()
    assert share is not None
    assert share < 0.01  # fusion's own departures beyond two deviations


def test_the_time_of_each_stage_is_counted(seen: CropWindow) -> None:
    watch = Stopwatch()
    of(untrained(), watch=watch).restore([seen])
    assert set(watch.seconds) == {"register", "fuse", "network", "guard"}
    assert min(watch.seconds.values()) > 0


def test_the_guard_holds_back_what_the_recording_contradicts(seen: CropWindow) -> None:
    """A network that makes all brighter: made small again, that is not what was recorded."""
    restorer = of(untrained(bias=0.25))
    found = restorer.restore([seen])[0]
    change = (found - fused(seen)).mean()
    assert 0.0 < change < 0.08
    assert restorer.held_back() == [1.0]
    assert restorer.held_back() == []  # told once


def test_the_guard_lets_pass_what_the_recording_cannot_tell(seen: CropWindow) -> None:
    """Detail finer than a source pixel averages out when the picture is made small again."""
    planes = np.repeat(seen.crops[2].mean(axis=2)[None], 3 + len(STEPS), axis=0)
    fine = np.zeros((256, 256, 1), np.float32)
    fine[:, ::2] = 0.1
    fine[:, 1::2] = -0.1
    assert support(planes[:3].transpose(1, 2, 0) + fine, planes, 4.0, UNKNOWN_CODING).min() == 1.0
    broad = np.full((256, 256, 1), 0.1, np.float32)
    assert support(planes[:3].transpose(1, 2, 0) + broad, planes, 4.0, UNKNOWN_CODING).max() < 0.2


def test_the_guard_allows_as_much_as_there_is_noise() -> None:
    rng = np.random.default_rng(0)
    levels = []
    for sigma in (0.002, 0.02, 0.1):
        small = rng.normal(0.5, sigma, (PLANES, 64, 64)).astype(np.float32)
        planes = np.stack([enlarge(plane, 256) for plane in small])
        crop = planes[3:4].repeat(3, 0).transpose(1, 2, 0) + 0.08
        levels.append(float(support(crop, planes, 4.0, UNKNOWN_CODING).mean()))
    assert levels[0] < 0.3
    assert levels == sorted(levels)
    assert levels[2] > 2.0 * levels[0]


def test_the_guard_allows_what_the_codec_rounded_off() -> None:
    planes = np.full((PLANES, 256, 256), 0.5, np.float32)
    crop = np.full((256, 256, 3), 0.5 + 12 / 255, np.float32)
    levels = [
        float(support(crop, planes, 4.0, Coding(0.1, quantizer)).mean())
        for quantizer in (10.0, 28.0, 34.0, 40.0)
    ]
    assert levels == sorted(levels)
    # a step is 1 at 4 and twice as large with every 6 more: 2 here, 16, 32, 64
    assert levels[2] / levels[1] == pytest.approx(2.0, abs=0.05)
    assert levels[0] < 0.3
    assert levels[3] == 1.0


@pytest.mark.parametrize(
    ("side", "zoom", "work"), [(256, 1.0, 256), (256, 3.0, 256), (256, 6.0, 128), (512, 30.0, 64)]
)
def test_the_network_works_at_the_scale_it_learned(side: int, zoom: float, work: int) -> None:
    assert work_side(side, zoom) == work


FINE, COARSE = Coding(0.5, 12.0), Coding(0.5, 34.0)


def test_auto_leaves_faces_of_other_sizes_to_fusion(seen: CropWindow) -> None:
    # at zoom 1 a crop of 256 has 63 pixels between the eyes
    levels = [strength_of(256, float(zoom), COARSE) for zoom in 63.0 / np.array(SIZES)]
    assert levels == pytest.approx([0.0, MOST, 1.0, 0.0], abs=0.02)
    small = window(list(seen.crops), 2, zoom=63.0 / 5.0)
    state = untrained(bias=0.02)
    restorer = of(state, restorers.AUTO, coding=COARSE, always=False)
    np.testing.assert_array_equal(restorer.restore([small])[0], fused(small))
    assert restorer.held_back() == [None]
    assert (of(state).restore([small])[0] != fused(small)).any()


@pytest.mark.parametrize(
    ("coding", "noise", "share", "raised"),
    [
        (COARSE, 0.0, 1.0, 1.0),
        (FINE, 0.0, 0.0, 0.0),
        (FINE, 8.0, 0.0, 1.0),  # finely coded noise
        (Coding(0.5, 17.0), 0.0, 0.5, 0.0),
        (Coding(0.5, 20.5), 0.0, 1.0, 0.0),
        (Coding(0.05), 0.0, 1.0, 0.4),  # the quantizer is not told: by the bits
        (Coding(0.3), 0.0, 1.0, 0.0),
        (Coding(0.3), 8.0, 1.0, 1.0),
        (UNKNOWN_CODING, 0.0, 1.0, 0.4),
    ],
)
def test_auto_corrects_less_what_is_large_and_finely_coded(
    seen: CropWindow, coding: Coding, noise: float, share: float, raised: float
) -> None:
    """Less the larger; coding and noise raise it to all of it. Of what is small, more than the
    network says, whatever the coding."""
    unit = 256 * float(eye_distance(np.zeros(4)))
    for eyes, large in ((60.0, 0.0), (43.0, 0.35), (36.5, 0.425), (30.0, 0.5)):
        expected = large * share + (1.0 - large * share) * raised
        assert strength_of(256, unit / eyes, coding, noise / 255) == pytest.approx(expected)
        assert strength_of(256, unit / eyes, None) == 1.0
    for eyes, expected in ((22.0, 1.0), (20.5, (1.0 + MOST) / 2), (15.0, MOST)):
        assert strength_of(256, unit / eyes, coding, noise / 255) == pytest.approx(expected)
        assert strength_of(256, unit / eyes, None) == pytest.approx(expected)
    if noise == 0.0:
        zoom = unit / 60.0
        still = window([seen.crops[2]] * 5, 2, zoom=zoom)
        restorer = of(untrained(bias=0.02), restorers.AUTO, coding=coding, always=False)
        assert (restorer.restore([still])[0] == fused(still, coding)).all() == (raised == 0.0)


def test_a_face_that_no_noise_would_bring_to_the_network_is_not_even_prepared_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a large face: ten planes as large as its crop would be made for nothing."""
    large = window([textured(1, 0.4 * t) for t in range(5)], 2, zoom=0.7)

    def never(*_: object) -> None:
        raise AssertionError

    for name in ("observed", "noise_of"):
        monkeypatch.setattr(clarity, name, never)
    restorer = of(untrained(bias=0.02), restorers.AUTO, coding=COARSE, always=False)
    np.testing.assert_array_equal(restorer.restore([large])[0], fused(large))
    assert restorer.held_back() == [None]


@pytest.mark.parametrize("digit", [-1e-6, 0.0, 1e-6])
def test_whether_a_face_is_corrected_does_not_hang_on_the_last_digit(digit: float) -> None:
    """At the very ends of the ramps: eyes, quantizer, bits and noise at which nothing is left.

    Of a size at which finely coded faces get nothing of themselves."""

    def strength(
        eyes: float, quantizer: float | None = 34.0, bits: float = 0.5, noise: float = 0.0
    ) -> float:
        unit = float(eye_distance(np.zeros(4)))
        return strength_of(256, 256 * unit / (eyes * (1 + digit)), Coding(bits, quantizer), noise)

    near = 1 + digit
    assert strength(40.0) == 1.0
    assert strength(SIZES[0]) == strength(SIZES[-1]) == 0.0
    assert strength(LARGE[-1], QUANTIZER[0]) == 0.0
    assert strength(62.0, QUANTIZER[0] * near) == 0.0
    assert strength(62.0, None, RATE[0] * near) == 0.0
    assert strength(62.0, QUANTIZER[0], noise=QUIET[0] * near) == 0.0


def test_a_result_is_of_the_window_alone(seen: CropWindow) -> None:
    state = load_state(SHIPPED)
    other = window([crop[::-1].copy() for crop in seen.crops], 2, zoom=4.0, first=50)
    once = of(state).restore([seen])[0]
    restorer = of(state)
    np.testing.assert_array_equal(restorer.restore([other, seen])[1], once)
    np.testing.assert_array_equal(restorer.restore([seen])[0], once)


@pytest.mark.slow
def test_the_network_goes_by_every_frame_and_by_the_quantizer(seen: CropWindow) -> None:
    state = {key: x.float() for key, x in load_state(SHIPPED).items()}
    network = Correction.shaped(state).eval()
    network.load_state_dict(state)
    planes = observed(Fusion().fuse(seen))

    def change(planes: FloatArray, quantizer: float | None = 28.0) -> FloatArray:
        return corrections(network.changes, [planes], [4.0], quantizer)[0]

    plain = change(planes)
    for k in range(PLANES):
        other = planes.copy()
        other[k] += np.random.default_rng(k).normal(0, 0.02, (256, 256)).astype(np.float32)
        assert np.abs(change(other) - plain).max() > 0.5 / 255
    fine, coarse, untold = (change(planes, step) for step in (10.0, 40.0, None))
    assert np.abs(fine - coarse).max() > 1.0 / 255
    assert np.isfinite(untold).all()
    assert np.abs(untold - coarse).max() > 0.1 / 255


def test_faces_of_a_batch_are_restored_as_alone(seen: CropWindow) -> None:
    state = load_state(SHIPPED)
    small = window(list(seen.crops), 2, zoom=8.0, first=50)
    tiny = window(list(seen.crops), 2, zoom=63.0 / 5.0, first=70)  # left to fusion by auto
    turned = window([crop[::-1].copy() for crop in seen.crops], 2, zoom=4.0, first=90)
    windows = [seen, small, tiny, turned]
    together, alone = (
        of(state, restorers.AUTO, coding=COARSE, always=False, batch=batch) for batch in (3, 0)
    )
    assert (together.batch, alone.batch) == (3, 1)
    for one, other in zip(together.restore(windows), alone.restore(windows), strict=True):
        np.testing.assert_allclose(one, other, atol=0.1 / 255)
    shares = together.held_back()
    assert shares == pytest.approx(alone.held_back(), abs=1e-3)
    assert [share is None for share in shares] == [False, False, True, False]


def test_a_network_that_fails_is_told_in_one_line(
    seen: CropWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(Correction, "change", fail)
    with pytest.raises(ModelError, match=r"clarity: .*out of memory.*--devices cpu") as caught:
        of(untrained()).restore([seen])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("side", "zoom"), [(256, 1.3), (256, 7.0), (512, 2.0), (512, 12.0)])
def test_gives_crops_of_the_same_kind(side: int, zoom: float) -> None:
    crops = [np.random.default_rng(k).random((side, side, 3), np.float32) for k in range(3)]
    found = of(load_state(SHIPPED)).restore([window(crops, 1, zoom)])[0]
    assert found.shape == (side, side, 3)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_what_ships_is_nearer_to_the_truth_than_fusion(noise: float) -> None:
    """A face it never saw, small and noisy; how much nearer on video is for bench_quality.py."""
    face = cv2.resize(astronaut()[0:200, 130:330], (256, 256), interpolation=cv2.INTER_AREA)
    truth = np.asarray(face / 255.0, np.float32)
    rng = np.random.default_rng(0)
    crops = []
    for _ in range(5):
        small = cv2.resize(truth, (72, 72), interpolation=cv2.INTER_AREA)
        small = small + rng.normal(0, noise, small.shape).astype(np.float32)
        levels = np.clip(np.rint(small * 255), 0, 255).astype(np.float32) / np.float32(255)
        crops.append(
            np.asarray(cv2.resize(levels, (256, 256), interpolation=cv2.INTER_CUBIC), np.float32)
        )
    seen = window(crops, 2, zoom=256 / 72)

    def error(crop: FloatArray) -> float:
        return float(np.square(np.clip(crop, 0, 1) - truth).mean())

    ours = of(load_state(SHIPPED)).restore([seen])[0]
    assert error(ours) < 0.99 * error(fused(seen))
    assert error(fused(seen)) < error(crops[2])


def test_what_ships_is_small_and_its_card_tells_its_hash() -> None:
    assert SHIPPED.stat().st_size < 10 << 20
    card = SHIPPED.with_suffix(".md").read_text()
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() in card


def test_other_weights_are_taken_on_ones_word(tmp_path: Path) -> None:
    given = tmp_path / "mine.safetensors"
    save_file(untrained(), given)
    files = (("clarity", str(given)),)
    wish = RestoreSettings(restorer="clarity")
    with pytest.raises(UsageError, match="--trust-weights"):
        make_networks(Loader(Settings(restore=wish, models=ModelSettings(files=files))))
    trusted = Loader(Settings(restore=wish, models=ModelSettings(files=files, trust=True)))
    assert make_networks(trusted)[0].restorer.name == "clarity"
    assert trusted.obtained["clarity"].trusted
    save_file({"head.weight": torch.zeros(1)}, given)
    with pytest.raises(ModelError, match="does not fit the network Correction"):
        make_networks(replace(trusted, obtained={}))


def test_what_became_of_the_faces_is_added_up(tmp_path: Path) -> None:
    parts = []
    told: list[list[float | None]] = [[0.5, None, 0.1], [None, None], [0.3]]
    for k, shares in enumerate(told):
        outcome = Outcome()
        outcome.guard(shares)
        outcome.save(tmp_path / f"{k}.json")
        loaded = Outcome.load(tmp_path / f"{k}.json")
        assert loaded is not None
        parts.append(loaded)
    fusion, clarity = Outcome.of(parts).notes()
    assert fusion.startswith("3 of 6 faces are fusion's alone")
    assert clarity.startswith("in 30.0% of the corrected faces' pixels")
    assert Outcome.of(parts[1:2]).notes() == [fusion.replace("3 of 6", "2 of 2")]


def test_a_job_says_what_was_done_with_which_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not the fixture square_detector, which has another default.
    monkeypatch.setitem(detectors.DETECTORS, "square", Row(lambda loader: SquareDetector()))
    clip = write_rgb(tmp_path / "in.mkv", square_frames(4, noise=4.0))
    wish = Settings(
        detect=DetectSettings(detector="square", every=1),
        output=OutputSettings(codec="ffv1"),
    )
    summary = enhance(clip, tmp_path / "out.mkv", wish, keep_job=True)
    assert summary.restorer == restorers.AUTO
    assert not summary.invents
    told = summary_text(summary)
    assert "corrected by a network" in told
    assert re.search(
        r"in \d+\.\d% of the corrected faces' pixels the correction was held back", told
    )
    record = json.loads((tmp_path / "out.mkv.videnhance" / "job.json").read_text())
    digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert record["models"]["clarity"]["sha256"] == digest
    assert record["models"]["clarity"]["published"]
