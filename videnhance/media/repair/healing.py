"""How far damage reaches: to the next keyframe, or to where the stream recovers by itself.

H.264 and H.265 with intra refresh, as many cameras send it, have no keyframes but recovery points
(SEI message 6; ITU-T H.264, D.2.8, and H.265, D.3.8): from so many frames after one on, the picture
is right whatever was lost before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from videnhance.media.info import VideoInfo
from videnhance.media.reading.source import open_source, packets_of, video_stream

_SEI = {"h264": (6,), "hevc": (39,)}
"""Types of the NAL unit that holds messages before the picture."""
_RECOVERY = 6
_LONGEST = 1000
"""Bytes of a message's unit that are looked at: a recovery point takes six."""


class _Stretch(NamedTuple):
    """Packets that one damage reaches."""

    key: int
    """From where decoding starts."""
    first: int
    """The damage."""
    last: int


def damaged_frames(
    keys: Collection[int], bad: Collection[int], shown: Sequence[int], points: Mapping[int, int]
) -> tuple[int, ...]:
    """Frames that are damaged or decoded after damage, by their places in `shown`.

    `shown`: the packet of each frame. `keys`: packets at which decoding can start. `bad`: packets
    that are damaged or missing. `points`: from `recovery_points`.
    """
    stretches: list[_Stretch] = []
    heals: set[int] = set()
    key, active = 0, False
    for number in range(max(shown, default=-1) + 1):
        if number in keys or number in heals:
            active, heals = False, set()
            key = number
        if number in bad:
            if not active:
                stretches.append(_Stretch(key, number, number))
            active, heals = True, set()
        elif active and number in points:
            heals.add(points[number])
            active = points[number] > number
        if active:
            stretches[-1] = stretches[-1]._replace(last=number)
    # Frames that are decoded before the first damaged one and shown after it are told with it.
    starts = [stretch.key for stretch in stretches]
    begun: set[int] = set()
    damaged = []
    for index, packet in enumerate(shown):
        at = bisect_right(starts, packet) - 1
        reached = at >= 0 and packet <= stretches[at].last
        if reached and (at in begun or packet >= stretches[at].first):
            begun.add(at)
            damaged.append(index)
    return tuple(damaged)


def recovery_points(info: VideoInfo) -> dict[int, int]:
    """Packets with a recovery point, and the packet from whose frame on the picture is right if
    decoding starts there. Reads the whole video; empty for codecs other than H.264 and H.265."""
    found: dict[int, int] = {}
    waiting: dict[int, int] = {}
    if info.codec not in _SEI:
        return found
    with open_source(info) as container:
        stream = video_stream(container, info.path)
        prefix = _prefix(stream.codec_context.extradata, info.codec)
        for number, packet in enumerate(packets_of(container, stream)):
            units = list(_units(bytes(packet), prefix))
            # Recovery counts the frames that others refer to.
            refers = info.codec == "hevc" or any(u[0] & 0x60 for u in units if u[0] & 31 in (1, 5))
            for point in list(waiting):
                waiting[point] -= refers
                if waiting[point] <= 0:
                    found[point] = number
                    del waiting[point]
            count = next((c for u in units if (c := _recovery_in(u, info.codec)) is not None), None)
            if count is not None and count > 0:
                waiting[number] = count
            elif count is not None:
                found[number] = number
    return found


def _prefix(extradata: bytes | None, codec: str) -> int:
    """Bytes of the length before each unit (ISO/IEC 14496-15); 0 if start codes are."""
    if not extradata or extradata[0] != 1:
        return 0
    return (extradata[4 if codec == "h264" else 21] & 3) + 1


def _units(data: bytes, prefix: int) -> Iterator[bytes]:
    """The beginning of each NAL unit of a packet."""
    at = 0 if prefix else data.find(b"\0\0\1") + 3
    while prefix and at + prefix < len(data):
        length = int.from_bytes(data[at : at + prefix], "big")
        yield data[at + prefix : at + prefix + min(length, _LONGEST)]
        at += prefix + length
    while not prefix and 3 <= at < len(data):
        after = data.find(b"\0\0\1", at)
        end = len(data) if after < 0 else after
        yield data[at : min(end, at + _LONGEST)]
        at = len(data) if after < 0 else after + 3


def _recovery_in(unit: bytes, codec: str) -> int | None:
    """The count of a recovery point in a NAL unit; None if it holds none."""
    head = 1 if codec == "h264" else 2
    kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
    if kind not in _SEI[codec] or len(unit) < head + 3:
        return None
    data, at = unit.replace(b"\0\0\3", b"\0\0"), head
    while at + 2 < len(data):
        numbers = [0, 0]  # type and length of the message, in bytes of 255 and a rest
        for k in range(2):
            while at < len(data) and data[at] == 255:
                numbers[k] += 255
                at += 1
            numbers[k] += data[at] if at < len(data) else 0
            at += 1
        if numbers[0] == _RECOVERY:
            return _exp_golomb(data[at : at + numbers[1]], signed=codec == "hevc")
        at += numbers[1]
    return None


def _exp_golomb(data: bytes, *, signed: bool) -> int | None:
    """The number that a message begins with (ITU-T H.264, 9.1); of negative ones 0."""
    bits = "".join(f"{byte:08b}" for byte in data)
    zeros = len(bits) - len(bits.lstrip("0"))
    if len(bits) < 2 * zeros + 1:
        return None
    number = int(bits[zeros : 2 * zeros + 1], 2) - 1
    return number if not signed else (number + 1) // 2 if number % 2 else 0
