"""The label: legible on any picture, in its planes, upright as played; nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.making.clips import picture
from videnhance.imaging.affine import invert
from videnhance.imaging.color import color_planes, sample_rgb
from videnhance.imaging.frames import Frame
from videnhance.imaging.label import Label, reference_white
from videnhance.media.info import upright_affine
from videnhance.media.reading.decoding import layout_of, planes_of
from videnhance.settings.evidence import CORNERS

LABEL = Label("AI-restored faces", 3.0, "bottom-left")
STRAIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


def frame_of(pix_fmt: str, size: tuple[int, int] = (320, 240), *, full: bool = False) -> Frame:
    planes = tuple(plane.copy() for plane in planes_of(picture(3, *size, pix_fmt)))
    return Frame(0, 7, planes, layout_of(pix_fmt, full_range=full, matrix=1))


def bright(frame: Frame) -> np.ndarray:
    """(H, W) luma 0..1, as seen."""
    rgb = sample_rgb(frame, STRAIGHT, (frame.height, frame.width))
    return np.asarray(rgb @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(
    "pix_fmt",
    ["yuv420p", "yuv422p", "yuv444p10le", "yuv420p10le", "gray", "gray10le", "gbrp", "yuva420p"],
)
@pytest.mark.parametrize("size", [(320, 240), (161, 121)])
def test_it_is_drawn_into_the_planes_of_the_source(pix_fmt: str, size: tuple[int, int]) -> None:
    frame = frame_of(pix_fmt, size)
    out = LABEL.on(frame, STRAIGHT)
    x0, y0, x1, y1 = map(int, LABEL.box((frame.height, frame.width), STRAIGHT))
    assert x1 - x0 > 80 and y1 - y0 > 12
    for k, (old, new) in enumerate(zip(frame.planes, out.planes, strict=True)):
        assert new.dtype == old.dtype and new.shape == old.shape
        x, y = frame.layout.chroma_shift if k in (1, 2) else (0, 0)
        outside = np.ones(old.shape, bool)
        outside[y0 >> y : -(-y1 >> y), x0 >> x : -(-x1 >> x)] = False
        np.testing.assert_array_equal(old[outside], new[outside])
        if k >= color_planes(frame.layout):
            assert (new[~outside] == (1 << frame.layout.depth) - 1).all()  # nothing shows through
    rgb = sample_rgb(out, STRAIGHT, (frame.height, frame.width))
    within = rgb[y0 + 6 : y1 - 6, x0 + 6 : x1 - 6]  # chroma from beside the bar tells at its border
    assert np.ptp(within, axis=2).max() < 0.02  # without colour
    assert within.min() < 0.1 and within.max() > 0.85
    assert (out.index, out.pts, out.layout) == (frame.index, frame.pts, frame.layout)


@pytest.mark.parametrize("level", [0, 255])
def test_it_is_legible_on_black_and_on_white(level: int) -> None:
    frame = frame_of("gray", full=True)
    flat = replace(frame, planes=(np.full_like(frame.planes[0], level),))
    x0, y0, x1, y1 = map(int, LABEL.box((240, 320), STRAIGHT))
    seen = bright(LABEL.on(flat, STRAIGHT))[y0:y1, x0:x1]
    assert 0.1 < (seen > 0.6).mean() < 0.5 < (seen < 0.2).mean()


@pytest.mark.parametrize("full", [False, True])
def test_white_is_as_bright_as_it_says(full: bool) -> None:
    for pix_fmt in ("yuv420p", "gray", "gbrp"):
        frame = frame_of(pix_fmt, full=full)
        x0, y0, x1, y1 = map(int, LABEL.box((240, 320), STRAIGHT))
        seen = bright(Label("I" * 9, 8.0, "bottom-left").on(frame, STRAIGHT))[y0:y1, x0:x1]
        assert seen.max() == pytest.approx(0.92, abs=0.01)


def test_hdr_white_does_not_dazzle() -> None:
    assert (reference_white(16), reference_white(18), reference_white(1)) == (0.58, 0.75, 0.92)


@pytest.mark.parametrize(("size", "share"), [((128, 96), 0.3), ((3840, 2160), 0.08)])
def test_it_grows_with_the_picture(size: tuple[int, int], share: float) -> None:
    """Readable at 128x96, where it takes most of a line, and at 4K."""
    x0, y0, x1, y1 = LABEL.box(size[::-1], STRAIGHT)
    capital = (y1 - y0) / 2.35
    assert capital == pytest.approx(max(9.0, 0.03 * size[1]), rel=0.1)
    assert (y1 - y0) / size[1] < share
    assert 0 < x0 < x1 < size[0] and 0 < y0 < y1 < size[1]


def test_in_a_picture_too_narrow_it_stands_in_lines() -> None:
    _, y0, x1, y1 = LABEL.box((80, 80), STRAIGHT)
    assert y1 - y0 > 35 and x1 <= 80
    _, _, x1, y1 = LABEL.box((8, 16), STRAIGHT)  # too small for any text
    assert x1 <= 16 and y1 <= 8
    LABEL.on(frame_of("yuv420p", (16, 8)), STRAIGHT)


def test_it_is_upright_and_in_its_corner_as_the_video_is_played() -> None:
    straight = bright(LABEL.on(frame_of("gray"), STRAIGHT))
    upright, (width, height) = upright_affine(240, 320, TURNED, Fraction(1))
    assert (width, height) == (320, 240)
    turned = LABEL.on(frame_of("gray", (240, 320)), invert(upright))
    x0, y0, x1, y1 = map(int, LABEL.box((240, 320), STRAIGHT))
    played = sample_rgb(turned, invert(upright), (240, 320))[..., 0]
    np.testing.assert_allclose(played[y0:y1, x0:x1], straight[y0:y1, x0:x1], atol=0.01)


def test_a_stretched_picture_has_it_in_proportion() -> None:
    upright, (width, height) = upright_affine(160, 240, None, Fraction(2))
    large = replace(LABEL, size=8.0)
    x0, _, x1, _ = large.box((240, 160), invert(upright))
    plain0, _, plain1, _ = large.box((240, 320), STRAIGHT)
    assert (width, height) == (320, 240)
    assert (x1 - x0) * 2 == pytest.approx(plain1 - plain0, rel=0.05)


@pytest.mark.parametrize("corner", CORNERS)
def test_it_keeps_out_of_zones_while_a_corner_is_free(corner: str) -> None:
    label = replace(LABEL, corner=corner)
    x0, y0, x1, y1 = label.box((240, 320), STRAIGHT)
    side = ("left" if x0 < 160 else "right", "top" if y0 < 120 else "bottom")
    assert corner == f"{side[1]}-{side[0]}"
    zone = (x0 + 1, y0 + 1, x0 + 2, y0 + 2)
    other = label.box((240, 320), STRAIGHT, [zone])
    assert other == replace(LABEL, corner=CORNERS[(CORNERS.index(corner) + 1) % len(CORNERS)]).box(
        (240, 320), STRAIGHT
    )
    # Where all are taken, it stays: a clip without it would be worse.
    assert label.box((240, 320), STRAIGHT, [(0, 0, 320, 240)]) == (x0, y0, x1, y1)


def test_it_is_the_same_each_time() -> None:
    one, other = (LABEL.on(frame_of("yuv420p"), STRAIGHT) for _ in range(2))
    for a, b in zip(one.planes, other.planes, strict=True):
        np.testing.assert_array_equal(a, b)
