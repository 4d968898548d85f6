"""Samples that a codec cannot hold as they are: converted once, by the right range and matrix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.making.odd_clips import MATRICES, frames_of, samples, write_odd_clip
from videnhance.job.plan import make_plan
from videnhance.job.run import enhance
from videnhance.media.reading.decoding import planes_of, to_frame
from videnhance.media.reading.source import probe
from videnhance.media.writing.formats import left_unsaid
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

SHADES = np.tile(np.arange(0, 256, 4, dtype=np.float64), (48, 1))
"""64 x 48 shades, of 8 bits."""


def shades(pix_fmt: str, color_range: int, matrix: int = 2) -> VideoFrame:
    """SHADES in every plane, in the depth of the format."""
    frame = VideoFrame(64, 48, pix_fmt)
    frame.color_range, frame.colorspace = color_range, matrix
    for plane in planes_of(frame):
        scale = 1 << (frame.format.components[0].bits - 8)
        plane[...] = (SHADES * scale)[: plane.shape[0], : plane.shape[1]]
    return frame


@pytest.mark.parametrize("source", ["gray", "gray10le", "gray16le", "ya8"])
@pytest.mark.parametrize("target", ["yuv420p", "yuv420p10le", "yuv422p10le"])
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_gray_keeps_its_shades(source: str, target: str, color_range: int) -> None:
    frame = to_frame(shades(source, color_range), 0, 0, target)
    gray = planes_of(shades(source, color_range))[0].astype(np.float64)
    before, after = 8 if source == "ya8" else int(source[4:-2] or 8), frame.layout.depth
    full = ((1 << after) - 1) / ((1 << before) - 1)
    wanted = gray * (full if color_range == 2 else 2.0 ** (after - before))
    np.testing.assert_array_equal(frame.planes[0], np.rint(wanted))
    assert frame.layout.full_range == (color_range == 2)
    for chroma in frame.planes[1:]:
        assert (chroma == 1 << (after - 1)).all()


@pytest.mark.parametrize("source", ["gray", "yuvj420p", "yuvj422p", "yuv422p10le"])
def test_full_range_becomes_limited_where_that_is_wanted(source: str) -> None:
    """ITU-R BT.709: 0..1 is 16..235 for luma, and 16..240 for chroma, times 4 in 10 bits.

    swscale counts 8 bits as if 256 were white, by which it is up to 3 of 1023 off.
    """
    picture = shades(source, 2)
    frame = to_frame(picture, 0, 0, "yuv422p10le", limited=True)
    assert not frame.layout.full_range
    top = (1 << picture.format.components[0].bits) - 1
    luma = planes_of(picture)[0].astype(np.float64) / top
    assert np.abs(frame.planes[0].astype(np.float64) - (64 + 876 * luma)).max() <= 3.0
    if source != "gray":
        chroma = (planes_of(picture)[1].astype(np.float64) - (top + 1) / 2) / top
        rows = frame.planes[1].shape[0] // chroma.shape[0]
        wanted = 512 + 896 * np.repeat(chroma, rows, axis=0)
        assert np.abs(frame.planes[1].astype(np.float64) - wanted)[:, 1:-1].max() <= 3.0


@pytest.mark.parametrize("source", ["rgb24", "gbrp", "bgra"])
def test_rgb_becomes_bt709_of_limited_range(source: str) -> None:
    colors = np.stack([SHADES, SHADES[:, ::-1], np.full_like(SHADES, 77.0)], axis=2)
    picture = VideoFrame.from_ndarray(colors.astype(np.uint8), format="rgb24").reformat(
        format=source
    )
    frame = to_frame(picture, 0, 0, "yuv444p")
    r, g, b = np.moveaxis(colors / 255, 2, 0)
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    assert np.abs(frame.planes[0] - (16 + 219 * luma)).max() <= 1.0
    assert np.abs(frame.planes[1] - (128 + 224 * (b - luma) / 1.8556)).max() <= 1.0
    assert np.abs(frame.planes[2] - (128 + 224 * (r - luma) / 1.5748)).max() <= 1.0


@pytest.mark.usefixtures("square_detector")
def test_prores_which_knows_no_full_range_gets_none(tmp_path: Path) -> None:
    source = write_odd_clip(
        tmp_path / "in.avi", codec="mjpeg", pix_fmt="yuvj422p", times="one", options={"q": "1"}
    )
    settings = Settings(
        detect=DetectSettings(detector="square"),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="prores"),
    )
    enhance(source, tmp_path / "out.mov", settings)
    assert (probe(source).color.range, probe(tmp_path / "out.mov").color.range) == (2, 1)
    (before,), (after,) = frames_of(source), frames_of(tmp_path / "out.mov")
    wanted = 64 + 876 / 255 * samples(before)["Y"]
    assert abs((samples(after)["Y"] - wanted).mean()) < 3.0


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_primaries_that_x265_refuses_are_said_by_the_container(tmp_path: Path, suffix: str) -> None:
    source = write_odd_clip(
        tmp_path / "in.mkv", codec="ffv1", pix_fmt="yuv420p", times="one", color=(1, 1, 22, 1)
    )
    settings = Settings(
        detect=DetectSettings(detector="square"),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="h265", preset="ultrafast"),
    )
    enhance(source, tmp_path / f"out{suffix}", settings)
    assert probe(tmp_path / f"out{suffix}").color == probe(source).color


def test_what_an_output_cannot_say_is_named(tmp_path: Path) -> None:
    clip = write_odd_clip(
        tmp_path / "in.mov",
        codec="mjpeg",
        pix_fmt="yuvj420p",
        times="one",
        matrix=(131072, 0, 0, 0, 65536, 0, 0, 0, 1 << 30),
    )
    info = probe(clip)
    assert "display matrix" in left_unsaid(info, "matroska", "h264")[0]
    assert left_unsaid(info, "mp4", "h264") == ()
    assert "chroma lies center" in left_unsaid(info, "mp4", "ffv1")[0]
    assert "limited range" in left_unsaid(info, "mov", "prores")[0]
    hdr = replace(info, picture=replace(info.picture, dynamic=True))
    assert "Dolby Vision" in left_unsaid(hdr, "mp4", "h265")[0]
    for matrix in MATRICES.values():
        assert left_unsaid(replace(info, display_matrix=matrix), "matroska", "ffv1") == ()
    settings = Settings(
        detect=DetectSettings(detector="centerface"),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="prores"),
    )
    plan = make_plan(clip, tmp_path / "out.mov", settings)
    assert any("limited range" in note for note in plan.copying.dropped)
