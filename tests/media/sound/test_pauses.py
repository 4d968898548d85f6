"""Pauses in PCM: silence in the containers that hold nothing but its samples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.making.clips import add_sound, add_video, packets
from tests.making.settings import UNCHANGED
from videnhance.cli.report import summary_text
from videnhance.job.run import enhance
from videnhance.settings.groups import (
    OutputSettings,
    PartSettings,
)

RATE, STEP = 8000, 320  # samples of a second, and of a packet, as long as a frame
PAUSED = range(8, 13)
"""The packets that were never recorded: 0.32 to 0.52 s."""


def write_paused(path: Path, codec: str, paused: range = PAUSED, jitter: int = 0) -> Path:
    """Forty frames with a tone that pauses; every third piece of it `jitter` samples late."""
    with av.open(str(path), "w") as container:
        video = add_video(container, "mjpeg", pix_fmt="yuvj420p")
        audio = add_sound(container, codec, RATE)
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * index, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
            wave = 8000 + 4000 * np.sin(np.arange(index * STEP, (index + 1) * STEP) / 5)
            tone = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
            tone.sample_rate, tone.pts = RATE, index * STEP
            for packet in audio.encode(tone):
                if index % 3 == 2:
                    packet.pts = packet.dts = (packet.pts or 0) + jitter
                if index not in paused:
                    container.mux(packet)
        container.mux([*video.encode(None), *audio.encode(None)])
    return path


def heard(path: Path) -> NDArray[np.float64]:
    """All samples of the first sound, -1 to 1."""
    with av.open(str(path)) as container:
        graph = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [f for frame in container.decode(audio=0) for f in graph.resample(frame)]
        return np.concatenate([f.to_ndarray()[0] for f in frames]).astype(np.float64)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("pcm_s16le", ".mp4"), ("pcm_u8", ".mov"), ("pcm_mulaw", ".mov"), ("pcm_alaw", ".mov")],
)
def test_what_follows_a_pause_stays_in_time(tmp_path: Path, codec: str, suffix: str) -> None:
    source = write_paused(tmp_path / "in.nut", codec)
    out = tmp_path / f"out{suffix}"
    summary = enhance(source, out, replace(UNCHANGED, output=OutputSettings(preset="ultrafast")))
    assert summary.check is not None
    assert summary.check.silence == pytest.approx(0.2, abs=0.001)
    assert "pauses of 0.200 s are silence" in summary_text(summary)
    found = heard(out)
    assert len(found) == 40 * STEP
    tone = (8000 + 4000 * np.sin(np.arange(40 * STEP) / 5)) / 32768
    tone[PAUSED.start * STEP : PAUSED.stop * STEP] = 0
    assert np.abs(found - tone).max() < (0.001 if codec == "pcm_s16le" else 0.02)


@pytest.mark.usefixtures("square_detector")
def test_a_part_that_begins_in_a_pause(tmp_path: Path) -> None:
    source = write_paused(tmp_path / "in.mkv", "pcm_s16le")
    out = tmp_path / "out.mp4"
    enhance(source, out, replace(UNCHANGED, part=PartSettings("10f", "20f")))
    found = heard(out)
    assert len(found) == 10 * STEP
    assert not found[: 3 * STEP].any()
    assert np.abs(found[3 * STEP :]).min() > 0.1


@pytest.mark.usefixtures("square_detector")
def test_matroska_keeps_the_pause_itself(tmp_path: Path) -> None:
    source = write_paused(tmp_path / "in.mkv", "pcm_s16le")
    out = tmp_path / "out.mkv"
    summary = enhance(source, out, UNCHANGED)
    assert summary.check is not None
    assert summary.check.silence == 0
    assert packets(out, "audio") == packets(source, "audio")


@pytest.mark.usefixtures("square_detector")
def test_jitter_is_no_pause(tmp_path: Path) -> None:
    source = write_paused(tmp_path / "in.nut", "pcm_s16le", range(0), jitter=RATE // 100)
    out = tmp_path / "out.mp4"
    summary = enhance(source, out, UNCHANGED)
    assert summary.check is not None
    assert summary.check.silence == 0
    assert summary.check.offset == pytest.approx(0.01)
    assert b"".join(packets(out, "audio")) == b"".join(packets(source, "audio"))
