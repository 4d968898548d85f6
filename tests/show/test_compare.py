"""Two pictures as one: what stands where, and that nothing of a picture is hidden."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.imaging.lettering import fitted, plain, text_width
from videnhance.show.compare import (
    SWING,
    Layout,
    capital_for,
    compose,
    labels_of,
    shown_at,
    wipe_border,
)

RED, BLUE = (200, 10, 10), (10, 10, 200)
LABELS = ("original", "fusion: from the clip's own frames")


def plain_picture(color: tuple[int, int, int], size: tuple[int, int] = (180, 320)) -> np.ndarray:
    return np.full((*size, 3), color, np.uint8)


def share(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """(H, W) bool: the pixels of exactly this colour."""
    return np.asarray((picture == np.array(color)).all(axis=2))


@pytest.mark.parametrize("layout", ["side", "stack"])
def test_both_pictures_are_shown_whole(layout: Layout) -> None:
    both = compose(plain_picture(RED), plain_picture(BLUE), layout, LABELS)
    red, blue = np.argwhere(share(both, RED)), np.argwhere(share(both, BLUE))
    assert len(red) == len(blue) == 180 * 320
    axis = 1 if layout == "side" else 0
    assert red[:, axis].max() < blue[:, axis].min()
    np.testing.assert_array_equal(np.unique(red[:, 1 - axis]), np.unique(blue[:, 1 - axis]))


def test_the_wipe_shows_the_original_left_of_its_line() -> None:
    for phase in (0.0, 0.25, 0.5, 0.75):
        both = compose(plain_picture(RED), plain_picture(BLUE), "wipe", LABELS, phase)
        assert both.shape[1] == 320
        row = both[-1]
        border = wipe_border(320, phase)
        assert (row[: border - 1] == RED).all()
        assert (row[border + 1 :] == BLUE).all()
        assert (row[border] == 255).all()


def test_the_wipe_starts_in_the_middle_and_swings_to_both_sides() -> None:
    assert wipe_border(1000, 0.0) == wipe_border(1000, 0.5) == wipe_border(1000, 7.0) == 500
    assert wipe_border(1000, 0.25) == 500 + 1000 * SWING
    assert wipe_border(1000, 0.75) == 500 - 1000 * SWING


@pytest.mark.parametrize("layout", ["side", "stack", "wipe"])
@pytest.mark.parametrize("size", [(48, 64), (144, 176), (720, 1280), (90, 900), (900, 90)])
def test_labels_are_bright_on_dark_inside_their_own_bar(
    layout: Layout, size: tuple[int, int]
) -> None:
    before, after = plain_picture(RED, size), plain_picture(BLUE, size)
    with_labels = compose(before, after, layout, LABELS)
    without = compose(before, after, layout)
    assert with_labels.shape[0] > without.shape[0]
    for color in (RED, BLUE):
        assert share(with_labels, color).sum() == share(without, color).sum()
    bar = with_labels[: with_labels.shape[0] - without.shape[0]]
    if layout != "stack":
        half = bar.shape[1] // 2
        for text in (bar[:, :half], bar[:, half:]):
            assert text.min() < 60
            assert text.max() > 180
            # Nothing is cut off at the right.
            assert text[:, -1].max() < 60


def test_the_pictures_given_stay_as_they_are() -> None:
    before, after = plain_picture(RED), plain_picture(BLUE)
    for layout in ("side", "stack", "wipe"):
        compose(before, after, layout, LABELS)
    assert share(before, RED).all()
    assert share(after, BLUE).all()


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        compose(plain_picture(RED), plain_picture(BLUE, (90, 160)), "side")


@pytest.mark.parametrize("width", [30, 60, 170, 2000])
def test_text_is_wrapped_to_its_width(width: int) -> None:
    text = "AI (gfpgan): an estimate, not evidence"
    lines, capital = fitted(text, width, 12.0)
    assert " ".join(lines) == text
    assert max(text_width(line, capital) for line in lines) <= width + 2
    assert capital <= 12.0
    assert len(lines) == 1 or width < 2000
    assert fitted("", width, 12.0) == ([], 12.0)


def test_labels_say_what_a_picture_is() -> None:
    assert labels_of("gfpgan", True) == ("original", "AI (gfpgan): an estimate, not evidence")
    assert labels_of("fusion", False) == ("original", "fusion: from the clip's own frames")
    assert labels_of("identity", False)[1] == "identity: no face restored"


def test_labels_grow_with_the_picture_and_stay_legible() -> None:
    assert capital_for(2160) == 3 * capital_for(720)
    assert capital_for(100) == 9


def test_signs_the_font_lacks_are_shown_as_such() -> None:
    assert plain("Kamera 3, Süd.mp4") == "Kamera 3, S?d.mp4"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.345, "0:12.345"),
        (0.0, "0:00.000"),
        (59.9996, "1:00.000"),
        (754.2, "12:34.200"),
        (3723.0, "1:02:03.000"),
        (-0.04, "-0:00.040"),
    ],
)
def test_times_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert shown_at(seconds) == text
