"""A decoded frame: its planes, their layout, and zones that must not change.

Frames stay in the source's own planes from decoder to encoder. Only the rectangles around faces
are converted to RGB and back, so every other sample reaches the encoder as it was decoded.

Coordinates everywhere in the package are continuous pixels: (0, 0) is the top-left corner of the
top-left pixel, its centre is (0.5, 0.5). Resizing is then a plain multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
"""Affine, (2, 3) float64, maps (x, y, 1) in continuous pixels. Names are source_to_target."""


Crop: TypeAlias = Any
"""A crop, (S, S, 3) RGB nominally 0..1, or a crop's mask, (S, S); both float32. A NumPy array, or a
torch tensor when pixels are processed on a GPU (render.pixels.Pixels)."""

LUMA = (0.299, 0.587, 0.114)
"""The weights of R, G and B in luma, ITU-R BT.601."""
LEFT = (1, 2)
"""The chroma site (PixelLayout.chroma_site) of H.264, H.265 and MPEG-2 unless the stream declares
another."""


@dataclass(frozen=True)
class PixelLayout:
    """How the planes of a frame encode colour."""

    pix_fmt: str
    """FFmpeg's name for a planar format, such as yuv420p, yuv422p10le, gray, gbrp."""
    kind: Literal["yuv", "gray", "gbr"]
    depth: int
    """Bits per sample, 8 to 16; planes are uint8 at 8, uint16 (native order) above."""
    chroma_shift: tuple[int, int]
    """log2 of the chroma subsampling, (x, y): (1, 1) for 4:2:0, (0, 0) for 4:4:4."""
    full_range: bool
    luma_weights: tuple[float, float]
    """(Kr, Kb) of the YCbCr matrix, as in ITU-R BT.601 / BT.709 / BT.2020."""
    chroma_site: tuple[int, int] = LEFT
    """Position of subsampled chroma, (x, y): 1 on the first luma sample, 2 halfway between two."""


@dataclass(frozen=True)
class Frame:
    """One picture.

    `planes`: one (gray) or three arrays (H, W) in the order of the pixel format (Y, Cb, Cr or
    G, B, R), read-only by convention: paint a copy. `index` counts from 0 in presentation order;
    `pts` is in the video stream's time_base.
    """

    index: int
    pts: int
    planes: tuple[Array, ...]
    layout: PixelLayout

    @property
    def width(self) -> int:
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        return int(self.planes[0].shape[0])


@dataclass(frozen=True)
class Zone:
    """A rectangle of the upright picture that is never changed, such as a burned-in clock.

    Continuous pixels, x0 < x1 and y0 < y1; it may extend beyond the picture.
    """

    x0: float
    y0: float
    x1: float
    y1: float
