"""Makes docs/sizes.png: one face at eight sizes, source, fusion, clarity and truth side by side.

    python scripts/make_sizes.py [--weights FILE] [--to docs/sizes.png]

The face is scikit-image's photograph of an astronaut (NASA, public domain), which no network here
was trained on, moved as moving.py moves photographs, and degraded as degrading.py does: a little
blur and noise, H.264 at crf 23. Sizes, motion and frame were chosen before anybody looked: the
first frame of each clip.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from bench_quality import cell
from degrading import Degradation, Image, factor
from judging import BICUBIC, Shown, psnr
from moving import moved
from skimage import data
from trying import Trial

from videnhance.detectors.centerface import CenterFace
from videnhance.faces.alignment import eye_distance, fit_poses
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray
from videnhance.settings.groups import ModelSettings, Settings

SIZES = (10.0, 13.0, 16.0, 20.0, 24.0, 29.0, 34.0, 40.0)
"""Pixels between the eyes."""
FRAMES = 12
SHOWN = (BICUBIC, "fusion", "clarity")
TITLES = ("source, enlarged", "fusion", "clarity", "truth")
SIDE, STRIP = 160, 22
"""Pixels of a picture at each side, and of the line above it."""
NAMED = 128
"""Pixels of the column that names the sizes."""


def scene(seed: int) -> tuple[list[Image], float]:
    """Frames of the astronaut who moves, and pixels between her eyes."""
    photo = np.asarray(data.astronaut(), np.uint8)
    (faces,) = CenterFace(0.5).detect([photo])
    (pose,) = fit_poses(faces.landmarks[:1])
    frames = moved(photo, pose, FRAMES, np.random.default_rng(seed))
    (found, *_) = CenterFace(0.5).detect(frames[:1])
    return frames, float(eye_distance(fit_poses(found.landmarks[:1]))[0])


def row(size: float, shown: Shown) -> Image:
    """One size: how large it is and what was gained, then the pictures."""
    side = len(shown.truth)
    mask = ellipse_mask(side)
    base = psnr(shown.crops[BICUBIC], shown.truth, mask)
    pictures = [shown.crops[name] for name in SHOWN] + [shown.truth]
    gains = [f"{psnr(shown.crops[name], shown.truth, mask) - base:+.1f} dB" for name in SHOWN[1:]]
    cells = [labelled(p, text) for p, text in zip(pictures, ("", *gains, ""), strict=True)]
    return np.hstack([named(f"{size:.0f} px"), *cells])


def labelled(picture: FloatArray, text: str) -> Image:
    """A crop 0..1 at SIDE pixels, its text in a strip above."""
    levels = np.clip(np.rint(picture * 255.0), 0, 255).astype(np.uint8)
    large = cv2.resize(levels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.vstack([line(SIDE, text), np.asarray(large, np.uint8)])


def line(width: int, text: str) -> Image:
    strip = np.full((STRIP, width, 3), 32, np.uint8)
    cv2.putText(
        strip, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (235, 235, 235), 1, cv2.LINE_AA
    )
    return strip


def named(text: str) -> Image:
    blank = np.full((SIDE, NAMED, 3), 32, np.uint8)
    return np.vstack([line(NAMED, text), blank])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path)
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--to", type=Path, default=root / "docs" / "sizes.png")
    wish = parser.parse_args()
    files = (("clarity", str(wish.weights)),) if wish.weights else ()
    settings = Settings(models=ModelSettings(files=files, trust=True))
    trial = Trial(settings, SHOWN[1:])
    rows = [np.hstack([line(NAMED, "between the eyes"), *(line(SIDE, t) for t in TITLES)])]
    for seed, size in enumerate(SIZES):
        clean, eyes = scene(seed)
        kind = Degradation(eyes=size, crf=23)
        down = factor(kind, eyes)
        found, _ = cell(Path("astronaut"), clean, replace(kind, down=down), down, trial)
        first = min(found, key=lambda shown: shown.frame)
        rows.append(row(size, first))
        print(f"{size:.0f} px: {eyes / down:.1f} px, frame {first.frame}", flush=True)
    cv2.imwrite(str(wish.to), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
