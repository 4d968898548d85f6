"""Decoding a range of frames into planes, in order, each with its pts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import av
import av.error
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from videnhance.errors import DamagedError, InputError
from videnhance.imaging.color import samples_to_rgb
from videnhance.imaging.frames import LEFT, LUMA, Array, Frame, PixelLayout
from videnhance.media.info import VideoInfo
from videnhance.media.reading.numbered import frames_of
from videnhance.media.reading.source import UNTAGGED_FULL, demuxed, open_source, video_stream
from videnhance.media.timeline import Decoding, RecordedTimeline

_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""(Kr, Kb) by matrix_coefficients of ITU-T H.273. All others, and untagged video, count as BT.601,
as in FFmpeg."""

FULL_RANGE_NAMES = {f"yuvj{n}p": f"yuv{n}p" for n in (420, 422, 444, 440, 411)}
"""FFmpeg's older names for full-range formats, and the formats they mean."""
_PACKED = {"bgr0": (4, (1, 0, 2)), "bgra": (4, (1, 0, 2, 3)), "ya8": (2, (0, 1))}
"""Packed formats handled as planes G, B, R or Y (and alpha): bytes per pixel, offset of each."""


def read_frames(
    info: VideoInfo,
    timeline: RecordedTimeline,
    start: int,
    stop: int,
    pix_fmt: str,
    *,
    limited: bool = False,
    hwaccel: str | None = None,
) -> Iterator[Frame]:
    """Frames start..stop (half-open) in presentation order, converted to `pix_fmt` if necessary.

    `limited`: also convert full range to limited range. `hwaccel`: FFmpeg's name of the device to
    decode with; None is the CPU.

    Decoding begins at the keyframe before `start`. If the source was examined (its timeline has a
    `decoding`), every reading gives the same frames, each scaled to the declared size. Otherwise
    raises DamagedError, naming the time, if a frame is missing, damaged, or of another size than
    the stream declares.
    """
    framed = partial(
        to_frame,
        pix_fmt=pix_fmt,
        site=info.picture.chroma or LEFT,
        full=info.codec in UNTAGGED_FULL,
        limited=limited,
    )
    if timeline.decoding is not None:
        for place, picture in _decode_examined(info, timeline, timeline.decoding, start, stop):
            yield framed(_fitted(picture, info), place, timeline.pts[place])
        return
    following = start
    for pts, decoded in _decode(info, timeline, start, hwaccel):
        index = timeline.index_of(pts) if pts is not None else None
        if index is None or index < following:
            continue
        if index >= stop:
            break
        if index > following:
            raise _broken(info, timeline, following, "is missing from the stream")
        if decoded.is_corrupt:
            raise _broken(info, timeline, index, "is damaged")
        if (decoded.width, decoded.height) != (info.width, info.height):
            size = f"{decoded.width}x{decoded.height} from {info.width}x{info.height}"
            raise _broken(info, timeline, index, f"changes size to {size}")
        if hwaccel is None and decoded.format.name != info.pix_fmt:
            raise _broken(info, timeline, index, f"changes format to {decoded.format.name}")
        yield framed(decoded, index, timeline.pts[index])
        following = index + 1
        if following == stop:
            return
    if following < stop:
        raise _broken(info, timeline, following, "cannot be decoded")


def _fitted(decoded: VideoFrame, info: VideoInfo) -> VideoFrame:
    """The picture scaled to the size that the stream declares."""
    if (decoded.width, decoded.height) == (info.width, info.height):
        return decoded
    return decoded.reformat(info.width, info.height, interpolation=Interpolation.BICUBIC, threads=1)


def to_frame(
    decoded: VideoFrame,
    index: int,
    pts: int,
    pix_fmt: str,
    site: tuple[int, int] = LEFT,
    *,
    full: bool = False,
    limited: bool = False,
) -> Frame:
    """A decoded picture as planes: views of the decoder's memory, which must not be written to.

    `site`: its chroma site (PixelLayout.chroma_site). `full`: its range is full, though it does not
    declare it. `limited`: convert full range to limited range.
    """
    source_full = full or decoded.format.name in FULL_RANGE_NAMES or decoded.color_range == 2
    name = FULL_RANGE_NAMES.get(decoded.format.name, decoded.format.name)
    matrix = int(decoded.colorspace)
    if name.startswith(("gray", "ya")) and pix_fmt.startswith("yuv4"):
        decoded = _colored(decoded, pix_fmt, source_full, source_full and not limited)
        source_full = source_full and not limited
    elif name != pix_fmt or (source_full and limited):
        # Give swscale both ranges and both matrices, or it guesses BT.601, limited. One thread: on
        # several, about one in hundreds of small pictures of odd sizes gets other samples.
        from_rgb = decoded.format.is_rgb or decoded.format.has_palette
        was = "JPEG" if from_rgb or source_full else "MPEG"
        becomes = "JPEG" if source_full and not (from_rgb or limited) else "MPEG"
        matrix = matrix if matrix in _LUMA_WEIGHTS else (1 if from_rgb else 5)
        decoded = decoded.reformat(
            format=pix_fmt,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=was,
            dst_color_range=becomes,
            threads=1,
        )
        source_full = becomes == "JPEG"
    layout = layout_of(pix_fmt, full_range=source_full, matrix=matrix, site=site)
    return Frame(index, pts, planes_of(decoded), layout)


def _colored(gray: VideoFrame, pix_fmt: str, was_full: bool, full: bool) -> VideoFrame:
    """A gray picture with chroma added. FFmpeg would read every gray as full range."""
    if not is_handled(gray.format.name):
        deep = gray.format.components[0].bits > 8
        gray = gray.reformat(format="gray16le" if deep else "gray", threads=1)
    colored = VideoFrame(gray.width, gray.height, pix_fmt)
    layout = replace(layout_of(pix_fmt, full_range=full, matrix=2), kind="gray")
    scale, offset = samples_to_rgb(layout_of(gray.format.name, full_range=was_full, matrix=2))[0]
    new_scale, new_offset = samples_to_rgb(layout)[0]
    luma, *chroma = planes_of(colored)
    shade = (planes_of(gray)[0] * scale + offset - new_offset) / new_scale
    luma[...] = np.clip(np.rint(shade), 0, (1 << layout.depth) - 1)
    for plane in chroma:
        plane[...] = 1 << (layout.depth - 1)
    return colored


def layout_of(
    pix_fmt: str, *, full_range: bool, matrix: int, site: tuple[int, int] = LEFT
) -> PixelLayout:
    """What arithmetic must know about a pixel format; `matrix`: its H.273 number."""
    form = VideoFormat(pix_fmt, 64, 64)
    first = form.components[0]
    kind = "gray" if len(form.components) < 3 else "gbr" if form.is_rgb else "yuv"
    shift = (0, 0)
    if kind == "yuv":
        chroma = form.components[1]
        shift = ((64 // chroma.width).bit_length() - 1, (64 // chroma.height).bit_length() - 1)
    return PixelLayout(
        pix_fmt=pix_fmt,
        kind=kind,  # type: ignore[arg-type]
        depth=first.bits,
        chroma_shift=shift,
        full_range=full_range,
        luma_weights=_LUMA_WEIGHTS.get(matrix, (LUMA[0], LUMA[2])),
        chroma_site=site,
    )


def is_handled(pix_fmt: str) -> bool:
    """Whether frames of this format can be processed without conversion."""
    if pix_fmt in _PACKED:
        return True
    form = VideoFormat(pix_fmt)
    depths = {component.bits for component in form.components}
    return (
        form.is_planar
        and not form.is_big_endian
        and len(depths) == 1
        and 8 <= depths.pop() <= 16
        and len({component.plane for component in form.components}) == len(form.components)
        and form.name.startswith(("yuv4", "yuva4", "gbrp", "gbrap"))
        and "f32" not in form.name
        and "f16" not in form.name
    ) or form.name in {"gray", "gray9le", "gray10le", "gray12le", "gray14le", "gray16le"}


def planes_of(picture: VideoFrame) -> tuple[Array, ...]:
    """The picture's planes (H, W), uint8 or uint16, as views without row padding."""
    form = picture.format
    if form.name in _PACKED:
        plane = picture.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        width, places = _PACKED[form.name]
        pixels = rows[:, : plane.width * width].reshape(plane.height, plane.width, width)
        return tuple(pixels[..., byte] for byte in places)
    dtype: type[np.generic] = np.uint8 if form.components[0].bits == 8 else np.uint16
    size = np.dtype(dtype).itemsize
    planes = []
    for plane in picture.planes:
        rows = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // size)
        planes.append(rows[: plane.height, : plane.width])
    return tuple(planes)


def picture_of(frame: Frame) -> VideoFrame:
    """The frame as a picture for FFmpeg, without its time."""
    picture = VideoFrame(frame.width, frame.height, frame.layout.pix_fmt)
    for target, plane in zip(planes_of(picture), frame.planes, strict=True):
        np.copyto(target, plane)
    return picture


def _decode(
    info: VideoInfo, timeline: RecordedTimeline, start: int, hwaccel: str | None
) -> Iterator[tuple[int | None, VideoFrame]]:
    """(pts, picture) of decoded pictures, from frame `start` or earlier on."""
    key = timeline.keyframe_before(start)
    with open_source(info, hwaccel) as container:
        stream = video_stream(container, info.path, info.stream)
        stream.thread_type = "AUTO"
        try:
            if key > 0:
                container.seek(timeline.pts[key], stream=stream)
            entered = key == 0
            for packet in demuxed(container, stream):
                if not entered and (packet.is_keyframe or packet.size == 0):
                    at = None if packet.pts is None else timeline.index_of(packet.pts)
                    if at is None or at > key or timeline.keyframe_before(at) != at:
                        # The container cannot seek this far back (GIF, some streams), or has other
                        # times after seeking (MPEG-PS): start from the top.
                        from_top = replace(timeline, keyframes=(0,))
                        yield from _decode(info, from_top, start, hwaccel)
                        return
                    entered = True
                if entered:
                    for picture in packet.decode():
                        yield picture.pts, picture
        except av.error.FFmpegError as error:
            raise DamagedError(
                f"{info.path}: decoding stops after {timeline.seconds(start):.3f} s "
                f"({error.strerror}); {_CURE}"
            ) from error


def _decode_examined(
    info: VideoInfo, timeline: RecordedTimeline, decoding: Decoding, start: int, stop: int
) -> Iterator[tuple[int, VideoFrame]]:
    """(index, picture) of the frames start..stop; each damaged part is decoded alone."""
    entries, following = decoding.entries, start
    while following < stop:
        begin = bisect_right(entries, following, key=lambda entry: entry.index) - 1
        end = begin + 1
        while end < len(entries) and not (entries[begin].isolated or entries[end].isolated):
            end += 1
        after = entries[end].index if end < len(entries) else len(timeline)
        numbers = decoding.packets[entries[begin].index : after]
        place = {number: entries[begin].index + k for k, number in enumerate(numbers)}
        stop_at, until = (entries[k].packet if k < len(entries) else None for k in (end, end + 1))
        for picture in frames_of(info, entries[begin], stop_at, until, threads=decoding.is_intact):
            index = place.get(picture.pts) if picture.pts is not None else None
            if index == following:
                yield index, picture
                following += 1
            if following == min(after, stop):
                break
        if following < min(after, stop):
            raise InputError(
                f"{info.path}: frame {following} at {timeline.seconds(following):.3f} s does not "
                "decode as before; was the file changed? begin again with --restart"
            )


_CURE = "copy the file again from its source, or leave --strict out to enhance what decodes"


def _broken(info: VideoInfo, timeline: RecordedTimeline, index: int, what: str) -> DamagedError:
    return DamagedError(
        f"{info.path}: frame {index} at {timeline.seconds(index):.3f} s {what}; {_CURE}"
    )
