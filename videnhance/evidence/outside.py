"""Outside the masks of faces, an output's frames are the input's: compared sample by sample.

What each frame must be there is made again from the input: decoded, cleaned up, enlarged and graded
as the record says, without any face. The region that may differ is that of the record's boxes (the
ellipse in each, or all of it with another mask), a few samples wider, as resampling reaches beyond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from videnhance.errors import DamagedError
from videnhance.evidence.columns import Track, unrolled
from videnhance.evidence.document import Video
from videnhance.imaging.affine import compose, invert, place, scaling, zoom_of
from videnhance.imaging.color import color_planes, frame_to_plane, resize
from videnhance.imaging.compositing import MASK_CENTRE, MASK_RADII
from videnhance.imaging.frames import Array, Frame, Matrix
from videnhance.imaging.grading import graded
from videnhance.media.clip import Clip
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import recording_of
from videnhance.media.writing.png import picture_of, read_picture
from videnhance.settings.groups import Settings

_REACH, _CROP, _SOFT = 4, 256, 8
"""Samples by which painting reaches beyond a mask; the least side of a crop in pixels, of which two
are added where a face is larger; samples by which sharpening carries a change further."""


@dataclass
class Difference:
    """How two videos differ outside the masks; filled frame by frame."""

    frames: int = 0
    unequal: int = 0
    """Frames with a sample that is not the same."""
    squares: float = 0.0
    """Of differences, where the largest sample is 1."""
    samples: int = 0
    worst: int = 0
    """The frame that differs most, counted in the output."""
    worst_psnr: float = math.inf

    def add(self, squares: float, samples: int) -> None:
        """The sum of squares over a frame's samples outside the masks."""
        found = psnr(squares, samples)
        if found < self.worst_psnr:
            self.worst, self.worst_psnr = self.frames, found
        self.frames += 1
        self.unequal += squares > 0
        self.squares, self.samples = self.squares + squares, self.samples + samples

    @property
    def psnr(self) -> float:
        """dB, over all samples; infinite where nothing differs."""
        return psnr(self.squares, self.samples)


def psnr(squares: float, samples: int) -> float:
    """Peak signal-to-noise ratio in dB of a sum of squares, where the largest sample is 1."""
    return -10.0 * math.log10(squares / samples) if squares else math.inf


def difference_outside(
    source: Path,
    output: Path,
    video: Video,
    settings: Settings,
    tell: Callable[[int, int], None],
) -> Difference:
    """Compare an output with its input outside the masks; `settings`: those it was made with.

    `tell` gets (frames done, frames in all). Raises InputError.
    """
    asked = replace(settings.source, stream=str(video.stream))
    wish = Settings(source=asked, clean=settings.clean)
    try:
        return _difference(open_clip(source, wish), output, video, settings, tell)
    except DamagedError:  # what decoding shows only is then examined, as the job did
        info = probe(source, asked.input_codec, video.stream)
        examined = recording_of(info, asked, thorough=True).examination
        clip = open_clip(source, wish, examined=examined)
        return _difference(clip, output, video, settings, tell)


def _difference(
    clip: Clip, output: Path, video: Video, settings: Settings, tell: Callable[[int, int], None]
) -> Difference:
    count, found = video.stop - video.start, Difference()
    region = _Region(video, settings, clip.info.upright)
    results = _planes_of_output(output, video, count)
    for done, (frame, planes) in enumerate(
        zip(_untouched_frames(clip, video, settings), results, strict=False), 1
    ):
        found.add(*_compared(frame, planes, region, is_picture=video.output_stream is None))
        tell(done, count)
    return found


def _planes_of_output(output: Path, video: Video, count: int) -> Iterator[Sequence[Array]]:
    """The planes of each of its frames; of a picture, its samples as the only one."""
    if video.output_stream is None:
        picture = read_picture(output)
        yield () if picture is None else (picture,)
        return
    clip = open_clip(probe(output, index=video.output_stream))
    for frame in clip.frames(0, min(count, len(clip.timeline))):
        yield frame.planes


def _compared(
    frame: Frame, planes: Sequence[Array], region: _Region, *, is_picture: bool
) -> tuple[float, int]:
    top = float((1 << frame.layout.depth) - 1)
    squares, samples = 0.0, 0
    if is_picture:
        own: Iterable[tuple[int, Array]] = [(0, picture_of(frame))]
        top = 255.0 if frame.layout.depth == 8 else 65535.0
    else:
        own = list(enumerate(frame.planes[: color_planes(frame.layout)]))
    for k, plane in own:
        other = planes[k] if k < len(planes) else np.zeros(0, np.uint8)
        if other.shape != plane.shape:
            return math.inf, 1
        outside = ~region.of(frame, k, (plane.shape[0], plane.shape[1]))
        away = (plane.astype(np.float32) - other.astype(np.float32)) / np.float32(top)
        kept = away[outside]
        squares += float(np.sum(kept * kept, dtype=np.float64))
        samples += kept.size
    return squares, max(samples, 1)


class _Region:
    """Where the frames of a video may have been painted."""

    def __init__(self, video: Video, settings: Settings, upright: Matrix) -> None:
        self._to_frame = compose(scaling(settings.output.scale), invert(upright))
        self._is_ellipse = settings.restore.mask == "ellipse"
        self._reach = _REACH + (_SOFT if settings.finish.sharpen else 0)
        self._zones = video.zones
        label = (video.mark or {}).get("label")
        self._label = label["box"] if label else None
        self._tracks = [(track, list(unrolled(track.strength))) for track in video.tracks]

    def of(self, frame: Frame, plane: int, shape: tuple[int, int]) -> np.ndarray:
        """(H, W) bool of a plane's samples: True where a face may have been painted, or the label
        is."""
        found = np.zeros(shape, np.uint8)
        to_plane = compose(frame_to_plane(frame.layout, plane), self._to_frame)
        for track, strengths in self._tracks:
            k = frame.index - track.start
            if 0 <= k < len(track) and strengths[k] != 0:
                self._add(found, track, k, to_plane)
        for x0, y0, x1, y1 in self._zones if found.any() else ():
            corners = place(np.array([[x0, y0], [x1, y1], [x0, y1], [x1, y0]]), to_plane)
            low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
            left, top, right, bottom = (int(max(n, 0)) for n in (*low, *high))
            found[top:bottom, left:right] = 0
        if self._label is not None:
            x, y = frame.layout.chroma_shift if plane in (1, 2) else (0, 0)
            left, top, right, bottom = self._label
            found[top >> y : -(-bottom >> y), left >> x : -(-right >> x)] = 1
        return found.astype(bool)

    def _add(self, found: np.ndarray, track: Track, k: int, to_plane: Matrix) -> None:
        around = np.linspace(0.0, 2.0 * np.pi, 65)[:-1]
        middle, radii = MASK_CENTRE, MASK_RADII
        line = np.stack([np.cos(around) * radii[0], np.sin(around) * radii[1]], axis=-1) + middle
        if not self._is_ellipse:
            line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        a, b = (track.side[k] * turned(track.angle[k]) for turned in (math.cos, math.sin))
        square = np.array([[a, -b, track.x[k]], [b, a, track.y[k]]])
        points = place(place(line - 0.5, square), to_plane) - 0.5  # OpenCV counts from centres
        large = track.side[k] * zoom_of(to_plane) / _CROP
        reach = self._reach + math.ceil(2.0 * max(large, 1.0))
        corners = np.rint(points).astype(np.int32)[:, None]
        cv2.fillPoly(found, [corners], 1)
        cv2.polylines(found, [corners], True, 1, 2 * reach + 1)


def _untouched_frames(clip: Clip, video: Video, settings: Settings) -> Iterator[Frame]:
    """The frames of the output as they would be without faces."""
    limited = video.decoding.limited
    for frame in clip.frames(video.start, video.stop, video.decoding.painted, limited=limited):
        enlarged = resize(frame, settings.output.scale)
        yield graded(enlarged, settings.finish) if settings.finish.changes else enlarged
