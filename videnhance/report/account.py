"""What a record says, in sentences that need no knowledge of the field, and in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from videnhance.evidence.columns import Track, unrolled
from videnhance.evidence.document import Record, Video
from videnhance.report.model import Table
from videnhance.report.words import counted, listed
from videnhance.restorers import RESTORERS, is_learned
from videnhance.settings.groups import DEFAULTS

CAUTION = (
    "It can look right and be wrong. Compare persons on the original, never on the enhanced "
    "picture alone."
)
CAUTION_INVENTED = (
    "The detail of these faces was invented by a network that learned from pictures of other "
    "people. Use them as a lead at most, never to identify anybody and never as evidence; compare "
    "persons on the original."
)
_LOSSLESS = ("ffv1",)
"""Encoders after which what was not painted is read back bit for bit."""


def sentences(record: Record, video: Video) -> tuple[str, ...]:
    """Four sentences: what it is, how many faces, how, and what was left as it was."""
    found = _what(record), _faces(record, video), _how(record, video), _rest(record, video)
    return tuple(sentence for sentence in found if sentence)


def cautioned(record: Record) -> str:
    """What follows the sentence that a restored face is an educated guess."""
    return CAUTION_INVENTED if record.method.invents else CAUTION


def facts(record: Record, video: Video) -> tuple[tuple[str, str], ...]:
    """What the source is, in few words."""
    times = video.source_times
    base = Fraction(times.time_base)
    length = float((times.pts[-1] - times.first) * base)
    pace = (video.stop - video.start - 1) / length if length else 0.0
    size = f"{video.picture.width} × {video.picture.height}"
    found = [("picture", size), ("frames", f"{video.frames:,}")]
    if pace:
        found.append(("a second", f"{pace:.4g}"))
    if (video.start, video.stop) != (0, video.frames):
        found.append(("worked on", f"frames {video.start:,} to {video.stop - 1:,}"))
    return (*found, ("restorer", record.method.restorer or "none"))


def restored_in(track: Track) -> int | None:
    """How many of a track's faces were changed; None where that is not known."""
    strengths = list(unrolled(track.strength))
    if all(strength is None for strength in strengths):
        return None
    return sum(bool(strength) for strength in strengths)


def tables(record: Record, video: Video) -> tuple[Table, ...]:
    """All that the record holds, but what has a picture."""
    found = (
        _files(record),
        _checks(video),
        _says(video),
        _recording(record, video),
        _models(record),
        Table("Notes", ("", "said when it was made"), _numbered(record.notes)),
        _settings(record),
        _stack(record),
    )
    return tuple(table for table in found if table.rows)


def _what(record: Record) -> str:
    if record.kind == "portrait":
        return (
            f"From the recording {record.input.name} one picture of each person was made of all "
            "frames that show the face alike; the recording itself was only read."
        )
    result = PurePath(record.output.name).name
    return (
        f"The faces in the recording {record.input.name} were made easier to see; the result is "
        f"the file {result}, and the recording itself was only read."
    )


def _faces(record: Record, video: Video) -> str:
    tracks = [track for track in video.tracks if track.chosen]
    if not video.tracks:
        return "No face was found in it, so no picture was changed."
    seen = sum(map(len, tracks))
    known = [count for track in tracks if (count := restored_in(track)) is not None]
    words = (
        f"{counted(len(video.tracks), 'face').capitalize()} could be followed without a break"
        f", in {counted(_frames_with(video), 'frame')} of {video.stop - video.start:,}"
    )
    if len(tracks) < len(video.tracks):
        words += f", of which {len(tracks)} {'was' if len(tracks) == 1 else 'were'} chosen"
    if record.kind == "portrait" or len(known) < len(tracks):
        return f"{words}."
    changed = sum(known)
    if changed == seen:
        return f"{words}; they were changed wherever they are seen."
    views = f"{words}; they were changed in {changed:,} of the {seen:,} views of them"
    if not any(reason for track in tracks for reason, _ in track.reason):
        return f"{views}, and the change fades in and out at the ends."
    return f"{views} and left as recorded in the others, for reasons that are given below."


def _how(record: Record, video: Video) -> str:
    base, _, _ = (record.method.restorer or "").partition(" + ")
    if record.method.restorer is None:
        return ""
    if base == "identity":
        return "This was a trial run: no face was restored."
    if base in RESTORERS and RESTORERS[base].invents:
        return (
            f"Each was painted anew by {base}, a network that learned from pictures of other "
            "people and shows detail that the recording does not hold."
        )
    if is_learned(base) and _is_corrected(video):
        return (
            "Each was combined from the same face in neighbouring frames and corrected, where that "
            "is nearer to the truth, by a network that learned from recordings of other people and "
            "is held to what this one shows."
        )
    return (
        "Each was combined from the same face in neighbouring frames of this recording, and "
        "nothing from elsewhere was added."
    )


def _is_corrected(video: Video) -> bool:
    """Whether a network corrected any face: the default leaves them to fusion where that measures
    nearer to the truth."""
    return any(value is not None for track in video.tracks for value, _ in track.held_back)


def _rest(record: Record, video: Video) -> str:
    check = video.check
    if check is None:
        return ""
    kept = "The number and the times of the frames were compared with the recording and agree"
    if check.get("picture"):
        kept = "The picture was read back and compared, and is as it was made"
    elif check.get("sound_packets"):
        kept = f"{kept}, and the sound is the same, byte for byte"
    elif check.get("encoded"):
        kept = f"{kept}; the sound was encoded anew"
    whole = list(_whole_frames(record, video))
    if whole:
        return f"{kept}; the whole picture was changed as well: it was {listed(whole)}."
    outside = "outside the faces"
    if _mark(video).get("label"):
        outside += ", and of the label that says what was done,"
    if (video.encoding or {}).get("encoder") in _LOSSLESS:
        return f"{kept}; {outside} every pixel is the recording's."
    return f"{kept}; {outside} only encoding changed the picture."


def _whole_frames(record: Record, video: Video) -> Iterator[str]:
    """What was done to whole frames, each as the end of a sentence."""
    values = {name: setting.value for name, setting in record.settings.items()}
    if video.cleaned_up:
        yield "cleaned up before faces were looked for"
    if values.get("output.scale", 1) != 1:
        upscaler = values.get("output.upscaler", "lanczos")
        by = "" if upscaler == "lanczos" else f" by {upscaler}, a network that invents detail"
        yield f"enlarged {values['output.scale']} times{by}"
    finish = {name: value for name, value in values.items() if name.startswith("finish.")}
    if any(value != getattr(DEFAULTS.finish, name[7:], value) for name, value in finish.items()):
        yield "adjusted in brightness, contrast, saturation or sharpness"


def _frames_with(video: Video) -> int:
    frames: set[int] = set()
    for track in video.tracks:
        frames.update(range(track.start, track.stop))
    return len(frames)


def _files(record: Record) -> Table:
    rows = [("Input", record.input.name, _bytes(record.input.size), record.input.sha256)]
    for number, output in enumerate(record.outputs):
        name = "Output" if number == 0 else "Beside it"
        rows.append((name, output.name, _bytes(output.size), output.sha256))
        for stream in output.streams:
            what = f"{stream.kind} stream {stream.index}, {stream.codec}"
            count = counted(stream.packets.count, "packet")
            rows.append(("Its packets", what, count, stream.packets.sha256))
            if stream.frames is not None:
                shape = f"{stream.frames.width} × {stream.frames.height}, {stream.frames.pix_fmt}"
                pixels = counted(stream.frames.count, "frame")
                rows.append(("Its decoded frames", shape, pixels, stream.frames.sha256))
    rows += [
        ("Tracks", "given" if video.tracks_given else "found", "", video.tracks_sha256)
        for video in record.videos
    ]
    return Table("Files", ("", "what", "size", "SHA-256"), tuple(rows))


def _checks(video: Video) -> Table:
    """What was compared when the output was written."""
    check = video.check or {}

    def rows() -> Iterator[tuple[str, str]]:
        if check.get("picture"):
            yield "Picture", "every pixel read back as it was made"
        elif "frames" in check:
            yield "Frames", f"{counted(check['frames'], 'frame')}, each at its own time"
            yield "Length", f"{check['seconds']:.3f} s"
        if check.get("sound_packets"):
            yield "Sound", f"{counted(check['sound_packets'], 'packet')}, byte for byte the input's"
        if check.get("sampled"):
            yield "Sound", f"the samples of {counted(check['sampled'], 'stream')} are the input's"
        if check.get("sound_packets") or check.get("sampled"):
            yield "Sound against picture", f"moved by {check['offset'] * 1000:.1f} ms at most"
        if check.get("encoded"):
            yield "Sound", f"{counted(check['encoded'], 'stream')} encoded anew, ends compared"
        if check.get("untouched"):
            yield "Copied", f"{counted(check['untouched'], 'frame')}, bit for bit as coded"
        for lost in check.get("lost", ()):
            yield "Not kept", str(lost)

    return Table("Checked when it was written", ("what", "found"), tuple(rows()))


def _says(video: Video) -> Table:
    """What the result says of itself."""
    mark = _mark(video)
    label, sources = mark.get("label"), mark.get("of the source") or []
    rows = [("In its metadata", f"{mark['says']} ({mark['digital source type']})")] if mark else []
    if label:
        left, top, right, bottom = label["box"]
        where = f"in every frame, at {left}, {top} to {right}, {bottom}"
        rows.append(("In its picture", f"{label['text']}: {where}"))
    elif mark:
        rows.append(("In its picture", "no label"))
    rows += [("Carried on from the input", str(source)) for source in sources]
    if mark.get("source is signed"):
        rows.append(("The input", "is signed (C2PA)"))
    return Table("What the result says of itself", ("where", "what"), tuple(rows))


def _mark(video: Video) -> Mapping[str, Any]:
    """The mark, where the result has one."""
    mark = video.mark or {}
    return mark if mark.get("digital source type") else {}


def _recording(record: Record, video: Video) -> Table:
    picture, decoding, times = video.picture, video.decoding, video.source_times
    rows = [
        ("Container", record.input.container),
        *(
            (f"Stream {s.index}", ", ".join(x for x in (s.kind, s.codec, s.detail) if x))
            for s in record.input.streams
        ),
        *(("Written by", software) for software in record.input.written_by),
        ("Picture", f"{picture.codec}, {picture.pix_fmt}, turned by {picture.rotation}°"),
        (
            "Times",
            f"{video.stop - video.start:,} frames from tick {times.first} on, a tick of "
            f"{times.time_base} s; each frame's own time is in the record",
        ),
        (
            "Decoded by",
            f"{decoding.device or 'the processor'}, "
            + ", ".join(f"{name} {number}" for name, number in decoding.libraries.items()),
        ),
        ("Faces painted in", f"{decoding.painted or 'nothing was painted'}"),
    ]
    return Table("Recording", ("what", "as it was read"), tuple(rows))


def _models(record: Record) -> Table:
    rows = tuple(
        (
            name,
            weights.trained_on,
            weights.licence + ("" if weights.published else "; not the published weights"),
            weights.sha256,
        )
        for name, weights in record.method.weights.items()
    )
    return Table("Models and licences", ("model", "trained on", "licence", "SHA-256"), rows)


def _settings(record: Record) -> Table:
    rows = tuple(
        (setting.option, _value(setting.value), setting.source)
        for setting in record.settings.values()
    )
    return Table("All settings", ("setting", "value", "from"), rows, long=True)


def _stack(record: Record) -> Table:
    rows = [(name, number or "not there") for name, number in record.versions.items()]
    for machine in record.machines:
        rows += [(name, _value(value)) for name, value in machine.items()]
    return Table("Versions and machines", ("what", "which"), tuple(rows), long=True)


def _numbered(lines: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((str(number), line) for number, line in enumerate(lines, 1))


def _bytes(size: int) -> str:
    return f"{size:,} bytes"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
