"""What coding leaves, as each codec tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making.clips import write_clip
from tests.making.timelines import read_timeline
from videnhance.media.reading.quantizers import (
    MOST,
    coded_variance,
    h264_variance,
    jpeg_variance,
)
from videnhance.media.reading.source import probe
from videnhance.portraits.noise import coding_noise


def variance(path: Path) -> float | None:
    info = probe(path)
    return coded_variance(info, read_timeline(info))


def jpeg(steps: list[int], *, wide: bool = False, table: int = 1) -> bytes:
    """The headers of a JPEG picture whose luma has these 64 steps, as table number 1; number 0,
    which is that of its chroma, has steps of 255."""
    size = 2 if wide else 1
    own = bytes([16 * wide + table]) + b"".join(step.to_bytes(size, "big") for step in steps)
    tables = bytes([0]) + bytes([255] * 64) + own
    frame = bytes([8, 0, 16, 0, 16, 3, 1, 0x22, 1, 2, 0x11, 0, 3, 0x11, 0])
    parts = [(0xDB, tables), (0xC0, frame), (0xDA, b"\x03")]
    segments = (bytes([0xFF, m]) + (len(c) + 2).to_bytes(2, "big") + c for m, c in parts)
    return b"\xff\xd8" + b"".join(segments) + b"\x12\x34"


def test_jpeg_tells_it_by_the_table_of_its_luma() -> None:
    assert jpeg_variance(jpeg([6] * 64)) == pytest.approx(3.0)
    assert jpeg_variance(jpeg([6] * 32 + [12] * 32)) == pytest.approx(7.5)
    assert jpeg_variance(jpeg([600] * 64, wide=True)) == MOST


@pytest.mark.parametrize(
    "picture", [b"", b"\xff\xd8", jpeg([6] * 64)[:40], jpeg([6] * 64, table=3), b"\xff" * 99]
)
def test_a_jpeg_that_is_broken_off_tells_nothing(picture: bytes) -> None:
    assert jpeg_variance(picture) is None


def test_a_coarser_mjpeg_is_told_by_its_packets(tmp_path: Path) -> None:
    found = [
        variance(
            write_clip(
                tmp_path / f"{step}.avi",
                pts=range(3),
                codec="mjpeg",
                pix_fmt="yuvj420p",
                options={"qmin": str(step), "qmax": str(step)},
            )
        )
        for step in (2, 4, 8)
    ]
    assert found[0] is not None
    assert 1 < found[0] < found[1] < found[2] < MOST  # type: ignore[operator]


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video"])
def test_mpeg_tells_the_step(tmp_path: Path, codec: str) -> None:
    options = {"qmin": "5", "qmax": "5"}
    clip = write_clip(tmp_path / "c.avi", pts=range(6), codec=codec, options=options)
    assert variance(clip) == pytest.approx(10**2 / 12)


def test_h264_tells_its_quantizer(tmp_path: Path) -> None:
    options = {"x264-params": "qp=22:ipratio=1:pbratio=1:aq-mode=0"}
    clip = write_clip(tmp_path / "c.mp4", pts=range(6), options=options)
    assert variance(clip) == pytest.approx(2**6 / 12)


def test_h265_does_not_and_one_of_middling_quality_is_assumed(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mkv", pts=range(4), codec="libx265", size=(96, 64))
    info = probe(clip)

    found = coding_noise(info, read_timeline(info))

    assert coded_variance(info, read_timeline(info)) is None
    assert not found.told
    assert found.variance == h264_variance(28)


def test_lossless_video_has_none(tmp_path: Path) -> None:
    info = probe(write_clip(tmp_path / "c.mkv", pts=range(4), codec="ffv1"))

    found = coding_noise(info, read_timeline(info))

    assert found.told
    assert found.variance == 0
