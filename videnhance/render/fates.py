"""What became of each face in each frame: how strongly it was painted, what held it back, how much
it was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from videnhance.faces.gate import Verdict

FAILED = "the restorer failed"


@dataclass(frozen=True)
class Fate:
    """Of one face in one frame."""

    strength: float | None = 0.0
    """The share of the change that was painted, 0..1; 0: the face is as recorded; None: unknown."""
    reason: str | None = None
    """The gate's for less than the full strength, or FAILED."""
    change: float | None = None
    """By how many of 255 levels the restorer changed it in the mean (compositing.change_of); None
    where it was not restored."""
    held_back: float | None = None
    """Share of its pixels in which the guard held the correction back by more than half; None where
    nothing was corrected, or nothing guards."""
    drift: float | None = None
    """Distance between the embeddings of its source and of what was painted (identity/drift.py);
    None where it was not measured."""


AS_RECORDED = Fate()


@dataclass
class Fates:
    """Of the faces of a segment, by (track id, frame); filled while the segment is rendered."""

    faces: dict[tuple[int, int], Fate] = field(default_factory=dict)
    _painted: list[tuple[int, int]] = field(default_factory=list)

    def judged(self, frame: int, track: int, verdict: Verdict) -> None:
        """What the gate says of a face."""
        self.faces[track, frame] = Fate(reason=verdict.reason)

    def failed(self, frame: int, track: int) -> None:
        """The restorer failed on a face."""
        self.faces[track, frame] = Fate(reason=FAILED)

    def painted(self, frame: int, track: int, strength: float, change: float) -> None:
        """A face was restored."""
        before = self.faces.get((track, frame), AS_RECORDED)
        self.faces[track, frame] = replace(before, strength=strength, change=change)
        self._painted.append((track, frame))

    def drifted(self, frame: int, track: int, by: float) -> None:
        """How far a painted face is from its source."""
        self.faces[track, frame] = replace(self.faces[track, frame], drift=by)

    def guard(self, shares: Sequence[float | None]) -> None:
        """What the restorer held back (restorers.Guarded.held_back), of the restored faces in
        their order."""
        if len(shares) == len(self._painted):
            for key, share in zip(self._painted, shares, strict=True):
                self.faces[key] = replace(self.faces[key], held_back=share)

    def as_json(self) -> dict[str, Any]:
        """Columns by track id; `from_json` reads them back. Rounded, as they are read by people:
        strength, share and drift to 1e-3, change to 1e-2."""
        tracks = sorted({track for track, _ in self.faces})
        return {str(track): _columns(track, self.faces) for track in tracks}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Fates:
        """Raises LookupError, ValueError, TypeError or AttributeError for anything else."""
        faces = {}
        for track, columns in values.items():
            unmeasured = [None] * len(columns["frame"])  # in what an earlier version finished
            known = {"drift": unmeasured, **columns}
            rows = zip(*(known[name] for name in _COLUMNS), strict=True)
            for frame, strength, reason, change, held_back, drift in rows:
                faces[int(track), int(frame)] = Fate(strength, reason, change, held_back, drift)
        return Fates(faces)


_COLUMNS = "frame", "strength", "reason", "change", "held_back", "drift"


def _columns(track: int, faces: Mapping[tuple[int, int], Fate]) -> dict[str, list[Any]]:
    frames = sorted(frame for own, frame in faces if own == track)
    rows = [(frame, faces[track, frame]) for frame in frames]
    return {
        "frame": [frame for frame, _ in rows],
        "strength": [_rounded(fate.strength, 3) for _, fate in rows],
        "reason": [fate.reason for _, fate in rows],
        "change": [_rounded(fate.change, 2) for _, fate in rows],
        "held_back": [_rounded(fate.held_back, 3) for _, fate in rows],
        "drift": [_rounded(fate.drift, 3) for _, fate in rows],
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
