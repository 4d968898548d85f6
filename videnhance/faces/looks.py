"""Which of a video's frames the detector has to see, and which follow from others.

Decided by a frame's index, its neighbours and its BLOCK alone, never by where a job was cut into
segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from videnhance.faces.alignment import fit_poses
from videnhance.faces.stillness import Coarse, Part, changed, coarse
from videnhance.faces.tracklets import Faces
from videnhance.imaging.frames import Frame
from videnhance.media.timeline import Segment

BLOCK = 64
"""The detector sees at least the first frame that it has to look at of so many: a face that came
too faintly to be noticed is missed for 2.5 seconds at most. Segments begin where blocks do."""
SPAN = 3
"""Of so many frames to be looked at one is enough where faces keep still. More could pass over a
face that is seen in ENOUGH_DETECTIONS of them, none of which would be one of those looked at."""
_STILL, _WITHIN = 0.025, 0.5
"""Faces keep still between two frames if each is found in both, its landmarks no farther apart in
the mean than STILL sides of its crop, and the frames no more than WITHIN seconds.

Measured, the mean distance of tracks from those with every frame looked at, in % of the side, and
how many frames were looked at of every third: a dancer 1.3 and a child who bobs her head 0.3 as
with all of them (all, and 52 of 54), since a limit of 0.08 let them pass between two looks at 2.4
and 2.2; a man at his webcam 0.26 instead of 0.11 (19 of 26), a talking head 0.13 instead of 0.06
(21 of 54)."""
_DOUBT = 0.5
"""Share of the threshold: where the best score in a picture without faces reaches it, pictures like
it are looked at too. In an empty passage at night it lies below 0.25."""


def leads(index: int, every: int) -> bool:
    """Whether a frame is looked at, or at least compared with earlier ones, whatever its neighbours
    show: the first, every SPAN-th, and the last that are looked at in its block."""
    first = -(-(index // BLOCK * BLOCK) // every) * every
    is_last = index // BLOCK != (index + every) // BLOCK
    return index % every == 0 and (is_last or (index - first) // every % SPAN == 0)


def is_empty(found: Faces) -> bool:
    """Whether nothing was found, and nothing like a face."""
    return not len(found) and found.doubt <= _DOUBT


def keep_still(one: Faces, other: Faces) -> bool:
    """Whether two frames show the same faces in the same places, or surely none."""
    if not len(one) or not len(other):
        return is_empty(one) and is_empty(other)
    if len(one) != len(other):
        return False
    away = one.landmarks[:, None] - other.landmarks[None]
    sides = np.exp(fit_poses(one.landmarks)[:, 2])
    apart = np.hypot(away[..., 0], away[..., 1]).mean(axis=-1) / sides[:, None]
    nearest = apart.argmin(axis=1)
    return len({*nearest.tolist()}) == len(one) and bool((apart.min(axis=1) <= _STILL).all())


class Looks:
    """Gives the detector the frames that it has to see, in batches.

    Each frame is compared with an earlier one of its block, which follows from the pictures alone.
    Whether it is spared follows from that and from what was found in the earlier one.
    """

    def __init__(
        self,
        segment: Segment,
        look: Callable[[Sequence[Frame]], list[Faces]],
        shows_nothing: Callable[[Frame, Part], bool],
        batch: int,
        *,
        spares: bool,
        unit: float,
    ) -> None:
        """`unit`: seconds of a unit of pts, 0 if that is not known."""
        self._segment, self._look, self._shows_nothing = segment, look, shows_nothing
        self._batch, self._spares, self._unit = batch, spares, unit
        self._first = segment.start // BLOCK * BLOCK
        self._last: tuple[Frame, Coarse] | None = None
        """The frame that later ones are compared with."""
        self._faces: dict[int, Faces] = {}
        self._seen: set[int] = set()
        """Those of the frames that the detector has seen whole."""
        self._waiting: dict[int, Frame] = {}
        self._undecided: list[tuple[Frame, int, Part | None]] = []
        """Frames, with the index of the one that each is compared with, and where they differ."""
        self._lead: Frame | None = None
        """The last frame given to `at`."""
        self._between: list[Frame] = []
        """Those given to `between` since then."""
        self._spans: list[tuple[int, list[Frame], int]] = []
        """Frames that are looked at unless faces keep still between two others."""

    def between(self, frame: Frame) -> None:
        """Have a look at a frame, unless faces keep still around it."""
        if frame.index >= self._first:
            self._between.append(frame)

    def at(self, frame: Frame, *, surely: bool) -> None:
        """Have a look at a frame, unless it can be spared; `surely`: it must not be."""
        if frame.index < self._first:
            return
        self._end_span(frame)
        cells = coarse(frame) if self._spares else None
        last = self._last
        if last is not None and last[0].index // BLOCK != frame.index // BLOCK:
            last = None
        part: Part | None = None
        if surely or cells is None or last is None:
            self._undecided = [entry for entry in self._undecided if entry[0] is not frame]
            if frame.index not in self._seen:
                self._waiting[frame.index] = frame
        else:
            part = changed(last[1], cells)
            self._undecided.append((frame, last[0].index, part))
        if cells is not None and (surely or last is None or part is not None):
            self._last = frame, cells
        while max(len(self._waiting), len(self._undecided)) >= self._batch:
            self._flush()

    def _end_span(self, frame: Frame) -> None:
        lead, self._lead = self._lead, frame
        within = [other for other in self._between if other is not frame]
        self._between = []
        if not within:
            return
        near = lead is not None and (frame.pts - lead.pts) * self._unit <= _WITHIN
        if lead is not None and near and lead.index // BLOCK == within[-1].index // BLOCK:
            self._spans.append((lead.index, within, frame.index))
        else:
            self._waiting.update((other.index, other) for other in within)

    def all(self) -> dict[int, Faces]:
        """What was found in the segment's frames, by index."""
        self._waiting.update((frame.index, frame) for frame in self._between)
        while self._waiting or self._undecided or self._spans:
            self._flush()
        frames = range(self._segment.start, self._segment.stop)
        return {index: found for index, found in self._faces.items() if index in frames}

    def _flush(self) -> None:
        found = self._look([*self._waiting.values()]) if self._waiting else []
        self._faces.update(zip(self._waiting, found, strict=True))
        self._seen.update(self._waiting)
        self._waiting.clear()
        undecided, self._undecided = self._undecided, []
        for frame, last, part in undecided:
            if last not in self._faces or last in self._waiting:
                self._undecided.append((frame, last, part))
            elif is_empty(self._faces[last]) and (part is None or self._shows_nothing(frame, part)):
                self._faces[frame.index] = Faces.none()
            else:
                self._waiting[frame.index] = frame
        spans, self._spans = self._spans, []
        for first, within, last in spans:
            if first not in self._faces or last not in self._faces:
                self._spans.append((first, within, last))
            elif not keep_still(self._faces[first], self._faces[last]):
                self._waiting.update((frame.index, frame) for frame in within)
