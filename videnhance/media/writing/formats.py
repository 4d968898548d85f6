"""What a codec keeps of a source: sample format, colour, tags of the picture, HDR metadata."""

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
"""FFmpeg's names of where chroma lies (PictureTags.chroma)."""


def require_encoder(name: str, codec: VideoCodec) -> None:
    """Raises UsageError where this machine cannot encode so: known before any work."""
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
    """The planar sample format that frames are worked on and encoded in.

    The source's own where the encoder takes it; else the nearest in FFmpeg's judgement. RGB
    sources (GIF, PNG) become 4:2:0 for the lossy codecs, which players can show. Where an encoder
    cannot subsample chroma of such a size (an odd one), chroma is kept at full size instead.
    """
    offered = [form.name for form in av.codec.Codec(codec.encoder, "w").video_formats or []]
    width, height = info.width * scale, info.height * scale
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
"""Colour primaries of ITU-T H.273."""


def color_encoded(info: VideoInfo, pix_fmt: str, codec: VideoCodec) -> ColorTags:
    """What the encoder is given to write into its stream: `color_written`, less the primaries that
    it refuses."""
    color = color_written(info, pix_fmt, codec.coded)
    if color.primaries in codec.refused_primaries:
        return replace(color, primaries=_UNKNOWN)
    return color


def color_written(info: VideoInfo, pix_fmt: str, coded: str) -> ColorTags:
    """The source's tags, as the container says them of a stream that FFmpeg calls `coded`.

    What is converted is tagged as what it is turned into: an RGB source encoded as YCbCr, and full
    range where the codec knows none.
    """
    source = VideoFormat(info.pix_fmt)
    if (source.is_rgb or source.has_palette) and not VideoFormat(pix_fmt).is_rgb:
        return ColorTags(range=1, matrix=1, primaries=1, transfer=13)
    if any(row.coded == coded and not row.full_range for row in CODECS.values()):
        return replace(info.color, range=1)
    return info.color


def tags_written(info: VideoInfo, pix_fmt: str, scale: int) -> PictureTags:
    """The source's tags of the picture, as they hold for frames of this format and scale."""
    tags = info.picture
    left, top, right, bottom = (n * scale for n in tags.crop or (0, 0, 0, 0))
    return replace(
        tags,
        chroma=tags.chroma if _chroma(pix_fmt) == _chroma(info.pix_fmt) else None,
        crop=(left, top, right, bottom) if tags.crop else None,
        dynamic=False,
    )


def left_unsaid(info: VideoInfo, muxer: str, encoding: str) -> tuple[str, ...]:
    """What of the source's picture the output will not say, one sentence each; `encoding` is the
    name of a row of CODECS."""
    codec = CODECS[encoding]
    notes = []
    if info.display_matrix is not None and muxer in ("matroska", "webm"):
        a, b, _, c, d = (n / 65536 for n in info.display_matrix[:5])
        if abs(a * c + b * d) > 0.01 or abs(a * a + b * b - 1) + abs(c * c + d * d - 1) > 0.01:
            notes.append(
                "the display matrix, which does more than turn and mirror, does not fit into "
                "Matroska and is left out; name the output .mp4 or .mov to keep it"
            )
    chroma = info.picture.chroma
    if muxer in codec.usual_chroma_in and chroma not in (None, LEFT):
        notes.append(
            f"that chroma lies {_SITES.get(chroma, 'elsewhere than left')} is not said by "
            f"{encoding} in .{muxer}; name the output .mkv to keep it"
        )
    if info.picture.dynamic:
        notes.append("HDR metadata of single frames (HDR10+, Dolby Vision) is left out")
    if not codec.full_range and info.color.range == 2:
        notes.append(f"the full range of the samples became limited range: {encoding} has no other")
    return tuple(notes)


def source_options(
    codec: VideoCodec, info: VideoInfo, pix_fmt: str, frames: int, options: dict[str, str]
) -> dict[str, str]:
    """`options`, and those by which an encoder writes into its stream what is said of the picture;
    `frames`: how many there are."""
    tags = tags_written(info, pix_fmt, 1)
    options = dict(options)
    if tags.chroma in _SITES:
        options["chroma_sample_location"] = _SITES[tags.chroma]
    hdr = codec.static_hdr
    if hdr is not None:
        said = [options[hdr.option]] if hdr.option in options else []
        if frames < codec.reorders_from:
            said.append("bframes=0")
        if tags.mastering is not None:
            said.append(f"{hdr.mastering}={_mastering(tags.mastering, hdr)}")
        if tags.light is not None:
            said.append(f"{hdr.light}={tags.light[0]},{tags.light[1]}")
        if said:
            options[hdr.option] = ":".join(said)
    return options


def _mastering(tags: tuple[float, ...], hdr: StaticHdr) -> str:
    """In the order of ST 2086: G, B, R, white, largest and least luminance."""
    if not hdr.plain:
        tags = (*(round(n * 50000) for n in tags[:8]), *(round(n * 10000) for n in tags[8:]))
    r, g, b, white, light = (f"({tags[k]},{tags[k + 1]})" for k in range(0, 10, 2))
    return f"G{g}B{b}R{r}WP{white}L{light}"


def _chroma(pix_fmt: str) -> tuple[int, int] | None:
    """The size of chroma for 16 x 16 pixels, None where there is none."""
    form = VideoFormat(pix_fmt, 16, 16)
    if len(form.components) < 3 or form.is_rgb:
        return None
    return form.components[1].width, form.components[1].height


def _divides(pix_fmt: str, width: int, height: int) -> bool:
    columns, rows = _chroma(pix_fmt) or (16, 16)
    return width % (16 // columns) == 0 and height % (16 // rows) == 0
