"""Painting: what changes, what may not, and who is on top."""

from __future__ import annotations

import numpy as np
import pytest

from tests.clips import picture
from videnhance.alignment import compose, scaling, translation
from videnhance.color import sample_rgb
from videnhance.compositing import Patch, ellipse_mask, paint
from videnhance.frames import FloatArray, Frame, Matrix
from videnhance.video.reader import layout_of, planes_of

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
    for x, y in ((-40.0, -30.0), (130.0, 90.0), (-400.0, 10.0)):
        out = paint(frame, [patch(0.2, compose(translation(x, y), scaling(0.25)))])
        assert [p.shape for p in out.planes] == [p.shape for p in frame.planes]
        assert (out.planes[0] != frame.planes[0]).any() == (x > -64)


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
