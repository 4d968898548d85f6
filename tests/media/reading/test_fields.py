"""H.264 whose fields are pictures of their own: frames are counted, not packets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.making.clips import decoded, times, write_clip
from tests.making.kinds import paff
from tests.making.settings import UNCHANGED
from videnhance import enhance
from videnhance.cli.report import probe_facts
from videnhance.media.reading.fields import Fields
from videnhance.settings.groups import SourceSettings

STRICT = replace(UNCHANGED, source=SourceSettings(strict=True))


def pictures(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(k).integers(16, 235, (64, 64), np.uint8) for k in range(count)]


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("form", ["mpegts", "matroska", "mp4"])
def test_a_frame_is_two_packets(tmp_path: Path, form: str) -> None:
    frames = pictures(10)
    source = paff(tmp_path / "in", frames, form)
    facts = probe_facts(source)
    assert facts["problem"] is None
    assert facts["video"]["average_rate"] == "25"
    timing = facts["video"]["timing"]
    assert (timing["frames"], timing["keyframes"]) == (10, 1)
    assert timing["end"] == pytest.approx(0.4, abs=0.001)
    assert timing["constant_rate"]
    summary = enhance(source, tmp_path / "out.mkv", STRICT)
    assert summary.check is not None
    assert summary.check.witnessed == 10
    assert not any("hold no frame" in note for note in summary.notes)
    assert times(tmp_path / "out.mkv") == [Fraction(k, 25) for k in range(10)]
    for frame, planes in zip(frames, decoded(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(planes[0], frame)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].average_rate == 25


@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
@pytest.mark.parametrize("params", ["tff=1", "tff=1:slices=3", "nr=0", "cqm=jvt:tff=1"])
def test_frames_of_two_interleaved_fields_are_no_fields(
    tmp_path: Path, suffix: str, params: str
) -> None:
    source = write_clip(tmp_path / f"in{suffix}", options={"x264-params": params}, size=(64, 64))
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        is_second = Fields(stream)
        assert not any(is_second(packet) for packet in container.demux(stream) if packet.size)
    assert probe_facts(source)["video"]["timing"]["frames"] == 12


def test_a_field_alone_takes_no_other_for_its_second(tmp_path: Path) -> None:
    """A field that is lost leaves its frame's other one as a frame."""
    source = paff(tmp_path / "in.ts", pictures(6))
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        is_second = Fields(stream)
        kept = [p for k, p in enumerate(p for p in container.demux(stream) if p.size) if k != 4]
        assert [is_second(packet) for packet in kept] == [
            *(False, True) * 2,
            *(False,) * 2,
            True,
            *(False, True) * 2,
        ]


@pytest.mark.usefixtures("square_detector")
def test_strict_refuses_packets_without_frames_only_where_a_frame_is_lost(tmp_path: Path) -> None:
    source = paff(tmp_path / "in.ts", pictures(6))
    # A stream whose parameter set is not found is decoded to find out.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fields, "__call__", lambda self, packet: False)
        summary = enhance(source, tmp_path / "out.mkv", STRICT)
    assert summary.frames == 6
    assert any("6 packets hold no frame of their own" in note for note in summary.notes)
