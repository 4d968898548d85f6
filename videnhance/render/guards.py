"""Guards around a restorer: which faces it must not touch, and how its output is toned down.

Before it, the gate (faces/gate.py) holds back faces that can hardly be seen and, from a restorer
that invents, faces of which too little was recorded. After one that invents, the invented texture
is held steady (imaging/steadiness.py), and the face gets the colours of its source
(imaging/color_match.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from videnhance.faces import gate
from videnhance.faces.alignment import crop_to_frame
from videnhance.faces.gate import Verdict
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.faces.visibility import Visible
from videnhance.imaging import steadiness
from videnhance.imaging.affine import compose, invert
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.color_match import chroma_spread, is_grey
from videnhance.imaging.frames import Crop
from videnhance.media.clip import Clip
from videnhance.render.batches import Done, Due
from videnhance.render.pixels import IN_MEMORY, Pixels
from videnhance.settings.groups import GateLimits

DRIFTS = "drifts too far from its source"
"""The reason for less strength with `--max-drift`."""
Masks = Callable[[Sequence[Crop]], list[Crop]]
"""(S, S, 3) float32 RGB crops in, (S, S) float32 masks out (parsing.Parser.masks)."""
_SAMPLED, _SAMPLE_SIDE = 5, 64
"""How many frames of a track are sampled to find out if it is grey, and their crops' side."""


def gated(
    dues: Iterable[Due],
    tracklets: Sequence[Tracklet],
    radius: int,
    limits: GateLimits,
    tell: Callable[[int, int, Verdict], None],
    pixels: Pixels = IN_MEMORY,
    visible: Mapping[int, Visible] | None = None,
    ceilings: Mapping[int, float] | None = None,
) -> Iterator[Due]:
    """The frames without the faces that must be left alone, with strengths for the others. `tell`
    is called with the frame's index, the track's id and the verdict, for each face.

    If `limits` judge sharpness, the windows of `dues` reach at least `gate.RADIUS` frames each way;
    those passed on, `radius`. `visible`: how much of each face can be seen, by track id; a face
    that is missing counts as seen in full. `ceilings`: by track id, the most of the strength that
    drift allows.
    """
    blur = limits.sharpness is not None
    shown = visible or {}
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
            sharp = sharpnesses(window, gate.frames_around(track, index)) if blur else ()
            verdict = gate.judge(track, index, sharp, limits, shown.get(track.id))
            verdict = _below(verdict, (ceilings or {}).get(track.id, 1.0))
            tell(index, track.id, verdict)
            if verdict.strength > 0:
                windows.append(_narrowed(window, radius))
                strengths[window.tracklet] = verdict.strength
        for key in [key for key in known if key[1] < index - gate.RADIUS]:
            del known[key]
        yield Due(due.frame, tuple(windows), strengths)


def _below(verdict: Verdict, ceiling: float) -> Verdict:
    """The verdict on a face of a track that gets no more than `ceiling` of the strength."""
    if ceiling >= 1.0 or verdict.strength <= 0.0:
        return verdict
    return Verdict(verdict.strength * ceiling, DRIFTS)


def matched(
    done: Iterable[Done], grey: frozenset[int], pixels: Pixels = IN_MEMORY
) -> Iterator[Done]:
    """The restored faces in the colours of their source. `grey`: the ids of grey tracks."""
    for item in done:
        after = {
            identity: pixels.match_color(crop, item.before[identity], identity in grey)
            for identity, crop in item.after.items()
        }
        yield replace(item, after=after)


def parsed(done: Iterable[Done], masks: Masks) -> Iterator[Done]:
    """The frames with masks for the restored faces. They are found in the crops as recorded, which
    still show a hand that the restorer painted over."""
    for item in done:
        identities = list(item.after)
        found = masks([item.before[k] for k in identities])
        yield replace(item, masks=dict(zip(identities, found, strict=True)))


def steadied(
    done: Iterable[Done], wanted: range, amount: float, pixels: Pixels = IN_MEMORY
) -> Iterator[Done]:
    """The `wanted` frames with the restorer's texture averaged along each track.

    `done` begins `steadiness.RADIUS` frames earlier and ends as many later, if there are that many.
    """
    around: dict[int, Done] = {}
    prepared: dict[tuple[int, int], Any] = {}
    waiting: deque[int] = deque()

    def one(index: int) -> Done:
        item = around[index]
        after = {}
        for identity in item.after:
            near = [index]
            while near[0] > index - steadiness.RADIUS and (near[0] - 1, identity) in prepared:
                near.insert(0, near[0] - 1)
            while near[-1] < index + steadiness.RADIUS and (near[-1] + 1, identity) in prepared:
                near.append(near[-1] + 1)
            window = [prepared[k, identity] for k in near]
            after[identity] = pixels.steady(window, near.index(index), amount)
        return replace(item, after=after)

    for item in done:
        index = item.frame.index
        around[index] = item
        for identity, crop in item.after.items():
            prepared[index, identity] = pixels.prepare(item.before[identity], crop)
        gone = around.pop(index - 2 * steadiness.RADIUS - 1, None)
        if gone is not None:
            for identity in gone.after:
                del prepared[gone.frame.index, identity]
        if index in wanted:
            waiting.append(index)
        while waiting and waiting[0] + steadiness.RADIUS <= index:
            yield one(waiting.popleft())
    while waiting:
        yield one(waiting.popleft())


def grey_tracks(clip: Clip, tracklets: Sequence[Tracklet]) -> frozenset[int]:
    """The ids of the tracks without colours, found by sampling a few frames of each."""
    to_coded = invert(clip.info.upright)
    sampled: dict[int, list[Tracklet]] = {}
    for t in tracklets:
        for index in {t.start + k * (len(t) - 1) // (_SAMPLED - 1) for k in range(_SAMPLED)}:
            sampled.setdefault(index, []).append(t)
    spreads: dict[int, list[float]] = {t.id: [] for t in tracklets}
    for index in sorted(sampled):
        for frame in clip.frames(index, index + 1):
            for t in sampled[index]:
                pose = t.poses[index - t.start]
                affine = compose(to_coded, crop_to_frame(pose, _SAMPLE_SIDE))
                crop = sample_rgb(frame, affine, (_SAMPLE_SIDE, _SAMPLE_SIDE))
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
