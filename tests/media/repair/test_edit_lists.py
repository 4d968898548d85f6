"""Edit lists of MP4 and MOV: what they show is enhanced, when they show it, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, packets, sound_times, times, write_clip
from videnhance.errors import OutputError
from videnhance.job.run import enhance
from videnhance.media.check.frames import read_contents
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
    SourceSettings,
)

MADE = Settings(
    source=SourceSettings(strict=True),
    detect=DetectSettings(detector="square"),
    restore=RestoreSettings(restorer="identity"),
    output=OutputSettings(codec="ffv1", keep_origin=True),
)
Edit = tuple[Fraction, Fraction | None]
"""Seconds that it lasts, and where in the track it begins; None is a pause."""
FRAME = Fraction(1, 25)


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of every box of ISO/IEC 14496-12."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        found.append((name, data[at + 8 : at + size]))
        at += size
    return found


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def edited(source: Path, target: Path, kind: bytes, edits: Sequence[Edit]) -> Path:
    """The file with an edit list for the track of a kind; its index lies at its end."""
    *before, (last, moov) = boxes(source.read_bytes())
    assert last == b"moov"
    scale = struct.unpack(">I", dict(boxes(moov))[b"mvhd"][12:16])[0]
    parts = []
    for name, content in boxes(moov):
        if name == b"trak":
            track = [part for part in boxes(content) if part[0] != b"edts"]
            media = dict(boxes(dict(track)[b"mdia"]))
            unit = struct.unpack(">I", media[b"mdhd"][12:16])[0]
            if media[b"hdlr"][8:12] == kind:
                rows = [
                    struct.pack(
                        ">Iii",
                        round(length * scale),
                        -1 if at is None else round(at * unit),
                        1 << 16,
                    )
                    for length, at in edits
                ]
                listed = box(b"elst", struct.pack(">II", 0, len(rows)) + b"".join(rows))
                track.insert(1, (b"edts", listed))
            content = b"".join(box(*part) for part in track)
        parts.append(box(name, content))
    target.write_bytes(b"".join(box(*part) for part in before) + box(b"moov", b"".join(parts)))
    return target


def clip(folder: Path, codec: str = "mjpeg", audio: str | None = None) -> Path:
    """30 frames, 25 a second."""
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return write_clip(
        folder / "whole.mov",
        pts=range(30),
        codec=codec,
        pix_fmt=pix_fmt,
        audio=audio,
        options={"g": "10"},
    )


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    ("edits", "frames", "begin"),
    [
        ([(23, 7)], [*range(7, 30)], 0),
        ([(20, 0)], [*range(20)], 0),
        ([(10, 0), (10, 20)], [*range(10), *range(20, 30)], 0),
        ([(10, 20), (10, 0)], [*range(20, 30), *range(10)], 0),
        ([(5, 3), (5, 3)], [*range(3, 8), *range(3, 8)], 0),
        ([(13, None), (10, 10)], [*range(10, 20)], 13),
    ],
)
def test_what_is_shown_is_all_there_is(
    tmp_path: Path,
    edits: Sequence[tuple[int, int | None]],
    frames: Sequence[int],
    begin: int,
    suffix: str,
) -> None:
    whole = clip(tmp_path)
    seconds = [(n * FRAME, None if at is None else at * FRAME) for n, at in edits]
    source = edited(whole, tmp_path / "in.mov", b"vide", seconds)
    out = tmp_path / f"out{suffix}"
    summary = enhance(source, out, MADE)  # strictly: nothing is cut off
    assert summary.frames == len(frames)
    assert times(out) == [(begin + k) * FRAME for k in range(len(frames))]
    pictures = decoded(whole)
    for k, planes in zip(frames, decoded(out), strict=True):
        for one, other in zip(pictures[k], planes, strict=True):
            np.testing.assert_array_equal(one, other)


def test_frames_that_an_edit_list_hides_do_not_count_as_written(tmp_path: Path) -> None:
    whole = clip(tmp_path, "mpeg4")
    hiding = edited(whole, tmp_path / "out.mov", b"vide", [(23 * FRAME, 7 * FRAME)])
    assert len(read_contents(whole, whole, 30).pts) == 30
    with pytest.raises(OutputError, match="23 of 30 frames"):
        read_contents(hiding, hiding, 30)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_is_heard_in_the_order_of_its_edits(tmp_path: Path, suffix: str) -> None:
    whole = clip(tmp_path, audio="aac")
    packet = Fraction(1024, 8000)
    edits = [(3 * packet, Fraction(0)), (3 * packet, 5 * packet)]
    source = edited(whole, tmp_path / "in.mov", b"soun", edits)
    out = tmp_path / f"out{suffix}"
    enhance(source, out, MADE)
    sound = packets(whole, "audio")
    heard = packets(out, "audio")
    assert heard == [*sound[:3], *sound[5:8]]
    for k, begin in enumerate(sound_times(out)):
        assert abs(begin - k * packet) <= Fraction(1, 2000)
