"""The record of a result, as dataclasses: its format, once.

docs/record.schema.json is made from these classes and the texts under their fields
(scripts/make_record_schema.py). Reading checks every type by them (evidence/reading.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from videnhance.evidence.columns import Times, Track
from videnhance.evidence.packed import PackedTrack

FORMAT = "videnhance record"
VERSION = 1
"""Raise it where a reader of the version before would misread, or miss, something that counts."""


@dataclass(frozen=True)
class Stream:
    """A stream of the input, as its container declares it."""

    index: int
    kind: str
    """video, audio, subtitle, data or attachment."""
    codec: str
    detail: str
    language: str | None
    time_base: str | None
    """Seconds of one tick, as a fraction such as 1/90000."""
    start: float | None
    """Seconds."""
    duration: float | None
    """Seconds."""


@dataclass(frozen=True)
class Input:
    """The file that was worked on, or the pictures of a row."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    """Of the file's content; of a row of pictures, that of what `sha256sum` prints of them in their
    order."""
    container: str
    """FFmpeg's name of the demuxer."""
    streams: tuple[Stream, ...]
    written_by: tuple[str, ...] = ()
    """What it says of the software that wrote or coded it: the name of a converter or an editor
    hints at a copy that was encoded again."""
    path: str | None = None
    """Absolute; only where that was asked for."""


@dataclass(frozen=True)
class Frames:
    """The decoded frames of a stream."""

    count: int
    sha256: str
    """Of all of them in the order shown: every plane without padding, one after the other, as
    `ffmpeg -noautorotate -i FILE -map 0:INDEX -fps_mode passthrough -f hash -hash sha256 -`."""
    crc32: str
    """Of each frame, eight hexadecimal digits, joined: they show which frame was changed."""
    pix_fmt: str
    """FFmpeg's name of their pixel format."""
    width: int
    height: int

    def crc32_of(self, frame: int) -> str:
        """The digits of one frame, counted from 0."""
        return self.crc32[8 * frame : 8 * frame + 8]


@dataclass(frozen=True)
class Packets:
    """The packets of a stream, as they are coded."""

    count: int
    sha256: str
    """Of their bytes, one after the other, as
    `ffmpeg -i FILE -map 0:INDEX -c copy -f hash -hash sha256 -`."""


@dataclass(frozen=True)
class OutputStream:
    """A stream of an output."""

    index: int
    kind: str
    codec: str
    packets: Packets
    frames: Frames | None = None
    """Of those videos whose faces were enhanced."""


@dataclass(frozen=True)
class Output:
    """A file that was written."""

    name: str
    """In the record's folder, or below it."""
    size: int
    """Bytes."""
    sha256: str
    streams: tuple[OutputStream, ...] = ()
    """Of a video."""
    pixels: str | None = None
    """Of a PNG: SHA-256 of its decoded samples, rows from the top, RGB or grey, 16-bit ones with
    the low byte first."""
    path: str | None = None
    """Absolute; only where that was asked for."""


@dataclass(frozen=True)
class Setting:
    """The value of one setting."""

    option: str
    """Of the command line."""
    value: Any
    """As plain JSON. Of a path only the name, unless paths were asked for."""
    source: str
    """Where it comes from: "default", "option" (the command line), "preset NAME", "file NAME" (the
    TOML of --config), "caller" (Python), or "chosen": by videnhance, in place of "auto"."""


@dataclass(frozen=True)
class Weights:
    """The weights of a network that was used."""

    sha256: str
    file: str
    published: bool
    """Whether they are those that videnhance names, and not a file of the user's."""
    licence: str
    trained_on: str
    accepted: str | None = None
    """The licence that had to be accepted, and was."""


@dataclass(frozen=True)
class Method:
    """What found the faces, and what they were enhanced with."""

    detector: str | None
    """None where the tracks came from a file."""
    restorer: str | None
    """None where none was used, as for portraits."""
    invents: bool
    """Whether the restorer or the upscaler can show what the clip does not hold."""
    weights: dict[str, Weights]
    """By name, as `videnhance models list` has them."""


@dataclass(frozen=True)
class Color:
    """Colour as a stream declares it, in the numbers of ITU-T H.273."""

    range: int
    """0 unspecified, 1 limited, 2 full."""
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True)
class Picture:
    """Size, shape and colour of a video's frames."""

    codec: str
    pix_fmt: str
    width: int
    height: int
    """As coded, before rotation and pixel aspect ratio."""
    rotation: int
    """Degrees clockwise by which a player turns it."""
    mirrored: bool
    sample_aspect_ratio: str
    color: Color
    chroma_site: tuple[int, int]
    """Position of subsampled chroma, (x, y): 1 on the first luma sample, 2 halfway between two."""


@dataclass(frozen=True)
class Decoding:
    """How frames were decoded and converted: other ways can give other samples."""

    libraries: dict[str, str]
    """FFmpeg's libraries by name, and their versions."""
    device: str | None
    """FFmpeg's name of the GPU interface that decoded; None: the processor."""
    read_as: str | None
    """Codec as which the video was read, where that is not what its file says."""
    looked_at: str
    """Pixel format in which faces were looked for."""
    painted: str | None
    """Pixel format in which faces were painted, and the result was encoded."""
    limited: bool
    """Whether full range was converted to limited range."""
    luma_weights: tuple[float, float]
    """(Kr, Kb) of the matrix by which faces, and nothing else, go to RGB and back."""


@dataclass(frozen=True)
class Finding:
    """Something odd or damaged about the input, and what was done about it."""

    kind: str
    text: str
    start: float | None = None
    """Seconds since the first frame."""
    end: float | None = None
    frames: int = 0


@dataclass(frozen=True)
class Video:
    """What was done to one video of the input."""

    stream: int
    """Its index in the input."""
    output_stream: int | None
    """Its index in the output; None where that is no video."""
    picture: Picture
    decoding: Decoding
    cleaned_up: dict[str, Any] | None
    """What whole frames went through before all else, with the figures that were measured."""
    encoding: dict[str, Any] | None
    frames: int
    """Of the whole input."""
    start: int
    stop: int
    """Frames start..stop (half-open) were worked on, and are the output's."""
    source_times: Times
    """Of frames start..stop in the input."""
    output_times: Times | None
    """Of the same frames in the output."""
    untouched: tuple[tuple[int, int], ...]
    """[start, stop) of the frames whose packets were copied."""
    findings: tuple[Finding, ...]
    check: dict[str, Any] | None
    """What was found equal in the output when it was written."""
    tracks_sha256: str
    """Of the tracks.json that was made, or given."""
    tracks_given: bool
    """Whether it was given with --tracks."""
    zones: tuple[tuple[float, float, float, float], ...]
    """x0, y0, x1, y1 in which nothing may be changed, upright pixels."""
    tracks_file: tuple[PackedTrack, ...]
    """All that the tracks.json held besides, of the whole input: enough to make it again."""
    tracks: tuple[Track, ...]
    mark: dict[str, Any] | None = None
    """What the output says of itself: IPTC's digital source type, and the label with its box (x0,
    y0, x1, y1 in pixels of the output as coded), the one place outside of faces that is written
    over."""
    invention: dict[str, Any] | None = None
    """Of restorers that invent, where it was asked for: how many variations of each face were
    compared, and by track the share of the restored detail that differs among them, 0..1."""


@dataclass(frozen=True)
class Record:
    """The record of a result."""

    format: str
    version: int
    made: str
    """When it was written, UTC, such as 2026-11-29T14:30:00Z."""
    kind: str
    """enhance, preview or portrait."""
    said: str
    """What a person must know before all else."""
    input: Input
    outputs: tuple[Output, ...]
    """The result first."""
    method: Method
    settings: dict[str, Setting]
    """All of them, by name."""
    versions: dict[str, str | None]
    """Of videnhance and of the packages that decide what comes out."""
    machines: tuple[dict[str, Any], ...]
    """Those that worked on it: what last digits depend on besides."""
    videos: tuple[Video, ...]
    notes: tuple[str, ...]
    """What the summary said, one sentence each."""
    preview: dict[str, Any] | None = None
    """Of a preview: its layout, and what it was asked to show."""

    @property
    def output(self) -> Output:
        """The result."""
        return self.outputs[0]
