"""The middle of rendering: full batches across frames, in order, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from tests.making.frames import blank
from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.imaging.frames import FloatArray
from videnhance.render.batches import HELD, Due, Sampled, Unrestored, in_batches, windowed


def crop(value: float) -> FloatArray:
    return np.full((4, 4, 3), value, np.float32)


class Counting:
    """Adds 100 to a crop, and notes how many windows came in each call."""

    name = "counting"
    radius = 0
    invents = True

    def __init__(self, batch: int, broken: Sequence[float] = ()) -> None:
        self.batch, self.broken = batch, broken
        self.calls: list[int] = []

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        self.calls.append(len(windows))
        crops = [w.crops[w.centre] for w in windows]
        if any(c[0, 0, 0] in self.broken for c in crops):
            raise ModelError("cannot be restored")
        return [c + 100 for c in crops]


def window(track: int, index: int, value: float) -> CropWindow:
    return CropWindow(track, (index,), (crop(value),), 0, 1.0)


def due(index: int, faces: int) -> Due:
    """Face k of frame n is worth 10 n + k."""
    return Due(blank(index), tuple(window(k, index, 10 * index + k) for k in range(faces)))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 16, 100])
@pytest.mark.parametrize("faces", [[1, 1, 1, 1, 1], [0, 3, 0, 0, 2, 1, 0], [7, 7], [0, 0], []])
def test_every_face_comes_back_to_its_own_frame(batch: int, faces: list[int]) -> None:
    restorer = Counting(batch)
    done = list(in_batches((due(k, n) for k, n in enumerate(faces)), restorer))
    assert [item.frame.index for item in done] == list(range(len(faces)))
    for k, (item, n) in enumerate(zip(done, faces, strict=True)):
        assert {t: a[0, 0, 0] for t, a in item.before.items()} == {t: 10 * k + t for t in range(n)}
        assert {t: a[0, 0, 0] for t, a in item.after.items()} == {
            t: 100 + 10 * k + t for t in range(n)
        }
    # All batches but the last are full.
    total = sum(faces)
    assert restorer.calls == [batch] * (total // batch) + [total % batch] * (total % batch > 0)


def test_a_stretch_without_faces_is_not_gathered() -> None:
    read = 0

    def dues() -> Iterator[Due]:
        nonlocal read
        for k in range(500):
            read = k
            yield due(k, 1 if k == 0 else 0)

    first = next(in_batches(dues(), Counting(4)))
    assert first.after[0][0, 0, 0] == 100
    assert read <= HELD + 2 * 4 + 1


def test_frames_without_faces_pass_at_once() -> None:
    passing = in_batches((due(k, 0) for k in range(10)), Counting(64))
    assert next(passing).frame.index == 0


def test_a_crop_that_cannot_be_restored_is_an_error_or_told_of() -> None:
    dues = [due(0, 2), due(1, 2), due(2, 2)]
    with pytest.raises(ModelError, match="cannot be restored"):
        list(in_batches(dues, Counting(4, broken=[11.0])))
    told: list[Unrestored] = []
    done = list(in_batches(dues, Counting(4, broken=[11.0]), told.append))
    assert [sorted(item.after) for item in done] == [[0, 1], [0], [0, 1]]
    assert [item.after[0][0, 0, 0] for item in done] == [100, 110, 120]
    assert told == [Unrestored(1, 1, "cannot be restored")]


def test_other_errors_are_never_swallowed() -> None:
    class Broken(Counting):
        def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_batches([due(0, 1)], Broken(1), lambda lost: None))


def tracklet(identity: int, start: int, frames: int) -> Tracklet:
    poses = np.tile([32.0, 24.0, np.log(8.0), 0.0], (frames, 1))
    scores = np.full(frames, 0.9)
    return Tracklet(identity, start, poses, np.zeros((frames, 5, 2)), scores, False, False)


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_windows_hold_the_neighbours_of_their_own_track(radius: int) -> None:
    tracklets = [tracklet(1, 2, 4), tracklet(5, 4, 5)]
    sampled = [
        Sampled(
            blank(k),
            {t.id: crop(100 * t.id + k) for t in tracklets if t.start <= k < t.stop},
        )
        for k in range(10)
    ]
    wanted = range(1, 9)
    seen = sampled[max(wanted.start - radius, 0) : wanted.stop + radius]
    dues = list(windowed(seen, wanted, tracklets, radius))
    assert [d.frame.index for d in dues] == list(wanted)
    for d in dues:
        index = d.frame.index
        here = [t for t in tracklets if t.start <= index < t.stop]
        assert [w.tracklet for w in d.windows] == [t.id for t in here]
        for w, t in zip(d.windows, here, strict=True):
            expected = range(max(index - radius, t.start), min(index + radius + 1, t.stop))
            assert w.frames == tuple(expected)
            assert w.frames[w.centre] == index
            assert [c[0, 0, 0] for c in w.crops] == [100 * t.id + k for k in expected]
            assert w.zoom == pytest.approx(4 / 8)
