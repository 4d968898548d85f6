"""Verifying: input and output are still what they were, and the record tells the truth of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from videnhance.errors import InputError, VidenhanceError, line_of
from videnhance.evidence.document import Output, OutputStream, Record, Video
from videnhance.evidence.outside import Difference, difference_outside
from videnhance.evidence.reading import read_record
from videnhance.evidence.settings import settings_in
from videnhance.evidence.weights import weights_here
from videnhance.files import sha256_of
from videnhance.media.digests import StreamDigest, pixels_sha256, source_sha256, streams_of
from videnhance.media.reading.pictures import files_of
from videnhance.media.writing.png import read_picture

State = Literal["holds", "differs", "unknown"]

PICTURE = 20.0
"""dB: frames of a lossy output that are less alike outside the masks are other pictures. The worst
quality of H.264 and H.265 (--crf 51) keeps 25 to 30 of a recording."""
_NAMED = 5


@dataclass(frozen=True)
class Statement:
    """What was found out about one thing."""

    what: str
    """record, input, output, video, sound, times, outside or weights."""
    state: State
    """unknown: it could not be compared, and says why."""
    said: str
    """One sentence."""


def compared(what: str, holds: bool, said: str) -> Statement:
    """Of something that was compared."""
    return Statement(what, "holds" if holds else "differs", said)


@dataclass(frozen=True)
class Places:
    """Where the files of a record are; None: where the record says, or beside it."""

    record: Path
    input: Path | None = None
    output: Path | None = None
    weights: tuple[tuple[str, str], ...] = ()
    """(name, file) of weights that were given."""

    def of_input(self, record: Record) -> Path | None:
        """The input, as far as it is found; never another file than one of its name."""
        if self.input is not None:
            return self.input
        named = [Path(record.input.path)] if record.input.path else []
        named += [self.record.parent / record.input.name, Path(record.input.name)]
        return next((path for path in named if path.exists()), None)

    def of_output(self, record: Record, output: Output) -> Path | None:
        """One of the outputs, as far as it is found."""
        if self.output is not None and output is record.output:
            return self.output
        named = [self.record.parent / output.name]
        named += [Path(output.path)] if output.path else []
        return next((path for path in named if path.exists()), None)


Tell = Callable[[str, int, int], None]


def verify(places: Places, tell: Tell = lambda step, done, total: None) -> Iterator[Statement]:
    """Compare all that a record says with what is there, line by line.

    `tell` gets (step, done, total). Raises InputError for a record that cannot be read.
    """
    record = read_record(places.record)
    made = record.versions.get("videnhance")
    yield Statement("record", "holds", f"whole; made {record.made} by videnhance {made}")
    source = places.of_input(record)
    is_same, line = _input(record, source, tell)
    yield line
    for output in record.outputs:
        path = places.of_output(record, output)
        if path is None:
            said = f"{output.name} is not beside the record; put it there, or name it with --output"
            yield Statement("output", "differs", said)
            continue
        yield _file("output", output.name, path, output.size, output.sha256, tell)
        yield from _content(record, output, path, tell)
    yield from _outside(record, source if is_same else None, places, tell)
    for name, known in record.method.weights.items():
        yield weights_line(name, known.sha256, dict(places.weights).get(name))


def _input(record: Record, path: Path | None, tell: Tell) -> tuple[bool, Statement]:
    known = record.input
    if path is None or not path.exists():
        said = f"{known.name if path is None else path} is not there; name it with --input"
        return False, Statement("input", "differs", said)
    try:
        digest, has_grown = input_sha256(record, path, tell)
    except (OSError, InputError) as error:
        return False, Statement(
            "input", "differs", f"{path.name}: cannot be read ({line_of(error)})"
        )
    if digest != known.sha256:
        said = f"{path.name} is another file: its SHA-256 is {digest}, recorded {known.sha256}"
        return False, Statement("input", "differs", said)
    size = f"{known.size} bytes" if not has_grown else f"its first {known.size} bytes (it grew)"
    said = f"{path.name}: {size}, SHA-256 {digest}, as recorded"
    return True, Statement("input", "holds", said)


def input_sha256(record: Record, path: Path, tell: Tell) -> tuple[str, bool]:
    """SHA-256 of an input, as far as it was there when the record was made, and whether it is
    longer by now, as of a recording in progress. Raises OSError, InputError."""
    size = record.input.size
    has_grown = files_of(path) == (path,) and path.stat().st_size > size
    sizes = (size,) if has_grown else None
    return source_sha256(path, lambda done, total: tell("hash", done, total), sizes), has_grown


def _file(what: str, name: str, path: Path, size: int, sha256: str, tell: Tell) -> Statement:
    try:
        here = path.stat().st_size
        digest = sha256_of(path, progress=lambda done: tell("hash", done, here))
    except OSError as error:
        return Statement(what, "differs", f"{name}: cannot be read ({line_of(error)})")
    if digest == sha256:
        return Statement(what, "holds", f"{name}: {size} bytes, SHA-256 {digest}, as recorded")
    length = "" if here == size else f" ({here} bytes, recorded {size})"
    said = f"{name} was changed{length}: its SHA-256 is {digest}, recorded {sha256}"
    return Statement(what, "differs", said)


def _content(record: Record, output: Output, path: Path, tell: Tell) -> Iterator[Statement]:
    """What an output holds, as decoded and as coded."""
    if output.pixels is not None:
        picture = read_picture(path)
        same = picture is not None and pixels_sha256(picture) == output.pixels
        said = "are as recorded" if same else "are not those recorded"
        yield compared("picture", same, f"{output.name}: its pixels {said}")
    if not output.streams:
        return
    decoded = [s.index for s in output.streams if s.frames is not None]
    total = sum(s.frames.count for s in output.streams if s.frames is not None)
    try:
        found = streams_of(path, decoded, lambda done: tell("decode", done, total))
    except InputError as error:
        yield Statement("video", "differs", str(error))
        return
    here = {digest.index: digest for digest in found}
    if sorted(here) != [s.index for s in output.streams]:
        said = f"{output.name} holds {len(here)} streams, recorded {len(output.streams)}"
        yield Statement("streams", "differs", said)
    for stream in output.streams:
        if stream.index in here:
            yield _packets(stream, here[stream.index])
            yield from _frames(record, stream, here[stream.index])


def _packets(stream: OutputStream, found: StreamDigest) -> Statement:
    known, name = stream.packets, f"stream {stream.index} ({stream.kind}, {stream.codec})"
    what = {"audio": "sound", "video": "video"}.get(stream.kind, stream.kind)
    if (found.packets, found.packets_sha256) == (known.count, known.sha256):
        return Statement(what, "holds", f"{name}: all {known.count} packets are as recorded")
    count = "" if found.packets == known.count else f"{found.packets} packets, {known.count} "
    said = f"{name} was changed: {count or 'its packets are not those '}recorded"
    return Statement(what, "differs", said)


def _frames(record: Record, stream: OutputStream, digest: StreamDigest) -> Iterator[Statement]:
    known, found = stream.frames, digest.frames
    if known is None or found is None:
        return
    name = f"stream {stream.index}"
    if (len(found.crc32), found.sha256) == (known.count, known.sha256):
        said = f"{name}: all {known.count} frames decode as recorded, SHA-256 {known.sha256}"
        yield Statement("frames", "holds", said)
    else:
        yield Statement(
            "frames", "differs", f"{name}: {differing(known.count, known.crc32, found.crc32)}"
        )
    times = next((v.output_times for v in record.videos if v.output_stream == stream.index), None)
    if times is not None:
        same = (times.time_base, times.pts) == (found.time_base, tuple(found.pts))
        said = f"{name}: every frame is shown when recorded" if same else f"{name}: times differ"
        yield compared("times", same, said)


def differing(count: int, known: str, found: Sequence[str]) -> str:
    """Which frames are not those recorded, in words; `known`: the CRC-32 of `count` frames."""
    each = [known[8 * k : 8 * k + 8] for k in range(count)]
    away = [k for k, (one, other) in enumerate(zip(each, found, strict=False)) if one != other]
    if len(found) != count:
        return f"{len(found)} frames decode, recorded {count}"
    if not away:
        return "its frames decode to another SHA-256 than recorded"
    named = ", ".join(map(str, away[:_NAMED])) + (", ..." if len(away) > _NAMED else "")
    return f"{len(away)} of {count} frames are not those recorded: {named}"


def _outside(
    record: Record, source: Path | None, places: Places, tell: Tell
) -> Iterator[Statement]:
    if record.kind != "enhance":
        return
    output = places.of_output(record, record.output)
    if source is None or output is None:
        missing = "the input" if source is None else "the output"
        yield Statement(
            "outside", "unknown", f"not compared outside the masks: {missing} is not there"
        )
        return
    try:
        settings = settings_in(record)
    except InputError as error:
        yield Statement("outside", "unknown", f"not compared outside the masks: {error}")
        return
    if settings.output.upscaler != "lanczos":
        said = "not compared outside the masks: a network enlarged all of each frame"
        yield Statement("outside", "unknown", said)
        return
    for video in record.videos:
        name = "outside the masks"
        if len(record.videos) > 1:
            name = f"stream {video.stream}: {name}"
        try:
            found = difference_outside(
                source, output, video, settings, lambda done, total: tell("compare", done, total)
            )
        except VidenhanceError as error:
            yield Statement("outside", "differs", f"{name}: cannot be compared ({line_of(error)})")
            continue
        yield _outcome(name, video, found)


def _outcome(name: str, video: Video, found: Difference) -> Statement:
    count = video.stop - video.start
    if found.frames != count:
        said = f"{name}: only {found.frames} of {count} frames can be compared"
        return Statement("outside", "differs", said)
    if not found.unequal:
        said = f"{name} every sample of {count} frames equals the input's"
        return Statement("outside", "holds", said)
    worst = f"frame {found.worst} (of the output): {found.worst_psnr:.1f} dB"
    lossless = video.output_stream is None or (video.encoding or {}).get("encoder") == "ffv1"
    if lossless:
        said = f"{name} {found.unequal} of {count} frames differ from the input, most {worst}"
        return Statement("outside", "differs", said)
    holds = found.worst_psnr >= PICTURE and not math.isnan(found.psnr)
    said = f"{name} PSNR {found.psnr:.1f} dB to the input (the codec is lossy), least {worst}"
    return compared("outside", holds, said)


def weights_line(name: str, sha256: str, given: str | None) -> Statement:
    """Whether the weights of a name, or the file given for them, are those of this SHA-256."""
    path = Path(given) if given is not None else weights_here(name)
    if path is None or not path.is_file():
        said = f"{name}: not on this machine, so not compared; name them with --weights NAME=FILE"
        return Statement("weights", "unknown", said)
    digest = sha256_of(path)
    if digest == sha256:
        return Statement("weights", "holds", f"{name}: SHA-256 {digest}, as recorded")
    said = f"{name}: {path.name} is another file: its SHA-256 is {digest}, recorded {sha256}"
    return Statement("weights", "differs", said)
