"""The sample clip is what its README says, and its truth can be rendered at any size."""

from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import av
import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "samples" / "cctv.mp4"


@pytest.fixture(scope="module")
def make_samples() -> ModuleType:
    pytest.importorskip("skimage")
    spec = importlib.util.spec_from_file_location(
        "make_samples", ROOT / "scripts" / "make_samples.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_video_is_small_and_steady(make_samples: ModuleType) -> None:
    assert CLIP.stat().st_size < 1_500_000
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.average_rate == 25
    assert len(frames) == make_samples.FRAMES >= 150
    assert {(frame.width, frame.height) for frame in frames} == {(640, 360)}
    for index, frame in enumerate(frames):
        assert frame.pts is not None
        assert frame.time_base is not None
        assert frame.pts * frame.time_base == Fraction(index, 25)
    # 1 is BT.709 in the code points of H.273; range 1 is FFmpeg's "limited".
    context = stream.codec_context
    tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    assert tags == (1, 1, 1, 1)


def test_clicks_are_at_full_seconds() -> None:
    with av.open(str(CLIP)) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        sound = np.zeros(10 * rate)
        for frame in container.decode(stream):
            assert frame.pts is not None
            assert frame.time_base is not None
            samples = frame.to_ndarray().reshape(-1)
            start = round(frame.pts * frame.time_base * rate)
            sound[start : start + len(samples)] = np.abs(samples)
    times = np.flatnonzero(sound > 0.3 * sound.max()) / rate
    first_of_each = times[np.diff(times, prepend=-1) > 0.1]
    np.testing.assert_allclose(first_of_each, np.arange(1, 9), atol=0.02)


def test_clip_shows_the_clean_scene(make_samples: ModuleType) -> None:
    with av.open(str(CLIP)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    # On either side of the cut too, and nearer to its own frame than to the one before.
    for index in (100, make_samples.CUT - 1, make_samples.CUT):
        (clean,) = make_samples.clean_frames(index, index + 1)
        assert clean.dtype == np.uint8
        before, here = (np.abs(frames[i].astype(float) - clean).mean() for i in (index - 1, index))
        assert here < 4
        assert here < 0.8 * before


def test_scales_agree_and_stop_in_time(make_samples: ModuleType) -> None:
    assert len(list(make_samples.clean_frames(make_samples.FRAMES - 1))) == 1
    for index in (90, 170):
        (small,) = make_samples.clean_frames(index, index + 1)
        (large,) = make_samples.clean_frames(index, index + 1, scale=2)
        assert large.shape == (720, 1280, 3)
        shrunk = cv2.resize(large, (640, 360), interpolation=cv2.INTER_AREA)
        difference = np.abs(shrunk.astype(float) - small)
        assert difference.mean() < 1
        # Half a pixel of misplacement would raise this well above the tolerance.
        (box, *_), _ = make_samples.true_faces(index)
        x0, y0, x1, y1 = np.round(box).astype(int)
        assert difference[y0:y1, x0:x1].mean() < 2.5


def test_true_faces_follow_the_story(make_samples: ModuleType) -> None:
    counts = {index: len(make_samples.true_faces(index)[0]) for index in (0, 14, 60, 100, 120, 170)}
    assert counts == {0: 0, 14: 0, 60: 1, 100: 2, 120: 0, 170: 1}
    boxes, landmarks = make_samples.true_faces(100)
    widths = boxes[:, 2] - boxes[:, 0]
    assert 30 < widths[0] < 40 < 55 < widths[1] < 72
    assert (landmarks[:, 0, 0] < landmarks[:, 1, 0]).all()  # the left eye is on the left
