"""Every way in which a decoder hands over samples, to FFV1 and back: no bit may be lost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.making.clips import write_clip
from tests.making.odd_clips import frames_of, samples
from videnhance.errors import UsageError
from videnhance.media.info import ColorTags, VideoInfo
from videnhance.media.reading.decoding import to_frame
from videnhance.media.reading.source import probe
from videnhance.media.writing.codecs import CODECS, encoder_options
from videnhance.media.writing.formats import working_format
from videnhance.media.writing.segment import Encoding, SegmentWriter

FORMATS = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuvj420p"),
    *("yuvj422p", "yuvj444p", "yuvj440p", "yuvj411p"),
    *("nv12", "nv21", "nv16", "nv24", "nv42", "p010le", "p012le"),
    *("p016le", "p210le", "p410le", "nv20le", "yuyv422", "uyvy422", "yvyu422"),
    *(
        "yuv420p9le",
        "yuv420p10le",
        "yuv420p12le",
        "yuv420p14le",
        "yuv420p16le",
        "yuv422p10le",
        "yuv422p12le",
    ),
    *("yuv422p16le",),
    *(
        "yuv444p10le",
        "yuv444p12le",
        "yuv444p14le",
        "yuv444p16le",
        "yuv440p10le",
        "yuv440p12le",
        "yuv420p10be",
    ),
    *("yuv422p10be",),
    *(
        "yuv444p16be",
        "yuva420p",
        "yuva422p",
        "yuva444p",
        "yuva420p10le",
        "yuva444p10le",
        "yuva444p16le",
    ),
    *("vuya",),
    *("gray", "gray9le", "gray10le", "gray12le", "gray14le", "gray16le", "gray10be"),
    *("gray16be", "ya8", "ya16le", "ya16be"),
    *("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb0"),
    *("bgr0", "0rgb", "0bgr", "gbrp", "gbrap", "pal8", "rgb48le"),
    *("rgb48be", "bgr48le"),
    *("rgba64le", "rgba64be", "gbrp9le", "gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le"),
    *("gbrap10le", "gbrap12le", "gbrap16le"),
)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    return probe(write_clip(tmp_path_factory.mktemp("any") / "in.mkv"))


def noise(pix_fmt: str, size: tuple[int, int]) -> VideoFrame:
    """A picture of random samples over the whole range of the format."""
    random = np.random.default_rng(5)
    frame = VideoFrame(*size, pix_fmt)
    form = frame.format
    bits = form.components[0].bits
    for index, plane in enumerate(frame.planes):
        if bits == 8:
            data = random.integers(0, 256, plane.buffer_size, dtype=np.uint8)
            if pix_fmt == "pal8" and index == 1:
                data[3::4] = 255
        else:
            data = random.integers(0, 1 << bits, plane.buffer_size // 2, dtype=np.uint16)
            if pix_fmt.startswith(("p0", "p2", "p4")):
                data <<= 16 - bits
            data = data.byteswap() if form.is_big_endian else data
        plane.update(data.tobytes())
    return frame


@pytest.mark.parametrize("size", [(64, 48), (35, 33)], ids=["even", "odd"])
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_every_sample_comes_back(
    tmp_path: Path, info: VideoInfo, pix_fmt: str, size: tuple[int, int]
) -> None:
    picture = noise(pix_fmt, size)
    row = CODECS["ffv1"]
    own = replace(info, pix_fmt=pix_fmt, width=size[0], height=size[1])
    kept = working_format(own, row)
    encoding = Encoding(
        *(row.encoder, row.segment_format, encoder_options(row, None, None), kept, *size),
        *(Fraction(1, 25), Fraction(25), None, ColorTags()),
    )
    with SegmentWriter(tmp_path / "00000.mp4", encoding, 0) as writer:
        writer.write(to_frame(picture, 0, 0, kept))
    (back,) = frames_of(tmp_path / "00000.mp4")
    was, now = samples(picture), samples(back)
    if set(was) <= {"Y", "A"} and "Y" not in now:
        was = {"R": was["Y"], "G": was["Y"], "B": was["Y"], "A": was["A"]}
    for letter, plane in was.items():
        np.testing.assert_array_equal(now[letter], plane)
    if "A" in now and "A" not in was:
        assert now["A"].min() == (1 << back.format.components[-1].bits) - 1


def test_x265_is_not_given_pictures_that_end_the_process(tmp_path: Path) -> None:
    """libx265 4.2 writes beyond its memory where pictures are 34 to 48 pixels wide."""
    narrow = probe(write_clip(tmp_path / "narrow.mkv", size=(46, 64)))
    with pytest.raises(UsageError, match="less than 64 pixels in width, and these have 46; try h2"):
        working_format(narrow, CODECS["h265"])
    assert working_format(narrow, CODECS["h265"], scale=2) == "yuv420p"
    assert working_format(narrow, CODECS["h264"]) == "yuv420p"
