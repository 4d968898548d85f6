"""The record of a preview: that of the job of its range, with the preview as what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videnhance.evidence.columns import Times
from videnhance.evidence.document import Output, Setting
from videnhance.evidence.reading import is_record, read_record
from videnhance.evidence.writing import record_path, write_record
from videnhance.job.evidence.files import file_of, video_file_of
from videnhance.job.preview.range import EnhancedRange
from videnhance.settings.groups import SETTINGS


def forget_record(output: Path) -> None:
    """Remove the record of an earlier preview of that name; no other file."""
    if is_record(record_path(output)):
        record_path(output).unlink()


def keep_record(
    shown: EnhancedRange, video: Path | None, picture: Path, asked: Mapping[str, Any]
) -> None:
    """Write it beside what a preview made, a `video` and its sheet, or a `picture` alone, if
    records are wanted. `asked`: what is no setting. Raises OutputError, InputError."""
    request = shown.request
    if not request.settings.record.keep:
        return
    paths, main = request.settings.record.paths, video or picture
    record = read_record(record_path(shown.result.info.path))
    outputs: tuple[Output, ...] = (file_of(picture, picture.parent, paths=paths),)
    own, times = record.videos[0], None
    if video is not None:
        place = 0  # the pictures come first; sound is all else that a preview has

        def tell(done: int) -> None:
            request.monitor.tell("record", done, own.stop - own.start)

        first, digests = video_file_of(video, (place,), tell, paths=paths)
        outputs = (first, *outputs)
        found = digests[place].frames
        times = Times.of(found.pts, found.time_base) if found is not None else None
    settings = dict(record.settings)
    for name in ("part.start", "part.end", "output.keep_origin"):  # as asked, not as resolved
        value, known = request.settings.value(name), SETTINGS[name]
        said = "default" if value == known.default else "caller"
        settings[name] = Setting(known.option, value, request.origins.get(name, said))
    write_record(
        record_path(main),
        replace(
            record,
            kind="preview",
            outputs=outputs,
            settings=settings,
            videos=(replace(own, output_stream=None if video is None else 0, output_times=times),),
            preview=dict(asked),
        ),
    )
