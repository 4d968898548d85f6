"""Recordings one behind another in one file: read as one where they are alike, told where not."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.making.clips import decoded, packets, times, write_clip
from tests.making.flash import BEGINS, CLICK, END, FLASH, moments, write_flash
from tests.making.settings import UNCHANGED
from videnhance import Settings, enhance
from videnhance.cli.report import probe_facts, probe_text
from videnhance.errors import InputError
from videnhance.media.reading.joined import joined_in
from videnhance.media.reading.parts import parts_of
from videnhance.settings.groups import PartSettings, SourceSettings

pytestmark = pytest.mark.usefixtures("square_detector")
STRICT = Settings(
    detect=UNCHANGED.detect,
    restore=UNCHANGED.restore,
    output=UNCHANGED.output,
    source=SourceSettings(strict=True),
)
FRAGMENTED = {"movflags": "frag_keyframe+delay_moov"}


def cat(path: Path, *parts: bytes | Path) -> Path:
    path.write_bytes(b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in parts))
    return path


def again(path: Path, source: Path, options: dict[str, str]) -> Path:
    """The source's packets in a file of the same kind, muxed with other options."""
    with av.open(str(source)) as a, av.open(str(path), "w", options=options) as b:
        routes = [b.add_stream_from_template(stream, opaque=True) for stream in a.streams]
        for packet in a.demux():
            if packet.size:
                packet.stream = routes[packet.stream_index]
                b.mux(packet)
    return path


@pytest.mark.parametrize(
    ("suffix", "codec", "sound", "options"),
    [
        (".mp4", "libx264", ("aac", 48000), {}),
        (".mp4", "libx265", ("aac", 48000), {}),
        (".mp4", "libx264", ("aac", 48000), {"movflags": "faststart"}),
        (".mp4", "libx264", ("aac", 48000), FRAGMENTED),
        (".mov", "mpeg4", ("pcm_s16le", 8000), {}),
        (".flv", "libx264", ("aac", 44100), {}),
        (".flv", "flv", ("libmp3lame", 44100), {}),
    ],
)
def test_each_part_follows_the_one_before_with_its_sound(
    tmp_path: Path, suffix: str, codec: str, sound: tuple[str, int], options: dict[str, str]
) -> None:
    each = []
    for name, reordered in (("a", False), ("b", codec == "libx264" and suffix != ".flv")):
        one = write_flash(
            tmp_path / f"{name}{suffix}", codec, sound[0], samples=sound[1], reordered=reordered
        )
        each.append(again(tmp_path / f"{name}2{suffix}", one, options) if options else one)
    # Two kinds of coding, and the first once more.
    source = cat(tmp_path / f"in{suffix}", *each, each[0])
    assert len(parts_of(source)) == 3
    output = tmp_path / "out.mkv"
    summary = enhance(source, output, STRICT)
    found = moments(output)
    alone = [moments(path) for path in each]
    whole = [*alone[0].pictures, *alone[1].pictures, *alone[0].pictures]
    assert len(found.pictures) == len(whole)
    for picture, truth in zip(found.pictures, whole, strict=True):
        np.testing.assert_array_equal(picture, truth)
    # Each part begins where the one before it ends: within a packet of sound, which may be longer
    # than the picture; and its flash and its click are as far apart as they were made.
    count = len(alone[0].pictures)
    heard = clicks(output)
    assert len(heard) == 3
    for part in range(3):
        begin = found.times[part * count]
        assert abs(begin - part * float(END)) < part * 0.07 + 0.05
        flash = found.times[part * count + alone[0].flash]
        assert abs(flash - begin - float(FLASH)) < 0.002
        assert abs(heard[part] - flash - float(CLICK - FLASH)) < 0.03
    notes = [note for note in summary.notes if "another recording" in note]
    assert len(notes) == 2
    assert f"from byte {each[0].stat().st_size} on" in notes[0]
    assert not any("never recorded" in note for note in summary.notes)
    assert summary.check is not None
    assert summary.check.witnessed == len(whole)
    facts = probe_facts(source)
    assert facts["problem"] is None
    assert facts["video"]["timing"]["frames"] == len(whole)
    assert [one["byte"] for one in facts["recordings"]] == [
        *(0, each[0].stat().st_size),
        each[0].stat().st_size + each[1].stat().st_size,
    ]
    assert "3 recordings one behind another: 0.000 s (byte 0), 1." in probe_text(facts)


def clicks(path: Path) -> list[float]:
    """The seconds of all clicks, which are a second apart at least."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(np.float64)).ravel()
            wave /= 1.0 if "flt" in frame.format.name else 32768
            at = (frame.time or 0.0) + int(wave.argmax()) / frame.sample_rate
            if wave.max() > 0.2 and (not found or at > found[-1] + 1):
                found.append(at)
    return found


def test_a_range_of_the_second_part_is_found(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "a.mp4", pts=range(30), audio="aac", options={"g": "10"})
    two = write_clip(tmp_path / "b.mp4", pts=range(30), audio="aac", options={"g": "15"})
    source = cat(tmp_path / "in.mp4", one, two)
    part = Settings(
        detect=UNCHANGED.detect,
        restore=UNCHANGED.restore,
        output=UNCHANGED.output,
        part=PartSettings(start="38f", end="50f"),
    )
    enhance(source, tmp_path / "out.mkv", part)
    whole = [*decoded(one), *decoded(two)]
    found = decoded(tmp_path / "out.mkv")
    assert len(found) == 12
    for frame, truth in zip(found, whole[38:50], strict=True):
        for plane, other in zip(frame, truth, strict=True):
            np.testing.assert_array_equal(plane, other)


def test_all_packets_of_sound_are_there_but_those_not_to_be_heard(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "a.mp4", pts=range(30), audio="aac")
    source = cat(tmp_path / "in.mp4", one, one)
    enhance(source, tmp_path / "out.mkv", UNCHANGED)
    own = packets(one, "audio")
    # The first packet of a recording only prepares the decoder; the second part has one before it.
    assert packets(tmp_path / "out.mkv", "audio") == [*own, *own[1:]]


@pytest.mark.parametrize("unlike", ["size", "sound", "rotation", "clock"])
def test_parts_that_are_not_alike_are_told(tmp_path: Path, unlike: str) -> None:
    one = write_clip(tmp_path / "a.mp4", pts=range(10), audio="aac")
    turned = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    two = write_clip(
        tmp_path / "b.mp4",
        pts=range(20),
        audio=None if unlike == "sound" else "aac",
        size=(80, 48) if unlike == "size" else (64, 48),
        matrix=turned if unlike == "rotation" else None,
        time_base=Fraction(1, 24) if unlike == "clock" else Fraction(1, 25),
    )
    source = cat(tmp_path / "in.mp4", one, two)
    begin, size = one.stat().st_size, two.stat().st_size
    said = rf"{size} bytes from byte {begin} on hold another .* of 0\.8\d\d s, unlike .* not read"
    summary = enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert times(tmp_path / "out.mkv") == times(one)
    assert any(re.search(said, note) for note in summary.notes)
    with pytest.raises(InputError, match=said):
        enhance(source, tmp_path / "strict.mkv", STRICT)
    assert "are not read" in probe_facts(source)["problem"]


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".asf", "wmv2"), (".ivf", "libvpx"), (".nut", "libx264")]
)
def test_of_other_containers_only_the_first_is_read(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    one = write_clip(tmp_path / f"a{suffix}", codec=codec, pts=range(10))
    source = cat(tmp_path / f"in{suffix}", one, one)
    with pytest.raises(InputError, match=f"from byte {one.stat().st_size} on hold another"):
        enhance(source, tmp_path / "strict.mkv", STRICT)
    if suffix != ".nut":  # of which FFmpeg takes what follows for one more frame
        enhance(source, tmp_path / "out.mkv", UNCHANGED)
        assert len(times(tmp_path / "out.mkv")) == 10


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".avi"])
def test_what_ffmpeg_reads_on_is_no_news(tmp_path: Path, suffix: str) -> None:
    one = write_clip(tmp_path / f"a{suffix}", codec="mpeg4", pts=range(10))
    source = cat(tmp_path / f"in{suffix}", one, one)
    summary = enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert len(times(tmp_path / "out.mkv")) == 20
    assert not any("recording" in note for note in summary.notes)


def test_bytes_of_no_recording_are_told_but_zeros_are_nothing(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "a.mp4", pts=range(10))
    size = one.stat().st_size
    enhance(cat(tmp_path / "zeros.mp4", one, bytes(100_000)), tmp_path / "zeros.mkv", STRICT)
    for number, tail in enumerate((b"\n", b"\0\0\0\1\2\3\4\5" * 9, bytes(5000) + b"end")):
        source = cat(tmp_path / f"in{number}.mp4", one, tail)
        with pytest.raises(InputError, match=f"{len(tail)} bytes from byte {size} on belong to no"):
            enhance(source, tmp_path / "strict.mkv", STRICT)
        summary = enhance(source, tmp_path / f"out{number}.mkv", UNCHANGED)
        assert any("belong to no recording" in note for note in summary.notes)
    # A recording behind such bytes is found.
    source = cat(tmp_path / "padded.mp4", one, bytes(5000), one)
    enhance(source, tmp_path / "padded.mkv", STRICT)
    assert len(times(tmp_path / "padded.mkv")) == 20


@pytest.mark.parametrize("front", [False, True])
def test_parts_without_ftyp_are_found_by_their_indices(tmp_path: Path, front: bool) -> None:
    one = write_clip(tmp_path / "a.mov", pts=range(10))
    if front:
        one = again(tmp_path / "b.mov", one, {"movflags": "faststart"})
    data = one.read_bytes()
    bare = data.replace(b"ftyp", b"free", 1)
    source = cat(tmp_path / "in.mov", data, bare)
    # The boxes before a part's samples or index are not known to be its own.
    assert [part.is_recording for part in parts_of(source)] == [True, True]


def test_a_part_cut_off_at_the_end_is_called_that(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "first.mp4", pts=range(50), options={"g": "10"})
    one = again(tmp_path / "a.mp4", one, {})
    moved = again(tmp_path / "b.mp4", one, {"movflags": "faststart"})
    source = cat(tmp_path / "in.mp4", one, moved.read_bytes()[:-900])
    summary = enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert len(joined_in(source).parts) == 2
    assert any("cut off" in note for note in summary.notes)
    # Without an index nothing of it can be read.
    source = cat(tmp_path / "lost.mp4", one, one.read_bytes()[:-1500])
    summary = enhance(source, tmp_path / "lost.mkv", UNCHANGED)
    assert any(f"from byte {one.stat().st_size} on hold another" in n for n in summary.notes)
    with pytest.raises(InputError):
        enhance(source, tmp_path / "strict.mkv", STRICT)


def test_flv_cut_off_before_the_next_one_begins(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "a.flv", codec="flv", pts=range(20))
    cut = one.read_bytes()[:-100]
    source = cat(tmp_path / "in.flv", cut, one)
    assert parts_of(source)[-1].begin == len(cut)
    enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert len(times(tmp_path / "out.mkv")) >= 38


def test_names_with_quotes_are_joined_too(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "a.mp4", pts=range(10))
    source = cat(tmp_path / "it's 5%03d, 'quoted'.mp4", one, one)
    enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert len(times(tmp_path / "out.mkv")) == 20


def test_begins_are_those_of_the_first_recording(tmp_path: Path) -> None:
    late = BEGINS["late sound"]
    one = write_flash(tmp_path / "a.mp4", "libx264", "aac", late, samples=48000)
    source = cat(tmp_path / "in.mp4", one, one)
    enhance(source, tmp_path / "out.mkv", UNCHANGED)
    found, count = moments(tmp_path / "out.mkv"), len(moments(one).pictures)
    flash, (first, second) = found.times[moments(one).flash], clicks(tmp_path / "out.mkv")
    assert abs(first - flash - float(CLICK - FLASH)) < 0.03
    assert abs(second - first - (found.times[count] - found.times[0])) < 0.03
