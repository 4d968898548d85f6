"""A range of a video beside its result: frames of both in step, and pictures made a video again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from av.video.frame import VideoFrame

from videnhance.errors import ContainerError
from videnhance.imaging.color import upright_rgb
from videnhance.imaging.frames import Frame
from videnhance.imaging.lettering import Picture
from videnhance.media.clip import Clip
from videnhance.media.info import ColorTags, PictureTags, VideoInfo
from videnhance.media.reading.decoding import layout_of, planes_of
from videnhance.media.timeline import Segment
from videnhance.media.writing.codecs import CONTAINERS, container_for
from videnhance.media.writing.mux import mux
from videnhance.media.writing.segment import Encoding, SegmentWriter
from videnhance.media.writing.streams import Copying, plan_copying
from videnhance.show.compare import Layout

LARGEST = 3840
"""Longest side in pixels of two pictures as one: with its labels below 4096, which is what players
and H.264's level 5.2 have."""


@dataclass(frozen=True)
class Pair:
    """The same moment before and after: both frames, and both upright at one size."""

    source: Frame
    result: Frame
    before: Picture
    after: Picture


def read_pairs(source: Clip, result: Clip, start: int, size: tuple[int, int]) -> Iterator[Pair]:
    """Every frame of the result beside the recorded one; its first is the source's `start`.

    Pictures are made at `size` (height, width). Raises InputError where either is broken.
    """
    count = len(result.timeline)
    both = zip(source.recorded_frames(start, start + count), result.frames(0, count), strict=True)
    for one, other in both:
        yield Pair(one, other, upright_at(one, source, size), upright_at(other, result, size))


def upright_at(frame: Frame, clip: Clip, size: tuple[int, int]) -> Picture:
    """The upright picture at `size` (height, width): enlarged bicubic, shrunk by area."""
    width, height = clip.info.upright_size
    own = (min(height, size[0]), min(width, size[1]))
    picture = upright_rgb(frame, clip.info.upright, own)
    if own == size:
        return picture
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def shown_size(whole: tuple[int, int], layout: Layout) -> tuple[int, int]:
    """(height, width) at which pictures of the size `whole` are shown: that, or what fits into
    LARGEST."""
    height, width = whole
    together = (height * (2 if layout == "stack" else 1), width * (2 if layout == "side" else 1))
    shrink = min(1.0, LARGEST / max(together))
    return max(round(height * shrink), 1), max(round(width * shrink), 1)


def container_that_fits(
    info: VideoInfo, codec: str, suffix: str, audio: str = "copy"
) -> tuple[str, tuple[str, ...]]:
    """The suffix of a container that takes this video in `codec` and its sound, `suffix` if it
    does; and what is said of the other streams, which it does not take. `audio`: what is to be done
    with sound, as in the settings.

    Raises ContainerError where there is none.
    """
    refusals: list[ContainerError] = []
    for trial in dict.fromkeys((suffix, ".mov", ".mkv")):
        try:
            return trial, plan_copying(info, CONTAINERS[trial], codec, audio).dropped
        except ContainerError as error:
            refusals.append(error)
    raise refusals[-1]


class PictureVideo:
    """Context manager: pictures of `size` (height, width) in, an H.264 video out.

    It has the times and the sound of `result`, and lies in `folder` until `deliver` puts it in
    place.
    """

    def __init__(self, folder: Path, result: Clip, size: tuple[int, int]) -> None:
        self._result, self._folder = result, folder
        # 4:2:0 needs even sizes.
        self._padding = (size[0] % 2, size[1] % 2)
        self._coded = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._path = folder / "pictures.mp4"
        self._writer = SegmentWriter(self._path, self._encoding(), result.timeline.pts[0])

    def __enter__(self) -> PictureVideo:
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def write(self, picture: Picture, pts: int) -> None:
        """One picture of the size given, uint8 RGB, shown at `pts` of the result."""
        below, right = self._padding
        padded = np.pad(picture, ((0, below), (0, right), (0, 0)))
        coded = VideoFrame.from_ndarray(padded, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=1, dst_color_range="MPEG"
        )
        layout = layout_of("yuv420p", full_range=False, matrix=1)
        self._writer.write(Frame(0, pts, planes_of(coded), layout))

    def deliver(self, output: Path) -> tuple[str, ...]:
        """Add the sound and put the video in place; notes say what did not fit."""
        muxer = container_for(output)
        # The pictures are upright, with square pixels, in colours of their own.
        facts = replace(
            self._result.info,
            display_matrix=None,
            sample_aspect_ratio=Fraction(1),
            declares_aspect=True,
            color=self._encoding().color,
            picture=PictureTags(),
        )
        notes: tuple[str, ...] = ()
        try:
            copying = plan_copying(facts, muxer, "h264")
        except ContainerError:
            copying, notes = Copying((), ()), (_silent(output),)
        frames = len(self._result.timeline)
        mux(
            output,
            self._folder / f"{output.name}.part",
            muxer,
            replace(self._result, recorded=replace(self._result.recorded, info=facts)),
            [(Segment(0, 0, frames), self._path)],
            copying,
        )
        return notes

    def _encoding(self) -> Encoding:
        return Encoding(
            encoder="libx264",
            segment_format="mp4",
            options={"crf": "18", "preset": "veryfast"},
            pix_fmt="yuv420p",
            width=self._coded[1],
            height=self._coded[0],
            time_base=self._result.timeline.time_base,
            rate=self._result.rate or Fraction(25),
            sample_aspect_ratio=Fraction(1),
            color=ColorTags(range=1, matrix=1, primaries=1, transfer=1),
        )


def _silent(output: Path) -> str:
    return f"{output.suffix} cannot hold the video's sound, so the preview has none; .mkv may"
