"""Which frames are looked at, at what size, and that segments make no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from videnhance.faces.alignment import TEMPLATE
from videnhance.faces.detection import (
    Detections,
    detect,
    margins,
    picture_size,
    suited_size,
    survey_frames,
)
from videnhance.faces.tracklets import Faces
from videnhance.imaging.frames import Frame
from videnhance.media.info import upright_affine
from videnhance.media.reading.decoding import layout_of
from videnhance.media.timeline import Segment, Timeline

GRAY = layout_of("gray", full_range=True, matrix=1)
CUT = 17


class Counting:
    """Finds one face at a fixed place, and remembers the sizes it was shown."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    batch = 1

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        self.shapes += [image.shape for image in images]
        return [face_at(10.0, 20.0, 40.0) for _ in images]


def face_at(x: float, y: float, side: float) -> Faces:
    return Faces(
        np.array([[x, y, x + side, y + side]], np.float32),
        (TEMPLATE * side + [x, y])[None].astype(np.float32),
        np.array([0.9], np.float32),
    )


def clip(count: int) -> list[Frame]:
    """Two textures that do not resemble each other, one before and one from CUT on."""
    rows, columns = np.mgrid[:120, :160]
    first = 120 + 100 * np.sin(columns / 11) * np.sin(rows / 17)
    second = np.where((columns // 40 + rows // 40) % 2, 235, 15)
    return [
        Frame(k, k, ((first if k < CUT else second).astype(np.uint8),), GRAY) for k in range(count)
    ]


def run(segment: Segment, total: int, every: int, long_side: int = 160) -> Detections:
    frames = clip(total)
    start, stop = margins(segment, total, every)
    upright, size = upright_affine(160, 120, None, Fraction(1))
    return detect(
        frames[start:stop],
        segment,
        total,
        Counting(),
        upright,
        size,
        every=every,
        long_side=long_side,
    )


def test_some_frames_and_both_sides_of_a_cut_and_the_last() -> None:
    found = run(Segment(0, 0, 30), 30, every=5)
    # A third of every fifth: the face keeps still.
    assert sorted(found.faces) == [0, 15, 16, 17, 29]
    assert found.cuts == (CUT,)


@pytest.mark.parametrize("length", [1, 4, 16, 17, 18])
def test_segments_make_no_difference(length: int) -> None:
    whole = run(Segment(0, 0, 30), 30, every=5)
    borders = [*range(0, 30, length), 30]
    parts = [
        run(Segment(k, start, stop), 30, every=5)
        for k, (start, stop) in enumerate(pairwise(borders))
    ]
    joined = Detections.joined(parts)
    assert sorted(joined.faces) == sorted(whole.faces)
    assert joined.cuts == whole.cuts


def test_faces_come_back_in_the_pixels_of_the_upright_picture() -> None:
    detector = Counting()
    upright, size = upright_affine(160, 120, None, Fraction(1))
    frames = clip(1)
    found = detect(frames, Segment(0, 0, 1), 1, detector, upright, size, every=1, long_side=80)
    assert detector.shapes == [(60, 80, 3)]
    np.testing.assert_allclose(found.faces[0].boxes, [[20, 40, 100, 120]])
    np.testing.assert_allclose(found.faces[0].landmarks[0], TEMPLATE * 80 + [20, 40], rtol=1e-5)


def test_both_sides_of_a_pause_are_looked_at() -> None:
    """A frame a second up to 19, five that follow each other by a tenth, a pause, two more."""
    pts = [10 * k for k in range(20)] + [191 + k for k in range(5)] + [250, 251]
    still = clip(CUT)[0]
    frames = [replace(still, index=k, pts=t) for k, t in enumerate(pts)]
    upright, size = upright_affine(160, 120, None, Fraction(1))

    def looked(segment: Segment, time_base: Fraction | None = None) -> set[int]:
        start, stop = margins(segment, len(frames), 10)
        found = detect(
            frames[start:stop],
            segment,
            len(frames),
            Counting(),
            upright,
            size,
            every=10,
            long_side=160,
            time_base=time_base,
        )
        return set(found.faces)

    tenth = Fraction(1, 10)
    whole = Segment(0, 0, 27)
    assert looked(whole) == {0, 26}
    assert looked(whole, tenth) == {*range(20), 24, 25, 26}
    parts = [looked(Segment(k, k, k + 1), tenth) for k in range(27)]
    assert set().union(*parts) == looked(whole, tenth)


def test_faces_have_their_looks() -> None:
    found = run(Segment(0, 0, 3), 30, every=1)
    for faces in found.faces.values():
        assert faces.thumbnails is not None
        assert faces.thumbnails.shape == (1, 16, 16)
        assert faces.thumbnails.std() > 3


def test_pictures_are_never_enlarged() -> None:
    assert picture_size((160, 120), 640) == (120, 160)
    assert picture_size((1920, 1080), 640) == (360, 640)
    assert picture_size((1080, 1920), 960) == (960, 540)


@pytest.mark.parametrize(
    ("eyes", "size"), [(100.0, 480), (31.0, 960), (19.0, 1280), (12.5, 1920), (7.0, 1920)]
)
def test_the_size_follows_the_smallest_face(eyes: float, size: int) -> None:
    side = eyes / float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    survey = [Faces.none(), face_at(5, 5, side), face_at(300, 5, 900)]
    assert suited_size(survey, (1920, 1080), 6.0) == size


@pytest.mark.parametrize("digit", [-1e-6, 0.0, 1e-6])
def test_the_size_does_not_hang_on_the_last_digit(digit: float) -> None:
    """Faces that need just what a size gives, or are just as large as is asked for."""
    per_side = float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    for eyes, size in ((24.0, 960), (18.0, 1280)):
        side = eyes * (1 + digit) / per_side
        assert suited_size([face_at(5, 5, side)], (1920, 1080), 6.0) == size
        assert suited_size([face_at(5, 5, side)], (1920, 1080), eyes) == size


def test_faces_too_small_to_restore_do_not_count() -> None:
    assert suited_size([face_at(0, 0, 12.0)], (1920, 1080), 6.0) == 960
    assert suited_size([Faces.none()], (1920, 1080), 6.0) == 960
    assert suited_size([face_at(0, 0, 400.0)], (640, 360), 6.0) == 640


def test_the_survey_is_small_and_spread() -> None:
    long = Timeline(Fraction(1, 25), tuple(range(5000)), tuple(range(0, 5000, 50)), 1)
    frames = survey_frames(long)
    assert len(frames) == 12
    assert frames[0] == 0
    assert frames[-1] == 4950
    assert set(frames) <= set(long.keyframes)
    assert survey_frames(Timeline(Fraction(1, 25), (0,), (0,), 1)) == (0,)


def test_detections_survive_their_file(tmp_path: Path) -> None:
    two = Faces(
        *(
            np.concatenate(pair)
            for pair in zip(
                *(
                    (f.boxes, f.landmarks, f.scores)
                    for f in (face_at(1, 2, 30), face_at(50, 60, 70))
                ),
                strict=True,
            )
        )
    )
    before = Detections({3: two, 6: Faces.none(), 9: face_at(5, 6, 7)}, (6, 9), 960)
    thumbnails = np.arange(3 * 256, dtype=np.uint8).reshape(3, 16, 16)
    seen = {
        3: replace(two, thumbnails=thumbnails[:2]),
        6: Faces.none(),
        9: replace(before.faces[9], thumbnails=thumbnails[2:]),
    }
    Detections(seen, ()).save(tmp_path / "seen.npz")
    for frame, faces in Detections.load(tmp_path / "seen.npz").faces.items():
        if len(faces):
            np.testing.assert_array_equal(faces.thumbnails, seen[frame].thumbnails)
            assert faces.thumbnails is not None and faces.thumbnails.dtype == np.uint8
    before.save(tmp_path / "d.npz")
    after = Detections.load(tmp_path / "d.npz")
    assert (after.cuts, after.long_side) == (before.cuts, 960)
    assert list(after.faces) == [3, 6, 9]
    for frame, faces in before.faces.items():
        np.testing.assert_array_equal(after.faces[frame].boxes, faces.boxes)
        np.testing.assert_array_equal(after.faces[frame].landmarks, faces.landmarks)
        np.testing.assert_array_equal(after.faces[frame].scores, faces.scores)
        assert after.faces[frame].thumbnails is None
    Detections({}, ()).save(tmp_path / "none.npz")
    assert Detections.load(tmp_path / "none.npz") == Detections({}, ())


def room(count: int, seen: range = range(0), noise: float = 3.0) -> list[Frame]:
    """A still room with noise; in some frames there is a bright square in it."""
    random = np.random.default_rng(2)
    rows, columns = np.mgrid[:120, :160]
    empty = 60 + 40 * np.sin(columns / 11) * np.sin(rows / 17)
    frames = []
    for index in range(count):
        picture = empty + random.normal(0, noise, (120, 160))
        if index in seen:
            picture[40:72, 60:92] = 180
        frames.append(Frame(index, index, (np.clip(picture, 0, 255).astype(np.uint8),), GRAY))
    return frames


class Bright:
    """Finds a face where something is bright, doubts where told, and counts its pictures."""

    def __init__(self, batch: int = 1, doubt: float = 0.0) -> None:
        self.batch, self._doubt, self.seen = batch, doubt, 0

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        self.seen += len(images)
        nothing = replace(Faces.none(), doubt=self._doubt)
        return [face_at(60, 40, 32) if image.max() > 150 else nothing for image in images]


def looked(
    frames: list[Frame], segment: Segment, detector: Bright, every: int = 3
) -> dict[int, int]:
    """By frame, how many faces were found in it."""
    start, stop = margins(segment, len(frames), every)
    upright, size = upright_affine(160, 120, None, Fraction(1))
    found = detect(
        frames[start:stop],
        segment,
        len(frames),
        detector,
        upright,
        size,
        every=every,
        long_side=160,
    )
    return {index: len(faces) for index, faces in found.faces.items()}


SEEN = range(75, 102)


@pytest.mark.parametrize("batch", [1, 4])
def test_the_detector_is_spared_pictures_like_the_last_one(batch: int) -> None:
    still, detector = room(200, SEEN), Bright(batch)
    found = looked(still, Segment(0, 0, 200), detector)
    # The square comes and goes as suddenly as a cut.
    compared = *range(0, 64, 9), *range(66, 128, 9), 126, *range(129, 192, 9), 189, 192
    assert found == {k: int(k in SEEN) for k in (*compared, 74, 75, 101, 102, 199)}
    # The first of each block, the empty sides of the cuts, the last, and some of the face.
    assert detector.seen == 4 + 2 + 1 + len((75, 84, 93, 101))


def test_a_doubt_spares_it_none() -> None:
    detector = Bright(doubt=0.6)
    looked(room(200), Segment(0, 0, 200), detector)
    assert detector.seen == 68


class Following(Bright):
    """Finds a face where the bright square is."""

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        self.seen += len(images)
        found = []
        for image in images:
            rows, columns = np.nonzero(image[..., 0] > 170)
            seen = len(rows) > 100
            found.append(face_at(columns.min(), rows.min(), 32) if seen else Faces.none())
        return found


def walking(places: Sequence[int | None]) -> list[Frame]:
    """A square at these columns, None where there is none."""
    frames = []
    for index, x in enumerate(places):
        picture = np.where(np.mgrid[:120, :160].sum(axis=0) // 40 % 2, 150, 20).astype(np.uint8)
        if x is not None:
            picture[40:72, x : x + 32] = 180
        frames.append(Frame(index, index, (picture,), GRAY))
    return frames


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([20] * 19, {0, 9, 18}),
        ([20 + k for k in range(19)], {*range(0, 19, 3)}),  # 9 of 32 pixels from look to look
        ([20 if k < 11 else None for k in range(19)], {0, 9, 12, 15, 18}),
        ([20 if 3 <= k < 10 else None for k in range(19)], {*range(0, 19, 3)}),
    ],
    ids=["still", "walks", "leaves", "passes by"],
)
def test_the_detector_looks_more_often_where_faces_move_or_come_or_go(
    places: Sequence[int | None], expected: set[int]
) -> None:
    frames = walking(places)
    found = looked(frames, Segment(0, 0, 19), Following())
    # Where the square comes or goes, that may be a cut, which is looked at from both sides.
    assert {k for k in found if k % 3 == 0} == expected
    for start in range(0, 19, 4):
        part = looked(frames, Segment(0, start, min(start + 4, 19)), Following())
        assert part == {k: n for k, n in found.items() if start <= k < start + 4}


def test_what_happens_in_half_a_second_is_not_guessed() -> None:
    upright, size = upright_affine(160, 120, None, Fraction(1))
    for rate, expected in ((25, {0, 9, 18}), (10, {*range(0, 19, 3)})):
        found = detect(
            walking([20] * 19),
            Segment(0, 0, 19),
            19,
            Following(),
            upright,
            size,
            every=3,
            long_side=160,
            time_base=Fraction(1, rate),
        )
        assert set(found.faces) == expected


def test_every_frame_means_every_frame() -> None:
    detector = Bright()
    looked(room(70), Segment(0, 0, 70), detector, every=1)
    assert detector.seen == 70


@pytest.mark.parametrize("length", [7, 64, 100])
def test_segments_spare_the_detector_alike(length: int) -> None:
    frames = room(200, SEEN)
    parts: dict[int, int] = {}
    for start in range(0, 200, length):
        parts |= looked(frames, Segment(0, start, min(start + length, 200)), Bright())
    assert parts == looked(frames, Segment(0, 0, 200), Bright())
