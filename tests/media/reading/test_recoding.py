"""Video whose codec is called something else, or nothing: it is read as what it is, or the error
says what it was taken for and how to go on."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.making.clips import decoded, square_frames, times, write_rgb
from tests.making.misnamed import bare, headless, plain, program_stream, renamed, vfw
from videnhance import Settings, enhance, probe
from videnhance.cli.report import probe_facts, probe_text, summary_text
from videnhance.errors import InputError, UsageError
from videnhance.media.reading.recoding import CODED, Edit, Edited, called, likely, shown
from videnhance.settings.groups import (
    SETTINGS,
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    SourceSettings,
)


@pytest.fixture
def wish(square_detector: str) -> Settings:
    return Settings(
        detect=DetectSettings(detector=square_detector, every=4),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1"),
    )


def like(clip: Path, other: Path, wish: Settings) -> str:
    """Enhance both; the results must have the same pictures at the same times. Returns what is said
    of `other`."""
    outputs, text = [], ""
    for name, source, settings in (
        ("a", clip, replace(wish, source=SourceSettings())),
        ("b", other, wish),
    ):
        output = clip.with_name(f"{name}.mkv")
        summary = enhance(source, output, settings, overwrite=True)
        outputs.append(output)
        text = summary_text(summary)
    one, two = map(decoded, outputs)
    for first, second in zip(one, two, strict=True):
        assert all(np.array_equal(*planes) for planes in zip(first, second, strict=True))
    assert times(outputs[0]) == times(outputs[1])
    return text


@pytest.mark.parametrize(
    ("codec", "suffix", "name", "auto"),
    [
        ("hevc", ".avi", b"HM10", True),
        ("hevc", ".avi", b"ABCD", True),
        ("hevc", ".avi", b"H264", True),
        ("h264", ".avi", b"JRV1", True),
        ("h264", ".avi", b"HEVC", True),
        ("mpeg4", ".avi", b"ABCD", True),
        ("mjpeg", ".avi", b"ABCD", True),
        ("h264", ".mov", b"HKMI", False),  # without start codes, its bytes tell nothing
        ("hevc", ".mov", b"HM10", True),
        ("mjpeg", ".mov", b"ABCD", True),
    ],
)
def test_a_codec_under_another_name(
    tmp_path: Path, wish: Settings, codec: str, suffix: str, name: bytes, auto: bool
) -> None:
    clip = plain(tmp_path / f"in{suffix}", codec)
    other = renamed(clip, codec, name)
    assert called(other) == name.decode()
    if auto:
        info = probe(other)
        assert (info.codec, info.read_as) == (codec, codec)
        said = name.decode() if name not in (b"H264", b"HEVC") else name.decode().lower()
        assert info.taken_for == said
        note = f"its video is called {said} and shows no picture as that: read as {codec}"
        assert note in like(clip, other, wish)
        assert f"called {said}" in probe_text(probe_facts(other))
    else:
        with pytest.raises(
            InputError, match=f"calls its video {name.decode()}, a codec that FFmpeg"
        ):
            probe(other)
    told = replace(wish, source=SourceSettings(input_codec=codec, strict=True))
    assert "read as" not in like(clip, other, told)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_program_stream_whose_map_is_wrong(tmp_path: Path, wish: Settings, codec: str) -> None:
    clip = plain(tmp_path / "in.mp4", codec)
    good = program_stream(clip, tmp_path / "good.mpg", codec, CODED[codec].stream_type)
    assert probe(good).read_as is None
    wrong = program_stream(clip, tmp_path / "wrong.mpg", codec, 0x33)
    info = probe(wrong)
    assert (info.codec, info.read_as, info.taken_for) == (codec, codec, "vvc")
    assert "called vvc" in like(good, wrong, wish)
    bare = program_stream(clip, tmp_path / "bare.mpg", codec, None)
    like(good, bare, replace(wish, source=SourceSettings(input_codec=codec)))


def test_a_stream_without_a_container(tmp_path: Path, wish: Settings) -> None:
    clip = plain(tmp_path / "in.mp4", "hevc")
    other = bare(clip, tmp_path / "in.dat", "hevc")
    assert probe(other, "hevc").codec == "hevc"
    with pytest.raises(InputError, match=r"read as mpeg4 \(--input-codec\)"):
        probe(other, "mpeg4")


def test_what_nobody_can_decode_is_told_as_what_it_was_taken_for(tmp_path: Path) -> None:
    clip = plain(tmp_path / "in.mp4", "h264")
    lost = headless(clip, tmp_path / "in.mpg")
    # What FFmpeg takes it for is chance: another codec, or sound.
    taken = r"(takes its video for \w+, and|holds no video .*FFmpeg sees).*--input-codec"
    with pytest.raises(InputError, match=taken):
        probe(lost)
    with pytest.raises(InputError, match=r"read as h264 .*lack the codec's header"):
        probe(lost, "h264")


def test_no_codec_is_guessed_from_nothing(tmp_path: Path) -> None:
    clip = write_rgb(tmp_path / "in.avi", square_frames(3), codec="huffyuv", pix_fmt="yuv422p")
    data = clip.read_bytes()
    clip.write_bytes(data.replace(b"HFYU", b"ABCD"))
    assert likely(clip) is None
    told = "calls its video ABCD, a codec that FFmpeg does not know; .*--input-codec"
    with pytest.raises(InputError, match=told):
        probe(clip)
    with pytest.raises(InputError, match="read as h264"):
        probe(clip, "h264")


def test_matroska_has_a_name_that_can_be_replaced_only_with_vfw(tmp_path: Path) -> None:
    clip = vfw(tmp_path / "in.mkv", b"JRV1")
    assert called(clip) == "JRV1"
    with shown(clip, "mjpeg") as edited:
        assert isinstance(edited, Edited)
        assert edited.read() == clip.read_bytes().replace(b"JRV1", b"MJPG")
    other = write_rgb(tmp_path / "other.mkv", square_frames(3))
    with pytest.raises(UsageError, match=r"--input-codec hevc: .*\(Matroska\) cannot be replaced"):
        probe(other, "hevc")


def test_transport_streams_are_refused_in_words(tmp_path: Path) -> None:
    clip = write_rgb(tmp_path / "in.ts", square_frames(3), codec="libx264", pix_fmt="yuv420p")
    with pytest.raises(UsageError, match=r"--input-codec hevc: .*MPEG-TS"):
        probe(clip, "hevc")


def test_the_codecs_that_can_be_named_are_those_that_can_be_shown() -> None:
    assert SETTINGS["source.input_codec"].choices == ("auto", *CODED)


def test_an_edited_file_reads_as_one(tmp_path: Path) -> None:
    data = bytes(range(256)) * 3
    edits = [Edit(300, 304, b"wxyz"), Edit(0, 0, b"before"), Edit(10, 20, b"")]
    edits += [Edit(767, 768, b"ab"), Edit(302, 310, b"within another")]
    whole = b"before" + data[:10] + data[20:300] + b"wxyz" + data[304:767] + b"ab"
    edited = Edited(io.BytesIO(data), edits)
    assert edited.read() == whole
    assert edited.seek(0, os.SEEK_END) == edited.tell() == len(whole)
    assert edited.read(5) == b""
    for place in range(0, len(whole), 7):
        assert edited.seek(place) == place
        assert edited.read(11) == whole[place : place + 11]
        edited.seek(-3, os.SEEK_CUR)
        assert edited.tell() == min(place + 11, len(whole)) - 3
