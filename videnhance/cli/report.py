"""What a person or a program is told: a source's facts, a job's summary. Text only, no printing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videnhance.job.preview.make import PreviewSummary
from videnhance.job.summary import ESTIMATE, Summary
from videnhance.media.check.frames import Check
from videnhance.media.reading.software import hint
from videnhance.media.reading.source import probe
from videnhance.media.repair.behind import recordings_in
from videnhance.media.repair.scan import frame_rate, oddity, plain_timeline, scan
from videnhance.media.timeline import Timeline
from videnhance.render.stages import STAGES
from videnhance.restorers import AUTO, is_learned

_RANGES = {0: "unspecified", 1: "limited", 2: "full"}
_MATRICES = {
    **{0: "RGB", 1: "BT.709", 2: "unspecified", 4: "FCC", 5: "BT.601 (625)", 6: "BT.601 (525)"},
    **{7: "SMPTE 240M", 8: "YCgCo", 9: "BT.2020", 10: "BT.2020 constant"},
}
_TRANSFERS = {
    **{1: "BT.709", 2: "unspecified", 4: "gamma 2.2", 5: "gamma 2.8", 6: "BT.601", 8: "linear"},
    **{13: "sRGB", 14: "BT.2020 10", 15: "BT.2020 12", 16: "PQ (HDR)", 18: "HLG (HDR)"},
}


def probe_facts(path: Path, codec: str = "auto") -> dict[str, Any]:
    """All that is known of a source without decoding it, as plain JSON values.

    What is not right with it, such as being cut off or without times, is under "problem". Raises
    InputError where it does not open or holds no frames.
    """
    info = probe(path, codec)
    found = scan(info)
    timeline = plain_timeline(info, found) if found.has_good_times else None
    width, height = info.upright_size
    return {
        "file": str(info.path),
        "container": info.container,
        "duration": info.duration,
        "problem": oddity(found),
        "taken_for": info.taken_for,
        "recordings": recordings_in(info),
        "written_by": list(info.written_by),
        "video": {
            "stream": info.stream,
            "codec": info.codec,
            "pix_fmt": info.pix_fmt,
            "coded_size": [info.width, info.height],
            "upright_size": [width, height],
            "rotation": info.rotation,
            "mirrored": info.mirrored,
            "display_matrix": list(info.display_matrix) if info.display_matrix else None,
            "sample_aspect_ratio": str(info.sample_aspect_ratio) if info.declares_aspect else None,
            "average_rate": str(rate) if (rate := frame_rate(info, found)) else None,
            "time_base": str(info.time_base),
            "declared_frames": info.declared_frames or None,
            "color": {
                "range": _RANGES.get(info.color.range, str(info.color.range)),
                "matrix": _MATRICES.get(info.color.matrix, str(info.color.matrix)),
                "transfer": _TRANSFERS.get(info.color.transfer, str(info.color.transfer)),
                "primaries": _MATRICES.get(info.color.primaries, str(info.color.primaries)),
            },
            "timing": _timing(timeline) if timeline is not None else None,
        },
        "streams": [
            {
                "index": stream.index,
                "kind": stream.kind,
                "codec": stream.codec,
                "detail": stream.detail,
                "language": stream.language,
                "time_base": str(stream.time_base) if stream.time_base else None,
                "start": stream.start,
                "duration": stream.duration,
            }
            for stream in info.streams
        ],
    }


def probe_text(facts: dict[str, Any]) -> str:
    """The same facts for a person, one a line."""
    video = facts["video"]
    color = video["color"]
    turned = f"rotated {video['rotation']} degrees" if video["rotation"] else "upright"
    lines = [
        f"file      {facts['file']} ({facts['container']})",
        f"video     stream {video['stream']}: {video['codec']}, {video['pix_fmt']}, "
        f"{_size(video['coded_size'])}, plays as {_size(video['upright_size'])}",
        f"picture   {turned}{', mirrored' if video['mirrored'] else ''}, "
        f"sample aspect ratio {video['sample_aspect_ratio'] or 'not declared'}",
        f"colour    range {color['range']}, matrix {color['matrix']}, "
        f"transfer {color['transfer']}, primaries {color['primaries']}",
    ]
    timing = video["timing"]
    if timing is not None:
        pace = "constant" if timing["constant_rate"] else "variable"
        lines += [
            f"frames    {timing['frames']}, {timing['keyframes']} keyframes, average rate "
            f"{video['average_rate'] or 'unknown'} ({pace})",
            f"timing    {timing['first']:.3f} to {timing['end']:.3f} s, time base "
            f"{video['time_base']}, {timing['shortest']:.4f} to {timing['longest']:.4f} s a frame",
        ]
    if facts["recordings"]:
        each = [f"{one['start']:.3f} s (byte {one['byte']})" for one in facts["recordings"]]
        lines.append(f"joined    {len(each)} recordings one behind another: {', '.join(each)}")
    for stream in facts["streams"]:
        if stream["index"] != video["stream"]:
            tail = [stream["detail"], stream["language"] or ""]
            if stream["start"] is not None:
                tail.append(f"starts at {stream['start']:.3f} s")
            rest = ", ".join(part for part in tail if part)
            lines.append(
                f"{stream['kind']:9} stream {stream['index']}: {stream['codec']}"
                + (f", {rest}" if rest else "")
            )
    if facts["taken_for"]:
        name = facts["taken_for"]
        lines.append(f"note      its video is called {name}: read as what its bytes look like")
    if said := hint(facts["written_by"]):
        lines.append(f"note      {said}")
    if facts["problem"]:
        lines.append(f"problem   {facts['problem']}")
    return "\n".join(lines)


def _method(restorer: str | None, invents: bool) -> str:
    if restorer is None:
        return "none: tracks only"
    if restorer == "identity":
        return "identity: a dry run, no face was restored"
    if invents:
        return f"{restorer}: AI restoration, it shows detail the clip does not hold"
    if is_learned(restorer):
        where = " where that is nearer to the truth" if restorer == AUTO else ""
        return (
            f"{restorer}: the clip's own frames, corrected by a network that learned from others"
            f"{where}"
        )
    return f"{restorer}: only what the clip itself holds"


def _found_by(detector: str | None) -> str:
    return "tracks as given, no detector" if detector is None else f"detector {detector}"


def _faces(faces: int, tracks: int, persons: int | None = None) -> str:
    of = f", perhaps of {_counted(persons, 'person')}" if persons and persons < tracks else ""
    return f"{_counted(faces, 'face')} in {_counted(tracks, 'track')}{of}"


def _restored(faces: int, restored: int | None) -> str:
    """How many of the faces were, where not all were."""
    return "" if restored in (None, faces) else f", {restored} of them restored"


def _checked(check: Check) -> str:
    """What was compared and found equal; nothing that was not."""
    if check.picture:
        return "every pixel is read back as it was made"
    times = "its time" if check.frames == 1 else "their times"
    parts = [f"{_counted(check.frames, 'frame')} at {times}, {check.seconds:.3f} s"]
    copied = []
    if check.sound_packets:
        copied.append(f"{_counted(check.sound_packets, 'packet')} of sound")
    if check.sampled:
        copied.append(f"the samples of {_counted(check.sampled, 'stream')} of sound")
    if copied:
        apart = f"{check.offset * 1000:.1f} ms"
        parts.append(f"{' and '.join(copied)} unchanged, in sync within {apart}")
    if check.encoded:
        streams, apart = _counted(check.encoded, "stream"), f"{check.encoded_offset * 1000:.1f} ms"
        parts.append(f"{streams} of sound encoded anew, in sync within {apart} at both ends")
    if check.repaired:
        parts.append(f"{_counted(check.repaired, 'packet')} of sound had no good times")
    if check.silence:
        parts.append(f"pauses of {check.silence:.3f} s are silence")
    if check.left_out:
        parts.append(f"{_counted(check.left_out, 'packet')} of sound that begin too early left out")
    return "; ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _copied(check: Check) -> str:
    return (
        f"{check.untouched} of {check.frames} frames copied untouched: bit for bit the input's, in "
        "groups of pictures without a face"
    )


def preview_text(found: PreviewSummary) -> str:
    """What a preview shows, for a person."""
    whole = "too few frames to tell" if found.estimate is None else duration_text(found.estimate)
    restored = None if found.restorer == "identity" else found.restored
    estimates = found.faces and found.restorer != "identity" and restored != 0
    lines = [
        *([str(found.video)] if found.video else []),
        str(found.picture),
        f"  frames {found.start} to {found.stop - 1}, {found.start_seconds:.2f} to "
        f"{found.end_seconds:.2f} s; {_faces(found.faces, found.tracks)}"
        f"{_restored(found.faces, restored)}",
        f"  {_found_by(found.detector)}; restorer {_method(found.restorer, found.invents)}",
        f"  {found.seconds:.1f} s; the whole video: {whole}",
        *(f"  note: {note}" for note in found.notes),
        *([f"  {ESTIMATE}"] if estimates else []),
    ]
    return "\n".join(lines)


def summary_text(summary: Summary) -> str:
    """What a finished job did, for a person."""
    of_video = "" if summary.video is None else f" (video stream {summary.video})"
    method = _method(summary.restorer, summary.invents)
    restored = None if summary.restorer in (None, "identity") else summary.restored
    changes = summary.restorer not in (None, "identity") and restored != 0
    pace = (summary.frames - summary.believed) / max(summary.seconds, 1e-9)
    before = f", {summary.believed} frames were finished before" if summary.believed else ""
    part = "" if summary.frames == summary.all_frames else f" of {summary.all_frames}"
    chosen = " that were chosen" if summary.chosen else ""
    lines = [
        *map(summary_text, summary.others),
        f"{summary.output}{of_video}",
        f"  {summary.frames}{part} frame{'s' * (summary.all_frames != 1)}, "
        f"{summary.frames_with_faces} with faces{chosen}; "
        f"{_faces(summary.faces, summary.tracks, summary.persons)}"
        f"{_restored(summary.faces, restored)}",
        f"  {_found_by(summary.detector)}; restorer {method}",
        f"  {summary.seconds:.1f} s ({pace:.1f} frames/s){before}",
        *([f"  {_copied(summary.check)}"] if summary.check and summary.check.untouched else []),
        *([f"  checked: {_checked(summary.check)}"] if summary.check else []),
        *([f"  marked: {summary.marked}"] if summary.marked else []),
        *(f"  note: {note}" for note in summary.notes),
        *([f"  input: {said}"] if (said := hint(summary.written_by)) else []),
        *([f"  job kept in {summary.job}"] if summary.job else []),
        *([f"  {ESTIMATE}"] if summary.faces and changes else []),
    ]
    return "\n".join(lines)


def times_text(summary: Summary) -> str:
    """What the last digits depend on, how long the steps took, and the stages of rendering; for
    `--verbose`."""
    lines = [f"made on: {line}" for line in summary.made_on]
    lines += summary.details
    lines += [f"{step}: {seconds:.1f} s" for step, seconds in summary.steps.items()]
    spent, frames = sum(summary.stages.values()), summary.frames - summary.believed
    if spent and frames > 0:
        lines.append("rendering by stage, its threads side by side:")
        lines += [
            f"  {stage:9}{summary.stages[stage]:8.2f} s"
            f"{summary.stages[stage] / frames * 1000:8.1f} ms a frame"
            f"{summary.stages[stage] / spent:7.1%}"
            for stage in STAGES
            if stage in summary.stages
        ]
    return "\n".join(lines)


def duration_text(seconds: float) -> str:
    """A time span for people: "about 40 s", "about 12 min", "about 3 h 20 min"."""
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    return f"about {minutes // 60} h {minutes % 60} min"


def _timing(timeline: Timeline) -> dict[str, Any]:
    lengths = [timeline.duration_of(k) for k in range(len(timeline))]
    base = float(timeline.time_base)
    steps = lengths[:-1] or lengths
    return {
        "frames": len(timeline),
        "keyframes": len(timeline.keyframes),
        "first": timeline.pts[0] * base,
        "end": (timeline.pts[-1] + lengths[-1]) * base,
        "shortest": min(steps) * base,
        "longest": max(steps) * base,
        # Containers that round times to a coarse time base make steps differ by one unit.
        "constant_rate": max(steps) - min(steps) <= 1,
    }


def _size(size: list[int]) -> str:
    return f"{size[0]}x{size[1]}"
