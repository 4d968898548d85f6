"""What a file declares besides picture and sound: metadata, chapters and dispositions."""

from __future__ import annotations

import io
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.stream import Disposition, Stream

from videnhance.media.info import VideoInfo
from videnhance.media.names import as_file
from videnhance.media.reading.source import open_source
from videnhance.media.sound.cutting import Window
from videnhance.media.writing.marks import TAGS
from videnhance.media.writing.timecode import later

if TYPE_CHECKING:
    from av.container.core import Chapter  # exists only in the type stubs


_WRITTEN_ANEW = {
    *("major_brand", "minor_version", "compatible_brands", "encoder", "duration"),
    *("vendor_id", "number_of_bytes", "number_of_frames", "bps", "alpha_mode"),
    *(name.lower() for name in TAGS),
}
"""Metadata that describes the container, the old encoding, or how the source was made, and not the
content."""
_ALPHA_BESIDE = ("vp8", "vp9")
"""Codecs whose alpha WebM keeps in separate packets; FFmpeg's own decoders ignore these."""

_TIMECODE = "timecode"
_COMPARED = ("title", "language", _TIMECODE)
"""The keys of a stream's metadata that are compared; other keys mostly describe the writer."""


def content_metadata(
    metadata: dict[str, str], window: Window, rate: Fraction | None
) -> dict[str, str]:
    """The metadata that describes the content, as the output should declare it. `rate`: the frames
    a second that a timecode counts."""
    if "name" in metadata:  # MP4's and MOV's key for the title of a stream
        metadata = {"title": metadata["name"], **metadata}
        del metadata["name"]
    kept = {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _WRITTEN_ANEW and not key.startswith("_STATISTICS")
    }
    if window.skipped and (key := _key_of_timecode(kept)):
        moved = later(kept.pop(key), window.skipped, rate)
        if moved is not None:
            kept[key] = moved
    return kept


def described(source: InputContainer, stream: Stream) -> dict[str, str]:
    """The metadata of a stream, with the timecode of a video that MP4 and MOV have in a track which
    belongs to no other."""
    metadata = dict(stream.metadata)
    if stream.type == "video" and _key_of_timecode(metadata) is None:
        beside = [s.metadata for s in source.streams.data if _TIMECODE in s.metadata]
        metadata |= {_TIMECODE: beside[0][_TIMECODE]} if beside else {}
    return metadata


def _key_of_timecode(metadata: dict[str, str]) -> str | None:
    return next((key for key in metadata if key.lower() == _TIMECODE), None)


def chapters_within(chapters: list[Chapter], window: Window) -> list[Chapter]:
    """The chapters that overlap the window, cut to it, with their times in the output."""
    if not window.moved and window.start is None and window.stop is None:
        return chapters
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = Fraction(chapter["time_base"] or 1)
        start, end = chapter["start"] * unit, chapter["end"] * unit
        start = max(start, window.moved if window.start is None else window.start)
        if window.stop is not None:
            end = min(end, window.stop)
        first, last = (round((time - window.moved) / unit) for time in (start, end))
        if first < last:
            kept.append({**chapter, "start": first, "end": last})
    return kept


def metadata_options(muxer: str, metadata: dict[str, str]) -> str:
    """The movflags that MP4 and MOV need to hold this metadata; empty if they hold it anyway.

    The flag is set only if a name is not one of the usual ones: players find the usual names more
    reliably in their usual place.
    """
    memory = io.BytesIO()
    with av.open(memory, "w", format=muxer) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        container.metadata.update(metadata)
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory) as container:
        return "+use_metadata_tags" if _missing(metadata, container.metadata) else ""


def lost_from(
    info: VideoInfo, part: Path, suffix: str, window: Window, kept: Collection[int]
) -> tuple[str, ...]:
    """One sentence per thing that the source declares and the written file does not.

    `kept`: the source's streams that were copied. Reads headers only.
    """
    found: list[str] = []
    with open_source(info) as source, av.open(as_file(part)) as output:
        declared = content_metadata(source.metadata, window, info.average_rate)
        found += _unmoved_timecode(source.metadata, declared)
        names = _missing(declared, output.metadata)
        if names:
            found.append(f"metadata that {suffix} does not hold is left out: {', '.join(names)}")
        alpha = source.streams[info.stream].metadata.get("alpha_mode") == "1"
        if alpha and info.codec in _ALPHA_BESIDE:
            found.append(f"its transparency is left out: FFmpeg decodes none of {info.codec}")
        before = chapters_within(list(source.chapters()), window)
        if (count := len(output.chapters())) != len(before):
            found.append(f"{suffix} holds {count} of {len(before)} chapters")
        for old, new in _pairs(source, output, (info.stream, *kept)):
            own = described(source, old)
            declared = content_metadata(own, window, info.average_rate)
            found += _unmoved_timecode(own, declared)
            declared = {k.lower(): v for k, v in declared.items()}
            declared = {k: v for k, v in declared.items() if k in _COMPARED and v != "und"}
            gone = Disposition(old.disposition & ~new.disposition & ~Disposition.default)
            if gone:
                declared["disposition"] = "|".join(
                    d.name for d in Disposition if d & gone and d.name
                )
            names = _missing(declared, content_metadata(new.metadata, window, info.average_rate))
            if names:
                values = ", ".join(f"{name} {declared[name]}" for name in names)
                found.append(f"{suffix} does not keep of {old.type} stream {old.index}: {values}")
    return tuple(found)


def _unmoved_timecode(before: dict[str, str], after: dict[str, str]) -> list[str]:
    key = _key_of_timecode(before)
    if key is None or key in after:
        return []
    return [f"its timecode, {before[key]}, cannot be moved on to the range and is left out"]


def _missing(wanted: dict[str, str], there: dict[str, str]) -> list[str]:
    """Names in `wanted` that are not in `there`. Only names are compared, without case: Matroska
    writes them in capitals, and MP4 and MOV change the form of some values."""
    names = {name.casefold() for name in there}
    return sorted(name for name in wanted if name.casefold() not in names)


def _pairs(
    source: InputContainer, output: InputContainer, kept: Collection[int]
) -> list[tuple[Stream, Stream]]:
    """Streams of the source with their streams in the output: each kind keeps its order."""
    pairs: list[tuple[Stream, Stream]] = []
    for kind in ("video", "audio", "subtitle"):
        before = [s for s in source.streams if s.type == kind and s.index in kept]
        pairs += zip(before, (s for s in output.streams if s.type == kind), strict=False)
    return pairs
