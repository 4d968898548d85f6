"""How much of clarity's correction does best, by the size of the face and how it was coded.

    python scripts/bench_strength.py CLIP_OR_FOLDER... [--frames 3] [--weights FILE] [--json FILE]

The limits by which `auto` chooses (videnhance/restorers/strength.py) are set by this, on the people
of scripts/held_out.txt, whom clarity was not trained on. Each clip is degraded to each size and by
each codec; between the fused face (0) and the corrected one (1), guard and all, the squared error
is a parabola in the strength, so its best place is known exactly. A line for each: that place, dB
over fusion there, at 0.5 and at 1, and what `auto` gained.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from bench_quality import cell, clips_of
from degrading import Degradation, eyes_of, factor, read_clean
from judging import Shown
from trying import Trial

from videnhance import detectors
from videnhance.errors import VidenhanceError
from videnhance.imaging.compositing import ellipse_mask
from videnhance.media.writing.codecs import CODECS
from videnhance.models.loader import Loader
from videnhance.settings.groups import ModelSettings, Settings

SIZES = (10.0, 14.0, 19.0, 24.0, 29.0, 36.0, 43.0, 50.0, 58.0, 68.0)
"""Pixels between the eyes."""
CODINGS = {
    "h264-12": ("h264", 12, 3.0),
    "h264-17": ("h264", 17, 3.0),
    "h264-20": ("h264", 20, 3.0),
    "h264-20-clean": ("h264", 20, 0.0),
    "h264-23": ("h264", 23, 3.0),
    "h264-28": ("h264", 28, 3.0),
    "h264-23-noisy": ("h264", 23, 10.0),
    "h265-22": ("h265", 22, 3.0),
    "h265-26": ("h265", 26, 3.0),
    "mjpeg-3": ("mjpeg", 3, 3.0),
    "mjpeg-8": ("mjpeg", 8, 3.0),
}
"""Codec, crf (MJPEG: quantizer) and noise in levels."""


@dataclass(frozen=True)
class Found:
    """Of one clip, size and coding; gains in dB over fusion."""

    clip: str
    coding: str
    eyes: float
    best: float
    """The strength of least squared error."""
    best_gain: float
    half_gain: float
    full_gain: float
    auto_gain: float

    def __str__(self) -> str:
        return (
            f"{self.clip[:24]:24} {self.coding:14} {self.eyes:5.1f} px  best {self.best:5.2f}: "
            f"{self.best_gain:+.2f}  0.5: {self.half_gain:+.2f}  1: {self.full_gain:+.2f}  "
            f"auto: {self.auto_gain:+.2f} dB"
        )


def found(clip: str, coding: str, shown: Sequence[Shown]) -> Found:
    """From the crops of all frames, weighted by the face's ellipse."""
    error = product = square = left = 0.0
    for item in shown:
        mask = ellipse_mask(len(item.truth))[..., None]
        fused = item.crops["fusion"]
        wrong, change = item.truth - fused, item.crops["clarity"] - fused
        error += float((wrong**2 * mask).sum(dtype=np.float64))
        product += float((wrong * change * mask).sum(dtype=np.float64))
        square += float((change**2 * mask).sum(dtype=np.float64))
        left += float(((item.truth - item.crops["auto"]) ** 2 * mask).sum(dtype=np.float64))

    def gain(strength: float) -> float:
        return decibels(error, error - 2 * strength * product + strength**2 * square)

    best = product / max(square, 1e-12)
    eyes = float(np.mean([item.eyes for item in shown]))
    auto = decibels(error, left)
    return Found(clip, coding, eyes, best, gain(best), gain(0.5), gain(1.0), auto)


def decibels(before: float, after: float) -> float:
    return float(10 * np.log10(max(before, 1e-12) / max(after, 1e-12)))


def of_clip(clip: Path, trial: Trial, frames: int) -> list[Found]:
    clean = read_clean(clip, frames)
    eyes = eyes_of(clean, detectors.create(Loader(trial.settings)))
    rows = []
    for size in SIZES:
        for name, (codec, crf, noise) in CODINGS.items():
            kind = Degradation(eyes=size, crf=crf, codec=codec, noise=noise)
            down = factor(kind, eyes)
            if eyes < size or (
                codec == "h265" and clean[0].shape[1] / down < CODECS["h265"].least_width
            ):
                continue
            try:
                shown, _ = cell(clip, clean, kind, down, trial)
            except VidenhanceError as error:
                print(f"{clip.name} {name} {size:.0f} px: left out, {error}", flush=True)
                continue
            if shown:
                rows.append(found(clip.name, name, shown))
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("clips", nargs="+", type=Path, help="files, or folders of them")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="of clarity; default: those that ship")
    parser.add_argument("--json", type=Path)
    wish = parser.parse_args()
    files = (("clarity", str(wish.weights)),) if wish.weights else ()
    settings = Settings(models=ModelSettings(files=files, trust=True))
    trial = Trial(settings, ("fusion", "clarity", "auto"))
    rows = []
    for clip in clips_of(wish.clips):
        if clip is not None:
            rows += of_clip(clip, trial, wish.frames)
        if wish.json:
            wish.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
