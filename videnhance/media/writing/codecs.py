"""The codecs and containers on offer, and which of a source's formats and tags each can hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
from av.codec import find_best_pix_fmt_of_list
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from videnhance.errors import UsageError, chosen
from videnhance.imaging.frames import LEFT
from videnhance.media.info import ColorTags, PictureTags, VideoInfo
from videnhance.media.reading.decoding import FULL_RANGE_NAMES, is_handled


@dataclass(frozen=True)
class VideoCodec:
    """One row of the table of codecs."""

    encoder: str
    """FFmpeg's name for the encoder."""
    segment_format: str
    """Container of a rendered segment: it must keep every pts exactly (see segment.py)."""
    least_bits: float
    """Lower estimate of the bits a pixel. A job is refused if the disk has no room even for that.
    Far below what samples/cctv.mp4 takes (h264 0.16, h265 0.11, av1 0.07, ffv1 2.2, prores 5.2)."""
    crf: int | None = None
    """Default constant rate factor; None if the encoder has none."""
    crf_top: int = 51
    preset: str | None = None
    presets: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    odd_chroma: bool = False
    """Whether it takes subsampled chroma for sizes that do not divide (an odd width in 4:2:0)."""
    needs: str | None = None
    """What the machine must have, if not every machine has it."""
    crf_option: str = "crf"
    """The encoder's name for its rate factor."""


_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)


def _nvenc(encoder: str, least_bits: float, quality: int, top: int = 51) -> VideoCodec:
    """A row for NVENC: constant quality, unlimited rate (NVIDIA's guide for FFmpeg)."""
    return VideoCodec(
        encoder,
        "mp4",
        least_bits,
        quality,
        top,
        "p5",
        tuple(f"p{n}" for n in range(1, 8)),
        {"rc": "vbr", "b": "0"},
        needs="an NVIDIA GPU with NVENC, and its driver",
        crf_option="cq",
    )


CODECS: dict[str, VideoCodec] = {
    "h264": VideoCodec("libx264", "mp4", 0.01, 17, 51, "medium", _X26X_PRESETS),
    "h265": VideoCodec(
        "libx265", "mp4", 0.005, 19, 51, "medium", _X26X_PRESETS, {"x265-params": "log-level=error"}
    ),
    "av1": VideoCodec("libsvtav1", "mp4", 0.005, 23, 63, "8", tuple(str(n) for n in range(14))),
    "ffv1": VideoCodec(
        "ffv1", "mp4", 0.5, options={"level": "3", "slicecrc": "1"}, odd_chroma=True
    ),
    "h264_nvenc": _nvenc("h264_nvenc", 0.01, 19),
    "hevc_nvenc": _nvenc("hevc_nvenc", 0.005, 21),
    "av1_nvenc": _nvenc("av1_nvenc", 0.005, 25, 63),
    "prores": VideoCodec("prores_ks", "mov", 0.5, options={"profile": "3", "vendor": "apl0"}),
}
"""The codecs by name on the command line. The default crf of h265 and av1 gives about the quality
of h264's 17, which is visually transparent; for NVENC it is its cq, about two steps higher for the
same quality."""

CONTAINERS: dict[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""FFmpeg's muxers by suffix of the output; all of them keep variable frame rates."""

PICTURE = "png"
"""Takes the place of a muxer if the output is one picture."""

_SITES = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft", (2, 1): "top"}
"""FFmpeg's names for chroma sites (PictureTags.chroma)."""

_REORDERED = 8
"""Number of frames from which x265 may reorder them; it needs at least three."""

_STATIC_HDR = {
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}
"""Encoders that write static HDR metadata into their stream: the option that holds it, and its keys
for the mastering display and the content light level."""


def codec_named(name: str, crf: int | None, preset: str | None) -> VideoCodec:
    """The codec's row, after checking the options against it; raises UsageError."""
    codec = chosen("--codec", name, CODECS)
    if crf is not None:
        if codec.crf is None:
            raise UsageError(f"--crf {crf}: {name} has no rate factor; leave --crf out")
        if not 0 <= crf <= codec.crf_top:
            raise UsageError(f"--crf {crf}: {name} takes 0 (best) to {codec.crf_top}")
    if preset is not None and preset not in codec.presets:
        choices = f"takes {', '.join(codec.presets)}" if codec.presets else "has no presets"
        raise UsageError(f"--encoder-preset {preset}: {name} {choices}")
    return codec


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
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"--codec {name}: cannot be used here ({reason}): it needs {codec.needs}; use h264"
        ) from error


def completed(output: Path) -> Path:
    """The output's name, with .mkv added if it has no suffix: Matroska holds nearly everything."""
    return output if output.suffix or output.is_dir() else output.with_name(f"{output.name}.mkv")


def container_for(output: Path) -> str:
    """FFmpeg's muxer for an output file name; raises UsageError."""
    if output.suffix.lower() == f".{PICTURE}":
        return PICTURE
    muxer = CONTAINERS.get(output.suffix.lower())
    if muxer is None:
        kind = f"unknown container {output.suffix}" if output.suffix else "has no suffix"
        raise UsageError(
            f"{output}: {kind}; name it with one of {', '.join(CONTAINERS)}, or for a picture .png"
        )
    return muxer


def encoder_options(codec: VideoCodec, crf: int | None, preset: str | None) -> dict[str, str]:
    """Options for the encoder, defaults filled in."""
    options = dict(codec.options)
    chosen_crf = codec.crf if crf is None else crf
    if chosen_crf is not None:
        options[codec.crf_option] = str(chosen_crf)
    chosen_preset = codec.preset if preset is None else preset
    if chosen_preset is not None:
        options["preset"] = chosen_preset
    return options


def working_format(info: VideoInfo, codec: VideoCodec, scale: int = 1) -> str:
    """The planar pixel format in which frames are processed and encoded.

    The source's own if the encoder takes it; otherwise the nearest by FFmpeg's rules. RGB sources
    (GIF, PNG) become 4:2:0 for the lossy codecs, so that players can show them. If an encoder
    cannot subsample chroma at an odd size, chroma stays at full size.
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


_EBU_3213, _UNKNOWN = 22, 2
"""Colour primaries of ITU-T H.273."""


def color_written(info: VideoInfo, pix_fmt: str, codec: str) -> ColorTags:
    """The source's colour tags, changed where the samples are converted: an RGB source becomes
    YCbCr, and full range becomes limited in ProRes, which has no full range. x265 refuses the
    primaries of EBU 3213, so only the container declares them. `codec`: a row of CODECS, or
    FFmpeg's name."""
    source = VideoFormat(info.pix_fmt)
    if (source.is_rgb or source.has_palette) and not VideoFormat(pix_fmt).is_rgb:
        return ColorTags(range=1, matrix=1, primaries=1, transfer=13)
    if codec == "h265" and info.color.primaries == _EBU_3213:
        return replace(info.color, primaries=_UNKNOWN)
    return replace(info.color, range=1) if codec == "prores" else info.color


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
    notes = []
    if info.display_matrix is not None and muxer in ("matroska", "webm"):
        a, b, _, c, d = (n / 65536 for n in info.display_matrix[:5])
        if abs(a * c + b * d) > 0.01 or abs(a * a + b * b - 1) + abs(c * c + d * d - 1) > 0.01:
            notes.append(
                "the display matrix, which does more than turn and mirror, does not fit into "
                "Matroska and is left out; name the output .mp4 or .mov to keep it"
            )
    chroma = info.picture.chroma
    if (encoding, muxer) == ("ffv1", "mp4") and chroma not in (None, LEFT):
        notes.append(
            f"that chroma lies {_SITES.get(chroma, 'elsewhere than left')} is not said by ffv1 in "
            ".mp4; name the output .mkv to keep it"
        )
    if info.picture.dynamic:
        notes.append("HDR metadata of single frames (HDR10+, Dolby Vision) is left out")
    if encoding == "prores" and info.color.range == 2:
        notes.append("the full range of the samples became limited range: ProRes has no other")
    return tuple(notes)


def source_options(
    codec: VideoCodec, info: VideoInfo, pix_fmt: str, frames: int, options: dict[str, str]
) -> dict[str, str]:
    """`options`, and those that make an encoder write the picture tags into its stream.

    Reordering (B-frames) is turned off in x265 for very short video: in one of one or two frames,
    x265 would give its packets no dts.
    """
    tags = tags_written(info, pix_fmt, 1)
    options = dict(options)
    if tags.chroma in _SITES:
        options["chroma_sample_location"] = _SITES[tags.chroma]
    if codec.encoder in _STATIC_HDR:
        option, mastering, light = _STATIC_HDR[codec.encoder]
        said = [options[option]] if option in options else []
        if codec.encoder == "libx265" and frames < _REORDERED:
            said.append("bframes=0")
        if tags.mastering is not None:
            said.append(f"{mastering}={_mastering(tags.mastering, codec.encoder)}")
        if tags.light is not None:
            said.append(f"{light}={tags.light[0]},{tags.light[1]}")
        if said:
            options[option] = ":".join(said)
    return options


def _mastering(tags: tuple[float, ...], encoder: str) -> str:
    """The mastering display, ordered as in ST 2086: G, B, R, white, largest, least luminance."""
    if encoder != "libsvtav1":  # it takes plain numbers, the others whole steps
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
