"""Facts about a source and the arithmetic on them: streams, timeline, segments, orientation."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from videnhance.frames import Matrix
from videnhance.grading import Cleaning


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
    """What else is said of a picture, for players and encoders to know; None where nothing is."""

    chroma: tuple[int, int] | None = None
    """Where subsampled chroma lies, across and down: 1 on the first luma sample, 2 halfway."""
    crop: tuple[int, int, int, int] | None = None
    """Pixels that a player leaves out: left, top, right, bottom. The frames hold them."""
    mastering: tuple[float, ...] | None = None
    """The mastering display (SMPTE ST 2086): x and y of red, green, blue and white, then its
    largest and least luminance in cd/m2."""
    light: tuple[int, int] | None = None
    """Content light level (CTA-861.3): MaxCLL and MaxFALL in cd/m2."""
    dynamic: bool = False
    """Whether frames carry HDR metadata of their own (HDR10+, Dolby Vision)."""


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a container, as `probe` prints it."""

    index: int
    kind: str
    codec: str
    time_base: Fraction | None
    start: float | None
    """Seconds."""
    duration: float | None
    """Seconds, as declared."""
    detail: str
    language: str | None


@dataclass(frozen=True)
class VideoInfo:
    """The video stream that is enhanced, and the container around it."""

    path: Path
    container: str
    duration: float | None
    """Seconds, as the container declares it."""
    stream: int
    """Index of the video stream in the container."""
    codec: str
    pix_fmt: str
    width: int
    height: int
    """Size as coded, before rotation and sample aspect ratio."""
    time_base: Fraction
    average_rate: Fraction | None
    declared_frames: int
    """0 where the container does not say."""
    sample_aspect_ratio: Fraction
    """1 where none is declared (see `declares_aspect`)."""
    declares_aspect: bool
    display_matrix: tuple[int, ...] | None
    """Nine integers in FFmpeg's AV_PKT_DATA_DISPLAYMATRIX layout, None where there is none."""
    color: ColorTags
    streams: tuple[StreamInfo, ...]
    field_order: int = 0
    """As declared, in FFmpeg's AVFieldOrder: 0 unknown, 1 progressive, 2 to 5 interlaced."""
    cleaning: Cleaning | None = None
    """What its frames go through before anything looks at them (video.footage)."""
    hwaccel: str | None = None
    """What it is decoded by, as FFmpeg names it; None is the processor."""
    clock: tuple[Fraction, ...] = ()
    """Seconds by which times are moved after each time the clock is set back (video.timing)."""
    picture: PictureTags = PictureTags()

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
        """Degrees clockwise that a player turns the coded picture by, before any mirroring."""
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
class Entry:
    """A packet at which decoding can start."""

    packet: int
    """Counted from the file's first video packet."""
    index: int
    """The first frame that is shown from here on."""
    isolated: bool
    """Whether there is damage from here to the next entry: decoded alone, so that the result does
    not depend on where decoding began."""
    place: int = -1
    """The packet's byte in the file, -1 where the container does not say."""
    size: int = 0
    """Its bytes."""
    time: int | None = None
    """Its time as in the file, in ticks of the stream."""


@dataclass(frozen=True)
class Coding:
    """How coarsely a video was coded."""

    bits: float = 0.0
    """Bits a pixel that a codec would need that predicts frames from others; 0: not told."""
    quantizer: float | None = None
    """The quantizer of H.264, from 0, the finest, to 51: the median over some frames. None where it
    is not told, as by other codecs."""


UNTOLD = Coding()
"""Nothing is known."""


@dataclass(frozen=True)
class Decoding:
    """Which packet each frame comes from, where a decoder, not the packets' times, has to tell."""

    packets: tuple[int, ...]
    """Of every frame, in the order shown."""
    entries: tuple[Entry, ...]
    """In order of both packet and index."""

    @property
    def is_sound(self) -> bool:
        """Whether there is no damage anywhere."""
        return not any(entry.isolated for entry in self.entries)


@dataclass(frozen=True)
class Timeline:
    """When every frame is shown: pts strictly increasing, in the video stream's time_base."""

    time_base: Fraction
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    """Frame indices at which decoding can start."""
    last_duration: int
    """How long the last frame is shown, in time_base units."""
    decoding: Decoding | None = None
    """None where a frame is known by the pts of its packet."""

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self, index: int) -> float:
        """When a frame is shown, in seconds since the first frame; a pts may begin elsewhere."""
        return float((self.pts[index] - self.pts[0]) * self.time_base)

    def index_of(self, pts: int) -> int | None:
        """The frame shown at exactly this pts, None where there is none."""
        at = bisect_left(self.pts, pts)
        return at if at < len(self.pts) and self.pts[at] == pts else None

    def duration_of(self, index: int) -> int:
        if index + 1 < len(self.pts):
            return self.pts[index + 1] - self.pts[index]
        return self.last_duration

    def keyframe_before(self, index: int) -> int:
        """The last frame at or before `index` at which decoding can start."""
        at = bisect_right(self.keyframes, index) - 1
        return self.keyframes[at] if at >= 0 else 0

    def fields(self) -> Timeline:
        """One frame for each field: as many again, halfway to the next, in half the time base."""
        nexts = [*self.pts[1:], self.pts[-1] + self.last_duration]
        pts = tuple(
            t for one, other in zip(self.pts, nexts, strict=True) for t in (2 * one, one + other)
        )
        return replace(
            self,
            time_base=self.time_base / 2,
            pts=pts,
            keyframes=tuple(2 * k for k in self.keyframes),
        )

    def frames(self) -> Timeline:
        """The way back from `fields`."""
        return replace(
            self,
            time_base=self.time_base * 2,
            pts=tuple(t // 2 for t in self.pts[::2]),
            keyframes=tuple(k // 2 for k in self.keyframes),
        )

    def part(self, start: int, stop: int) -> Timeline:
        """Frames start..stop (half-open, at least one) alone, counted from 0; every pts as it is.

        Where none of them is a keyframe, the first is taken for one.
        """
        return Timeline(
            time_base=self.time_base,
            pts=self.pts[start:stop],
            keyframes=tuple(k - start for k in self.keyframes if start <= k < stop) or (0,),
            last_duration=self.duration_of(stop - 1),
        )


@dataclass(frozen=True)
class Segment:
    """Frames start..stop (half-open), the unit of work and of resuming."""

    index: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.index:05d}"

    def __len__(self) -> int:
        return self.stop - self.start


def segments_of(start: int, stop: int, length: int) -> tuple[Segment, ...]:
    """Split frames start..stop (half-open) into segments of `length`, counted from 0.

    Borders are multiples of `length`, so that a range and the whole video share the segments
    within the range. A first or last one under half of `length` joins its neighbour.
    """
    borders = [start, *range((start // length + 1) * length, stop, length)]
    if len(borders) > 1 and borders[1] - start < length // 2:
        del borders[1]
    if len(borders) > 1 and stop - borders[-1] < length // 2:
        borders.pop()
    return tuple(
        Segment(k, first, after)
        for k, (first, after) in enumerate(zip(borders, [*borders[1:], stop], strict=True))
    )


LONGEST = (1 << 31) - 1
"""Ticks for which a frame may be shown: as FFmpeg's MP4 muxer, which writes segments too, holds."""


def apart(segments: Sequence[Segment], timeline: Timeline) -> tuple[Segment, ...]:
    """The segments, divided where two frames are further apart than LONGEST."""
    borders = {segment.start for segment in segments}
    steps = np.diff(np.array(timeline.pts[segments[0].start : segments[-1].stop], np.int64))
    borders |= {segments[0].start + int(k) + 1 for k in np.flatnonzero(steps > LONGEST)}
    starts = sorted(borders)
    return tuple(
        Segment(k, first, after)
        for k, (first, after) in enumerate(
            zip(starts, [*starts[1:], segments[-1].stop], strict=True)
        )
    )


def upright_affine(
    width: int, height: int, display_matrix: tuple[int, ...] | None, aspect: Fraction
) -> tuple[Matrix, tuple[int, int]]:
    """Affine from coded pixels to the picture as a player shows it, and that picture's size.

    A display matrix maps (x, y) to (a x + c y, b x + d y) in 16.16 fixed point (ISO/IEC 14496-12,
    6.2.2; FFmpeg's libavutil/display.h). Its translation is ignored, as players do: the picture is
    moved so that its corner is at (0, 0). The aspect ratio stretches the coded width.
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
