"""What a codec keeps of a source: pixel format, colour, picture tags, HDR metadata."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

import av
import av.error
from av.codec import find_best_pix_fmt_of_list
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from videnhance.errors import UsageError, line_of
from videnhance.imaging.frames import LEFT
from videnhance.media.info import ColorTags, PictureTags, VideoInfo
from videnhance.media.reading.decoding import FULL_RANGE_NAMES, is_handled
from videnhance.media.writing.codecs import CODECS, StaticHdr, VideoCodec

_SITES = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft", (2, 1): "top"}
"""FFmpeg's names for chroma sites (PictureTags.chroma)."""


def require_encoder(name: str, codec: VideoCodec) -> None:
    """Raises UsageError if this machine cannot encode with it, before any work is done."""
    if codec.needs is None:
        return
    try:
        context = cast(VideoCodecContext, VideoCodecContext.create(codec.encoder, "w"))
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base = Fraction(1, 25)
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        raise UsageError(
            f"--codec {name}: cannot be used here ({line_of(error)}): it needs {codec.needs}; "
            "use h264"
        ) from error


def working_format(info: VideoInfo, codec: VideoCodec, scale: int = 1) -> str:
    """The planar pixel format in which frames are processed and encoded.

    The source's own if the encoder takes it; otherwise the nearest by FFmpeg's rules. RGB sources
    (GIF, PNG) become 4:2:0 for the lossy codecs, so that players can show them. If an encoder
    cannot subsample chroma at an odd size, chroma stays at full size.
    """
    offered = [form.name for form in av.codec.Codec(codec.encoder, "w").video_formats or []]
    width, height = info.width * scale, info.height * scale
    if width < codec.least_width:
        raise UsageError(
            f"--codec: {codec.encoder} fails on pictures of less than {codec.least_width} pixels "
            f"in width, and these have {width}; try h264"
        )
    usable = [
        name
        for name in offered
        if is_handled(name) and (codec.odd_chroma or _divides(name, width, height))
    ]
    own = FULL_RANGE_NAMES.get(info.pix_fmt, info.pix_fmt)
    if own in usable:
        return own
    source = VideoFormat(info.pix_fmt)
    if (source.is_rgb or source.has_palette) and codec.crf is not None:
        flat = [name for name in usable if name in ("yuv420p", "yuv444p")]
        return flat[0]
    best, _loss = find_best_pix_fmt_of_list(usable, info.pix_fmt, has_alpha=True)
    if best is None:
        raise UsageError(
            f"--codec: {codec.encoder} cannot hold {info.pix_fmt} at {width}x{height}; try ffv1"
        )
    return str(best if isinstance(best, str) else best.name)


_UNKNOWN = 2
"""Unspecified colour primaries (ITU-T H.273)."""


def color_encoded(info: VideoInfo, pix_fmt: str, codec: VideoCodec) -> ColorTags:
    """The colour tags for the encoder to write into its stream: those of `color_written`, without
    primaries that it refuses."""
    color = color_written(info, pix_fmt, codec.coded)
    if color.primaries in codec.refused_primaries:
        return replace(color, primaries=_UNKNOWN)
    return color


def color_written(info: VideoInfo, pix_fmt: str, coded: str) -> ColorTags:
    """The colour tags for the container of a stream that FFmpeg calls `coded`.

    They are the source's, changed where the samples are converted: RGB becomes YCbCr, and full
    range becomes limited if the codec has no full range.
    """
    source = VideoFormat(info.pix_fmt)
    if (source.is_rgb or source.has_palette) and not VideoFormat(pix_fmt).is_rgb:
        return ColorTags(range=1, matrix=1, primaries=1, transfer=13)
    if any(row.coded == coded and not row.full_range for row in CODECS.values()):
        return replace(info.color, range=1)
    return info.color


def tags_written(info: VideoInfo, pix_fmt: str, scale: int) -> PictureTags:
    """The source's picture tags, adapted to frames of this format and scale."""
    tags = info.picture
    left, top, right, bottom = (n * scale for n in tags.crop or (0, 0, 0, 0))
    return replace(
        tags,
        chroma=tags.chroma if _chroma(pix_fmt) == _chroma(info.pix_fmt) else None,
        crop=(left, top, right, bottom) if tags.crop else None,
        dynamic=False,
    )


def left_unsaid(info: VideoInfo, muxer: str, encoding: str) -> tuple[str, ...]:
    """One sentence for each property of the source's picture that the output cannot declare.
    `encoding`: the name of a row of CODECS."""
    codec = CODECS[encoding]
    notes = []
    if info.display_matrix is not None and muxer in ("matroska", "webm"):
        a, b, _, c, d = (n / 65536 for n in info.display_matrix[:5])
        if abs(a * c + b * d) > 0.01 or abs(a * a + b * b - 1) + abs(c * c + d * d - 1) > 0.01:
            notes.append(
                "the display matrix, which does more than turn and mirror, does not fit into "
                "Matroska and is left out; name the output .mp4 or .mov to keep it"
            )
    if muxer == "avi":
        notes += _left_out_of_avi(info, encoding)
    chroma = info.picture.chroma
    if muxer in codec.usual_chroma_in and chroma not in (None, LEFT):
        notes.append(
            f"that chroma lies {_SITES.get(chroma, 'elsewhere than left')} cannot be declared by "
            f"{encoding} in .{muxer}; name the output .mkv to keep it"
        )
    if info.picture.dynamic:
        notes.append("HDR metadata of single frames (HDR10+, Dolby Vision) is left out")
    if not codec.full_range and info.color.range == 2:
        notes.append(f"the full range of the samples became limited range: {encoding} has no other")
    return tuple(notes)


def _left_out_of_avi(info: VideoInfo, encoding: str) -> list[str]:
    """Like `left_unsaid`; an H.264 stream says most by itself."""
    gone = []
    if info.display_matrix is not None:
        gone.append("that the picture is turned or mirrored")
    if info.picture.crop is not None:
        gone.append("what a player crops")
    if encoding == "ffv1":
        if info.color != replace(ColorTags(), range=info.color.range) or info.color.range == 2:
            gone.append("the colour tags")
        if info.picture.mastering is not None or info.picture.light is not None:
            gone.append("HDR10 metadata")
    cure = "name the output .mkv to keep it"
    return [f"{what} cannot be declared by {encoding} in .avi; {cure}" for what in gone]


def source_options(
    codec: VideoCodec, info: VideoInfo, pix_fmt: str, frames: int, options: dict[str, str]
) -> dict[str, str]:
    """`options`, and those that make an encoder write the picture tags into its stream. `frames`:
    the number of frames in the video."""
    tags = tags_written(info, pix_fmt, 1)
    options = dict(options)
    if tags.chroma in _SITES:
        options["chroma_sample_location"] = _SITES[tags.chroma]
    hdr = codec.static_hdr
    if hdr is not None:
        params = [options[hdr.option]] if hdr.option in options else []
        if frames < codec.reorders_from:
            params.append("bframes=0")
        if tags.mastering is not None:
            params.append(f"{hdr.mastering}={_mastering(tags.mastering, hdr)}")
        if tags.light is not None:
            params.append(f"{hdr.light}={tags.light[0]},{tags.light[1]}")
        if params:
            options[hdr.option] = ":".join(params)
    return options


def _mastering(tags: tuple[float, ...], hdr: StaticHdr) -> str:
    """The mastering display, ordered as in ST 2086: G, B, R, white, largest, least luminance."""
    if not hdr.plain:
        tags = (*(round(n * 50000) for n in tags[:8]), *(round(n * 10000) for n in tags[8:]))
    r, g, b, white, light = (f"({tags[k]},{tags[k + 1]})" for k in range(0, 10, 2))
    return f"G{g}B{b}R{r}WP{white}L{light}"


def _chroma(pix_fmt: str) -> tuple[int, int] | None:
    """The size of chroma, (columns, rows), for 16 x 16 pixels; None if there is no chroma."""
    form = VideoFormat(pix_fmt, 16, 16)
    if len(form.components) < 3 or form.is_rgb:
        return None
    return form.components[1].width, form.components[1].height


def _divides(pix_fmt: str, width: int, height: int) -> bool:
    columns, rows = _chroma(pix_fmt) or (16, 16)
    return width % (16 // columns) == 0 and height % (16 // rows) == 0
