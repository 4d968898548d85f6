"""What happened to the faces of a segment: restored, held back, left alone, failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from videnhance.faces.gate import Verdict
from videnhance.identity.embedding import Embeddings
from videnhance.render.batches import Unrestored
from videnhance.render.fates import Fates

UNSEEN = 1.0
"""Levels of 255: a face that is changed by less in the mean shows no difference to a viewer."""
NO_GAIN = "nothing to gain here: already as good as this method makes it"


@dataclass(frozen=True)
class LeftAlone:
    """A track of whose faces some, or all, were left as recorded."""

    reason: str
    """The gate's, of most of them; of as many, the first in the alphabet."""
    faces: int
    of: int
    """All its faces that were judged."""

    @property
    def altogether(self) -> bool:
        return self.faces == self.of

    def __str__(self) -> str:
        part = "" if self.altogether else f" in {self.faces} of {self.of} frames"
        return f"left alone{part}: {self.reason}"


@dataclass
class Outcome:
    """What happened to the faces of a segment; filled while the segment is rendered."""

    alone: dict[int, Counter[str]] = field(default_factory=dict)
    """By track id, its faces left as recorded, by the gate's reason."""
    lowered: Counter[str] = field(default_factory=Counter)
    """Faces restored with less strength, by the gate's reason."""
    unrestored: list[Unrestored] = field(default_factory=list)
    """Faces that the restorer failed on."""
    held_back: float = 0.0
    """Share of pixels in which a restorer held back what the input does not support, summed over
    `guarded` faces."""
    guarded: int = 0
    """Number of faces that a guarded restorer corrected."""
    uncorrected: int = 0
    """Number of faces that it did not correct, because fusion is nearer to the truth there."""
    changes: dict[int, tuple[float, int]] = field(default_factory=dict)
    """By track id, what its restored faces were changed by (compositing.change_of), summed, and how
    many they are."""
    fates: Fates = field(default_factory=Fates)
    """The same, face by face."""
    sources: dict[int, dict[int, Embeddings]] = field(default_factory=dict)
    """By track id and frame, the embeddings (128,) of sources at the track's good moments."""

    def guard(self, shares: Sequence[float | None]) -> None:
        """Set the numbers from a restorer's report (restorers.Guarded.held_back)."""
        self.fates.guard(shares)
        corrected = [share for share in shares if share is not None]
        self.held_back, self.guarded = sum(corrected), len(corrected)
        self.uncorrected = len(shares) - len(corrected)

    def changed(self, tracklet: int, by: float) -> None:
        """Count a restored face; `by` as compositing.change_of has it."""
        total, faces = self.changes.get(tracklet, (0.0, 0))
        self.changes[tracklet] = total + by, faces + 1

    def drifted(
        self, track: int, frame: int, by: float, source: Embeddings, is_moment: bool
    ) -> None:
        """How far a painted face is from its `source`, given by its embedding (128,)."""
        self.fates.drifted(frame, track, by)
        if is_moment:
            self.sources.setdefault(track, {})[frame] = source

    @property
    def gainless(self) -> dict[int, float]:
        """The tracks whose faces are, in the mean, changed by less than UNSEEN, and by how much."""
        means = {key: total / faces for key, (total, faces) in sorted(self.changes.items())}
        return {key: mean for key, mean in means.items() if mean < UNSEEN}

    @property
    def restored(self) -> int:
        """Number of faces that were painted over."""
        return sum(faces for _, faces in self.changes.values())

    @property
    def left(self) -> Counter[str]:
        """Faces left as recorded, by the gate's reason."""
        return sum(self.alone.values(), Counter())

    @property
    def left_alone(self) -> dict[int, LeftAlone]:
        """By track id, the tracks of whose faces some were left as recorded."""
        found = {}
        for key, reasons in sorted(self.alone.items()):
            if key < 1:  # an earlier version's, of nobody knows which track
                continue
            faces, (_, restored) = reasons.total(), self.changes.get(key, (0.0, 0))
            failed = sum(lost.tracklet == key for lost in self.unrestored)
            _, reason = min((-count, reason) for reason, count in reasons.items())
            found[key] = LeftAlone(reason, faces, faces + restored + failed)
        return found

    def judged(self, tracklet: int, verdict: Verdict) -> None:
        """Count the verdict on a face of a track."""
        if verdict.reason is None:
            return
        if verdict.strength > 0:
            self.lowered[verdict.reason] += 1
        else:
            self.alone.setdefault(tracklet, Counter())[verdict.reason] += 1

    def save(self, path: Path) -> None:
        """Write as JSON; raises OSError."""
        record = {
            "alone": {str(key): dict(reasons) for key, reasons in self.alone.items()},
            "lowered": dict(self.lowered),
            "unrestored": [asdict(lost) for lost in self.unrestored],
            "held_back": [self.held_back, self.guarded, self.uncorrected],
            "changes": {str(key): list(change) for key, change in self.changes.items()},
            "faces": self.fates.as_json(),
            "sources": {
                str(track): {str(frame): one.tolist() for frame, one in own.items()}
                for track, own in self.sources.items()
            },
        }
        path.write_text(json.dumps(record) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Outcome | None:
        """Read what `save` wrote; None if there is none, or it cannot be read."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            # An earlier version did not tell the tracks apart, whose ids count from 1.
            alone = record["alone"] if "alone" in record else {"0": record["left"]}
            return Outcome(
                {int(key): Counter(reasons) for key, reasons in alone.items() if reasons},
                Counter(record["lowered"]),
                [Unrestored(**one) for one in record["unrestored"]],
                float(record["held_back"][0]),
                int(record["held_back"][1]),
                int(record["held_back"][2]),
                # Segments that an earlier version finished do not tell.
                {int(k): (float(v[0]), int(v[1])) for k, v in record.get("changes", {}).items()},
                Fates.from_json(record.get("faces", {})),
                {
                    int(track): {int(k): np.array(one, np.float32) for k, one in own.items()}
                    for track, own in record.get("sources", {}).items()
                },
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    @staticmethod
    def of(parts: Iterable[Outcome]) -> Outcome:
        """The sum over several segments."""
        whole = Outcome()
        for part in parts:
            whole.fates.faces.update(part.fates.faces)
            for track, own in part.sources.items():
                whole.sources.setdefault(track, {}).update(own)
            for key, reasons in part.alone.items():
                whole.alone[key] = whole.alone.get(key, Counter()) + reasons
            whole.lowered += part.lowered
            whole.unrestored += part.unrestored
            whole.held_back += part.held_back
            whole.guarded += part.guarded
            whole.uncorrected += part.uncorrected
            for key, (total, faces) in part.changes.items():
                before, more = whole.changes.get(key, (0.0, 0))
                whole.changes[key] = before + total, more + faces
        return whole

    def notes(self) -> list[str]:
        """One sentence for the user per kind of event."""
        notes = []
        for faces, fate in ((self.left, "left as recorded"), (self.lowered, "held back in part")):
            if faces:
                reasons = ", ".join(f"{count} {reason}" for reason, count in faces.most_common())
                notes.append(f"faces {fate}: {reasons}")
        if self.uncorrected:
            seen = self.uncorrected + self.guarded
            notes.append(
                f"{self.uncorrected} of {seen} faces are fusion's alone: "
                "at their size, and as the video was coded, that is nearer to the truth"
            )
        if self.guarded:
            notes.append(
                f"in {self.held_back / self.guarded:.1%} of the corrected faces' pixels the "
                "correction was held back by more than half, as the recording does not support it"
            )
        for lost in self.unrestored[:_NAMED]:
            notes.append(
                f"track {lost.tracklet}, frame {lost.frame}: kept as recorded ({lost.reason})"
            )
        if len(self.unrestored) > _NAMED:
            notes.append(f"{len(self.unrestored) - _NAMED} more faces kept as recorded")
        return notes


_NAMED = 20
"""Number of failed faces that are listed one by one; the others are counted."""
