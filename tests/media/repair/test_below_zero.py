"""Video that begins before 0, as FFmpeg reads MPEG streams of the last minute before their clock of
33 bits begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet

from tests.making.clips import add_sound, add_video, decoded, packets, picture, sound_times, times
from tests.making.settings import UNCHANGED
from videnhance.job.run import enhance
from videnhance.settings.groups import (
    OutputSettings,
    PartSettings,
)

TURN = Fraction(2**33, 90000)
"""Seconds after which the clock of MPEG-TS and MPEG-PS begins anew (ISO/IEC 13818-1, 2.4.3.7)."""


def clip(
    path: Path,
    form: str,
    codec: str,
    pts: Sequence[int],
    *,
    audio: str | None = None,
    offset: Fraction = Fraction(0),
) -> Path:
    """Frames at `pts`, in 1/25 s, and a tone from the first to the last of them."""
    options = {"avoid_negative_ts": "disabled", "output_ts_offset": f"{float(offset):.6f}"}
    base = Fraction(1, 25)
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = add_video(container, codec, options={"g": "10", "bf": "2"})
        stream.codec_context.time_base = base
        found: list[Packet[Any]] = []
        tone = add_sound(container, audio, 48000) if audio else None
        for index, tick in enumerate(pts):
            frame = picture(index, 64, 48)
            frame.pts, frame.time_base = tick, base
            found += stream.encode(frame)
        found += stream.encode(None)
        if tone is not None:
            wave = np.sin(np.arange((pts[-1] - pts[0] + 1) * 1920) / 5) * 8000
            sound = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
            sound.sample_rate, sound.pts = 48000, pts[0] * 1920
            found += [*tone.encode(sound), *tone.encode(None)]
        found.sort(key=lambda p: (p.dts if p.dts is not None else p.pts or 0) * p.time_base)
        container.mux(found)
    return path


def assert_same(
    source: Path,
    output: Path,
    before: Sequence[Fraction],
    notes: Sequence[str],
    *,
    exactly: bool = True,
) -> None:
    """Frames and sound are the source's, later together by what is told."""
    first = min([before[0], *(sound_times(source) if has_sound(source) else ())])
    told = [note for note in notes if f"{float(-first):.3f} s later, together" in note]
    # Where FFmpeg guesses the times before 0 of Matroska rightly, they stay.
    assert told or output.suffix == ".mkv"
    moved = -first if told else Fraction(0)
    slack = Fraction(1, 1000) if output.suffix == ".mkv" else Fraction(1, 48000)
    stop, after = len(before), times(output)
    assert len(after) == len(before)
    assert max(abs(b - a - moved) for a, b in zip(before, after, strict=True)) <= slack
    for one, other in zip(decoded(source)[:stop], decoded(output), strict=True):
        assert not exactly or all(np.array_equal(p, q) for p, q in zip(one, other, strict=True))
    if has_sound(source):
        old, new = packets(source, "audio"), packets(output, "audio")
        if old[0].startswith(b"\xff\xf1"):  # AAC with a header in each packet
            old = [data[7:] for data in old]
        assert old[: len(new)] == new
        assert len(new) == len(old) or stop < len(times(source))
        for a, b in zip(sound_times(source), sound_times(output), strict=False):
            assert abs(b - a - moved) <= slack


def has_sound(path: Path) -> bool:
    with av.open(str(path)) as container:
        return bool(container.streams.audio)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    ("name", "form", "codec", "audio"),
    [("in.ts", "mpegts", "libx264", "aac"), ("in.mpg", "vob", "mpeg2video", "mp2")],
)
def test_a_clock_of_33_bits_that_begins_anew(
    tmp_path: Path, name: str, form: str, codec: str, audio: str, suffix: str
) -> None:
    source = clip(
        tmp_path / name, form, codec, range(50), audio=audio, offset=TURN - Fraction(6, 5)
    )
    first = times(source)[0]
    assert -2 < first < -1  # as FFmpeg reads it
    assert times(source)[-1] > 0
    # FFmpeg reads the keyframe that MPEG-PS shows at the very turn at another's time.
    shown = [first + Fraction(k, 25) for k in range(50)]
    out = tmp_path / f"out{suffix}"
    assert_same(source, out, shown, enhance(source, out, UNCHANGED).notes)
    some = tmp_path / f"some{suffix}"
    part = replace(UNCHANGED, part=PartSettings(end="30f"))
    assert_same(source, some, shown[:30], enhance(source, some, part).notes)
    # A part that begins later begins at 0 by itself.
    later = tmp_path / f"later{suffix}"
    notes = enhance(source, later, replace(UNCHANGED, part=PartSettings(start="12f"))).notes
    assert not [note for note in notes if "before 0" in note]
    slack = Fraction(1, 1999)
    assert all(abs(t - Fraction(k, 25)) < slack for k, t in enumerate(times(later)))
    assert len(times(later)) == 38


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("codec", ["ffv1", "h264"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("audio", [None, "ac3"])
def test_uneven_times_before_0(tmp_path: Path, suffix: str, codec: str, audio: str | None) -> None:
    pts = (0, 1, 8, 9, 17, 20, 21, 25, 70)
    source = clip(
        tmp_path / "in.ts", "mpegts", "mpeg2video", pts, audio=audio, offset=TURN - Fraction(3, 2)
    )
    before = times(source)
    assert [t - before[0] for t in before] == [Fraction(t, 25) for t in pts]
    assert before[0] < 0 < before[-1]
    out = tmp_path / f"out{suffix}"
    preset = None if codec == "ffv1" else "ultrafast"
    summary = enhance(source, out, replace(UNCHANGED, output=OutputSettings(codec, preset=preset)))
    assert_same(source, out, before, summary.notes, exactly=codec == "ffv1")


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(
    ("name", "form", "codec", "audio"),
    [("in.ts", "mpegts", "libx264", "aac"), ("in.mpg", "vob", "mpeg2video", "mp2")],
)
def test_a_clock_that_is_set_back_far_has_not_run_through(
    tmp_path: Path, name: str, form: str, codec: str, audio: str
) -> None:
    parts = [
        clip(tmp_path / f"{offset}{name}", form, codec, range(30), audio=audio, offset=offset)
        for offset in (Fraction(5000), Fraction(20))
    ]
    source = tmp_path / name
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert max(times(source)) > 95000  # as FFmpeg reads it
    out = tmp_path / "out.mkv"
    keeping = replace(UNCHANGED, output=replace(UNCHANGED.output, keep_origin=True))
    notes = enhance(source, out, keeping).notes
    assert any("the clock is set back at 1.200 s" in note for note in notes)
    assert not any("cut off" in note or "not in the file" in note for note in notes)
    slack = Fraction(1, 1000)
    first = times(parts[0])[0]
    for k, time in enumerate(times(out)):
        assert abs(time - first - Fraction(k, 25)) <= slack
    assert len(times(out)) == 60
    pictures = [planes for part in parts for planes in decoded(part)]
    for one, other in zip(pictures, decoded(out), strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(one, other, strict=True))
    moved = first + Fraction(30, 25) - times(parts[1])[0]
    own = [
        b + m
        for part, m in zip(parts, (Fraction(0), moved), strict=True)
        for b in sound_times(part)
    ]
    heard = sound_times(out)
    assert len(heard) == len(own)
    # Where the first part's sound reaches over its picture, the second's follows closely.
    assert max(abs(b - a) for a, b in zip(own, heard, strict=True)) < Fraction(1, 20)
    assert sum(abs(b - a) > slack for a, b in zip(own, heard, strict=True)) < 6
