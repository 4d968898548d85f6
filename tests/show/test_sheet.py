"""The contact sheet: the same place at the same scale from both pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from videnhance.imaging.frames import Frame
from videnhance.media.reading.decoding import layout_of
from videnhance.show.sheet import CELL, Moment, Place, Row, cell, contact_sheet, place_of

NAMES = ("original", "fusion")


COLOR = layout_of("gbrp", full_range=True, matrix=0)
STRAIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def framed(picture: np.ndarray) -> Frame:
    """An RGB picture as a decoded frame."""
    return Frame(0, 0, tuple(np.ascontiguousarray(picture[..., k]) for k in (1, 2, 0)), COLOR)


def ramp(size: tuple[int, int], scale: int = 1) -> np.ndarray:
    """Red counts columns of the source, green rows; exact at every scale."""
    y, x = (np.mgrid[: size[0] * scale, : size[1] * scale] + 0.5) / scale
    return np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)


def test_original_and_enlarged_result_show_the_same_place() -> None:
    place = place_of(100.0, 60.0, 40.0, scale=4)
    one = cell(framed(ramp((120, 200))), STRAIGHT, place)
    other = cell(framed(ramp((120, 200), 4)), STRAIGHT, place, 4)
    assert one.shape == other.shape
    inner = (slice(20, -20), slice(20, -20))
    difference = one[inner].astype(int) - other[inner].astype(int)
    assert abs(difference).max() <= 1
    centre = one[one.shape[0] // 2, one.shape[1] // 2]
    assert abs(int(centre[0]) - 100) <= 1
    assert abs(int(centre[1]) - 60) <= 1


def test_a_pixel_becomes_a_square_of_the_factor() -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[:, 30:] = 200
    place = Place(left=20, top=20, side=20, factor=8.0)
    seen = cell(framed(picture), STRAIGHT, place)
    assert seen.shape == (160, 160, 3)
    assert seen[:, :72].max() < 30
    assert seen[:, 88:].min() > 170


@pytest.mark.parametrize("face", [5.0, 20.0, 40.0, 100.0, 200.0, 900.0])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_cells_are_of_about_one_size_and_whole_factors(face: float, scale: int) -> None:
    place = place_of(500.0, 500.0, face, scale)
    assert CELL / 2 <= place.cell <= 1.5 * CELL
    assert place.factor == round(place.factor) or place.side * scale > 1.5 * CELL
    assert place.left + place.side / 2 == pytest.approx(500, abs=0.51)
    assert place.side == pytest.approx(1.2 * face, abs=0.51)


def test_an_enlarged_result_is_not_shown_smaller_than_it_is() -> None:
    assert place_of(500.0, 500.0, 80.0, scale=1).factor == 3
    assert place_of(500.0, 500.0, 80.0, scale=4).factor == 4


def test_a_turned_frame_is_shown_upright() -> None:
    place = place_of(100.0, 60.0, 40.0, scale=1)
    quarter = np.array([[0.0, -1.0, 200.0], [1.0, 0.0, 0.0]])
    turned = framed(np.rot90(ramp((120, 200))))
    np.testing.assert_array_equal(
        cell(turned, quarter, place), cell(framed(ramp((120, 200))), STRAIGHT, place)
    )


def test_beyond_the_picture_there_is_black() -> None:
    picture = np.full((50, 50, 3), 255, np.uint8)
    seen = cell(framed(picture), STRAIGHT, Place(left=-20, top=-20, side=40, factor=2.0))
    assert seen[:36, :36].max() == 0
    assert seen[44:, 44:].min() == 255


def moment(frame: int, before: int, after: int) -> Moment:
    size = (200, 200, 3)
    return Moment(
        frame=frame,
        seconds=frame / 25,
        eyes=20.0,
        factor=3.0,
        before=np.full(size, (before, 0, 0), np.uint8),
        after=np.full(size, (after, 0, 0), np.uint8),
    )


def areas(sheet: np.ndarray, level: int) -> np.ndarray:
    """(N, 2) rows and columns of the pixels of exactly this red."""
    return np.argwhere((sheet == (level, 0, 0)).all(axis=2))


def test_every_moment_is_whole_and_the_result_right_of_the_original() -> None:
    rows = (Row(1, (moment(3, 101, 102), moment(40, 103, 104))), Row(7, (moment(9, 105, 106),)))
    sheet = contact_sheet("clip.mp4", ("a line",), rows, NAMES)
    places = {level: areas(sheet, level) for level in range(101, 107)}
    assert all(len(found) == 200 * 200 for found in places.values())
    for before in (101, 103, 105):
        one, other = places[before], places[before + 1]
        assert np.median(one[:, 0]) == np.median(other[:, 0])
        assert np.median(other[:, 1]) - np.median(one[:, 1]) == pytest.approx(202, abs=1)
    assert np.median(places[103][:, 1]) > np.median(places[102][:, 1])
    assert np.median(places[105][:, 0]) > np.median(places[101][:, 0]) + 200


def test_what_is_said_of_a_track_stands_above_its_moments() -> None:
    row, other = Row(1, (moment(3, 101, 102),)), Row(7, (moment(9, 105, 106),))
    plain = contact_sheet("clip.mp4", (), (row, other), NAMES)
    said = contact_sheet("clip.mp4", (), (row, replace(other, note="no gain")), NAMES)
    line = said.shape[0] - plain.shape[0]
    assert line > 0
    first = areas(plain, 102)
    np.testing.assert_array_equal(areas(said, 102), first)
    np.testing.assert_array_equal(areas(said, 106), areas(plain, 106) + np.array([line, 0]))
    assert (said > 180).sum() > (plain > 180).sum()


def test_a_sheet_without_faces_says_so_and_what_is_left_out_is_counted() -> None:
    empty = contact_sheet("clip.mp4", ("a line",), (), NAMES)
    assert empty.max() > 180
    row = Row(1, (moment(3, 101, 102),))
    alone = contact_sheet("clip.mp4", (), (row,), NAMES)
    more = contact_sheet("clip.mp4", (), (row,), NAMES, left_out=5)
    assert more.shape[0] > alone.shape[0]
    assert more[alone.shape[0] - 24 :].max() > 180


def test_long_names_fit_into_narrow_sheets() -> None:
    sheet = contact_sheet("x" * 400 + ".mp4", (), (), ("y" * 200, "z" * 200))
    margin = 24
    assert (sheet[:, :margin] == 32).all()
    assert (sheet[:, -margin:] == 32).all()
    assert sheet.max() > 180
