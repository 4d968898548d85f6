"""What surrounds a restorer that invents: whom it is kept from, and what is taken back after it.

Before it a gate (gate.py) leaves faces alone of which too little is recorded. After it
the made-up texture is held still (steady.py), and a face gets the colours of its source
(colormatch.py).
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from videnhance import gate, steady
from videnhance.alignment import compose, crop_to_frame, invert
from videnhance.color import sample_rgb
from videnhance.colormatch import chroma_spread, is_grey
from videnhance.faces import CropWindow, Tracklet
from videnhance.frames import Crop
from videnhance.gate import Verdict
from videnhance.pixels import IN_MEMORY, Pixels
from videnhance.restoring import Done, Due, Unrestored
from videnhance.settings import GateLimits
from videnhance.streams import Timeline, VideoInfo
from videnhance.video.footage import read_frames

Masks = Callable[[Sequence[Crop]], list[Crop]]
"""(S, S, 3) float32 RGB crops in, (S, S) float32 masks out (parsing.Parser.masks)."""
_LOOKS, _LOOK_SIDE = 5, 64
"""Frames of a track, and pixels of a crop's side, by which it is found to be grey."""


@dataclass
class Outcome:
    """What became of the faces of a segment; it is filled while the segment is rendered."""

    left: Counter[str] = field(default_factory=Counter)
    """Faces left as recorded, by the gate's reason."""
    lowered: Counter[str] = field(default_factory=Counter)
    """Faces restored with less strength, by the gate's reason."""
    unrestored: list[Unrestored] = field(default_factory=list)
    """Faces that the restorer failed on."""
    held_back: float = 0.0
    """Share of pixels in which a restorer held back what the input does not support, summed over
    `guarded` faces."""
    guarded: int = 0
    uncorrected: int = 0
    """Faces that a guarded restorer did not correct: fusion is nearer to the truth there."""

    def guard(self, shares: Sequence[float | None]) -> None:
        """Takes what a restorer tells (restorers.Guarded)."""
        corrected = [share for share in shares if share is not None]
        self.held_back, self.guarded = sum(corrected), len(corrected)
        self.uncorrected = len(shares) - len(corrected)

    def judged(self, verdict: Verdict) -> None:
        if verdict.reason is not None:
            (self.lowered if verdict.strength > 0 else self.left)[verdict.reason] += 1

    def save(self, path: Path) -> None:
        """Raises OSError."""
        told = {
            "left": dict(self.left),
            "lowered": dict(self.lowered),
            "unrestored": [asdict(lost) for lost in self.unrestored],
            "held_back": [self.held_back, self.guarded, self.uncorrected],
        }
        path.write_text(json.dumps(told) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Outcome | None:
        """None where there is none that can be read."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return Outcome(
                Counter(told["left"]),
                Counter(told["lowered"]),
                [Unrestored(**one) for one in told["unrestored"]],
                float(told["held_back"][0]),
                int(told["held_back"][1]),
                int(told["held_back"][2]),
            )
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @staticmethod
    def of(parts: Iterable[Outcome]) -> Outcome:
        """All of several segments."""
        whole = Outcome()
        for part in parts:
            whole.left += part.left
            whole.lowered += part.lowered
            whole.unrestored += part.unrestored
            whole.held_back += part.held_back
            whole.guarded += part.guarded
            whole.uncorrected += part.uncorrected
        return whole

    def notes(self) -> list[str]:
        """One sentence for each kind of what is to be known."""
        told = []
        for faces, fate in ((self.left, "left as recorded"), (self.lowered, "held back in part")):
            if faces:
                reasons = ", ".join(f"{count} {reason}" for reason, count in faces.most_common())
                told.append(f"faces {fate}: {reasons}")
        if self.uncorrected:
            seen = self.uncorrected + self.guarded
            told.append(
                f"{self.uncorrected} of {seen} faces are fusion's alone, "
                "which by their size and how the video was coded is nearer to the truth"
            )
        if self.guarded:
            told.append(
                f"in {self.held_back / self.guarded:.1%} of the corrected faces' pixels the "
                "correction was held back by more than half, as the recording does not support it"
            )
        for lost in self.unrestored[:_NAMED]:
            told.append(
                f"track {lost.tracklet}, frame {lost.frame}: kept as recorded ({lost.reason})"
            )
        if len(self.unrestored) > _NAMED:
            told.append(f"{len(self.unrestored) - _NAMED} more faces kept as recorded")
        return told


_NAMED = 20
"""Faces that failed are named one by one up to so many."""


def gated(
    dues: Iterable[Due],
    tracklets: Sequence[Tracklet],
    radius: int,
    limits: GateLimits,
    tell: Callable[[int, Verdict], None],
    pixels: Pixels = IN_MEMORY,
) -> Iterator[Due]:
    """The frames without the faces that should be left alone, and how strongly the others may be
    restored; `tell` hears of every verdict, with the frame's index.

    The windows of `dues` reach as far as `gate.RADIUS` or more; those given on reach `radius`.
    """
    by_id = {t.id: t for t in tracklets}
    known: dict[tuple[int, int], float] = {}

    def sharpnesses(window: CropWindow, frames: range) -> list[float]:
        found = []
        for frame in frames:
            key = (window.tracklet, frame)
            if key not in known:
                crop = window.crops[frame - window.frames[0]]
                known[key] = pixels.sharpness(crop, window.zoom)
            found.append(known[key])
        return found

    for due in dues:
        index = due.frame.index
        windows, strengths = [], {}
        for window in due.windows:
            track = by_id[window.tracklet]
            near = gate.frames_around(track, index)
            verdict = gate.judge(track, index, sharpnesses(window, near), limits)
            tell(index, verdict)
            if verdict.strength > 0:
                windows.append(_narrowed(window, radius))
                strengths[window.tracklet] = verdict.strength
        for key in [key for key in known if key[1] < index - gate.RADIUS]:
            del known[key]
        yield Due(due.frame, tuple(windows), strengths)


def matched(
    done: Iterable[Done], grey: frozenset[int], pixels: Pixels = IN_MEMORY
) -> Iterator[Done]:
    """The restored faces in the colours of their source; `grey` are the ids of grey tracks."""
    for item in done:
        after = {
            identity: pixels.match_color(crop, item.before[identity], identity in grey)
            for identity, crop in item.after.items()
        }
        yield replace(item, after=after)


def parsed(done: Iterable[Done], masks: Masks) -> Iterator[Done]:
    """With the masks of the restored faces, found in the crops as they were recorded: a hand that
    the restorer painted over is still seen there."""
    for item in done:
        identities = list(item.after)
        found = masks([item.before[k] for k in identities])
        yield replace(item, masks=dict(zip(identities, found, strict=True)))


def steadied(
    done: Iterable[Done], wanted: range, amount: float, pixels: Pixels = IN_MEMORY
) -> Iterator[Done]:
    """The `wanted` frames with the restorer's texture averaged along each track.

    `done` begins `steady.RADIUS` frames earlier and ends as many later, where there are any.
    """
    around: dict[int, Done] = {}
    looks: dict[tuple[int, int], Any] = {}
    waiting: deque[int] = deque()

    def one(index: int) -> Done:
        item = around[index]
        after = {}
        for identity in item.after:
            near = [index]
            while near[0] > index - steady.RADIUS and (near[0] - 1, identity) in looks:
                near.insert(0, near[0] - 1)
            while near[-1] < index + steady.RADIUS and (near[-1] + 1, identity) in looks:
                near.append(near[-1] + 1)
            window = [looks[k, identity] for k in near]
            after[identity] = pixels.steady(window, near.index(index), amount)
        return replace(item, after=after)

    for item in done:
        index = item.frame.index
        around[index] = item
        for identity, crop in item.after.items():
            looks[index, identity] = pixels.look(item.before[identity], crop)
        gone = around.pop(index - 2 * steady.RADIUS - 1, None)
        if gone is not None:
            for identity in gone.after:
                del looks[gone.frame.index, identity]
        if index in wanted:
            waiting.append(index)
        while waiting and waiting[0] + steady.RADIUS <= index:
            yield one(waiting.popleft())
    while waiting:
        yield one(waiting.popleft())


def grey_tracks(
    info: VideoInfo, timeline: Timeline, pix_fmt: str, tracklets: Sequence[Tracklet]
) -> frozenset[int]:
    """The ids of those tracks that have no colours, by a few of their frames."""
    to_coded = invert(info.upright)
    looks: dict[int, list[Tracklet]] = {}
    for t in tracklets:
        for index in {int(k) for k in np.linspace(t.start, t.stop - 1, _LOOKS)}:
            looks.setdefault(index, []).append(t)
    spreads: dict[int, list[float]] = {t.id: [] for t in tracklets}
    for index in sorted(looks):
        for frame in read_frames(info, timeline, index, index + 1, pix_fmt):
            for t in looks[index]:
                pose = t.poses[index - t.start]
                affine = compose(to_coded, crop_to_frame(pose, _LOOK_SIDE))
                crop = sample_rgb(frame, affine, (_LOOK_SIDE, _LOOK_SIDE))
                spreads[t.id].append(chroma_spread(crop))
    return frozenset(identity for identity, values in spreads.items() if is_grey(values))


def _narrowed(window: CropWindow, radius: int) -> CropWindow:
    first = max(window.centre - radius, 0)
    kept = slice(first, window.centre + radius + 1)
    return replace(
        window,
        frames=window.frames[kept],
        crops=window.crops[kept],
        centre=window.centre - first,
    )
