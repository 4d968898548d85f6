"""What a file says of the software that wrote it, and the warning that follows."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest

from tests.making.clips import write_clip
from videnhance.cli.report import probe_facts, probe_text
from videnhance.media.reading.software import hint
from videnhance.media.reading.source import probe


@pytest.mark.parametrize(
    "names",
    [("HandBrake 1.7.3 2024020500",), ("obs-output module (OBS Studio)",), ("Lavf60.16.100",)],
)
def test_converters_editors_and_screen_recorders_are_a_hint(names: tuple[str, ...]) -> None:
    said = hint(("Camera v2", *names))
    assert said is not None
    assert names[0] in said
    assert "Camera" not in said
    assert said.endswith("start from the recorder's own file")


@pytest.mark.parametrize("name", ["HiSilicon", "17.1.2", "DAHUA", "com.google.android", ""])
def test_recorders_are_none(name: str) -> None:
    assert hint((name,)) is None
    assert hint(()) is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_x264_is_found_in_what_it_coded(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / f"in{suffix}", codec="libx264")
    assert any(name.startswith("x264 core ") for name in probe(clip).written_by)
    assert "note      the file says that it was written by" in probe_text(probe_facts(clip))


def test_a_file_that_says_nothing_is_not_warned_of(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.avi", codec="mjpeg", pix_fmt="yuvj420p")
    silent = tmp_path / "silent.avi"
    content = clip.read_bytes()
    with av.open(str(clip)) as container:
        for value in container.metadata.values():
            content = content.replace(value.encode(), b"\0" * len(value))
    shutil.copy(clip, silent)
    silent.write_bytes(content)
    assert probe(silent).written_by == ()
    assert "note" not in probe_text(probe_facts(silent))
