"""Crops of faces that are none: a known picture, moved and spoilt, and windows of such."""

from __future__ import annotations

import cv2
import numpy as np

from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray

SIDE = 256
NOISE = 8.0 / 255.0


def textured(seed: int, dx: float = 0.0, dy: float = 0.0, fine: float = 3.0) -> FloatArray:
    """A textured colour picture within 0.1..0.9, moved by a known sub-pixel shift."""
    rng = np.random.default_rng(seed)
    big = rng.standard_normal((SIDE + 64, SIDE + 64, 3)).astype(np.float32)
    broad, small = (cv2.GaussianBlur(big, (0, 0), sigma) for sigma in (12.0, fine))
    mixed = broad / broad.std() + 0.5 * small / small.std()
    shift = np.array([[1.0, 0.0, 32.0 + dx], [0.0, 1.0, 32.0 + dy]])
    moved = cv2.warpAffine(mixed, shift, (SIDE, SIDE), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    return np.asarray(np.clip(0.5 + 0.12 * moved, 0.1, 0.9), np.float32)


def noisy(clean: FloatArray, seed: int) -> FloatArray:
    """Noise as a camera's 4:2:0 video has it: on luma everywhere, on chroma at half size."""
    rng = np.random.default_rng(seed)
    small = (SIDE // 2, SIDE // 2)
    luma = rng.normal(0.0, NOISE, (SIDE, SIDE)).astype(np.float32)
    chroma = [
        cv2.resize(rng.normal(0.0, NOISE, small).astype(np.float32), (SIDE, SIDE)) + 0.5
        for _ in range(2)
    ]
    grain = cv2.cvtColor(cv2.merge([luma, *chroma]), cv2.COLOR_YCrCb2RGB)
    return np.asarray(np.clip(clean + grain, 0.0, 1.0), np.float32)


def window(crops: list[FloatArray], centre: int, zoom: float = 1.0, first: int = 0) -> CropWindow:
    frames = tuple(range(first, first + len(crops)))
    return CropWindow(tracklet=7, frames=frames, crops=tuple(crops), centre=centre, zoom=zoom)
