"""job.json: what a job is, so that it can be shown, repeated and resumed.

    format, version         "videnhance job", 1
    kind                    enhance, detect (which ends with tracks.json), or portrait
    versions                of videnhance and of the packages that decide what comes out: those of
                            networks only where they are used
    fingerprints            version of what finished work is recognized by (fingerprints.py)
    source                  path, size in bytes, sha256 of the content, streams
    condition               what is odd or damaged about the source (repair/recording.py), and what
                            decoding all of it showed; null where nothing is
    frames, start, stop     of the whole video; the range worked on (half-open)
    output, overwrite, keep_job
    settings                see settings/groups.py
    origins                 by name, where those come from that a command, preset or file gave
    tracks                  path and sha256 of the file given with --tracks, or null
    machines                those that have worked on it (machine.py): what the last digits depend
                            on besides all the rest
    models                  sha256 of the weights used, by name; whether they are the published
                            ones; the licence that had to be accepted, and was
    looks, segments         [start, stop] frames of each detection and each rendered file
    untouched               [start, stop] frames of each stretch that is copied from the source,
                            once that is known
    pix_fmt, encoding       how frames are looked at, and how the result is encoded
    mark                    what the result says of itself and where its label is (steps/divide.py)
    invention               with --invention, the share of each track's restored detail that is a
                            guess (steps/invention.py), once that is known; else null
    ceilings                where a worker found them out (job/workers/work.py): Job.ceilings
    check                   what was found equal in the finished output (check/frames.py), or null
    digest                  of all the rest: a flipped bit must not make another video

It is written when the job begins, when another machine goes on with it, when it is known what is
copied, and with the check just before the output is put in place; what is finished is known from
the finished files alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videnhance.errors import JobError, cure_of
from videnhance.inference.cache import version_of
from videnhance.job.directory.machine import Machine
from videnhance.job.plan import Plan, Scope
from videnhance.media.info import VideoInfo
from videnhance.media.reading.pictures import files_of
from videnhance.media.timeline import Segment
from videnhance.models.store import Obtained
from videnhance.render.networks import finding_rows, packages_of, rendering_rows
from videnhance.settings.groups import SETTINGS, Settings

FORMAT = "videnhance job"
VERSION = 1
FINGERPRINTS = 3
"""Raise it where the same settings get other fingerprints: a job begun before is then refused in
one line, and not silently begun anew."""
PACKAGES = ("av", "filterpy", "numpy", "opencv-python", "scipy")
"""Distributions that decide what comes out of every job; rows of networks name more of them."""

_NOT_COMPARED = {
    *("source.path", "tracks.path", "overwrite", "keep_job", "origins"),
    *("settings.record.keep", "settings.record.paths"),
    *("machines", "encoding", "pix_fmt", "start", "stop", "looks", "segments", "untouched"),
    *("mark", "invention", "check", "condition", "ceilings"),
}
"""Entries that may differ: the same content may lie elsewhere, and others follow from the rest."""
_NAMES = {
    "fingerprints": "by another version of videnhance",
    "source.sha256": "the input's content",
    "source.size": "the input's size",
    "tracks": "--tracks",
    "tracks.sha256": "--tracks",
}


@dataclass(frozen=True)
class Record:
    """The content of job.json."""

    document: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    @property
    def source(self) -> Path:
        return Path(self.document["source"]["path"])

    @property
    def output(self) -> Path:
        return Path(self.document["output"])

    @property
    def overwrite(self) -> bool:
        return bool(self.document["overwrite"])

    @property
    def keep_job(self) -> bool:
        return bool(self.document["keep_job"])

    @property
    def tracks(self) -> Path | None:
        """The file named with --tracks; None where faces are detected."""
        given = self.document["tracks"]
        return Path(given["path"]) if given else None

    @property
    def tracks_sha256(self) -> str | None:
        """Of that file."""
        given = self.document["tracks"]
        return str(given["sha256"]) if given else None

    @property
    def settings(self) -> Settings:
        return Settings.from_json(self.document["settings"])

    @property
    def origins(self) -> Mapping[str, str]:
        """By name, where settings come from that a command, preset or file gave."""
        return dict(self.document.get("origins", {}))

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Those that have worked on the job, as far as they were recorded."""
        return tuple(self.document.get("machines", ()))

    def also_on(self, machines: Sequence[Machine]) -> Record:
        """This record with those machines, too; itself where it has all of them."""
        known = list(self.machines)
        new = [machine for machine in machines if machine not in known]
        return Record({**self.document, "machines": [*known, *new]}) if new else self

    @property
    def segment_format(self) -> str:
        """Container and suffix of the rendered segments."""
        return str(self.document["encoding"]["segment_format"])

    @property
    def detect_segments(self) -> tuple[Segment, ...]:
        return _segments(self.document["looks"])

    @property
    def segments(self) -> tuple[Segment, ...]:
        return _segments(self.document["segments"])

    @property
    def untouched(self) -> tuple[Segment, ...]:
        """The frames that are copied, as far as that is known."""
        return _segments(self.document.get("untouched", ()))

    def divided(self, segments: Sequence[Segment], untouched: Sequence[tuple[int, int]]) -> Record:
        """This record with the segments that are rendered, and the frames that are copied."""
        own = [[s.start, s.stop] for s in segments]
        copied = [[start, stop] for start, stop in untouched]
        return Record({**self.document, "segments": own, "untouched": copied})

    def noted(self, **entries: Any) -> Record:
        """This record with these entries."""
        return Record({**self.document, **entries})

    @property
    def check(self) -> Mapping[str, Any] | None:
        """What the check of the output found, once there is one."""
        found: Mapping[str, Any] | None = self.document.get("check")
        return found

    def checked(self, found: Mapping[str, Any]) -> Record:
        """This record with what the check found."""
        return Record({**self.document, "check": dict(found)})

    def differences(self, other: Record) -> list[str]:
        """How `other`, which is to go on with this job, is another job: one phrase each.

        A source's content that `other` does not know (yet) is no difference.
        """
        mine, theirs = dict(_leaves(self.document)), dict(_leaves(other.document))
        found = []
        for key in sorted(mine.keys() | theirs.keys()):
            one, two = mine.get(key), theirs.get(key)
            if one == two or key in _NOT_COMPARED or key.split(".")[0] in _NOT_COMPARED:
                continue
            if key == "source.sha256" and two is None:
                continue
            setting = SETTINGS.get(key.removeprefix("settings."))
            name = setting.option if setting is not None else _NAMES.get(key, key)
            values = "" if key in _NAMES else f" ({_shown(one)}, now {_shown(two)})"
            found.append(name + values)
        return found

    def write(self, path: Path) -> None:
        """Raises OSError."""
        whole = {**self.document, "digest": digest_of(self.document)}
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def read_record(path: Path) -> Record:
    """Raises JobError where there is no job.json, or one that another program or version wrote."""
    folder = path.parent
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobError(
            f"{folder}: is no job directory (it holds no {path.name}); name one that does"
        ) from None
    except NotADirectoryError:
        raise JobError(f"{folder}: is a file; name a job directory") from None
    except OSError as error:
        raise JobError(
            f"{path}: cannot be read ({error.strerror}); {cure_of(error, 'name another --job-dir')}"
        ) from error
    except ValueError as error:
        raise JobError(
            f"{path}: cannot be read as a record ({error}): it may be damaged or edited; remove "
            f"{folder} or name another --job-dir"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise JobError(f"{path}: is no job of videnhance; name another --job-dir")
    if document.get("version") != VERSION:
        raise JobError(
            f"{path}: has version {document.get('version')}, not {VERSION}; finish it with the "
            "videnhance that began it, or name another --job-dir"
        )
    if document.pop("digest", None) != digest_of(document):
        raise JobError(
            f"{path}: does not fit its own digest: it may be damaged or edited; remove {folder} or "
            "name another --job-dir"
        )
    return Record(document)


def make_record(
    scope: Scope,
    output: Path,
    plan: Plan | None,
    *,
    overwrite: bool,
    keep_job: bool,
    source_sha256: str | None,
    tracks: tuple[Path, str] | None,
    models: Mapping[str, Obtained],
    machine: Machine,
    kind: str | None = None,
    origins: Mapping[str, str] | None = None,
) -> Record:
    """The record of a job that is about to begin; without a `plan` it ends with tracks.json.

    `tracks`: path and SHA-256 of the file given for them; `machine`: the one it begins on.
    """
    clip, info = scope.clip, scope.clip.info
    finding = [] if tracks else finding_rows(scope.settings)
    rendering = rendering_rows(scope.settings) if plan else []
    packages = packages_of([*finding, *rendering], scope.settings)
    return Record(
        {
            "format": FORMAT,
            "version": VERSION,
            "kind": kind or ("detect" if plan is None else "enhance"),
            "versions": {name: version_of(name) for name in ("videnhance", *PACKAGES, *packages)},
            "fingerprints": FINGERPRINTS,
            "source": {
                "path": str(info.path.absolute()),
                "size": sum(file.stat().st_size for file in files_of(info.path)),
                "sha256": source_sha256,
                "container": info.container,
                "streams": [f"{s.index}: {s.kind} {s.codec} {s.detail}" for s in info.streams],
                **_stream_chosen(info),
            },
            "condition": clip.recorded.as_json(),
            "frames": len(clip.timeline),
            "start": scope.start,
            "stop": scope.stop,
            "output": str(output.absolute()),
            "overwrite": overwrite,
            "keep_job": keep_job,
            "settings": scope.settings.as_json(),
            "origins": dict(origins or {}),
            "machines": [dict(machine)],
            "tracks": {"path": str(tracks[0].absolute()), "sha256": tracks[1]} if tracks else None,
            "models": {
                name: {
                    "sha256": used.sha256,
                    "published": not used.trusted,
                    "licence accepted": used.accepted,
                }
                for name, used in sorted(models.items())
            },
            "looks": [] if tracks else [[s.start, s.stop] for s in scope.detect_segments],
            "segments": [[s.start, s.stop] for s in plan.segments] if plan else [],
            "untouched": [],
            "pix_fmt": clip.pix_fmt,
            "decoded by": clip.recorded.hwaccel,
            "cleaned up": asdict(clip.cleaning) if clip.cleaning else None,
            "encoding": _plain(asdict(plan.encoding)) if plan else None,
            "mark": None,
            "invention": None,
            "check": None,
        }
    )


def _stream_chosen(info: VideoInfo) -> dict[str, int]:
    """The video stream, unless it is the first: then it is what it always was."""
    first = next((s.index for s in info.streams if s.is_video), info.stream)
    return {"video": info.stream} if info.stream != first else {}


def digest_of(*parts: Any) -> str:
    """SHA-256 of JSON values, as hexadecimal text."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _segments(borders: Sequence[Sequence[int]]) -> tuple[Segment, ...]:
    return tuple(Segment(k, start, stop) for k, (start, stop) in enumerate(borders))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything in a document that is no dictionary."""
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _leaves(entry, f"{key}.{name}" if key else name)
    else:
        yield key, value


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else f"{value}"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain
