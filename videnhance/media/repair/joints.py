"""Where two MPEG-TS were joined: frames there that FFmpeg calls damaged, and are whole.

FFmpeg marks the packet it is at when the count of packets of 188 bytes (continuity_counter, ISO/IEC
13818-1, 2.4.3.3) jumps, as it does where another recording begins. Of which frame something is
missing, if anything, is told by the file: within a frame (PES packet) the count goes on, and its
last packet is filled up, as the next frame begins with a packet of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

_STEPS = (188, 192, 204)
"""Bytes from one packet to the next: plain, with a time before it, with a checksum after it."""
_SYNC = 0x47
_MOST = 200_000
"""Packets looked at for one frame."""


def truly_damaged(path: Path, places: Sequence[int], marked: Collection[int]) -> set[int]:
    """Which of the frames are damaged. `places`: the place of each frame's PES packet in the file,
    -1 if it is not known; `marked`: the frames that FFmpeg calls damaged, each of which may stand
    for the one after it, as FFmpeg's parser holds one back."""
    damaged: set[int] = set()
    with path.open("rb") as file:
        for frame in marked:
            own = range(frame, min(frame + 2, len(places)))
            states = [_is_whole(file, places[k]) if places[k] >= 0 else None for k in own]
            if None in states:
                damaged.add(frame)
            damaged |= {k for k, state in zip(own, states, strict=True) if state is False}
    return damaged


class _Part(NamedTuple):
    """A packet of the transport stream."""

    pid: int
    begins: bool
    """Whether a PES packet begins in it."""
    counter: int
    is_broken: bool
    stuffing: bool
    payload: bytes


def _is_whole(file: BinaryIO, place: int) -> bool | None:
    """Whether nothing of a PES packet is missing; None if none begins there."""
    step = _step(file, place)
    first = _part(file, place) if step else None
    if first is None or not first.begins or first.payload[:3] != b"\0\0\1":
        return None
    length = int.from_bytes(first.payload[4:6], "big")
    last, size = first, len(first.payload)
    for number in range(1, _MOST):
        part = _part(file, place + number * step)
        if part is None or part.pid != first.pid or not (part.payload or part.is_broken):
            if part is None:  # the end of the file
                break
            continue
        follows = part.counter == (last.counter + 1) % 16
        if part.begins:
            return size >= length + 6 if length else last.stuffing or follows
        if part.is_broken or not follows:
            return False
        last, size = part, size + len(part.payload)
    return size >= length + 6 if length else last.stuffing


def _step(file: BinaryIO, place: int) -> int:
    for step in _STEPS:
        file.seek(place)
        data = file.read(step + 1)
        if data[:1] == bytes([_SYNC]) and data[step:] in (bytes([_SYNC]), b""):
            return step
    return 0


def _part(file: BinaryIO, place: int) -> _Part | None:
    file.seek(place)
    data = file.read(188)
    if len(data) < 188 or data[0] != _SYNC:
        return None
    adaptation, has_payload = bool(data[3] & 0x20), bool(data[3] & 0x10)
    begin = 5 + data[4] if adaptation else 4
    return _Part(
        pid=(data[1] & 0x1F) << 8 | data[2],
        begins=bool(data[1] & 0x40),
        counter=data[3] & 15,
        is_broken=bool(data[1] & 0x80),
        stuffing=adaptation and has_payload,
        payload=data[begin:] if has_payload else b"",
    )
