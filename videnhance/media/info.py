"""Facts about a source: its streams, their colour and orientation, and how it was coded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from videnhance.imaging.frames import Matrix


@dataclass(frozen=True)
class ColorTags:
    """Colour as the stream declares it, in FFmpeg's numbers (ITU-T H.273); 2 is unspecified.

    `range`: 0 unspecified, 1 limited, 2 full.
    """

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class PictureTags:
    """What a stream declares about its picture besides colour; None if it declares nothing."""

    chroma: tuple[int, int] | None = None
    """Position of subsampled chroma, (x, y): 1 on the first luma sample, 2 halfway between two."""
    crop: tuple[int, int, int, int] | None = None
    """Pixels that a player cuts off: left, top, right, bottom. Decoded frames contain them."""
    mastering: tuple[float, ...] | None = None
    """The mastering display (SMPTE ST 2086): x and y of red, green, blue and white, then its
    largest and least luminance in cd/m2."""
    light: tuple[int, int] | None = None
    """Content light level (CTA-861.3): MaxCLL and MaxFALL in cd/m2."""
    dynamic: bool = False
    """Whether single frames carry HDR metadata (HDR10+, Dolby Vision)."""


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a container, as printed by `probe`."""

    index: int
    kind: str
    codec: str
    time_base: Fraction | None
    start: float | None
    """Seconds."""
    duration: float | None
    """Declared, in seconds."""
    detail: str
    language: str | None
    is_cover: bool = False
    """Whether it is a picture that stands for the file, and no video."""

    @property
    def is_video(self) -> bool:
        return self.kind == "video" and not self.is_cover


@dataclass(frozen=True)
class VideoInfo:
    """The video stream to enhance, and its container: facts only. How it is read is decided in a
    Recording, what is done to its frames in a Clip."""

    path: Path
    container: str
    """FFmpeg's name of the demuxer."""
    duration: float | None
    """Declared by the container, in seconds."""
    stream: int
    """Index of the video stream in the container."""
    codec: str
    pix_fmt: str
    width: int
    height: int
    """Size as coded, before rotation and sample aspect ratio."""
    time_base: Fraction
    """Seconds of one tick of the stream's times."""
    average_rate: Fraction | None
    """Declared frames a second."""
    declared_frames: int
    """0 if the container does not say."""
    sample_aspect_ratio: Fraction
    """1 if none is declared (see `declares_aspect`)."""
    declares_aspect: bool
    display_matrix: tuple[int, ...] | None
    """Nine integers in FFmpeg's AV_PKT_DATA_DISPLAYMATRIX layout; None if there is none."""
    color: ColorTags
    streams: tuple[StreamInfo, ...]
    field_order: int = 0
    """Declared, as FFmpeg's AVFieldOrder: 0 unknown, 1 progressive, 2 to 5 interlaced."""
    picture: PictureTags = PictureTags()
    read_as: str | None = None
    """Codec of reading.recoding.CODED that FFmpeg is told, where it is not what the file says."""
    taken_for: str | None = None
    """What the file, or else FFmpeg, calls that codec, where this was not asked for."""
    written_by: tuple[str, ...] = ()
    """What the file says of the software that wrote or coded it."""

    @property
    def upright(self) -> Matrix:
        """Affine from coded pixels to the upright picture."""
        return upright_affine(
            self.width, self.height, self.display_matrix, self.sample_aspect_ratio
        )[0]

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of the upright picture, square pixels."""
        return upright_affine(
            self.width, self.height, self.display_matrix, self.sample_aspect_ratio
        )[1]

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which a player turns the coded picture, before any mirroring."""
        if self.display_matrix is None:
            return 0
        a, b = self.display_matrix[0], self.display_matrix[1]
        return round(float(np.degrees(np.arctan2(b, a)))) % 360

    @property
    def mirrored(self) -> bool:
        if self.display_matrix is None:
            return False
        a, b, _, c, d = self.display_matrix[:5]
        return a * d - b * c < 0


@dataclass(frozen=True)
class Coding:
    """How coarsely a video was coded."""

    bits: float = 0.0
    """Bits a pixel, converted to what a codec with prediction between frames would need; 0:
    unknown."""
    quantizer: float | None = None
    """H.264's quantizer, from 0, the finest, to 51: the median over some frames. None if unknown,
    as for other codecs."""


UNKNOWN_CODING = Coding()
"""Nothing is known about the coding."""


def upright_affine(
    width: int, height: int, display_matrix: tuple[int, ...] | None, aspect: Fraction
) -> tuple[Matrix, tuple[int, int]]:
    """Affine from coded pixels to the picture as a player shows it, and that picture's size.

    A display matrix maps (x, y) to (a x + c y, b x + d y) in 16.16 fixed point (ISO/IEC 14496-12,
    6.2.2; FFmpeg's libavutil/display.h). Its translation is ignored, as players do: the picture is
    moved so that its corner is at (0, 0). `aspect` stretches the coded width.
    """
    linear = np.eye(2)
    if display_matrix is not None:
        a, b, _, c, d = display_matrix[:5]
        turned = np.array([[a, c], [b, d]]) / 65536.0
        if abs(np.linalg.det(turned)) > 1e-6:
            linear = turned
    linear = linear @ np.diag([float(aspect), 1.0])
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ linear.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.maximum(np.rint(high - low), 1).astype(int)
    return np.column_stack([linear, -low]), (int(size[0]), int(size[1]))
