"""What a file says of itself beside its pictures and sound: metadata, chapters, dispositions."""

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
from videnhance.media.reading.source import open_source
from videnhance.media.sound.cutting import Window

if TYPE_CHECKING:
    from av.container.core import Chapter  # a type only: the compiled module has none


_WRITTEN_ANEW = {
    *("major_brand", "minor_version", "compatible_brands", "encoder", "duration"),
    *("vendor_id", "number_of_bytes", "number_of_frames", "bps", "alpha_mode"),
}
"""Metadata that describes the container or the old encoding, not the content."""
_ALPHA_BESIDE = ("vp8", "vp9")
"""Codecs beside whose packets WebM keeps those of alpha, which FFmpeg's own decoders leave out."""

_COMPARED = ("title", "language")
"""What is compared of a stream's metadata; the rest is mostly the writer's own."""


def content_metadata(metadata: dict[str, str], window: Window) -> dict[str, str]:
    if "name" in metadata:  # as MP4 and MOV call the title of a stream
        metadata = {"title": metadata["name"], **metadata}
        del metadata["name"]
    # A timecode is that of the first frame, which a cut that begins later leaves out.
    stale = _WRITTEN_ANEW if window.start is None else _WRITTEN_ANEW | {"timecode"}
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in stale and not key.startswith("_STATISTICS")
    }


def chapters_within(chapters: list[Chapter], window: Window) -> list[Chapter]:
    """The chapters that overlap the window, cut to it, at their times in the output."""
    if not window.moved and window.stop is None:
        return chapters
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = Fraction(chapter["time_base"] or 1)
        start, end = chapter["start"] * unit, chapter["end"] * unit
        if window.start is not None:
            start = max(start, window.start)
        if window.stop is not None:
            end = min(end, window.stop)
        first, last = (round((time - window.moved) / unit) for time in (start, end))
        if first < last:
            kept.append({**chapter, "start": first, "end": last})
    return kept


def metadata_options(muxer: str, metadata: dict[str, str]) -> str:
    """What MP4 and MOV have to be told (movflags) to hold metadata under names of their own.

    Only then: players know the usual names better where they stand in the usual place.
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
    """One sentence for each thing that a written file does not say though its source does.

    `kept`: the source's streams that were copied. Reads headers only.
    """
    found: list[str] = []
    with open_source(info.path) as source, av.open(str(part)) as output:
        names = _missing(content_metadata(source.metadata, window), output.metadata)
        if names:
            found.append(f"metadata that {suffix} does not hold is left out: {', '.join(names)}")
        alpha = source.streams[info.stream].metadata.get("alpha_mode") == "1"
        if alpha and info.codec in _ALPHA_BESIDE:
            found.append(f"its transparency is left out: FFmpeg decodes none of {info.codec}")
        before = chapters_within(list(source.chapters()), window)
        if (count := len(output.chapters())) != len(before):
            found.append(f"{suffix} holds {count} of {len(before)} chapters")
        for old, new in _pairs(source, output, (info.stream, *kept)):
            told = content_metadata(old.metadata, window)
            told = {k: v for k, v in told.items() if k in _COMPARED and v != "und"}
            gone = Disposition(old.disposition & ~new.disposition & ~Disposition.default)
            if gone:
                told["disposition"] = "|".join(d.name for d in Disposition if d & gone and d.name)
            names = _missing(told, content_metadata(new.metadata, window))
            if names:
                values = ", ".join(f"{name} {told[name]}" for name in names)
                found.append(f"{suffix} does not say of {old.type} stream {old.index}: {values}")
    return tuple(found)


def _missing(wanted: dict[str, str], there: dict[str, str]) -> list[str]:
    # Matroska writes all names in capitals; MP4 and MOV write some values in a form of their own.
    names = {name.casefold() for name in there}
    return sorted(name for name in wanted if name.casefold() not in names)


def _pairs(
    source: InputContainer, output: InputContainer, kept: Collection[int]
) -> list[tuple[Stream, Stream]]:
    """Streams of the source and what they became: of a kind they keep their order."""
    pairs: list[tuple[Stream, Stream]] = []
    for kind in ("video", "audio", "subtitle"):
        before = [s for s in source.streams if s.type == kind and s.index in kept]
        pairs += zip(before, (s for s in output.streams if s.type == kind), strict=False)
    return pairs
