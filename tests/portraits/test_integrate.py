"""One portrait: nearer to the truth than any frame, or refused, and never more than it says."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.making.seen import SIDE, decibels, inner, patch, still, truth, walking
from videnhance.imaging.affine import compose, translation
from videnhance.portraits.integrate import Integrated, Refusal, integrate
from videnhance.portraits.patches import Patch


def made(patches: list[Patch], scale: int = 4) -> Integrated:
    found = integrate(patches, 0, SIDE, scale)
    assert isinstance(found, Integrated)
    return found


def plane(one: Patch) -> npt.NDArray[np.uint8]:
    return np.asarray(one.frame.planes[0]).view(np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    return np.asarray(picture[..., 1] * 255)


@pytest.mark.parametrize(("scale", "least"), [(2, 2.5), (3, 1.8), (4, 2.0)])
def test_frames_that_move_by_parts_of_a_pixel_resolve_what_none_of_them_shows(
    scale: int, least: float
) -> None:
    picture = truth()
    wanted = inner(picture, scale)

    found = made(walking(picture, 24), scale)

    assert found.picture.shape == (SIDE * scale, SIDE * scale, 3)
    assert not found.still
    assert len(found.frames) == 24
    gained = decibels(grey(found.picture), wanted) - decibels(grey(found.bicubic), wanted)
    assert gained > least


def test_ten_bits_are_integrated_as_eight_are() -> None:
    picture = truth()
    wanted = inner(picture, 4)

    found = made(walking(picture, 12, depth=10))

    eight = made(walking(picture, 12))
    assert decibels(grey(found.picture), wanted) > decibels(grey(found.bicubic), wanted) + 1.5
    assert abs(found.picture - eight.picture).mean() < 1 / 255


def test_ten_bits_in_color_are_integrated_with_their_chroma() -> None:
    picture = truth()

    found = made(walking(picture, 12, depth=10, color=True), 2)

    flat = made(walking(picture, 12), 2)
    assert abs(found.picture @ [0.299, 0.587, 0.114] - grey(flat.picture) / 255).mean() < 1 / 255
    redness = 255 * (found.picture[..., 0] - found.picture @ [0.299, 0.587, 0.114]) / 1.402
    assert abs(redness + 38)[8:-8, 8:-8].max() < 3  # Cr is 90 everywhere


def test_beyond_the_edge_of_the_frame_is_what_players_show_there() -> None:
    patches = [beyond_the_edge(one) for one in walking(truth(), 12, far=0.5)]

    found = made(patches, 2)

    left = (slice(None), slice(0, 8))
    assert np.median(found.support[:, :4]) == 0
    assert abs(grey(found.picture) - grey(found.bicubic))[left].max() < 25


def beyond_the_edge(one: Patch) -> Patch:
    """The patch of a face that is cut by the left edge of the frame, by 8 pixels."""
    cut = np.ascontiguousarray(one.frame.planes[0][:, 24:])
    frame = replace(one.frame, planes=(cut,))
    return replace(one, frame=frame, from_square=compose(translation(-24, 0), one.from_square))


def test_a_poster_in_color_is_averaged_with_its_chroma() -> None:
    found = made(list(still(truth(), 12, color=True)), 2)

    assert found.still
    redness = 255 * (found.picture[..., 0] - found.picture @ [0.299, 0.587, 0.114]) / 1.402
    assert abs(redness + 38).max() < 3


def test_a_poster_is_only_averaged_and_said_to_be_so() -> None:
    picture = truth()
    wanted = inner(picture, 4)

    found = made(list(still(picture, 16)))

    assert found.still
    assert decibels(grey(found.picture), wanted) >= decibels(grey(found.bicubic), wanted)
    # The mean of the frames, enlarged: nothing was sharpened.
    planes = [np.asarray(p.frame.planes[0], np.float32) for p in still(picture, 16)]
    mean = np.mean(planes, axis=0)[16:-16, 16:-16]
    shown = cv2.resize(mean, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert abs(grey(found.picture) - shown)[16:-16, 16:-16].mean() < 1


def test_a_frame_of_another_face_takes_no_part() -> None:
    picture, other = truth(), truth(seed=8)
    patches = walking(picture, 12)
    strange = [patch(other, 20 + k, (0.3, 0.2)) for k in range(3)]

    found = made([*patches, *strange])

    assert found.left_out == 3
    assert found.frames == tuple(range(12))
    assert np.array_equal(found.picture, made(patches).picture)


def test_what_changes_in_some_frames_leaves_no_ghost() -> None:
    picture = truth()
    patches = walking(picture, 12)
    for k in range(1, 12, 2):  # a mouth that opens in every other frame
        plane(patches[k])[44:52, 34:46] = 30

    found, alone = made(patches), made(patches[::2])

    there = (slice(28 * 4, 36 * 4), slice(18 * 4, 30 * 4))
    ghost = abs(grey(found.picture)[there] - grey(alone.picture)[there]).mean()
    assert ghost < 3


def test_frames_of_a_zoom_are_integrated_where_they_are() -> None:
    picture = truth()
    zooms = np.linspace(1.0, 1.25, 12)
    patches = [
        patch(picture, k, (0.37 * k % 1.0, 0.59 * k % 1.0), zoom=float(z))
        for k, z in enumerate(zooms)
    ]
    wanted = inner(picture, 4)

    found = made(patches)

    assert len(found.frames) == 12
    assert decibels(grey(found.picture), wanted) > decibels(grey(found.bicubic), wanted) + 1.5


def test_too_few_frames_are_refused_with_the_reason() -> None:
    found = integrate(walking(truth(), 3), 0, SIDE, 4)

    assert isinstance(found, Refusal)
    assert found.reason == "the track shows this view in 3 frames; 5 are needed"


def test_frames_that_cannot_be_registered_are_refused_with_the_reason() -> None:
    strangers = [patch(truth(seed=20 + k), k, (0.0, 0.0)) for k in range(8)]

    found = integrate(strangers, 0, SIDE, 4)

    assert isinstance(found, Refusal)
    assert found.reason == "only 1 of 8 frames could be registered; 5 are needed"


def test_the_support_map_counts_the_frames_that_carry_a_pixel() -> None:
    picture = truth()
    patches = walking(picture, 12, far=0.5)
    for k in range(1, 12):
        plane(patches[k])[16:40, 16:40] = 128  # only the first frame shows this corner

    found = made(patches)

    assert found.support.shape == (SIDE, SIDE)
    assert np.median(found.support[:16, :16]) < 3
    assert np.median(found.support[-16:, -16:]) > 6


def test_the_same_frames_give_the_same_bits() -> None:
    patches = walking(truth(), 8)

    assert np.array_equal(made(patches).picture, made(patches).picture)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = walking(truth(), 8, color=True)
    one = made(patches)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("videnhance.portraits.superres._BAND", 1 << 12)  # and bands of other sizes

    assert np.array_equal(made(patches).picture, one.picture)


def test_a_face_too_large_for_the_scale_is_refused() -> None:
    found = integrate(walking(truth(), 6), 0, 700, 4)

    assert isinstance(found, Refusal)
    assert "--portrait-scale 3 is the most" in found.reason
