"""The persons of a report: their best moments, what became of their faces, frames to point at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.media.clip import Clip
from videnhance.media.timeline import Timeline
from videnhance.report.model import Moment, Person, Picture, Portrait, State, Stretch, View
from videnhance.report.pictures import lossy, moment, shrunk, view
from videnhance.show.highlights import Sighting, Span, largest_tracks, sightings
from videnhance.show.sheet import cell
from videnhance.show.stills import MOMENTS

Sighted = dict[int, list[Sighting]]
"""By frame, the tracks at their best moments."""
Values = npt.NDArray[np.float64]

PICTURED = 40
"""Tracks that are shown with pictures: the largest. All are in the timeline."""
ROOM = 8_000_000
"""Characters that the pictures of faces may take: with tracks and whole frames a page stays under
15 MB. Each track's largest moment comes first, then each one's second."""
VIEWS = 6
"""Whole frames to point at."""
_FACE = 96
"""Pixels of the side of the small picture that a person is known by."""
_BEND = 0.01
"""How far the course of the strength may lie off the line that is drawn."""
_BOX = (0.3, 0.36, 0.3, 0.3)
"""What of a crop is face, left, above, right and below of its landmarks' middle, in sides."""


@dataclass(frozen=True)
class Judged:
    """What became of a track's faces; entry k belongs to frame `start` + k."""

    start: int
    strengths: Values
    """(n,) 0..1: how strongly the face was painted; 0 is as recorded, NaN not known."""
    reasons: tuple[str | None, ...]
    """The gate's reason where it took strength away."""
    guards: Values
    """(n,) share of pixels in which the correction was held back; NaN where nothing was corrected
    or nothing is known."""

    def at(self, frame: int) -> tuple[float | None, str | None, float | None]:
        """Strength, reason and guard's share in a frame; None where not known."""
        row = frame - self.start
        if not 0 <= row < len(self.strengths):
            return None, None, None
        return _known(self.strengths[row]), self.reasons[row], _known(self.guards[row])


@dataclass(frozen=True)
class Material:
    """What persons are made from."""

    source: Clip
    result: Clip | None
    """None where there is no video to show, as of portraits."""
    span: Span
    """The source's frames that the result has."""
    tracks: Tracks
    """`others` are those that were not chosen."""
    ease: float
    scale: int
    judged: Mapping[int, Judged]
    """By track id; of a track that is missing nothing is known."""
    notes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By track id, what is to be said of it."""
    invented: Mapping[int, float] = field(default_factory=dict)
    """By track id, the share of its detail that is a guess."""
    inventions: Mapping[tuple[int, int], Picture] = field(default_factory=dict)
    """By track id and frame, maps of it."""
    portraits: Mapping[int, tuple[Portrait, ...]] = field(default_factory=dict)
    """By track id."""


def persons_of(
    material: Material, tell: Callable[[str, int, int], None]
) -> tuple[tuple[Person, ...], tuple[View, ...], int]:
    """All tracks in the result, by id; frames in which they are seen; and how many tracks have no
    pictures. Decodes the range once; `tell` gets the step's name and (done, total) of frames, then
    of moments. Raises what reading does."""
    shown, _ = largest_tracks(material.tracks, material.span, PICTURED)
    within = [
        track
        for track in material.tracks.everyone
        if track.start < material.span[1] and material.span[0] < track.stop
    ]
    moments, faces, found = dict[int, list[Moment]](), dict[int, Picture](), Sighted()
    if material.result is not None:
        found = sightings(
            material.source,
            shown,
            material.span,
            everyone=material.tracks.everyone,
            count=MOMENTS,
            ease=material.ease,
            scale=material.scale,
            tell=lambda done, total: tell("look", done, total),
        )
        moments, faces = _pictured(
            material,
            material.result,
            found,
            lambda done, total: tell("pictures", done, total),
        )
    kept = _kept(moments)
    chosen = {track.id for track in material.tracks.tracklets}
    persons = tuple(
        _person(material, track, kept.get(track.id, ()), faces.get(track.id), track.id in chosen)
        for track in sorted(within, key=lambda t: t.id)
    )
    views = _views(material, within, found)
    return persons, views, len(within) - len(kept)


def stretches_of(judged: Judged, timeline: Timeline, span: Span) -> tuple[Stretch, ...]:
    """What became of a track's faces within the span, each run of the same as one."""
    first = max(judged.start, span[0])
    stop = min(judged.start + len(judged.strengths), span[1])
    rows = range(first - judged.start, stop - judged.start)
    runs: list[list[int]] = []
    for row in rows:
        if runs and _same(judged, runs[-1][-1], row):
            runs[-1].append(row)
        else:
            runs.append([row])
    return tuple(
        Stretch(
            timeline.seconds(judged.start + run[0]),
            timeline.end_of(judged.start + run[-1]),
            _state(judged, run[0]),
            judged.reasons[run[0]],
            _known(judged.strengths[run].mean()),
        )
        for run in runs
    )


def curve_of(judged: Judged, timeline: Timeline, span: Span) -> tuple[tuple[float, float], ...]:
    """(seconds, strength) at the frames at which its course bends."""
    first = max(judged.start, span[0])
    stop = min(judged.start + len(judged.strengths), span[1])
    if stop <= first:
        return ()
    values = np.nan_to_num(judged.strengths[first - judged.start : stop - judged.start])
    times = np.array([timeline.seconds(k) for k in range(first, stop)])
    kept = _bends(times, values)
    end = (timeline.end_of(stop - 1), float(values[-1]))
    return (*((float(times[k]), float(values[k])) for k in kept), end)


def _bends(times: Values, values: Values) -> list[int]:
    """Indices of the points between which all others lie within _BEND of a line: Douglas and
    Peucker 1973, with a stack of its own."""
    kept, open_ = {0, len(times) - 1}, [(0, len(times) - 1)]
    while open_:
        first, last = open_.pop()
        if last - first < 2:
            continue
        line = np.interp(times[first : last + 1], times[[first, last]], values[[first, last]])
        off = np.abs(values[first : last + 1] - line)
        worst = int(off.argmax())
        if off[worst] > _BEND:
            kept.add(first + worst)
            open_ += [(first, first + worst), (first + worst, last)]
    return sorted(kept)


def _same(judged: Judged, one: int, other: int) -> bool:
    return (
        _state(judged, one) == _state(judged, other)
        and judged.reasons[one] == judged.reasons[other]
    )


def _state(judged: Judged, row: int) -> State:
    """A face that nothing held back, and that has no strength, is one at the end of a track, where
    strength eases in or out; it counts to the others."""
    if judged.strengths[row] == 0 and (judged.reasons[row] or not judged.strengths.any()):
        return "alone"
    return "restored" if judged.reasons[row] is None else "lowered"


def _pictured(
    material: Material, result: Clip, found: Sighted, tell: Callable[[int, int], None]
) -> tuple[dict[int, list[Moment]], dict[int, Picture]]:
    """By track, its moments and its small picture."""
    source, scale = material.source, material.scale
    moments: dict[int, list[Moment]] = {}
    faces: dict[int, tuple[float, Picture]] = {}
    total, done = sum(map(len, found.values())), 0
    tell(0, total)
    for index in sorted(found):
        (before,) = source.recorded_frames(index, index + 1)
        here = index - material.span[0]
        (after,) = result.frames(here, here + 1)
        seconds = source.timeline.seconds(index)
        for sighting in found[index]:
            track, eyes = sighting.track, sighting.eyes
            made = moment(before, after, (source, result), sighting.place, scale, seconds, eyes)
            strength, reason, guard = _at(material, track, index)
            invention = material.inventions.get((track, index))
            moments.setdefault(track, []).append(
                replace(made, strength=strength, reason=reason, guard=guard, invention=invention)
            )
            if eyes > faces.get(track, (-1.0, None))[0]:
                own = replace(sighting.place, factor=1.0)
                faces[track] = eyes, lossy(shrunk(cell(before, source.info.upright, own), _FACE))
            done += 1
            tell(done, total)
    return moments, {track: face for track, (_, face) in faces.items()}


def _at(
    material: Material, track: int, frame: int
) -> tuple[float | None, str | None, float | None]:
    judged = material.judged.get(track)
    return judged.at(frame) if judged else (None, None, None)


def _kept(moments: Mapping[int, Sequence[Moment]]) -> dict[int, tuple[Moment, ...]]:
    """The moments for which there is room, each track's in order of time."""
    ranked = [
        (rank, track, one)
        for track, found in sorted(moments.items())
        for rank, one in enumerate(sorted(found, key=lambda m: -m.eyes))
    ]
    ranked.sort(key=lambda entry: entry[0])
    room, kept = ROOM, dict[int, list[Moment]]()
    for _, track, one in ranked:
        room -= sum(len(p.uri) for p in (one.original, one.result, one.difference))
        if room >= 0:
            kept.setdefault(track, []).append(one)
    return {track: tuple(sorted(ms, key=lambda m: m.frame)) for track, ms in kept.items()}


def _person(
    material: Material,
    track: Tracklet,
    moments: tuple[Moment, ...],
    face: Picture | None,
    chosen: bool,
) -> Person:
    timeline, span = material.source.timeline, material.span
    first, stop = max(track.start, span[0]), min(track.stop, span[1])
    rows = slice(first - track.start, stop - track.start)
    eyes = eye_distance(track.poses[rows])
    judged = material.judged.get(track.id) if chosen else None
    if not chosen:
        nothing = np.full(stop - first, 0.0)
        judged = Judged(first, nothing, ("not chosen",) * len(nothing), nothing * np.nan)
    stretches: tuple[Stretch, ...] = ()
    curve: tuple[tuple[float, float], ...] = ()
    restored = guard = None
    if judged is not None:
        stretches = stretches_of(judged, timeline, span)
        curve = curve_of(judged, timeline, span)
        restored = int((judged.strengths > 0).sum())
        known = judged.guards[~np.isnan(judged.guards)]
        guard = float(known.mean()) if len(known) else None
    else:
        whole = Stretch(timeline.seconds(first), timeline.end_of(stop - 1), "restored")
        stretches = (whole,)
    return Person(
        track=track.id,
        begin=timeline.seconds(first),
        end=timeline.end_of(stop - 1),
        faces=stop - first,
        restored=restored,
        eyes=(float(eyes.min()), float(eyes.max())),
        stretches=stretches,
        curve=curve,
        face=face,
        moments=moments,
        portraits=material.portraits.get(track.id, ()),
        guard=guard,
        invented=material.invented.get(track.id),
        chosen=chosen,
        perhaps=track.person,
        notes=material.notes.get(track.id, ()),
    )


def _views(
    material: Material, tracks: Sequence[Tracklet], frames: Iterable[int]
) -> tuple[View, ...]:
    """Up to VIEWS of the frames, so that as many tracks as can be are seen in one of them."""
    clip, chosen, unseen = material.source, list[int](), {track.id for track in tracks}
    within = {k: {t.id for t in tracks if t.start <= k < t.stop} for k in sorted(frames)}
    while len(chosen) < VIEWS and within:
        best = max(within, key=lambda k: (len(within[k] & unseen), -k))
        if chosen and not within[best] & unseen:
            break
        unseen -= within.pop(best)
        chosen.append(best)
    made = []
    # Where nobody is seen, a frame to draw zones on all the same.
    for index in sorted(chosen) or [sum(material.span) // 2]:
        (frame,) = clip.recorded_frames(index, index + 1)
        made.append(view(frame, clip, clip.timeline.seconds(index), _boxes(tracks, index)))
    return tuple(made)


def _boxes(
    tracks: Sequence[Tracklet], frame: int
) -> tuple[tuple[int, float, float, float, float], ...]:
    found = []
    for track in tracks:
        if track.start <= frame < track.stop:
            x, y, side = track.poses[frame - track.start][:3]
            left, above, right, below = (share * float(np.exp(side)) for share in _BOX)
            numbers = (x - left, y - above, left + right, above + below)
            found.append((track.id, *(round(float(number), 1) for number in numbers)))
    return tuple(found)  # type: ignore[arg-type]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
