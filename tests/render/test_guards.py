"""Around a restorer that invents: who is left alone, what is held still, what stays grey."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.frames import blank
from videnhance import restorers
from videnhance.errors import ModelError
from videnhance.faces import gate
from videnhance.faces.alignment import TEMPLATE
from videnhance.faces.gate import Verdict
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.imaging import steadiness
from videnhance.imaging.frames import FloatArray
from videnhance.imaging.sharpness import sharpness
from videnhance.job.run import enhance
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.models.store import Obtained
from videnhance.render.batches import Done, Due, Unrestored
from videnhance.render.guards import gated, matched, steadied
from videnhance.render.outcome import Outcome
from videnhance.settings.groups import (
    ComputeSettings,
    DetectSettings,
    EvidenceSettings,
    GateLimits,
    OutputSettings,
    RestoreSettings,
    Settings,
    TrackSettings,
)

OPEN = GateLimits(None, None, None, None, None)
SIDE = 64


def crop(seed: int = 0) -> FloatArray:
    """Something with edges, so that it is not blurred."""
    random = np.random.default_rng(seed)
    coarse = random.random((8, 8, 3), np.float32)
    return np.kron(coarse, np.ones((SIDE // 8, SIDE // 8, 1), np.float32))


def tracklet(frames: int, eyes: float, start: int = 0) -> Tracklet:
    """A frontal face with so many pixels between the eyes."""
    spread = float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    side = eyes / spread
    poses = np.tile([100.0, 100.0, np.log(side), 0.0], (frames, 1))
    landmarks = np.tile(TEMPLATE * side + 100.0, (frames, 1, 1))
    return Tracklet(1, start, poses, landmarks, np.full(frames, 0.9), False, False)


def window(track: Tracklet, index: int, reach: int) -> CropWindow:
    first = max(index - reach, track.start)
    frames = tuple(range(first, min(index + reach + 1, track.stop)))
    return CropWindow(1, frames, tuple(crop(k) for k in frames), index - first, 1.0)


def through_gate(track: Tracklet, radius: int = 1) -> tuple[list[Due], list[tuple[int, Verdict]]]:
    told: list[tuple[int, Verdict]] = []
    reach = gate.RADIUS + 2
    dues = (Due(blank(k), (window(track, k, reach),)) for k in range(track.start, track.stop))
    found = gated(dues, [track], radius, GateLimits(), lambda k, _, v: told.append((k, v)))
    return list(found), told


def test_a_small_face_is_left_alone_and_a_large_one_is_not() -> None:
    small, why = through_gate(tracklet(9, eyes=7.0))
    assert [due.frame.index for due in small] == list(range(9))
    assert not any(due.windows for due in small)
    assert why == [(k, Verdict(0.0, "small")) for k in range(9)]
    large, why = through_gate(tracklet(9, eyes=30.0))
    assert [due.strengths for due in large] == [{1: 1.0}] * 9
    assert why == [(k, Verdict(1.0, None)) for k in range(9)]
    half, why = through_gate(tracklet(9, eyes=12.0))
    assert [due.strengths for due in half] == [{1: pytest.approx(0.5)}] * 9
    assert {v.reason for _, v in why} == {"small"}


@pytest.mark.parametrize("radius", [0, 2, 6])
def test_the_restorer_gets_the_window_it_wants(radius: int) -> None:
    track = tracklet(12, eyes=30.0, start=3)
    for due in through_gate(track, radius)[0]:
        (given,) = due.windows
        index = due.frame.index
        expected = window(track, index, radius)
        assert given.frames == expected.frames and given.frames[given.centre] == index
        for one, other in zip(given.crops, expected.crops, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_verdict_is_the_gate_s_own() -> None:
    """Wherever a video is cut: the sharpness of the very frames that the gate names."""
    track = tracklet(12, eyes=13.0)
    for due, (index, verdict) in zip(*through_gate(track), strict=True):
        near = gate.frames_around(track, index)
        values = [sharpness(crop(k), 1.0) for k in near]
        assert verdict == gate.judge(track, index, values, GateLimits())
        assert due.strengths.get(1, 0.0) == verdict.strength


def done(index: int, before: FloatArray, after: FloatArray | None) -> Done:
    restored = {} if after is None else {1: after}
    return Done(blank(index), {1: before}, restored, {1: 0.5})


def test_steadiness_is_that_of_the_window_and_stops_at_gaps() -> None:
    items = [done(k, crop(7), crop(7) + 0.02 * k if k != 6 else None) for k in range(14)]
    wanted = range(2, 12)
    found = list(steadied(items, wanted, 0.8))
    assert [item.frame.index for item in found] == list(wanted)
    runs = {**dict.fromkeys(range(6), range(6)), **dict.fromkeys(range(7, 14), range(7, 14))}
    for item in found:
        index = item.frame.index
        if index == 6:
            assert item.after == {}
            continue
        near = [k for k in runs[index] if abs(k - index) <= steadiness.RADIUS]
        looks = [steadiness.prepare(items[k].before[1], items[k].after[1]) for k in near]
        expected = steadiness.steady(looks, near.index(index), 0.8)
        np.testing.assert_array_equal(item.after[1], expected)
        assert item.strengths == {1: 0.5}


def test_grey_stays_grey_and_colours_are_the_source_s() -> None:
    grey = np.repeat(crop()[..., :1], 3, axis=2)
    tinted = grey * np.array([1.1, 1.0, 0.8], np.float32)
    (kept,) = matched([done(0, grey, tinted)], frozenset({1}))
    assert float(np.ptp(kept.after[1], axis=2).max()) < 1e-6
    coloured = crop(3)
    (back,) = matched([done(0, coloured, coloured * 0.9 + 0.05)], frozenset())
    np.testing.assert_allclose(back.after[1], coloured, atol=2 / 255)


def test_what_changes_too_little_to_be_seen_is_told_by_track(tmp_path: Path) -> None:
    one, other = Outcome(), Outcome()
    for by in (0.2, 1.4):
        one.changed(7, by)
    one.changed(2, 3.0)
    other.changed(7, 0.8)
    other.changed(11, 1.0)
    one.save(tmp_path / "a.json")
    assert Outcome.load(tmp_path / "a.json") == one
    whole = Outcome.of([one, other])
    assert whole.gainless == {7: pytest.approx(0.8)}
    assert one.changes == {7: (pytest.approx(1.6), 2), 2: (3.0, 1)}, "parts stay as they are"
    written = json.loads((tmp_path / "a.json").read_text())
    del written["changes"]  # as earlier versions wrote it
    (tmp_path / "a.json").write_text(json.dumps(written))
    found = Outcome.load(tmp_path / "a.json")
    assert found is not None and found.gainless == {}


def test_an_outcome_is_written_read_added_and_told(tmp_path: Path) -> None:
    one = Outcome()
    one.judged(3, Verdict(1.0, None))
    one.judged(3, Verdict(0.0, "small"))
    one.judged(4, Verdict(0.0, "small"))
    one.judged(3, Verdict(0.4, "blurred"))
    one.unrestored.append(Unrestored(3, 120, "no numbers"))
    one.save(tmp_path / "a.json")
    again = Outcome.load(tmp_path / "a.json")
    assert again == one
    whole = Outcome.of([one, one])
    assert whole.left == Counter(small=4) and whole.lowered == Counter(blurred=2)
    assert whole.notes() == [
        "faces left as recorded: 4 small",
        "faces held back in part: 2 blurred",
        "track 3, frame 120: kept as recorded (no numbers)",
        "track 3, frame 120: kept as recorded (no numbers)",
    ]
    assert Outcome().notes() == []
    written = json.loads((tmp_path / "a.json").read_text())
    del written["alone"]
    written["left"] = {"small": 2}  # as earlier versions wrote it
    (tmp_path / "a.json").write_text(json.dumps(written))
    found = Outcome.load(tmp_path / "a.json")
    assert found is not None and found.left == one.left and found.left_alone == {}
    for spoilt in ("", "{", "[]", json.dumps({"left": {}})):
        (tmp_path / "b.json").write_text(spoilt)
        assert Outcome.load(tmp_path / "b.json") is None
    assert Outcome.load(tmp_path / "none.json") is None


def test_tracks_that_are_left_alone_are_told_with_the_reason_of_most_faces() -> None:
    one, other = Outcome(), Outcome()
    for part in (one, other):
        for reason in ("small", "hidden", "hidden"):
            part.judged(7, Verdict(0.0, reason))
    for reason in ("small", "blurred"):
        one.judged(3, Verdict(0.0, reason))
    one.judged(3, Verdict(0.5, "small"))
    one.changed(3, 4.0)
    one.changed(5, 4.0)
    told = Outcome.of([one, other]).left_alone
    assert {track: str(fate) for track, fate in told.items()} == {
        3: "left alone in 2 of 3 frames: blurred",
        7: "left alone: hidden",
    }
    assert told[7].altogether and not told[3].altogether
    assert one.left_alone[7].faces == 3, "parts stay as they are"


# Whole jobs


class Paint:
    """Invents a checked texture, another one every frame; fails on the frames it is told."""

    name = "paint"
    radius = 0
    invents = True

    def __init__(self, batch: int = 1, broken: Sequence[int] = ()) -> None:
        self.batch, self.broken = batch, broken

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        found = []
        for w in windows:
            index, own = w.frames[w.centre], w.crops[w.centre]
            if index in self.broken:
                raise ModelError(f"paint: tracklet {w.tracklet}, frame {index}: no numbers")
            y, x = np.indices(own.shape[:2])
            sign = np.where((x // 64 + y // 64 + index) % 2, 0.05, -0.05)
            found.append(np.asarray(own + sign[..., None], np.float32))
        return found


@pytest.fixture
def wish(monkeypatch: pytest.MonkeyPatch, square_detector: str) -> Settings:
    monkeypatch.setitem(restorers.RESTORERS, "paint", Row(lambda loader: Paint()))
    return Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        track=TrackSettings(persons=False),
        restore=RestoreSettings(restorer="paint", drift="off"),
        gate=OPEN,
        output=OutputSettings(codec="ffv1"),
        evidence=EvidenceSettings(label=False),  # it changes pixels of every frame
    )


def test_segments_and_batches_leave_no_trace(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gate, steadiness and batches reach across the borders of segments."""
    clip = write_rgb(tmp_path / "in.mkv", square_frames(30))
    wish = replace(wish, gate=replace(OPEN, eyes=(4.0, 20.0)))
    enhance(clip, tmp_path / "whole.mkv", wish)
    monkeypatch.setitem(restorers.RESTORERS, "paint", Row(lambda loader: Paint(batch=4)))
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 7)
    enhance(clip, tmp_path / "cut.mkv", wish)
    whole, cut = decoded(tmp_path / "whole.mkv"), decoded(tmp_path / "cut.mkv")
    source = decoded(clip)
    assert any((a[0] != b[0]).any() for a, b in zip(whole, source, strict=True))
    for one, other in zip(whole, cut, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_texture_flickers_less_with_steady(tmp_path: Path, wish: Settings) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(12))

    def flicker(amount: float) -> float:
        out = tmp_path / f"{amount}.mkv"
        enhance(clip, out, replace(wish, restore=replace(wish.restore, steady=amount)))
        added = [
            a[0].astype(float) - b[0].astype(float)
            for a, b in zip(decoded(out), decoded(clip), strict=True)
        ]
        return float(np.mean([np.abs(a - b).mean() for a, b in pairwise(added)]))

    assert flicker(0.9) < 0.6 * flicker(0.0)


def test_a_face_left_alone_is_the_source_bit_for_bit(tmp_path: Path, wish: Settings) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(10))
    closed = replace(wish, gate=replace(OPEN, eyes=(500.0, 600.0)))
    summary = enhance(clip, tmp_path / "out.mkv", closed)
    for one, other in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert summary.notes == ("faces left as recorded: 10 small",)


def test_a_grey_clip_stays_grey(tmp_path: Path, wish: Settings) -> None:
    grey = [np.repeat(p[..., :1], 3, axis=2) for p in square_frames(8)]
    clip = write_rgb(tmp_path / "in.mkv", grey)

    class Redden(Paint):
        def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
            return [w.crops[w.centre] * np.array([1.2, 1.0, 0.8], np.float32) for w in windows]

    restorers.RESTORERS["paint"] = Row(lambda loader: Redden())
    enhance(clip, tmp_path / "out.mkv", wish)
    for one, other in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        for a, b in zip(one[1:], other[1:], strict=True):
            np.testing.assert_array_equal(a, b)  # chroma


def test_what_cannot_be_restored_is_an_error_or_kept_and_told(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(12))
    row = Row(lambda loader: Paint(batch=3, broken=[5, 6]))
    monkeypatch.setitem(restorers.RESTORERS, "paint", row)
    with pytest.raises(ModelError, match="tracklet 1, frame 5"):
        enhance(clip, tmp_path / "out.mkv", wish)
    assert not (tmp_path / "out.mkv").exists()
    keep = replace(wish, restore=replace(wish.restore, on_error="keep"))
    summary = enhance(clip, tmp_path / "out.mkv", keep, restart=True)
    assert summary.notes == (
        "track 1, frame 5: kept as recorded (paint: tracklet 1, frame 5: no numbers)",
        "track 1, frame 6: kept as recorded (paint: tracklet 1, frame 6: no numbers)",
    )
    source, result = decoded(clip), decoded(tmp_path / "out.mkv")
    changed = [(a[0] != b[0]).any() for a, b in zip(source, result, strict=True)]
    assert [k for k, c in enumerate(changed) if not c] == [5, 6]


def _unused_weights(loader: Loader, name: str) -> Path:
    here = Path("none.pth")
    loader.obtained[name] = Obtained(name, here, "0" * 64, False, None)
    return here


@pytest.mark.slow
def test_several_devices_share_the_segments(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(30))
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 5)
    enhance(clip, tmp_path / "one.mkv", wish)
    made: list[Paint] = []

    def one_more(loader: Loader) -> Paint:
        made.append(Paint())
        return made[-1]

    monkeypatch.setitem(restorers.RESTORERS, "paint", Row(one_more, weights="gfpgan-1.4"))
    monkeypatch.setattr(Loader, "weights", _unused_weights)
    wish = replace(wish, compute=ComputeSettings(devices=("cpu", "cpu:0")))
    enhance(clip, tmp_path / "two.mkv", wish)
    assert len(made) == 2
    for one, other in zip(
        decoded(tmp_path / "one.mkv"), decoded(tmp_path / "two.mkv"), strict=True
    ):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
