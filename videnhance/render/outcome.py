"""What became of the faces of a segment: restored, held back, left alone, failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from videnhance.faces.gate import Verdict
from videnhance.render.batches import Unrestored


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
