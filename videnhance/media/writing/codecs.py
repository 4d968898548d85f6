"""The codecs and containers on offer: one row each, with everything that is special about it.

The rows are plain facts, so that the command line can list them before anything heavy is imported;
formats.py asks FFmpeg about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from videnhance.errors import UsageError, chosen
from videnhance.files import is_device

EBU_3213 = 22
"""Colour primaries of ITU-T H.273."""


@dataclass(frozen=True)
class StaticHdr:
    """How to give an encoder static HDR metadata to write into its stream."""

    option: str
    """The encoder's option that holds it, among other parameters."""
    mastering: str
    """The parameter for the mastering display."""
    light: str
    """The parameter for the content light level."""
    plain: bool = False
    """Whether it takes plain numbers instead of whole steps of 1/50000 (x, y) and 1/10000 cd/m2."""


@dataclass(frozen=True)
class VideoCodec:
    """One row of the table of codecs."""

    encoder: str
    """FFmpeg's name of the encoder."""
    coded: str
    """FFmpeg's name for the codec that it writes."""
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
    about: str = ""
    """A word or two for the help, if the name is not enough."""
    needs: str | None = None
    """What the machine must have, if not every machine has it."""
    crf_option: str = "crf"
    """The encoder's name for its rate factor."""
    odd_chroma: bool = False
    """Whether it takes subsampled chroma for sizes that do not divide (an odd width in 4:2:0)."""
    least_width: int = 1
    """Of pictures that it encodes without harm."""
    full_range: bool = True
    """Whether its stream can declare full range."""
    usual_chroma_in: tuple[str, ...] = ()
    """Muxers in which no chroma site other than left can be declared, by codec or container."""
    refused_primaries: tuple[int, ...] = ()
    """Colour primaries (ITU-T H.273) that the encoder refuses, so that only the container declares
    them."""
    static_hdr: StaticHdr | None = None
    """None if it writes no static HDR metadata into its stream."""
    in_order: dict[str, str] | None = None
    """Options with which packets follow each other as their frames are shown, as they must in AVI;
    None: not for AVI."""
    reorders_from: int = 0
    """Smallest number of frames in a video for which it may reorder them (`bframes=0` in the option
    of static_hdr otherwise)."""


_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)


def _nvenc(coded: str, least_bits: float, quality: int, top: int = 51) -> VideoCodec:
    """A row for NVENC: constant quality, unlimited rate (NVIDIA's guide for FFmpeg)."""
    return VideoCodec(
        encoder=f"{coded}_nvenc",
        coded=coded,
        segment_format="mp4",
        least_bits=least_bits,
        crf=quality,
        crf_top=top,
        preset="p5",
        presets=tuple(f"p{n}" for n in range(1, 8)),
        options={"rc": "vbr", "b": "0"},
        needs="an NVIDIA GPU with NVENC, and its driver",
        crf_option="cq",
        in_order={"bf": "0"} if coded == "h264" else None,
    )


CODECS: dict[str, VideoCodec] = {
    "h264": VideoCodec(
        encoder="libx264",
        coded="h264",
        segment_format="mp4",
        least_bits=0.01,
        crf=17,
        preset="medium",
        presets=_X26X_PRESETS,
        static_hdr=StaticHdr("x264-params", "mastering-display", "cll"),
        in_order={"bf": "0"},
    ),
    "h265": VideoCodec(
        encoder="libx265",
        coded="hevc",
        segment_format="mp4",
        least_bits=0.005,
        crf=19,
        preset="medium",
        presets=_X26X_PRESETS,
        options={"x265-params": "log-level=error"},
        least_width=64,  # at 34 to 48 x265 4.2 writes beyond its memory: the process ends
        refused_primaries=(EBU_3213,),
        static_hdr=StaticHdr("x265-params", "master-display", "max-cll"),
        # If it may reorder, it writes a video of one or two frames without dts; it needs three.
        reorders_from=8,
    ),
    "av1": VideoCodec(
        encoder="libsvtav1",
        coded="av1",
        segment_format="mp4",
        least_bits=0.005,
        crf=23,
        crf_top=63,
        preset="8",
        presets=tuple(str(n) for n in range(14)),
        static_hdr=StaticHdr("svtav1-params", "mastering-display", "content-light", plain=True),
    ),
    "ffv1": VideoCodec(
        encoder="ffv1",
        coded="ffv1",
        segment_format="mp4",
        least_bits=0.5,
        options={"level": "3", "slicecrc": "1"},
        about="lossless",
        odd_chroma=True,
        usual_chroma_in=("mp4", "avi"),
        in_order={},
    ),
    "h264_nvenc": _nvenc("h264", 0.01, 19),
    "hevc_nvenc": _nvenc("hevc", 0.005, 21),
    "av1_nvenc": _nvenc("av1", 0.005, 25, 63),
    "prores": VideoCodec(
        encoder="prores_ks",
        coded="prores",
        segment_format="mov",
        least_bits=0.5,
        options={"profile": "3", "vendor": "apl0"},
        full_range=False,
    ),
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

AVI = ".avi"
"""Only for an output that is named so: AVI holds no times, only frames of one rate (avi.py)."""
MUXERS = {**CONTAINERS, AVI: "avi"}
"""All muxers, by suffix."""

X264_THREADS = "4"
"""Enough for 75 frames of 1080p a second, more than the other stages bring."""

PICTURE = "png"
"""Takes the place of a muxer if the output is one picture."""


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


def completed(output: Path) -> Path:
    """The output's name, with .mkv added if it has no suffix: Matroska holds nearly everything.

    What can be no file (-, a folder, a device) is left as it is, to be refused as such.
    """
    named = bool(output.suffix) or output == Path("-") or output.is_dir() or is_device(output)
    return output if named else output.with_name(f"{output.name}.mkv")


def container_for(output: Path) -> str:
    """FFmpeg's muxer for an output file name; raises UsageError."""
    if output.suffix.lower() == f".{PICTURE}":
        return PICTURE
    muxer = MUXERS.get(output.suffix.lower())
    if muxer is None:
        kind = f"unknown container {output.suffix}" if output.suffix else "has no suffix"
        raise UsageError(
            f"{output}: {kind}; name it with one of {', '.join(MUXERS)}, or for a picture .png"
        )
    return muxer


def encoder_options(
    codec: VideoCodec, crf: int | None, preset: str | None, muxer: str = ""
) -> dict[str, str]:
    """Options for the encoder, defaults filled in; `muxer` of the output."""
    options = dict(codec.options)
    if muxer == MUXERS[AVI]:
        options |= codec.in_order or {}
    chosen_crf = codec.crf if crf is None else crf
    if chosen_crf is not None:
        options[codec.crf_option] = str(chosen_crf)
    chosen_preset = codec.preset if preset is None else preset
    if chosen_preset is not None:
        options["preset"] = chosen_preset
    return options


def repeatable(encoder: str, options: dict[str, str]) -> dict[str, str]:
    """`options`, and those by which the encoder gives the same packets for the same frames always.

    As FFmpeg's libraries ask for it, x264 cuts each frame into as many slices as there are cores:
    packets depend on the machine, are larger (1.8 % at 720p and crf 17, two slices), cost more (5 %
    of processor time), and one frame waits for the other. So threads get whole frames; how many
    there are changes no packet unless something moves down by a large part of the picture in one
    frame, and with a number that is the same everywhere not even then.

    x264 (core 165) with AVX-512 reads memory that it never wrote, for its macroblock tree: what the
    process did before may then change a packet. With AVX2 it does not, is as fast, and gives the
    packets that AVX-512 gives as a rule.
    """
    if encoder != "libx264":
        return options
    threaded = {"thread_type": "frame", "threads": X264_THREADS, **options}
    if not _has_avx512():
        return threaded
    given = options.get("x264-params")
    return {**threaded, "x264-params": f"{given}:asm=avx2" if given else "asm=avx2"}


@cache
def _has_avx512() -> bool:
    """Whether this processor has AVX-512; only Linux tells."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
