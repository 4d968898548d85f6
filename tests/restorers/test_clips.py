"""Restorers of clips: a track's frames are divided alike, however it is rendered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.making.frames import blank
from tests.making.restorers import Trailing
from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.imaging.frames import Crop, FloatArray
from videnhance.render.batches import Sampled, in_batches, windowed
from videnhance.restorers.clips import Clips, clips_of


@pytest.mark.parametrize(("length", "overlap"), [(20, 4), (6, 2), (5, 0), (4, 2), (1, 0)])
def test_every_frame_is_in_one_clip_or_two(length: int, overlap: int) -> None:
    for frames in range(1, 3 * length + 2):
        span = range(7, 7 + frames)
        clips = [clips_of(span, frame, length, overlap) for frame in span]
        every = sorted({(c.start, c.stop) for found in clips for c in found})
        for frame, found in zip(span, clips, strict=True):
            assert [(c.start, c.stop) for c in found] == [c for c in every if c[0] <= frame < c[1]]
            assert 1 <= len(found) <= 2
            for clip in found:  # within the radius of a window around the frame
                assert frame - length < clip.start and clip.stop <= frame + length
        assert (every[0][0], every[-1][1]) == (span.start, span.stop)
        for one, two in pairwise(every):
            assert (two[0] - one[0], one[1] - two[0]) == (length - overlap, overlap)
            assert one[1] - one[0] == length
            assert two[1] > one[1]


def tracklet(start: int, stop: int, id_: int = 1) -> Tracklet:
    count = stop - start
    return Tracklet(
        id=id_,
        start=start,
        poses=np.tile([0.0, 0.0, np.log(4.0), 0.0], (count, 1)),
        landmarks=np.zeros((count, 5, 2)),
        scores=np.ones(count),
        opens_shot=True,
        closes_shot=True,
    )


TRACKS = tracklet(3, 40, 1), tracklet(10, 12, 2), tracklet(20, 21, 3), tracklet(25, 41, 4)


def crop(track: Tracklet, frame: int) -> FloatArray:
    draw = np.random.default_rng([track.id, frame])
    return draw.uniform(0.2, 0.8, (4, 4, 3)).astype(np.float32)


def sampled(frames: range) -> Iterator[Sampled]:
    for k in frames:
        yield Sampled(blank(k), {t.id: crop(t, k) for t in TRACKS if t.start <= k < t.stop})


def rendered(restorer: Clips, wanted: range) -> dict[tuple[int, int], FloatArray]:
    """By frame and track, of a segment, read as far beyond its borders as it must be."""
    margin = range(max(wanted.start - restorer.radius, 0), min(wanted.stop + restorer.radius, 45))
    dues = windowed(sampled(margin), wanted, TRACKS, restorer.radius)
    return {
        (done.frame.index, track): np.asarray(after)
        for done in in_batches(dues, restorer)
        for track, after in done.after.items()
    }


def test_where_a_video_is_divided_changes_no_bit() -> None:
    """And one restorer may serve segments in any order."""
    whole = rendered(Clips(Trailing()), range(45))
    assert len(whole) == sum(len(t) for t in TRACKS)
    for cuts in ([8, 16, 24, 32, 40], [1, 2, 3, 4], [21], [5, 39]):
        edges = [0, *cuts, 45]
        serving = Clips(Trailing())
        spans = [range(a, b) for a, b in pairwise(edges)]
        parts: dict[tuple[int, int], FloatArray] = {}
        for span in spans[::-1]:
            parts |= rendered(serving, span)
        assert parts.keys() == whole.keys()
        for key, after in whole.items():
            np.testing.assert_array_equal(parts[key], after)


def test_a_clip_is_restored_once_in_a_segment() -> None:
    """Also where tracks share frames."""
    restorer = Trailing()
    rendered(Clips(restorer), range(45))
    expected = []
    for track in TRACKS:
        span = range(track.start, track.stop)
        found = {c for k in span for c in clips_of(span, k, restorer.length, restorer.overlap)}
        expected += [len(clip) for clip in found]
    assert sorted(restorer.calls) == sorted(expected)


def test_the_result_is_that_of_the_clips_which_fade_over() -> None:
    track = tracklet(0, 10)
    crops = [crop(track, k) for k in range(10)]
    restorer, made = Trailing(), Clips(Trailing())
    first, second = restorer.restore_clip(crops[:6]), restorer.restore_clip(crops[4:])
    expected: list[FloatArray] = [
        *first[:4],
        first[4] + np.float32(1 / 3) * (second[0] - first[4]),
        first[5] + np.float32(2 / 3) * (second[1] - first[5]),
        *second[2:],
    ]
    window = [
        CropWindow(
            1,
            tuple(range(max(k - 5, 0), min(k + 6, 10))),
            tuple(crops[max(k - 5, 0) : k + 6]),
            min(k, 5),
            1.0,
            range(10),
        )
        for k in range(10)
    ]
    for k, found in enumerate(made.restore(window)):
        np.testing.assert_allclose(found, expected[k], atol=1e-6)
        assert found.dtype == np.float32


def test_a_single_picture_is_a_clip_of_one() -> None:
    track = tracklet(0, 1)
    (found,) = Clips(Trailing()).restore([CropWindow(1, (5,), (crop(track, 0),), 0, 1.0)])
    np.testing.assert_array_equal(found, Trailing().restore_clip([crop(track, 0)])[0])


def test_other_crops_of_the_same_frames_are_not_taken_for_them() -> None:
    """Of another video, or of a face that is shown moved (render.invention)."""
    made, one, other = Clips(Trailing()), crop(TRACKS[0], 0), crop(TRACKS[0], 1)
    results = [made.restore([CropWindow(1, (5,), (face,), 0, 1.0)])[0] for face in (one, other)]
    np.testing.assert_array_equal(results[1], Trailing().restore_clip([other])[0])
    assert np.abs(results[0] - results[1]).max() > 0.01


def test_nothing_is_kept_for_longer_than_it_is_needed() -> None:
    made = Clips(Trailing())
    for done in in_batches(windowed(sampled(range(45)), range(45), TRACKS, made.radius), made):
        if done.after:
            begun = [clip.frames.start for clip in made._kept.values()]
            assert min(begun) >= done.frame.index - made.radius
            assert len(begun) <= 2 * len(done.after) + 2


class Half:
    """Halves what it gets, of any type of array."""

    name, length, overlap, invents = "half", 3, 1, True

    def restore_clip(self, crops: Sequence[Crop]) -> list[Crop]:
        return [crop * 0.5 for crop in crops]


def test_crops_on_a_device_stay_there() -> None:
    crops = tuple(torch.from_numpy(crop(TRACKS[0], k)) for k in range(5))
    window = CropWindow(1, tuple(range(5)), crops, 2, 1.0)
    (found,) = Clips(Half()).restore([window])
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float32
    torch.testing.assert_close(found, crops[2] * 0.5)


class Failing(Trailing):
    def restore_clip(self, crops: object) -> list[FloatArray]:
        raise ModelError("not enough memory for a clip; use --devices cpu")


def test_a_clip_that_fails_names_the_track_and_the_frame() -> None:
    with pytest.raises(ModelError, match=r"\Atracklet 1, frame 3: not enough memory[^\n]*\Z"):
        rendered(Clips(Failing()), range(10))


def test_clips_overlap_by_half_at_most() -> None:
    with pytest.raises(ValueError, match="more than half"):
        Clips(Trailing(length=6, overlap=4))
