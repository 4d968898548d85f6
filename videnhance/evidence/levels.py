"""By how much the frames of two videos differ, sample by sample, in levels of 255."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videnhance.errors import InputError
from videnhance.evidence.outside import psnr
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe


@dataclass
class Levels:
    """Of all frames; filled frame by frame."""

    frames: int = 0
    unequal: int = 0
    """Frames with a sample that is not the same."""
    largest: float = 0.0
    """Difference of two samples."""
    worst: float = 0.0
    """Mean absolute difference of the frame that differs most."""
    worst_frame: int = 0
    squares: float = 0.0
    samples: int = 0

    @property
    def psnr(self) -> float:
        """dB; infinite where nothing differs."""
        return psnr(self.squares, self.samples)

    @property
    def text(self) -> str:
        """In words."""
        if not self.unequal:
            return f"all {self.frames} frames are bit-equal"
        kind = "under 1 level" if self.worst < 1.0 else "more than 1 level"
        loss = "" if math.isinf(self.psnr) else f", PSNR {self.psnr:.1f} dB"
        return (
            f"{self.unequal} of {self.frames} frames differ by {kind} in the mean: frame "
            f"{self.worst_frame} most, by {self.worst:.3f} of 255 levels, single samples by "
            f"{self.largest:.0f} at most{loss}"
        )


def levels_between(
    one: tuple[Path, int],
    other: tuple[Path, int],
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Levels:
    """Of two videos, each a file and the index of its stream. Raises InputError, also where they
    have other numbers or sizes of frames."""
    clips = [open_clip(probe(path, index=stream)) for path, stream in (one, other)]
    counts = [len(clip.timeline) for clip in clips]
    if counts[0] != counts[1]:
        raise InputError(
            f"{other[0]}: holds {counts[1]} frames, {one[0].name} {counts[0]}; compare results of "
            "one input"
        )
    found = Levels()
    both = zip(*(clip.frames(0, counts[0]) for clip in clips), strict=True)
    for done, (a, b) in enumerate(both, 1):
        scale = 255.0 / ((1 << a.layout.depth) - 1)
        total, squares, samples = 0.0, 0.0, 0
        for x, y in zip(a.planes, b.planes, strict=True):
            if x.shape != y.shape:
                raise InputError(
                    f"{other[0]}: has frames of another size than {one[0].name}; compare results "
                    "of one input"
                )
            away = np.abs(x.astype(np.int32) - y.astype(np.int32))
            found.largest = max(found.largest, float(away.max()) * scale)
            total += float(away.sum()) * scale
            squares += float(np.sum((away * (scale / 255.0)) ** 2))
            samples += away.size
        if total / samples > found.worst:
            found.worst, found.worst_frame = total / samples, found.frames
        found.frames += 1
        found.unequal += total > 0
        found.squares, found.samples = found.squares + squares, found.samples + samples
        tell(done, counts[0])
    return found
