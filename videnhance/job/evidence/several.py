"""The record of a result in which several videos of a file were enhanced, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from videnhance.evidence.columns import Times
from videnhance.evidence.document import Record, Setting, Video
from videnhance.job.evidence.files import video_file_of
from videnhance.media.digests import StreamDigest
from videnhance.media.info import VideoInfo
from videnhance.media.opening import open_clip
from videnhance.media.reading.source import probe
from videnhance.settings.groups import Settings
from videnhance.settings.reading import EVERY


def together(
    records: Sequence[Record],
    info: VideoInfo,
    output: Path,
    settings: Settings,
    tell: Callable[[int], None],
) -> Record:
    """One record of the records of all videos, in their order. The source of each but the first is
    what was made of the one before; here all are of the source `info`, whose packets they have.

    Raises InputError.
    """
    first, last = records[0], records[-1]
    streams = [stream.index for stream in info.streams if stream.is_video]
    places = [stream.index for stream in probe(output).streams if stream.is_video]
    whole, digests = video_file_of(output, places, tell, paths=settings.record.paths)
    videos = tuple(
        _video(record.videos[0], info, stream, digests[place], settings)
        for record, stream, place in zip(records, streams, places, strict=True)
    )
    asked = Setting("--stream", EVERY, last.settings["source.stream"].source)
    machines = {str(machine): machine for record in records for machine in record.machines}
    return replace(
        last,
        input=first.input,
        outputs=(whole,),
        settings={**last.settings, "source.stream": asked},
        machines=tuple(machines.values()),
        videos=videos,
        notes=tuple(dict.fromkeys(note for record in records for note in record.notes)),
    )


def _video(
    video: Video, info: VideoInfo, stream: int, digest: StreamDigest, settings: Settings
) -> Video:
    own = replace(settings.source, stream=str(stream))
    wish = Settings(source=own, clean=settings.clean)
    shown = open_clip(probe(info.path, own.input_codec, stream), wish).timeline
    assert digest.frames is not None
    return replace(
        video,
        stream=stream,
        output_stream=digest.index,
        source_times=Times.of(shown.pts[video.start : video.stop], shown.time_base),
        output_times=Times.of(digest.frames.pts, digest.frames.time_base),
    )
