"""A file that lacks what it says it holds is cut off, however its times look."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.making.clips import add_video, picture, write_clip
from tests.making.kinds import unknown_clusters
from videnhance.errors import TruncatedError
from videnhance.media.reading.source import open_source, probe
from videnhance.media.repair.extent import bytes_missing
from videnhance.media.repair.recording import recording_of
from videnhance.settings.groups import SourceSettings

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def clip(path: Path, form: str, codec: str, options: dict[str, str] | None = None) -> Path:
    """30 frames, a keyframe every ten."""
    with av.open(str(path), "w", format=form, options=options or {}) as container:
        stream = add_video(container, codec, options={"g": "10"})
        for index in range(30):
            frame = picture(index, 64, 48)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "form", "options"),
    [
        ("in.mp4", "mp4", {"movflags": "faststart"}),
        ("in.mov", "mov", FRAGMENTS),
        ("in.avi", "avi", {}),
        ("in.mkv", "matroska", {}),
        ("in.wmv", "asf", {}),
    ],
)
def test_what_is_missing_is_known_to_the_byte(
    tmp_path: Path, name: str, form: str, options: dict[str, str]
) -> None:
    path = clip(tmp_path / name, form, "mpeg4", options)
    with open_source(path) as container:
        kind = container.format.name
    whole = path.read_bytes()
    assert bytes_missing(path, kind) == 0
    path.write_bytes(whole + b"more, of no kind")  # as some tools leave it
    assert bytes_missing(path, kind) == 0
    for lost in (1, 50):
        path.write_bytes(whole[: len(whole) - lost])
        assert bytes_missing(path, kind) == lost
    for size in range(0, 120, 7):  # cut off in its headers, or lengths without sense
        for rest in (b"", b"\xff" * 64, b"\x7f" * 64):
            path.write_bytes(whole[:size] + rest)
            assert bytes_missing(path, kind) >= 0


def test_sizes_that_are_not_told(tmp_path: Path) -> None:
    path = clip(tmp_path / "in.ts", "mpegts", "mpeg4")
    path.write_bytes(path.read_bytes()[:-2000])
    assert bytes_missing(path, "mpegts") == 0


@pytest.mark.parametrize("clusters", [False, True])
def test_of_a_segment_without_a_size_the_last_element_tells(tmp_path: Path, clusters: bool) -> None:
    path = clip(tmp_path / "live.mkv", "matroska", "mpeg4", {"live": "1"})
    if clusters:
        path = unknown_clusters(tmp_path / "in.mkv", path)
    whole, kind = path.read_bytes(), "matroska,webm"
    assert bytes_missing(path, kind) == 0
    for lost in (1, 30):
        path.write_bytes(whole[: len(whole) - lost])
        assert bytes_missing(path, kind) == lost
    path.write_bytes(whole + b"more, of no kind")
    assert bytes_missing(path, kind) == 0


def test_a_recording_in_fragments_that_is_cut_off(tmp_path: Path) -> None:
    path = clip(tmp_path / "in.mp4", "mp4", "mpeg4", FRAGMENTS)
    assert recording_of(probe(path)).findings == ()
    whole = path.read_bytes()
    last = whole.rindex(b"mdat")
    size = int.from_bytes(whole[last - 4 : last], "big")
    path.write_bytes(whole[: last - 4 + size - 40])
    found = recording_of(probe(path))
    assert 20 < len(found.timeline) <= 30
    assert "the file lacks its last 40 bytes: it is probably cut off" in found.findings[-1].text
    with pytest.raises(TruncatedError, match=r"cut off.*--strict"):
        recording_of(probe(path), SourceSettings(strict=True))


def test_an_index_in_front_tells_how_many_frames_are_missing(tmp_path: Path) -> None:
    path = clip(tmp_path / "in.mp4", "mp4", "mpeg4", {"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    found = recording_of(probe(path))
    assert f"the file holds {len(found.timeline)} of 30 frames" in found.findings[-1].text


def test_a_picture_that_ends_long_before_the_sound(tmp_path: Path) -> None:
    # All of the sound is stored in front.
    path = write_clip(
        tmp_path / "in.avi", pts=range(30), codec="mjpeg", pix_fmt="yuvj420p", audio="pcm_s16le"
    )
    whole = path.read_bytes()
    assert recording_of(probe(path)).findings == ()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    found = recording_of(probe(path))
    count = len(found.timeline)
    assert 0 < count < 25
    (last,) = [finding for finding in found.findings if finding.kind == "cut off"]
    assert "of 30 frames" in last.text
