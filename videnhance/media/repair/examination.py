"""Examination: which frames an odd or damaged source really holds, found by decoding all of it.

Each packet gets its number as its time, so every decoded frame names the packet it comes from.
Damage is confined between two entries (packets at which decoding can start): a damaged part is
always decoded alone, by one thread, so that every reading of the file gives the same frames,
wherever it begins.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame

from videnhance.errors import InputError
from videnhance.media.info import VideoInfo
from videnhance.media.reading.numbered import frames_of
from videnhance.media.repair.healing import damaged_frames, recovery_points
from videnhance.media.repair.scan import Scan
from videnhance.media.timeline import Decoding, Entry

_HIDING = ("vp8", "vp9", "av1", "mpeg4", "msmpeg4v3")
"""Codecs with packets that show no frame: they are only referred to, or repeat the frame before."""


_NEVER = -(2**62)
"""Stands for a missing time."""


class Variant(NamedTuple):
    """A size and pixel format that frames have from some frame on."""

    begin: int
    """The first frame that has them."""
    width: int
    height: int
    pix_fmt: str


@dataclass(frozen=True)
class Examination:
    """What decoding a whole source showed."""

    packets: int
    """Number of its packets."""
    decoding: Decoding
    damaged: tuple[int, ...]
    """Frames in which the decoder conceals damaged or missing data, and frames that may be
    predicted from these."""
    lost: tuple[int, ...]
    """Packets whose frame does not decode."""
    variants: tuple[Variant, ...]
    """Every change of size or pixel format, away from the declared one and back."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` reads them back."""
        entries = self.decoding.entries
        return {
            "packets": self.packets,
            "order": _packed(self.decoding.packets),
            "entries": _packed([entry.packet for entry in entries]),
            "indices": _packed([entry.index for entry in entries]),
            "isolated": _packed([int(entry.isolated) for entry in entries]),
            "places": _packed([entry.place for entry in entries]),
            "sizes": _packed([entry.size for entry in entries]),
            "times": _packed([_NEVER if e.time is None else e.time for e in entries]),
            "damaged": _packed(self.damaged),
            "lost": _packed(self.lost),
            "looks": [list(variant) for variant in self.variants],
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Examination:
        """Raises KeyError, TypeError or ValueError if `values` are not from `as_json`."""
        names = ("entries", "indices", "isolated", "places", "sizes", "times")
        entries = tuple(
            Entry(packet, index, bool(alone), place, size, None if time == _NEVER else time)
            for packet, index, alone, place, size, time in zip(
                *(_unpacked(values[name]) for name in names), strict=True
            )
        )
        return Examination(
            packets=int(values["packets"]),
            decoding=Decoding(_unpacked(values["order"]), entries),
            damaged=_unpacked(values["damaged"]),
            lost=_unpacked(values["lost"]),
            variants=tuple(Variant(*variant) for variant in values["looks"]),
        )


def examine(
    info: VideoInfo, found: Scan, progress: Callable[[int], None] = lambda frames: None
) -> Examination:
    """Decode a whole source; `progress` gets the number of frames. Raises InputError if nothing
    decodes."""
    first = _decoded_whole(info, found, progress)
    keys = _entries(found, first.shown)
    bad = {k for k, packet in enumerate(found.packets) if packet.is_corrupt} | first.failed
    bad |= {shown.packet for shown in first.shown if shown.is_corrupt}
    missing = list(_unshown(info, found, keys, first.shown))
    bad |= {packet for packet in missing if not _leads(found, keys, packet)}
    points = recovery_points(info) if bad else {}
    if points:  # the decoder shows nothing before the first of them is reached
        bad -= {*range(min(picture.packet for picture in first.shown))} & set(missing)
    broken = {_part_of(keys, packet) for packet in bad} - {-1}
    if broken:
        shown, entries = _decoded_in_parts(info, found, keys, broken, progress)
        bad |= {picture.packet for picture in shown if picture.is_corrupt}
    else:
        shown = _from_own(first.shown, keys[0])
        place = {picture.packet: k for k, picture in enumerate(shown)}
        entries = [_entry(found, key, place[key] if k else 0) for k, key in enumerate(keys)]
    if not shown:
        raise InputError(
            f"{info.path}: no frame of its video stream can be decoded; nothing to enhance"
        )
    return Examination(
        packets=len(found.packets),
        decoding=Decoding(tuple(picture.packet for picture in shown), tuple(entries)),
        damaged=damaged_frames(keys, bad, [s.packet for s in shown], points),
        lost=tuple(_unshown(info, found, keys, shown)),
        variants=_variants(info, shown),
    )


class _Shown(NamedTuple):
    packet: int
    is_corrupt: bool
    is_key: bool
    width: int
    height: int
    pix_fmt: str
    is_interlaced: bool


@dataclass(frozen=True)
class _Whole:
    shown: list[_Shown]
    failed: set[int]


def _decoded_whole(info: VideoInfo, found: Scan, progress: Callable[[int], None]) -> _Whole:
    failed: set[int] = set()
    shown = _collected(found, frames_of(info, None, None, None, failed.add), progress, 0)
    return _Whole(shown, failed)


def _collected(
    found: Scan, pictures: Iterator[VideoFrame], progress: Callable[[int], None], before: int
) -> list[_Shown]:
    shown: dict[int, _Shown] = {}
    for picture in pictures:
        if picture.pts is None or picture.pts >= len(found.packets):
            continue  # damage may be read differently from the middle of a file than from its top
        if picture.pts not in shown:
            shown[picture.pts] = _Shown(
                picture.pts,
                picture.is_corrupt,
                picture.key_frame,
                picture.width,
                picture.height,
                picture.format.name,
                picture.interlaced_frame,
            )
            progress(before + len(shown))
    return list(shown.values())


def _entries(found: Scan, shown: Sequence[_Shown]) -> list[int]:
    """Packets at which decoding can start, according to both the container and the decoder.

    If there is none, the first packet is used.
    """
    keys = [
        picture.packet
        for picture in shown
        if picture.is_key and not picture.is_corrupt and found.packets[picture.packet].is_keyframe
    ]
    rising: list[int] = []
    for key in keys:
        if not rising or key > rising[-1]:
            rising.append(key)
    return rising or [0]


def _from_own(shown: list[_Shown], entry: int) -> list[_Shown]:
    """`shown` without the frames that are shown before the entry's own frame: they belong to the
    part before the entry, or cannot be decoded because that is missing."""
    if entry == 0:
        return shown
    own = next((k for k, picture in enumerate(shown) if picture.packet == entry), len(shown))
    return shown[own:]


def _entry(found: Scan, packet: int, index: int, isolated: bool = False) -> Entry:
    fact = found.packets[packet]
    return Entry(packet, index, isolated, fact.place, fact.size, fact.time)


def _part_of(keys: Sequence[int], packet: int) -> int:
    """The number of the entry that a packet follows; -1 before the first."""
    return bisect_right(keys, packet) - 1


def _decoded_in_parts(
    info: VideoInfo,
    found: Scan,
    keys: Sequence[int],
    broken: set[int],
    progress: Callable[[int], None],
) -> tuple[list[_Shown], list[Entry]]:
    """The frames shown, and the entries: each damaged part is decoded alone, intact parts in
    between are decoded together."""
    shown: list[_Shown] = []
    entries: list[Entry] = []
    begin = 0
    while begin < len(keys):
        end = begin + 1
        while begin not in broken and end < len(keys) and end not in broken:
            end += 1
        stop, until = (_at(keys, end), _at(keys, end + 1))
        entry = _entry(found, keys[begin], len(shown))
        pictures = _collected(found, frames_of(info, entry, stop, until), progress, len(shown))
        pictures = _from_own(pictures, keys[begin])
        place = {picture.packet: len(shown) + k for k, picture in enumerate(pictures)}
        for part in range(begin, end):
            if part == begin or keys[part] in place:
                index = len(shown) if part == begin else place[keys[part]]
                entries.append(_entry(found, keys[part], index, part in broken))
        shown += pictures
        begin = end
    return shown, entries


def _at(keys: Sequence[int], part: int) -> int | None:
    return keys[part] if part < len(keys) else None


def _unshown(
    info: VideoInfo, found: Scan, keys: Sequence[int], shown: Sequence[_Shown]
) -> Iterator[int]:
    """Packets that should have a frame, but have none.

    A packet may rightly have none: the second field of a frame, or one that the codec does not
    show.
    """
    interlaced = {picture.packet: picture.is_interlaced for picture in shown}
    for number, packet in enumerate(found.packets):
        if number in interlaced or packet.is_discard:
            continue
        at_start = _part_of(keys, number) < 1 and _leads(found, keys, number)
        second_field = interlaced.get(number - 1, False)
        if at_start or not (second_field or info.codec in _HIDING):
            yield number


def _leads(found: Scan, keys: Sequence[int], number: int) -> bool:
    """Whether a packet's frame is shown before the frame of the entry it follows, or it follows no
    entry: it may need what lies before the entry, and nothing after the entry needs it."""
    part = _part_of(keys, number)
    if part < 0:
        return True
    own, entry = found.packets[number].pts, found.packets[keys[part]].pts
    return own is not None and entry is not None and own < entry


def _variants(info: VideoInfo, shown: Sequence[_Shown]) -> tuple[Variant, ...]:
    variants: list[Variant] = []
    now = (info.width, info.height, info.pix_fmt)
    for index, picture in enumerate(shown):
        if picture[3:6] != now:
            now = picture[3:6]
            variants.append(Variant(index, *now))
    return tuple(variants)


def _packed(numbers: Sequence[int]) -> str:
    """Numbers as text: their differences, deflated. Regular video takes almost no space."""
    steps = np.diff(np.array(numbers, np.int64), prepend=0).astype("<i8")
    return base64.b64encode(zlib.compress(steps.tobytes())).decode()


def _unpacked(text: str) -> tuple[int, ...]:
    try:
        data = zlib.decompress(base64.b64decode(text))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return tuple(int(n) for n in np.cumsum(np.frombuffer(data, "<i8")))
