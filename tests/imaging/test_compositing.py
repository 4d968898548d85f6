"""Painting: what changes, what may not, and who is on top."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.making.clips import picture
from videnhance.imaging.affine import compose, invert, scaling, translation
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.compositing import (
    Box,
    Patch,
    change_of,
    ellipse_mask,
    frame_boxes,
    paint,
)
from videnhance.imaging.frames import FloatArray, Frame, Matrix, Zone
from videnhance.media.info import upright_affine
from videnhance.media.reading.decoding import layout_of, planes_of

FORMATS = ["yuv420p", "yuv422p", "yuv444p10le", "gray", "gbrp", "bgr0"]
PLACE = compose(translation(40.3, 21.7), scaling(0.25))
"""A crop of 256 pixels over 64 pixels of the frame."""


def frame_of(pix_fmt: str) -> Frame:
    planes = tuple(plane.copy() for plane in planes_of(picture(3, 160, 120, pix_fmt)))
    return Frame(0, 0, planes, layout_of(pix_fmt, full_range=False, matrix=1))


def flat(value: float) -> FloatArray:
    return np.full((256, 256, 3), value, np.float32)


def patch(change: float, place: Matrix = PLACE, tracklet: int = 1, strength: float = 1.0) -> Patch:
    return Patch(tracklet, flat(0.5), flat(0.5 + change), place, strength)


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_samples_outside_the_mask_are_bit_equal(pix_fmt: str) -> None:
    frame = frame_of(pix_fmt)
    before = [plane.copy() for plane in frame.planes]
    out = paint(frame, [patch(0.2)])
    for old, kept, new in zip(before, frame.planes, out.planes, strict=True):
        np.testing.assert_array_equal(kept, old)  # the source frame itself is never painted on
        assert new.dtype == old.dtype
        rows = np.nonzero((old != new).any(axis=1))[0]
        columns = np.nonzero((old != new).any(axis=0))[0]
        if len(rows):
            y, x = old.shape[0] / 120, old.shape[1] / 160
            assert rows.min() >= 21 * y and rows.max() <= 86 * y
            assert columns.min() >= 40 * x and columns.max() <= 105 * x
    assert (out.planes[0] != before[0]).any()


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_an_unchanged_crop_changes_nothing(pix_fmt: str) -> None:
    frame = frame_of(pix_fmt)
    for old, new in zip(frame.planes, paint(frame, [patch(0.0)]).planes, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le", "gray", "gbrp"])
def test_the_middle_of_the_face_changes_by_what_the_restorer_changed(pix_fmt: str) -> None:
    frame = frame_of(pix_fmt)
    out = paint(frame, [patch(0.1)])
    inner = compose(translation(40.3 + 24, 21.7 + 24), scaling(1.0))
    change = sample_rgb(out, inner, (16, 16)) - sample_rgb(frame, inner, (16, 16))
    np.testing.assert_allclose(change, 0.1, atol=0.012)


@pytest.mark.parametrize("scale", [0.2, 0.4, 1.1])
def test_only_the_part_of_a_crop_that_the_ellipse_reaches_is_painted(scale: float) -> None:
    frame, rng = frame_of("yuv420p"), np.random.default_rng(0)
    place = compose(translation(20.3, 11.7), scaling(scale))
    noise = rng.normal(0.5, 0.1, (256, 256, 3)).astype(np.float32)
    usual = Patch(1, flat(0.5), noise, place, 1.0)
    for given in (ellipse_mask(256), ellipse_mask(256).copy()):  # the copy is taken as a whole
        out = paint(frame, [replace(usual, mask=given)])
        for one, other in zip(out.planes, paint(frame, [usual]).planes, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_crop_finer_than_the_frame_is_averaged_over_each_pixel() -> None:
    frame, change = frame_of("gray"), np.zeros((256, 256), np.float32)
    change[:, ::2], change[:, 1::2] = 0.4, -0.2
    detailed = Patch(1, flat(0.5), flat(0.5) + change[..., None], PLACE, 1.0)
    inner = np.s_[46:62, 64:80]
    mean = paint(frame, [patch(0.1)]).planes[0][inner].astype(float)
    assert np.abs(paint(frame, [detailed]).planes[0][inner] - mean).max() <= 1


def test_strength_is_a_real_blend() -> None:
    frame = frame_of("yuv444p10le")
    inner = compose(translation(40.3 + 24, 21.7 + 24), scaling(1.0))
    base = sample_rgb(frame, inner, (16, 16))
    for strength in (0.0, 0.25, 0.5, 1.0):
        out = sample_rgb(paint(frame, [patch(0.2, strength=strength)]), inner, (16, 16))
        np.testing.assert_allclose(out - base, 0.2 * strength, atol=0.004)


def test_overlapping_faces_do_not_add_up_and_do_not_depend_on_order() -> None:
    frame = frame_of("yuv444p10le")
    near = compose(translation(40.3, 21.7), scaling(0.26))
    one, two = patch(0.2, tracklet=1), patch(-0.1, near, tracklet=2)
    out = paint(frame, [one, two])
    again = paint(frame, [two, one])
    for a, b in zip(out.planes, again.planes, strict=True):
        np.testing.assert_array_equal(a, b)
    inner = compose(translation(40.3 + 24, 21.7 + 24), scaling(1.0))
    change = sample_rgb(out, inner, (16, 16)) - sample_rgb(frame, inner, (16, 16))
    np.testing.assert_allclose(change, -0.1, atol=0.006)  # the larger face is the upper one


@pytest.mark.parametrize("digit", [-1e-3, -1e-6, 1e-6, 1e-3])
def test_who_is_on_top_of_a_face_alike_does_not_hang_on_a_digit(digit: float) -> None:
    frame = frame_of("yuv444p10le")
    same = compose(translation(40.3, 21.7), scaling(0.25 * (1 + digit)))
    out = paint(frame, [patch(0.2, tracklet=1), patch(-0.1, same, tracklet=2)])
    inner = compose(translation(40.3 + 24, 21.7 + 24), scaling(1.0))
    change = sample_rgb(out, inner, (16, 16)) - sample_rgb(frame, inner, (16, 16))
    np.testing.assert_allclose(change, -0.1, atol=0.006)


def test_the_larger_face_is_on_top_whatever_its_crop_s_size() -> None:
    frame = frame_of("yuv444p10le")
    half = np.full((128, 128, 3), 0.5, np.float32)
    # A crop of 128 pixels over 60 of the frame, each so larger than those of 256 over 64.
    small = compose(translation(42.3, 23.7), scaling(60 / 128))
    under = Patch(2, half, half - np.float32(0.1), small, 1.0)
    inner = compose(translation(40.3 + 24, 21.7 + 24), scaling(1.0))
    change = sample_rgb(paint(frame, [patch(0.2), under]), inner, (16, 16))
    change -= sample_rgb(frame, inner, (16, 16))
    np.testing.assert_allclose(change, 0.2, atol=0.006)


def test_a_face_beside_another_keeps_its_change_where_only_the_rectangles_meet() -> None:
    frame = frame_of("yuv444p10le")
    beside = compose(translation(40.3 + 40, 21.7), scaling(0.26))
    out = paint(frame, [patch(0.2, tracklet=1), patch(-0.1, beside, tracklet=2)])
    alone = paint(frame, [patch(0.2, tracklet=1)])
    # Well inside the first face's mask and the second's rectangle, outside the second's mask.
    corner = compose(translation(83.0, 35.0), scaling(1.0))
    change = sample_rgb(alone, corner, (2, 2)) - sample_rgb(frame, corner, (2, 2))
    assert change.min() > 0.1
    both = sample_rgb(out, corner, (2, 2))
    np.testing.assert_allclose(both, sample_rgb(alone, corner, (2, 2)), atol=0.003)


def test_a_face_half_outside_the_frame_is_painted_where_there_is_a_frame() -> None:
    frame = frame_of("yuv420p")
    for x, y in ((-40.0, -30.0), (130.0, 90.0), (-400.0, 10.0), (400.0, 10.0)):
        out = paint(frame, [patch(0.2, compose(translation(x, y), scaling(0.25)))])
        assert [p.shape for p in out.planes] == [p.shape for p in frame.planes]
        assert (out.planes[0] != frame.planes[0]).any() == (-64 < x < 160)


def test_no_wrap_around_at_black_and_white() -> None:
    layout = layout_of("gray", full_range=True, matrix=1)
    white = Frame(0, 0, (np.full((120, 160), 250, np.uint8),), layout)
    assert paint(white, [patch(0.5)]).planes[0].max() == 255
    assert paint(white, [patch(0.5)]).planes[0].min() == 250


def test_the_mask_is_whole_in_the_middle_and_nothing_at_the_border() -> None:
    mask = ellipse_mask(256)
    assert mask[133, 128] == 1.0
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert border.max() == 0.0
    steps = np.abs(np.diff(mask, axis=1)).max()
    assert 0 < steps < 0.06  # feathered, no edge


COVERED = compose(translation(-176.0, -206.0), scaling(2.0))
"""A crop of 256 pixels whose mask is whole over all of a frame of 160 x 120."""


def changed(out: Frame, frame: Frame) -> list[np.ndarray]:
    """Where each plane differs."""
    return [new != old for new, old in zip(out.planes, frame.planes, strict=True)]


def lit(pix_fmt: str) -> Frame:
    """A frame in mid-range, so that no sample is held by a limit."""
    layout = layout_of(pix_fmt, full_range=True, matrix=1)
    planes = tuple(np.full_like(p, 100) for p in planes_of(picture(0, 160, 120, pix_fmt)))
    return Frame(0, 0, planes, layout)


def red() -> Patch:
    """A face as large as the frame that gets redder, which moves every sample of Y, Cb and Cr."""
    change = np.array([0.15, 0.0, 0.0], np.float32)
    return Patch(1, flat(0.3), flat(0.3) + change, COVERED, 1.0)


@pytest.mark.parametrize(
    ("pix_fmt", "windows"),
    [
        # 30.25..51 x 20..33.5 of luma. Chroma 4:2:0 sample (i, j) stands for rows 2i to 2i + 2 and
        # columns 2j - 0.5 to 2j + 1.5: it is sited on the left one of its two columns.
        ("yuv420p", ((20, 34, 30, 51), (10, 17, 15, 26), (10, 17, 15, 26))),
        ("yuv422p", ((20, 34, 30, 51), (20, 34, 15, 26), (20, 34, 15, 26))),
        ("yuv444p", ((20, 34, 30, 51),) * 3),
        ("gray", ((20, 34, 30, 51),)),
    ],
)
def test_nothing_changes_in_a_box_kept_out_and_all_does_beside_it(
    pix_fmt: str, windows: tuple[tuple[int, int, int, int], ...]
) -> None:
    frame = lit(pix_fmt)
    out = paint(frame, [red()], keep_out=[(30.25, 20.0, 51.0, 33.5)])
    for plane, (upper, lower, left, right) in zip(changed(out, frame), windows, strict=True):
        expected = np.ones_like(plane)
        expected[upper:lower, left:right] = False
        np.testing.assert_array_equal(plane, expected)


def test_a_chroma_sample_is_kept_out_with_either_column_it_stands_for() -> None:
    frame = lit("yuv420p")
    # The pixel of column 30 is where chroma 15 is sited; that of 31 lies between 15 and 16.
    for pixel, columns in ((30, [15]), (31, [15, 16])):
        out = paint(frame, [red()], keep_out=[(pixel, 41.0, pixel + 1, 42.0)])
        for plane in changed(out, frame)[1:]:
            rows, kept = np.nonzero(~plane)
            assert set(rows.tolist()) == {20} and kept.tolist() == columns


def test_a_box_kept_out_is_the_frames_own_texture_under_two_faces() -> None:
    frame = frame_of("yuv420p")
    near = compose(translation(40.3, 21.7), scaling(0.26))
    faces = [patch(0.2, tracklet=1), patch(-0.1, near, tracklet=2)]
    box = (60.0, 40.0, 80.0, 60.0)
    free, out = paint(frame, faces), paint(frame, faces, [box])
    inside = np.zeros((120, 160), bool)
    inside[40:60, 60:80] = True
    assert (free.planes[0] != frame.planes[0])[inside].all()
    expected = np.where(inside, frame.planes[0], free.planes[0])
    np.testing.assert_array_equal(out.planes[0], expected)


@pytest.mark.parametrize("box", [(-90, -90, -5, -5), (160, 0, 300, 120), (-9, 130, 400, 140)])
def test_a_box_outside_the_frame_keeps_nothing_out(box: Box) -> None:
    frame = lit("yuv444p")
    assert all(plane.all() for plane in changed(paint(frame, [red()], [box]), frame))


def test_boxes_of_zones_on_a_turned_a_mirrored_a_stretched_and_an_enlarged_frame() -> None:
    zone = Zone(10.0, 20.0, 40.0, 26.0)
    # Coded 160 x 120, shown turned clockwise by a quarter: upright x = 120 - y, upright y = x.
    turned = upright_affine(160, 120, (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), Fraction(1))[0]
    mirrored = upright_affine(160, 120, (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), Fraction(1))[0]
    stretched = upright_affine(160, 120, None, Fraction(2))[0]
    for upright, scale, box in (
        (np.eye(2, 3), 1, (10, 20, 40, 26)),
        (np.eye(2, 3), 2, (20, 40, 80, 52)),
        (turned, 1, (20, 80, 26, 110)),
        (turned, 2, (40, 160, 52, 220)),
        (mirrored, 1, (120, 20, 150, 26)),
        (stretched, 1, (5, 20, 20, 26)),
    ):
        (found,) = frame_boxes([zone], compose(scaling(scale), invert(upright)))
        np.testing.assert_allclose(found, box, atol=1e-9)
    assert frame_boxes([], np.eye(2, 3)) == ()


def test_the_box_of_a_zone_on_a_frame_turned_at_a_slant_holds_all_its_corners() -> None:
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0]])
    (found,) = frame_boxes([Zone(0.0, 0.0, 10.0, 5.0)], turn)
    np.testing.assert_allclose(found, (-4.0, 0.0, 6.0, 11.0), atol=1e-9)


def test_a_zone_stays_as_it_was_in_a_turned_video_enlarged_twice() -> None:
    turned = upright_affine(80, 60, (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), Fraction(1))[0]
    keep_out = frame_boxes([Zone(10.0, 20.0, 40.0, 26.0)], compose(scaling(2), invert(turned)))
    frame = lit("yuv444p")  # the enlarged frame: 160 x 120
    out = paint(frame, [red()], keep_out)
    # Upright (x, y) is coded (y, 60 - x), twice as large in the frame.
    # (Its borders may come out a hair further out than they are, and take one more line along.)
    expected = np.ones((120, 160), bool)
    expected[39:101, 39:53] = False
    for plane in changed(out, frame):
        assert not plane[40:100, 40:52].any()
        assert plane[expected].all()


def test_the_change_of_a_face_is_counted_inside_its_mask_alone() -> None:
    rng = np.random.default_rng(5)
    before = rng.random((64, 64, 3), np.float32)
    after = before + rng.normal(0.0, 0.02, before.shape).astype(np.float32)
    after[:4] += 1.0  # outside the ellipse
    inside = ellipse_mask(64) > 0.5
    expected = 255.0 * float(np.abs(after - before)[inside].mean())
    noisy = Patch(1, before, after, np.eye(2, 3), 0.25)
    assert change_of(noisy) == pytest.approx(expected, rel=1e-4)
    assert change_of(replace(noisy, mask=np.zeros((64, 64), np.float32))) == 0.0
    step = replace(noisy, after=before + np.float32(2.0 / 255.0))
    assert change_of(step) == pytest.approx(2.0, rel=1e-3)
