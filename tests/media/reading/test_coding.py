"""How coarsely a video was coded, as its decoder and its size tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making.clips import write_clip
from tests.making.timelines import read_timeline
from videnhance.media.info import Coding
from videnhance.media.reading.coding import coding_of
from videnhance.media.reading.source import probe

EXACT = "ipratio=1:pbratio=1:aq-mode=0:mbtree=0:scenecut=0:keyint=10"


def coding(path: Path) -> Coding:
    info = probe(path)
    return coding_of(info, read_timeline(info))


@pytest.mark.parametrize("quantizer", [12, 30, 45])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_tells_the_quantizer_of_h264(tmp_path: Path, quantizer: int, suffix: str) -> None:
    options = {"x264-params": f"qp={quantizer}:{EXACT}"}
    clip = write_clip(tmp_path / f"c.{suffix}", pts=range(40), options=options)
    assert coding(clip).quantizer == quantizer


@pytest.mark.parametrize(
    ("pix_fmt", "more"),
    [
        ("yuv420p10le", ""),
        ("yuv444p", ""),
        ("gray", ""),
        ("yuv420p", ":interlaced=1"),
        ("yuv420p", ":cabac=0:8x8dct=0:bframes=0"),
    ],
)
def test_in_every_kind_of_h264(tmp_path: Path, pix_fmt: str, more: str) -> None:
    options = {"x264-params": f"qp=30:{EXACT}{more}"}
    clip = write_clip(tmp_path / "c.mkv", pts=range(40), pix_fmt=pix_fmt, options=options)
    assert coding(clip).quantizer == 30


def test_looks_at_more_than_the_beginning(tmp_path: Path) -> None:
    params = "crf=20:aq-mode=0:mbtree=0:scenecut=0:keyint=10:zones=0,14,q=50"
    clip = write_clip(tmp_path / "c.mkv", pts=range(80), options={"x264-params": params})
    found = coding(clip).quantizer
    assert found is not None
    assert found < 35


@pytest.mark.parametrize("codec", ["libx265", "mpeg4", "libvpx-vp9"])
def test_of_other_codecs_only_the_bits_a_pixel(tmp_path: Path, codec: str) -> None:
    clip = write_clip(tmp_path / "c.mkv", pts=range(10), codec=codec, size=(96, 64))
    assert coding(clip) == Coding(8 * clip.stat().st_size / (10 * 96 * 64))


@pytest.mark.parametrize("codec", ["ffv1", "mjpeg"])
def test_frames_that_stand_for_themselves_need_ten_times_as_many(
    tmp_path: Path, codec: str
) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = write_clip(tmp_path / "c.mkv", pts=range(10), codec=codec, pix_fmt=pix_fmt)
    assert coding(clip) == Coding(8 * clip.stat().st_size / (10 * 64 * 48) / 10)


def test_a_broken_video_tells_what_it_can(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mkv", pts=range(40), options={"x264-params": f"qp=30:{EXACT}"})
    info = probe(clip)
    timeline = read_timeline(info)
    content = bytearray(clip.read_bytes())
    content[len(content) // 3 :: 7] = b"\x55" * len(content[len(content) // 3 :: 7])
    clip.write_bytes(content)
    found = coding_of(info, timeline).quantizer
    assert found is None or 0 <= found <= 51
