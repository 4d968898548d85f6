"""tracks.json: the tracks and zones of a video, for people and programs to read and edit.

docs/tracks.md describes the file. Reading checks every number: an error says what is wrong and
where, and nothing is ignored silently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from videnhance.errors import InputError
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.files import written
from videnhance.imaging.frames import Zone
from videnhance.media.clip import Clip
from videnhance.media.timeline import Timeline

Vector = npt.NDArray[np.float64]

FORMAT = "videnhance tracks"
VERSION = 1

KEYS = ("format", "version", "source", "time_base", "zones", "tracks")
SOURCE_KEYS = ("name", "size")
ZONE_KEYS = ("x0", "y0", "x1", "y1")
PER_FRAME = ("pts", "seconds", "poses", "landmarks", "scores")
TRACK_KEYS = ("id", "person", "start", "opens_shot", "closes_shot", *PER_FRAME)
OPTIONAL = ("person",)
"""Keys that a track may lack: files of earlier versions do."""

LARGEST = 1e6
"""Limit, plus and minus, of coordinates and angles: far beyond any picture, yet small enough for
every affine made of them to be exact."""

SIDES = (1.0, 1e5)
"""Shortest and longest side of a crop, pixels."""

LONGEST = 1e12
"""Limit, plus and minus, of `seconds`."""
SECONDS_OFF = 1e-3
"""How far `seconds` may be from pts x time_base: other programs may write fewer digits."""

SHOWN = 40
"""How many characters of a value an error message repeats."""


def write_tracks(path: Path, tracks: Tracks, clip: Clip, name: str | None = None) -> None:
    """Write a tracks.json completely or not at all; raises OutputError.

    `name`: the video's, by default its file's. Numbers are rounded (poses: x, y to 1e-4 pixels, log
    side and angle to 1e-7; landmarks to 1e-2, zones to 1e-4 pixels; scores to 1e-4; seconds to
    1e-6). `read_tracks` returns exactly these, and writing them again gives the same bytes.
    """
    # One track at a time, here and in `_object`: memory holds the longest one, not all of them.
    entries = (_entry(t, clip.timeline) for t in _sorted(tracks.tracklets))
    zones = ({key: _rounded(getattr(zone, key), 4) for key in ZONE_KEYS} for zone in tracks.zones)
    source = {"name": name or clip.info.path.name, "size": list(clip.info.upright_size)}
    head = map(_line, (FORMAT, VERSION, source, str(clip.timeline.time_base)))
    values = (*([line] for line in head), _lines(zones), _lines(entries))
    with written(path) as part, part.open("w", encoding="ascii", newline="\n") as file:
        for key, lines in zip(KEYS, values, strict=True):
            file.write(f'{"{" if key == KEYS[0] else ","}\n"{key}": ')
            file.writelines(lines)
        file.write("\n}\n")


def read_tracks(path: Path, clip: Clip) -> Tracks:
    """The tracks, sorted by start and id, and the zones from a tracks.json of this video.

    Raises InputError naming the file, the entry, what is wrong with it and what it should be.
    """
    try:
        return _tracks(_document(path, clip.timeline), clip)
    except _Wrong as wrong:
        raise InputError(f"{path}: {wrong}") from wrong.__cause__


def _sorted(tracklets: Iterable[Tracklet]) -> tuple[Tracklet, ...]:
    return tuple(sorted(tracklets, key=lambda t: (t.start, t.id)))


def _line(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _lines(values: Iterable[object]) -> Iterator[str]:
    """A JSON list with one value per line, so that a diff shows which one changed."""
    before = "[\n"
    for value in values:
        yield before + _line(value)
        before = ",\n"
    yield "[]" if before == "[\n" else "\n]"


def _rounded(values: npt.ArrayLike, decimals: int) -> Any:
    """Rounded, as Python numbers; adding zero turns -0.0 into 0.0."""
    return (np.round(np.asarray(values, np.float64), decimals) + 0.0).tolist()


def _entry(tracklet: Tracklet, timeline: Timeline) -> dict[str, Any]:
    pts = timeline.pts[tracklet.start : tracklet.stop]
    places, shapes = _rounded(tracklet.poses[:, :2], 4), _rounded(tracklet.poses[:, 2:], 7)
    scores = _rounded(tracklet.scores, 4)
    return {
        "id": tracklet.id,
        "person": tracklet.person,
        "start": tracklet.start,
        "opens_shot": tracklet.opens_shot,
        "closes_shot": tracklet.closes_shot,
        "pts": list(pts),
        "seconds": _rounded(_seconds(pts, timeline), 6),
        "poses": [place + shape for place, shape in zip(places, shapes, strict=True)],
        "landmarks": _rounded(tracklet.landmarks, 2),
        "scores": [None if math.isnan(score) else score for score in scores],
    }


def _seconds(pts: Sequence[int], timeline: Timeline) -> Vector:
    base = timeline.time_base
    return np.asarray(np.array(pts, np.float64) * base.numerator / base.denominator)


class _Wrong(Exception):
    """What is wrong with an entry; becomes an InputError that names the file too."""


def _document(path: Path, timeline: Timeline) -> Any:
    try:
        # Some editors put a byte order mark before UTF-8. NaN and Infinity are not JSON, but Python
        # would read them as numbers: kept as text, they fail the check of the entry they are in.
        text = path.read_bytes().decode("utf-8-sig")
        found = partial(_object, timeline=timeline)
        return json.loads(text, object_pairs_hook=found, parse_constant=str)
    except OSError as error:
        raise _Wrong(f"cannot be read ({error.strerror}); check its name") from error
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise _Wrong(f"cannot be read as JSON: {where}; correct it there") from error
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"cannot be read as JSON: {error}; make it again with detect") from error


def _object(pairs: list[tuple[str, Any]], timeline: Timeline) -> dict[str, Any] | Tracklet:
    """A JSON object. Valid tracks are built immediately, to save memory; invalid ones are reported
    in file order. A repeated key is an error: Python would silently ignore the first.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Wrong(f"the key {_shown(twice)} stands twice in one object; keep one of them")
    if values.keys() | set(OPTIONAL) == set(TRACK_KEYS):
        with suppress(_Wrong):
            return _tracklet("", values, timeline)
    return values


def _tracks(document: Any, clip: Clip) -> Tracks:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _Wrong(f'is no tracks file; its format should be "{FORMAT}"')
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise _Wrong(f"has version {_shown(version)}, not {VERSION}; make it again with detect")
    _check_keys("", document, KEYS)
    _check_source(document, clip)
    zones = [_zone(name, entry, clip) for name, entry in _named(document, "zones")]
    found = [_tracklet(name, entry, clip.timeline) for name, entry in _named(document, "tracks")]
    seen: dict[int, int] = {}
    for k, tracklet in enumerate(found):
        if tracklet.id in seen:
            raise _Wrong(
                f"tracks[{k}].id is {tracklet.id}, as is tracks[{seen[tracklet.id]}].id; "
                "every track should have an id of its own"
            )
        seen[tracklet.id] = k
    return Tracks(_sorted(found), tuple(zones))


def _check_keys(where: str, value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise _wrong(where, value, f"an object with {', '.join(known)}")
    for key in value:
        if key not in known:
            text = f"{where} has an unknown key {_shown(key)}; known are {', '.join(known)}"
            raise _Wrong(text.strip())
    for key in known:
        if key not in value and key not in OPTIONAL:
            raise _Wrong(f"{where} has no {key}; should have {', '.join(known)}".strip())


def _check_source(document: dict[str, Any], clip: Clip) -> None:
    source = document["source"]
    _check_keys("source", source, SOURCE_KEYS)
    if not isinstance(source["name"], str):
        raise _wrong("source.name", source["name"], "the name of the video, as text")
    size, base = list(clip.info.upright_size), str(clip.timeline.time_base)
    another = f"{clip.info.path.name}'s: this file was made for another video"
    if source["size"] != size:
        raise _wrong("source.size", source["size"], f"{_shown(size)}, {another}")
    if document["time_base"] != base:
        raise _wrong("time_base", document["time_base"], f"{_shown(base)}, {another}")


def _zone(where: str, entry: Any, clip: Clip) -> Zone:
    _check_keys(where, entry, ZONE_KEYS)
    for key in ZONE_KEYS:
        if type(entry[key]) not in (int, float) or not -LARGEST <= entry[key] <= LARGEST:
            should = f"a number from {-LARGEST:.0f} to {LARGEST:.0f}"
            raise _wrong(f"{where}.{key}", entry[key], should)
    for low, high, side in zip(("x0", "y0"), ("x1", "y1"), clip.info.upright_size, strict=True):
        if entry[low] >= side:
            raise _wrong(f"{where}.{low}", entry[low], f"below {side}, where the picture ends")
        if entry[high] <= max(entry[low], 0):
            raise _wrong(f"{where}.{high}", entry[high], f"above 0 and {low}, {entry[low]}")
    return Zone(*(float(entry[key]) for key in ZONE_KEYS))


def _tracklet(where: str, entry: Any, timeline: Timeline) -> Tracklet:
    if isinstance(entry, Tracklet):
        return entry
    _check_keys(where, entry, TRACK_KEYS)
    number, start = entry["id"], entry["start"]
    if type(number) is not int or number < 1:
        raise _wrong(f"{where}.id", number, "a whole number from 1")
    person = entry.get("person")
    if person is not None and (type(person) is not int or person < 1):
        raise _wrong(f"{where}.person", person, "a whole number from 1, or null")
    for key in ("opens_shot", "closes_shot"):
        if type(entry[key]) is not bool:
            raise _wrong(f"{where}.{key}", entry[key], "true or false")
    lists = {key: _list(f"{where}.{key}", entry[key]) for key in PER_FRAME}
    length = len(lists["poses"])
    if not length:
        raise _wrong(f"{where}.poses", [], "a row for every frame, or the track deleted")
    for key, values in lists.items():
        if len(values) != length:
            found = f"{key} holds {len(values)}, poses {length}"
            raise _Wrong(f"{where} has lists of different lengths: {found}; should be the same")
    frames = len(timeline)
    if type(start) is not int or not 0 <= start < frames:
        raise _wrong(f"{where}.start", start, f"a frame of the video, 0 to {frames - 1}")
    if start + length > frames:
        should = f"{frames - start} at most: the video has {frames}"
        raise _Wrong(f"{where} has {length} frames from frame {start} on; should have {should}")
    _check_times(where, lists, start, timeline)
    poses = _numbers(f"{where}.poses", lists["poses"], (4,), -LARGEST, LARGEST)
    outside = np.nonzero((poses[:, 2] < np.log(SIDES[0])) | (poses[:, 2] > np.log(SIDES[1])))[0]
    if len(outside):
        k = int(outside[0])
        should = f"the natural log of a crop's side of {SIDES[0]:g} to {SIDES[1]:g} pixels"
        raise _wrong(f"{where}.poses[{k}][2]", lists["poses"][k][2], should)
    return Tracklet(
        id=number,
        start=start,
        poses=poses,
        landmarks=_numbers(f"{where}.landmarks", lists["landmarks"], (5, 2), -LARGEST, LARGEST),
        scores=_numbers(f"{where}.scores", lists["scores"], (), 0.0, 1.0, null=True),
        opens_shot=entry["opens_shot"],
        closes_shot=entry["closes_shot"],
        person=person,
    )


def _check_times(where: str, lists: dict[str, list[Any]], start: int, timeline: Timeline) -> None:
    pts, true = lists["pts"], timeline.pts[start : start + len(lists["pts"])]
    if tuple(pts) != true or set(map(type, pts)) != {int}:
        pairs = enumerate(zip(pts, true, strict=True))
        k = next(k for k, (one, other) in pairs if type(one) is not int or one != other)
        should = f"{true[k]}, the time of frame {start + k}: it was made for another video, or"
        raise _wrong(f"{where}.pts[{k}]", pts[k], f"{should} start was edited without pts")
    seconds = _numbers(f"{where}.seconds", lists["seconds"], (), -LONGEST, LONGEST)
    exact = _seconds(true, timeline)
    off = np.nonzero(np.abs(seconds - exact) > SECONDS_OFF)[0]
    if len(off):
        k = int(off[0])
        raise _wrong(f"{where}.seconds[{k}]", seconds[k], f"{exact[k]:.6f}, its pts x time_base")


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(where, value, "a list")
    return value


def _named(document: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    return [(f"{key}[{k}]", entry) for k, entry in enumerate(_list(key, document[key]))]


def _numbers(
    where: str,
    rows: list[Any],
    shape: tuple[int, ...],
    low: float,
    high: float,
    *,
    null: bool = False,
) -> Vector:
    """(n, *shape) float64 of numbers low..high; NaN for null, if `null` allows it.

    Whole lists are checked at once, as a track may have a hundred thousand frames; a loop runs only
    to find the wrong entry.
    """
    flat = rows
    sizes: tuple[int, ...] = (len(rows),)
    for width in shape:
        if set(map(type, flat)) != {list} or set(map(len, flat)) != {width}:
            k = next(k for k, x in enumerate(flat) if type(x) is not list or len(x) != width)
            raise _wrong(where + _index(k, sizes), flat[k], f"a list of {width}")
        flat, sizes = list(chain.from_iterable(flat)), (*sizes, width)
    kinds = {int, float, type(None)} if null else {int, float}
    numbers = [x for x in flat if x is not None] or [low]
    if not set(map(type, flat)) <= kinds or min(numbers) < low or max(numbers) > high:
        k, odd = next(
            (k, x)
            for k, x in enumerate(flat)
            if type(x) not in kinds or (x is not None and not low <= x <= high)
        )
        should = f"a number from {low:.0f} to {high:.0f}{' or null' if null else ''}"
        raise _wrong(where + _index(k, sizes), odd, should)
    return np.array(flat, np.float64).reshape(sizes)


def _index(k: int, sizes: tuple[int, ...]) -> str:
    return "".join(f"[{i}]" for i in np.unravel_index(k, sizes))


def _shown(value: Any) -> str:
    text = json.dumps(value, default=lambda tracklet: "a track")
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _wrong(where: str, value: Any, should: str) -> _Wrong:
    return _Wrong(f"{where} is {_shown(value)}; should be {should}")
