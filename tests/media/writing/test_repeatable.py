"""The same frames become the same packets, whatever the process did before."""

from __future__ import annotations

import ctypes
import random
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream

from tests.making.clips import packets, picture
from videnhance.imaging.frames import Frame
from videnhance.media.info import ColorTags
from videnhance.media.reading.decoding import to_frame
from videnhance.media.writing.codecs import (
    CODECS,
    X264_THREADS,
    encoder_options,
    repeatable,
)
from videnhance.media.writing.segment import Encoding, SegmentWriter


def leave_behind(byte: int) -> None:
    """Memory full of one byte, given back to the allocator, which hands it out again as it is."""
    memory = ctypes.CDLL(None)
    memory.malloc.restype, memory.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    memory.free.restype, memory.free.argtypes = None, [ctypes.c_void_p]
    chance = random.Random(byte)
    tops = [1_000, 5_000, 20_000, 70_000, 120_000]  # above, the system gives fresh memory
    sizes = [chance.randrange(64, chance.choice(tops)) for _ in range(2000)]
    blocks = [(memory.malloc(size), size) for size in sizes]
    for place, size in blocks:
        ctypes.memset(place, byte, size)
    for place, _ in chance.sample(blocks, len(blocks)):
        memory.free(place)


@pytest.mark.skipif(sys.platform == "win32", reason="its C library is named otherwise")
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_what_memory_held_before_tells_in_no_packet(tmp_path: Path, codec: str) -> None:
    # With AVX-512, x264 looks at memory that it never wrote: there this fails without `repeatable`.
    row = CODECS[codec]
    encoding = Encoding(
        encoder=row.encoder,
        segment_format=row.segment_format,
        options=encoder_options(row, None, None),
        pix_fmt="yuv420p",
        width=64,
        height=48,
        time_base=Fraction(1, 25),
        rate=Fraction(25),
        sample_aspect_ratio=None,
        color=ColorTags(),
    )
    frames: list[Frame] = [to_frame(picture(k, 64, 48), k, k, "yuv420p") for k in range(50)]
    written = []
    for number in range(4):
        path = tmp_path / f"{number}.mp4"
        with SegmentWriter(path, encoding, 0) as writer:
            for frame in frames:
                writer.write(frame)
        written.append(packets(path, "video"))
        leave_behind(255)
    assert all(other == written[0] for other in written)


def test_the_number_of_cores_tells_in_no_packet(tmp_path: Path) -> None:
    """x264 would cut each frame into as many slices as there are cores."""
    row = CODECS["h264"]
    options = repeatable(row.encoder, encoder_options(row, None, None))
    path = tmp_path / "one.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(row.encoder, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for k in range(3):
            frame = picture(k, 320, 240)
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        assert stream.codec_context.thread_count == int(X264_THREADS)
    for packet in packets(path, "video"):
        slices, data = 0, bytes(packet)
        while data:  # units, each after its length
            length = int.from_bytes(data[:4], "big")
            slices += data[4] & 31 in (1, 5)
            data = data[4 + length :]
        assert slices == 1
